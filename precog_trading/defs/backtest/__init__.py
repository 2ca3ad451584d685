"""Backtests in Dagster: one asset by league and season, and the audit that tries to fool it."""
