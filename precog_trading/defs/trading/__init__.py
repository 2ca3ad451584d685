"""The trading tick as Dagster sees it: assets, checks, job and sensor."""
