"""Runs found by their identity, written in batches, resumed after a kill.

The identity is a hash of everything that determines a fit; it is a tag on the run. Looking a run
up by that tag makes creating one idempotent, which MLflow itself does not offer.
"""

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import mlflow
    from mlflow.data.dataset import Dataset
    from mlflow.entities import Run

IDENTITY_TAG = "precog.identity"
GROUP_TAG = "precog.walk_forward"
DAGSTER_RUN_TAG = "dagster/run_id"
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
# Without it MLflow's interface opens on language models, where runs and the registry are hidden.
MODEL_VIEW = "workflowType=machine_learning"
_ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
# MLflow refuses larger batches.
_METRICS_PER_BATCH = 1_000
_ITEMS_PER_BATCH = 100
_RESUMABLE = ("RUNNING", "SCHEDULED", "FINISHED")

# (name, value, step)
MetricRow = tuple[str, float, int]


@dataclass(frozen=True)
class Tracking:
    """One tracking store.

    ``uri`` is a database URL or a server's address; ``artifact_root`` is where plots, models and
    files of new experiments go (a server decides that itself); ``ui_url`` is where people look.
    """

    uri: str
    artifact_root: Path
    ui_url: str

    def client(self) -> "mlflow.MlflowClient":
        """A client of this store, registry included; one per process, making one costs."""
        return _client(self.uri)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Point MLflow's process-wide functions at this store; put the old addresses back after.

        MLflow also writes them to the environment, where a later step would take them for the
        user's own choice.
        """
        _quiet()
        import mlflow

        before = {name: os.environ.get(name) for name in _ADDRESSES}
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
            mlflow.set_registry_uri(None)  # type: ignore[arg-type]
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def experiment(self, league: str, family: str) -> str:
        """The id of experiment ``precog/<league>/<family>``, created when absent."""
        from mlflow.exceptions import MlflowException

        client, name = self.client(), experiment_name(league, family)
        found = client.get_experiment_by_name(name)
        if found is None:
            location = None
            if not self.uri.startswith(("http://", "https://")):
                location = (self.artifact_root / f"{league}-{family}").resolve().as_uri()
            try:
                return client.create_experiment(name, artifact_location=location)
            except MlflowException:
                # Another process created it in between; anything else is re-raised below.
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        return found.experiment_id

    def run_url(self, experiment_id: str, run_id: str) -> str:
        """Where a person reads the run, in MLflow's view of trained models."""
        return f"{self.ui_url}/#/experiments/{experiment_id}/runs/{run_id}?{MODEL_VIEW}"

    def runs_of_group(
        self, experiment_id: str, group: str, identity: str | None = None
    ) -> "dict[str, Run]":
        """The resumable runs tagged with ``group``, by identity; failed ones are left alone.

        ``identity``: of them only this one, which costs MLflow one run instead of all.
        """
        from mlflow.entities import ViewType

        wanted = f"tags.`{GROUP_TAG}` = '{group}'"
        if identity is not None:
            wanted += f" AND tags.`{IDENTITY_TAG}` = '{identity}'"
        runs: dict[str, Run] = {}
        client, token = self.client(), None
        while True:
            page = client.search_runs(
                [experiment_id],
                filter_string=wanted,
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=500,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            for run in page:
                name = run.data.tags.get(IDENTITY_TAG)
                if name and run.info.status in _RESUMABLE:
                    runs.setdefault(name, run)
            token = page.token
            if not token:
                return runs

    def start_run(
        self, experiment_id: str, name: str, tags: Mapping[str, str], parent: str | None = None
    ) -> str:
        """A new run, status RUNNING; returns its id."""
        every = dict(tags) | ({PARENT_TAG: parent} if parent else {})
        return self.client().create_run(experiment_id, tags=every, run_name=name).info.run_id

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Iterable[MetricRow] = (),
        tags: Mapping[str, Any] | None = None,
        model_id: str | None = None,
    ) -> None:
        """Write everything in as few requests as MLflow's limits allow.

        NaN is not logged. Writing the same parameter value again is harmless. With ``model_id`` the
        metrics are also those of that logged model.
        """
        from mlflow.entities import Metric, Param, RunTag

        client, now = self.client(), int(time.time() * 1000)
        rows = [
            Metric(k, float(v), now, step, model_id=model_id) for k, v, step in metrics if v == v
        ]
        pairs = [Param(k, _short(v)) for k, v in (params or {}).items()]
        labels = [RunTag(k, str(v)) for k, v in (tags or {}).items()]
        while rows or pairs or labels:
            room = (
                _METRICS_PER_BATCH - len(pairs[:_ITEMS_PER_BATCH]) - len(labels[:_ITEMS_PER_BATCH])
            )
            client.log_batch(
                run_id,
                metrics=rows[:room],
                params=pairs[:_ITEMS_PER_BATCH],
                tags=labels[:_ITEMS_PER_BATCH],
                synchronous=True,
            )
            rows, pairs, labels = rows[room:], pairs[_ITEMS_PER_BATCH:], labels[_ITEMS_PER_BATCH:]

    def log_dataset(self, run_id: str, dataset: "Dataset", context: str) -> None:
        """Record which data the run read."""
        from mlflow.entities import DatasetInput, InputTag

        with without_hints():
            entity = dataset._to_mlflow_entity()
        tag = InputTag("mlflow.data.context", context)
        self.client().log_inputs(run_id, [DatasetInput(entity, tags=[tag])])

    def finish(self, run_id: str, status: str = "FINISHED") -> None:
        """End a run; ``status`` is FINISHED or FAILED."""
        self.client().set_terminated(run_id, status)


@cache
def _client(uri: str) -> "mlflow.MlflowClient":
    _quiet()
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def tracking_of(resource: Any) -> Tracking:
    """The ``Tracking`` of Dagster's ``MlflowResource``."""
    return Tracking(resource.tracking_uri(), resource.artifact_root(), resource.ui_url())


def experiment_name(league: str, family: str) -> str:
    """``precog/<league>/<family>``: one experiment per league and model family."""
    return f"precog/{league}/{family}"


def registered_name(league: str, family: str) -> str:
    """``precog-<league>-<family>``: the name under which versions of a model are registered."""
    return f"precog-{league}-{family}"


def _short(value: Any) -> str:
    # MLflow's limit for a parameter is 6,000 characters; ours are short by construction.
    return str(value)[:6_000]


@contextlib.contextmanager
def without_hints() -> Iterator[None]:
    """Silence MLflow's advice on integer columns and dataset sources, which we follow or accept."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"mlflow\.(data|types)\.")
        yield


def _quiet() -> None:
    # Read when MLflow is imported: no usage reports, no bars in logs.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Migration and validation notices of every start say nothing a user can act on.
    for name in ("alembic", "mlflow.store.db.utils", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.WARNING)
