"""Floor 1: database, configuration, prices. Knows neither Dagster, MLflow nor XGBoost."""
