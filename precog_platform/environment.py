"""What a Dagster or MLflow process of this home needs to know, as environment variables.

``dagster.yaml`` reads the database address and folders from here, so the same file serves the
embedded server, an external one, tests and a container.
"""

import os
import shutil
from pathlib import Path

from precog_core.database import Database
from precog_core.paths import resource


def dagster_home(home: Path) -> Path:
    """The instance folder of a home."""
    return home / "dagster"


def process_environment(database: Database, home: Path) -> dict[str, str]:
    """The caller's environment plus what our processes need; writes nothing."""
    return {
        **os.environ,
        "PRECOG_HOME": str(home),
        "DAGSTER_HOME": str(dagster_home(home)),
        "PRECOG_DAGSTER_URL": database.url("dagster", driver="psycopg2"),
        "PRECOG_COMPUTE_LOGS": str(home / "dagster" / "compute_logs"),
        "PYTHONUNBUFFERED": "1",
        # Folds and seasons run in threads; nested thread pools only fight over two cores.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        # The tracking server would start ten job workers that nothing here uses.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def prepare_dagster_home(home: Path) -> None:
    """Create the instance folder and put the shipped ``dagster.yaml`` there when it is absent.

    A file the user edited stays; deleting it brings the shipped one back.
    """
    folder = dagster_home(home)
    (folder / "compute_logs").mkdir(parents=True, exist_ok=True)
    target = folder / "dagster.yaml"
    if not target.exists():
        partial = folder / "dagster.yaml.new"
        shutil.copyfile(resource("dagster.yaml"), partial)
        partial.rename(target)


def mlflow_artifacts(home: Path) -> Path:
    """Folder of plots, models and Parquet files that MLflow runs log."""
    folder = home / "mlflow" / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
