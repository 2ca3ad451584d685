"""What both code locations say to Dagster the same way: connections, partitions, pages, alerts."""
