"""What Dagster sees of trading: the tick, its checks, its sensor, the report."""
