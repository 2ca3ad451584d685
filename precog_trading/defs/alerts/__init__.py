"""Alerts as Dagster sees them: the asset, its checks, the sensors that find and deliver."""
