"""Floor 2: how facts become predictions. Dagster code location ``pipelines``; never imports trading."""
