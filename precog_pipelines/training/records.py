"""Recorded walk-forwards, found again: which fits exist, what they predicted out of sample.

The database says which seasons are complete, MLflow holds the files; the identity of the
walk-forward joins both. Nothing here fits or writes.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.tracking.runs import Tracking

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS_FILE = "predictions.parquet"
IMPORTANCE_FILE = "importance.json"


@dataclass(frozen=True)
class SeasonRun:
    """One fit of one season as the database has it; ``status`` is running or completed."""

    training_run_id: int
    mlflow_run_id: str
    status: str
    season: int
    trained_until: datetime


@dataclass(frozen=True)
class Record:
    """A completed walk-forward, seasons ascending. ``created`` False: it was there already."""

    model_id: int
    walk_forward: str
    parent_run_id: str
    experiment_id: str
    seasons: tuple[SeasonRun, ...]
    created: bool = False

    @property
    def latest(self) -> SeasonRun:
        """The fit for the last season: the one that is registered."""
        return self.seasons[-1]

    def run_of(self, season: int) -> SeasonRun | None:
        """The fit that predicts ``season``, if there is one."""
        return next((run for run in self.seasons if run.season == season), None)


def stored_runs(db: Database, model_id: int, walk_forward: str) -> list[SeasonRun]:
    """The running and completed fits of a walk-forward by season; failed attempts do not count."""
    with db.connection() as conn:
        rows = load_queries("training").runs_of_walk_forward(
            conn, model_id=model_id, walk_forward=walk_forward
        )
        return [SeasonRun(*row) for row in rows]


def finished_parent(tracking: Tracking, experiment_id: str, walk_forward: str) -> str | None:
    """The MLflow run that holds the whole walk-forward, once everything was logged to it."""
    run = tracking.runs_of_group(experiment_id, walk_forward, walk_forward).get(walk_forward)
    return run.info.run_id if run is not None and run.info.status == "FINISHED" else None


def find_record(db: Database, tracking: Tracking, model_id: int, walk_forward: str) -> Record:
    """A completed walk-forward by its identity; PrecogError when it is not complete."""
    runs = [run for run in stored_runs(db, model_id, walk_forward) if run.status == "completed"]
    if runs:
        experiment_id = tracking.client().get_run(runs[0].mlflow_run_id).info.experiment_id
        parent = finished_parent(tracking, experiment_id, walk_forward)
        if parent is not None:
            return Record(model_id, walk_forward, parent, experiment_id, tuple(runs))
    raise PrecogError(
        f"model {model_id} has no completed walk-forward {walk_forward[:12]}; materialise the "
        "asset that trains it again: it continues where it was interrupted"
    )


def latest_record(db: Database, tracking: Tracking, model_id: int) -> Record | None:
    """The newest completed walk-forward of a model version, or None."""
    with db.connection() as conn:
        row = load_queries("training").latest_walk_forward(conn, model_id=model_id)
    return None if row is None else find_record(db, tracking, model_id, row[0])


def record_of_run(db: Database, tracking: Tracking, mlflow_run_id: str) -> Record:
    """The walk-forward that a season's MLflow run belongs to.

    Raises PrecogError when this database does not know the run: registry and database then come
    from different installations.
    """
    with db.connection() as conn:
        row = load_queries("training").walk_forward_of_run(conn, mlflow_run_id=mlflow_run_id)
    if row is None:
        raise PrecogError(
            f"MLflow run {mlflow_run_id} is not in model_training_runs; MLFLOW_TRACKING_URI and "
            "the database belong to different installations"
        )
    return find_record(db, tracking, int(row[0]), row[1])


def out_of_sample(tracking: Tracking, record: Record) -> "pd.DataFrame":
    """The predictions a walk-forward is judged by, from its parent run's Parquet file.

    Columns: game_id, game_key, season, kickoff_at, home_win, p_raw, p_home.
    """
    import pandas as pd

    with TemporaryDirectory() as folder:
        path = tracking.client().download_artifacts(record.parent_run_id, PREDICTIONS_FILE, folder)
        return pd.read_parquet(path)


def importance(tracking: Tracking, record: Record) -> dict[str, float]:
    """Mean share of the gain per feature; empty for a model without features."""
    with TemporaryDirectory() as folder:
        path = tracking.client().download_artifacts(record.parent_run_id, IMPORTANCE_FILE, folder)
        return json.loads(Path(path).read_text())


def artifact(tracking: Tracking, record: Record, name: str) -> bytes | None:
    """A file of the parent run, such as ``reliability.png``; None when it has no such file."""
    client = tracking.client()
    if name not in {file.path for file in client.list_artifacts(record.parent_run_id)}:
        return None
    with TemporaryDirectory() as folder:
        return Path(client.download_artifacts(record.parent_run_id, name, folder)).read_bytes()
