"""The tracking store as a Dagster resource. Nothing is opened before an asset asks for it."""

import os
from pathlib import Path

import dagster as dg

from precog_core.database import Database
from precog_core.paths import home


class MlflowResource(dg.ConfigurableResource):
    """Where experiments, runs and registered models are recorded.

    Runs write to the tracking database directly, so that training works with or without the
    tracking server; the server shows the same records. ``MLFLOW_TRACKING_URI`` overrides.
    """

    def tracking_uri(self) -> str:
        """``MLFLOW_TRACKING_URI``, else the ``mlflow`` database of this installation."""
        return os.environ.get("MLFLOW_TRACKING_URI") or Database.from_environment().url(
            "mlflow", driver="psycopg2"
        )

    def artifact_root(self) -> Path:
        """Folder of plots, models and Parquet files: ``$PRECOG_HOME/mlflow/artifacts``."""
        root = home() / "mlflow" / "artifacts"
        root.mkdir(parents=True, exist_ok=True)
        return root

    def ui_url(self) -> str:
        """Where a person sees the runs; the address that ``precog up`` serves by default."""
        return os.environ.get("PRECOG_MLFLOW_UI_URL") or "http://127.0.0.1:5000"
