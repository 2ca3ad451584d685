"""Recording a walk-forward: one MLflow run and one database row per season, under one parent run.

Works the same for boosted trees and for Elo passes. Every run and row carries an identity, the
hash of all that determines the fit: model version, dataset content, seed, parameters, commit and
season. A killed process leaves ``running`` rows and MLflow runs; the next call finds both by
identity, fits again (the same bytes) and completes the same rows. What is completed already is
returned without fitting. A failure is recorded as such, and the next call starts new runs.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from precog_core.build_info import git_dirty, git_sha
from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_pipelines.tracking import models as mlflow_models
from precog_pipelines.tracking.runs import (
    DAGSTER_RUN_TAG,
    GROUP_TAG,
    IDENTITY_TAG,
    NOTE_TAG,
    PARENT_TAG,
    MetricRow,
    Tracking,
    without_hints,
)
from precog_pipelines.training.records import (
    IMPORTANCE_FILE,
    PREDICTIONS_FILE,
    Record,
    finished_parent,
    stored_runs,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Subject:
    """What is fitted: a model version on a dataset, with everything that decides the outcome.

    ``params`` are the hyper-parameters, ``seasons`` those that get a fit; ``feature_versions``
    names features with versions. ``sha256`` is the dataset's content, ``manifest`` its story,
    ``dataset_frame`` its rows and ``dataset_path`` its file.
    """

    league: str
    family: str
    model_id: int
    model_name: str
    model_version: str
    dataset_id: int
    dataset_name: str
    dataset_version: str
    sha256: str
    manifest: Mapping[str, Any]
    dataset_frame: "pd.DataFrame"
    dataset_path: Path
    params: Mapping[str, Any]
    feature_versions: str
    seed: int
    dagster_run_id: str | None

    def walk_forward(self, seasons: Sequence[int]) -> str:
        """The identity of the whole walk-forward, 64 hex digits."""
        return _digest(
            {
                "model": [self.model_name, self.model_version],
                "dataset": self.sha256,
                "seasons": list(seasons),
                "seed": self.seed,
                "params": dict(self.params),
                "git_sha": git_sha(),
            }
        )


@dataclass(frozen=True)
class SeasonPlan:
    """One season's fit before it happens."""

    season: int
    trained_until: datetime
    train_rows: int


@dataclass(frozen=True)
class LoggedModel:
    """A model to store with a run: files written by ``save``, read back by ``loader_module``."""

    loader_module: str
    save: Callable[[Path], None]
    example: "pd.DataFrame"
    output: "pd.DataFrame"


@dataclass(frozen=True)
class SeasonFit:
    """What one season's fit gave. ``model`` None: only its predictions are kept."""

    season: int
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    model: LoggedModel | None = None


@dataclass(frozen=True)
class Outcome:
    """What a whole walk-forward gave.

    ``predictions``: game_id, game_key, season, kickoff_at, home_win, p_raw, p_home; one row per
    game that was out of sample. ``metrics``, ``figures`` and ``tables`` belong to
    the parent run.
    """

    fits: Sequence[SeasonFit]
    predictions: "pd.DataFrame"
    metrics: Sequence[MetricRow]
    figures: Mapping[str, "Figure"]
    note: str
    importance: Mapping[str, float] = field(default_factory=dict)
    tables: "Mapping[str, pd.DataFrame]" = field(default_factory=dict)


@dataclass(frozen=True)
class _Attempt:
    """The open runs of one call; ``resumed`` holds those an earlier, killed call left."""

    group: str
    parent_run_id: str
    run_ids: Mapping[int, str]
    resumed: frozenset[str]


def record(
    db: Database,
    tracking: Tracking,
    subject: Subject,
    plans: Sequence[SeasonPlan],
    fit: Callable[[], Outcome],
) -> Record:
    """The recorded walk-forward of ``subject``, fitting only when it is not complete yet.

    ``fit`` must be a pure function; it runs at most once. Errors of ``fit`` or of logging mark
    the unfinished rows and runs as failed and are raised again.
    """
    group = subject.walk_forward([plan.season for plan in plans])
    # Two processes with the same fit would otherwise both open runs for it.
    with _only_one(db, group):
        experiment_id = tracking.experiment(subject.league, subject.family)
        existing = stored_runs(db, subject.model_id, group)
        done = {run.season for run in existing if run.status == "completed"}
        if done == {plan.season for plan in plans}:
            parent = finished_parent(tracking, experiment_id, group)
            if parent is not None:
                return Record(subject.model_id, group, parent, experiment_id, tuple(existing))
        attempt = _open_runs(db, tracking, subject, plans, experiment_id, group)
        try:
            outcome = fit()
            for season_fit in outcome.fits:
                if season_fit.season not in done:
                    _complete_season(db, tracking, subject, season_fit, attempt)
            _log_parent(tracking, subject, outcome, attempt)
        except Exception as error:
            _mark_failed(db, tracking, attempt, error)
            raise
        completed = stored_runs(db, subject.model_id, group)
        return Record(
            subject.model_id,
            group,
            attempt.parent_run_id,
            experiment_id,
            tuple(completed),
            created=True,
        )


def _open_runs(
    db: Database,
    tracking: Tracking,
    subject: Subject,
    plans: Sequence[SeasonPlan],
    experiment_id: str,
    group: str,
) -> _Attempt:
    """MLflow runs and ``running`` rows for every season.

    The MLflow run comes first: a row must name it. A process killed in between leaves a run that
    the next call finds by its tag.
    """
    queries = load_queries("training")
    found = tracking.runs_of_group(experiment_id, group)
    with db.connection() as conn:
        failed = queries.failed_runs(conn, model_id=subject.model_id, walk_forward=group)
        spent = {run_id for (run_id,) in failed}
    tags = _tags(subject, group)

    def run_for(
        identity: str, name: str, more: Mapping[str, str], parent: str | None = None
    ) -> str:
        run = found.get(identity)
        if run is not None and run.info.run_id not in spent:
            if parent and run.data.tags.get(PARENT_TAG) != parent:
                tracking.client().set_tag(run.info.run_id, PARENT_TAG, parent)
            return run.info.run_id
        every = tags | dict(more) | {IDENTITY_TAG: identity}
        return tracking.start_run(experiment_id, name, every, parent)

    league, first, last = subject.league, plans[0].season, plans[-1].season
    parent_run_id = run_for(group, f"{league} {first}–{last}", {"partition": league})
    run_ids = {
        plan.season: run_for(
            _identity(group, plan.season),
            f"{league} {plan.season}",
            {"partition": f"{league}|{plan.season}", "season": str(plan.season)},
            parent_run_id,
        )
        for plan in plans
    }
    with db.transaction() as conn:
        for plan in plans:
            queries.insert_training_run(
                conn,
                model_id=subject.model_id,
                dataset_id=subject.dataset_id,
                mlflow_run_id=run_ids[plan.season],
                dagster_run_id=subject.dagster_run_id,
                git_sha=git_sha(),
                seed=subject.seed,
                trained_until=plan.trained_until,
                params=Jsonb(
                    {
                        **subject.params,
                        "identity": _identity(group, plan.season),
                        "walk_forward": group,
                        "season": plan.season,
                        "folds": len(plans),
                        "train_rows": plan.train_rows,
                        "family": subject.family,
                    }
                ),
            )
    resumed = frozenset(run.info.run_id for run in found.values())
    return _Attempt(group, parent_run_id, run_ids, resumed)


def _complete_season(
    db: Database, tracking: Tracking, subject: Subject, fit: SeasonFit, attempt: _Attempt
) -> None:
    run_id = attempt.run_ids[fit.season]
    params = _flat(subject.params) | dict(fit.params)
    model_id = None
    if fit.model is not None:
        tracking.log(run_id, params=params)
        params = {}
        with TemporaryDirectory() as folder:
            fit.model.save(Path(folder) / "model")
            model_id = mlflow_models.log_model(
                tracking,
                run_id,
                loader_module=fit.model.loader_module,
                folder=Path(folder) / "model",
                example=fit.model.example,
                output=fit.model.output,
                metadata={"season": fit.season, "dataset_sha256": subject.sha256},
                resumed=run_id in attempt.resumed,
            )
    tracking.log(
        run_id,
        params=params,
        metrics=[(name, value, 0) for name, value in fit.metrics.items()],
        model_id=model_id,
    )
    tracking.finish(run_id)
    with db.transaction() as conn:
        load_queries("training").complete_training_run(
            conn, mlflow_run_id=run_id, metrics=Jsonb(_finite(fit.metrics))
        )


def _log_parent(tracking: Tracking, subject: Subject, outcome: Outcome, attempt: _Attempt) -> None:
    from mlflow.data.pandas_dataset import from_pandas

    run_id = attempt.parent_run_id
    tracking.log(
        run_id,
        params=_flat(subject.params)
        | {"split_rule": "walk-forward by season", "seasons": len(outcome.fits)},
        metrics=outcome.metrics,
        tags={NOTE_TAG: outcome.note},
    )
    with tracking.active(), without_hints():
        dataset = from_pandas(
            subject.dataset_frame,
            source=subject.dataset_path.resolve().as_uri(),
            name=f"{subject.dataset_name} {subject.dataset_version}",
            targets="home_win",
            # MLflow keeps 36 characters; the whole hash is the tag dataset_sha256.
            digest=subject.sha256[:32],
        )
    tracking.log_dataset(run_id, dataset, "training")
    with TemporaryDirectory() as name:
        folder = Path(name)
        outcome.predictions.to_parquet(folder / PREDICTIONS_FILE, index=False)
        (folder / IMPORTANCE_FILE).write_text(json.dumps(dict(outcome.importance), indent=2))
        manifest = json.dumps(dict(subject.manifest), indent=2, sort_keys=True, default=str)
        (folder / "manifest.json").write_text(manifest)
        (folder / "environment.txt").write_text(mlflow_models.environment_lock())
        (folder / "model_card.md").write_text(outcome.note + "\n")
        for file_name, figure in outcome.figures.items():
            figure.savefig(folder / file_name)
        for file_name, table in outcome.tables.items():
            table.to_csv(folder / file_name, index=False)
        tracking.client().log_artifacts(run_id, name)
    tracking.finish(run_id)


def _mark_failed(db: Database, tracking: Tracking, attempt: _Attempt, error: Exception) -> None:
    with db.transaction() as conn:
        rows = load_queries("training").fail_training_runs(
            conn,
            mlflow_run_ids=list(attempt.run_ids.values()),
            error_message=f"{type(error).__name__}: {error}"[:2_000],
        )
        failed = [run_id for (run_id,) in rows]
    for run_id in (*failed, attempt.parent_run_id):
        tracking.finish(run_id, "FAILED")


def _tags(subject: Subject, group: str) -> dict[str, str]:
    tags = {
        GROUP_TAG: group,
        "dataset_sha256": subject.sha256,
        "dataset_version": f"{subject.dataset_name} {subject.dataset_version}",
        "feature_versions": subject.feature_versions,
        "git_sha": git_sha(),
        "league": subject.league,
        "family": subject.family,
        "seed": str(subject.seed),
        "era": "pre_game",
        "model_version": f"{subject.model_name} {subject.model_version}",
        "data_source": ", ".join(subject.manifest.get("origins", ())) or "unknown",
        DAGSTER_RUN_TAG: subject.dagster_run_id or "none",
    }
    return tags | ({"git_dirty": "true"} if git_dirty() else {})


@contextlib.contextmanager
def _only_one(db: Database, group: str) -> Iterator[None]:
    # A session lock of an own connection: a killed process releases it by dying.
    with contextlib.closing(db.connect(autocommit=True)) as conn:
        conn.execute("SELECT pg_advisory_lock(hashtext(%s))", (f"precog.training.{group}",))
        yield


def _identity(group: str, season: int) -> str:
    return _digest({"walk_forward": group, "season": season})


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    # JSON has no NaN: an undefined metric is null.
    return {name: value if value == value else None for name, value in metrics.items()}


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
