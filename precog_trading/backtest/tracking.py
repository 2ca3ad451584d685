"""Backtests in MLflow: one experiment per league, one run per backtest, found by its identity.

Everything logged is read from the tables by the run's id, so a run that was killed between the
tables and MLflow is logged when it is asked for again. This package does not share code with the
training location, which has tracking of its own: the two are deployed apart.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_core.build_info import git_dirty
from precog_core.database import Database
from precog_core.paths import home
from precog_trading.backtest import plots
from precog_trading.backtest.report import (
    calibration,
    caveats,
    entries_of,
    run_equity,
)
from precog_trading.ledger.statements import Row, as_json, one

if TYPE_CHECKING:
    from mlflow import MlflowClient

IDENTITY_TAG = "precog.identity"
LOGGED_TAG = "precog.logged"
# Without it MLflow's interface opens on language models and calls a run an evaluation.
MODEL_VIEW = "workflowType=machine_learning"
_DEFAULT_UI = "http://127.0.0.1:5000"
_FIGURES = (
    "net", "return_on_start", "return_on_turnover", "max_drawdown", "turnover",
    "turnover_per_start", "fees", "fees_per_contract", "fills", "entries", "decisions",
    "clv_entries", "clv_mean", "clv_share_positive", "entry_brier", "entry_mean_probability",
    "entry_share_won",
)  # fmt: skip
_METRICS_PER_BATCH = 1_000
_CURVE_POINTS = 2_000


@dataclass(frozen=True)
class BacktestTracking:
    """The tracking store of this installation, and the address where a person reads it."""

    uri: str
    artifact_root: Path
    ui_url: str

    @classmethod
    def of(cls, database: Database) -> "BacktestTracking":
        """``MLFLOW_TRACKING_URI``, else the ``mlflow`` database beside ours."""
        root = home() / "mlflow" / "artifacts"
        root.mkdir(parents=True, exist_ok=True)
        return cls(
            os.environ.get("MLFLOW_TRACKING_URI") or database.url("mlflow", driver="psycopg2"),
            root,
            os.environ.get("PRECOG_MLFLOW_UI_URL") or _DEFAULT_UI,
        )

    def client(self) -> "MlflowClient":
        """A client of the store."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        for name in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(name).setLevel(logging.WARNING)
        import mlflow

        return mlflow.MlflowClient(tracking_uri=self.uri)

    def experiment(self, league: str) -> str:
        """The id of ``precog/<league>/backtest``, created when absent."""
        from mlflow.exceptions import MlflowException

        client, name = self.client(), f"precog/{league}/backtest"
        found = client.get_experiment_by_name(name)
        if found is None:
            location = None
            if not self.uri.startswith(("http://", "https://")):
                location = (self.artifact_root / f"{league}-backtest").resolve().as_uri()
            try:
                return str(client.create_experiment(name, artifact_location=location))
            except MlflowException:
                # Another process created it in between; anything else is raised.
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def run_for(self, league: str) -> Callable[[str, str], str]:
        """(run name, identity) → the MLflow run of a backtest, opened when absent."""

        def open_run(name: str, identity: str) -> str:
            client, experiment = self.client(), self.experiment(league)
            found = client.search_runs(
                [experiment], f"tags.`{IDENTITY_TAG}` = '{identity}'", max_results=1
            )
            if found:
                return str(found[0].info.run_id)
            tags = {IDENTITY_TAG: identity, "league": league}
            return str(client.create_run(experiment, run_name=name, tags=tags).info.run_id)

        return open_run

    def run_url(self, experiment_id: str, run_id: str) -> str:
        """Where a person reads the run, in MLflow's view of trained models."""
        return f"{self.ui_url}/#/experiments/{experiment_id}/runs/{run_id}?{MODEL_VIEW}"


def log_run(tracking: BacktestTracking, db: Database, backtest_run_id: int) -> str | None:
    """Log a completed run with its figures, curve, plots and tables; returns its address.

    A run that is logged already stays as it is. None when the backtest was made without MLflow.
    """
    with db.transaction() as conn:
        row = one(conn, "backtest", "run", backtest_run_id=backtest_run_id)
        if row is None or row["mlflow_run_id"] is None:
            return None
        entries = entries_of(conn, backtest_run_id)
        curve = run_equity(conn, backtest_run_id)
    client = tracking.client()
    run = client.get_run(row["mlflow_run_id"])
    url = tracking.run_url(run.info.experiment_id, run.info.run_id)
    if run.data.tags.get(LOGGED_TAG) == "true":
        return url
    _log_figures(client, run.info.run_id, row, curve)
    metrics = row["metrics"]
    title = f"{row['run_name']}"
    with tempfile.TemporaryDirectory() as folder:
        pictures = {
            "equity": plots.equity(curve, title),
            "calibration": plots.calibration(calibration(entries), title),
            "pnl": plots.profit(metrics["pnl"], metrics["positions"], title),
            "closing_line_value": plots.closing_line_value(entries, title),
            "skip_reasons": plots.reasons(metrics["reasons"], title),
        }
        for name, png in pictures.items():
            Path(folder, f"{name}.png").write_bytes(png)
        Path(folder, "metrics.json").write_text(as_json(metrics))
        Path(folder, "entries.json").write_text(as_json(entries))
        Path(folder, "what_fills_cannot_know.md").write_text(
            "\n".join(f"- {sentence}" for sentence in caveats(metrics)) + "\n"
        )
        client.log_artifacts(run.info.run_id, folder)
    client.set_tag(run.info.run_id, LOGGED_TAG, "true")
    client.set_terminated(run.info.run_id, "FINISHED")
    return url


def _log_figures(client: "MlflowClient", run_id: str, row: Row, curve: Any) -> None:
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    metrics: list[Metric] = [
        Metric(name, float(row["metrics"][name]), now, 0)
        for name in _FIGURES
        if row["metrics"][name] is not None
    ]
    metrics += [
        Metric(f"decisions.{reason['purpose']}.{reason['reason']}", reason["candidates"], now, 0)
        for reason in row["metrics"]["reasons"]
        if reason["purpose"] == "entry"
    ]
    step = max(1, len(curve) // _CURVE_POINTS)
    for number, point in enumerate(curve[::step]):
        at = int(point.at.timestamp() * 1000)
        metrics.append(Metric("equity", float(point.equity), at, number))
        metrics.append(Metric("drawdown", float(point.drawdown), at, number))
    params = {
        "method": f"{row['method_name']} {row['method_version']}",
        "strategy": f"{row['strategy_name']} {row['strategy_version']}",
        "model": f"{row['model_name']} {row['model_version']}",
        "league": row["league"],
        "period_start": row["period_start_ts"].isoformat(),
        "period_end": row["period_end_ts"].isoformat(),
        "starting_balance": row["starting_balance"],
        "seed": row["seed"],
        "settings": row["config"]["settings"],
        "config_hash": row["config"]["config_hash"],
    }
    tags = {
        "git_sha": row["git_sha"],
        "git_dirty": git_dirty(),
        "code": row["config"]["code"],
        "backtest_run_id": row["backtest_run_id"],
        "quote_sources": ", ".join(s["source"] for s in row["metrics"]["quote_sources"]),
        "mlflow.note.content": "\n".join(f"- {s}" for s in caveats(row["metrics"])),
    }
    if row["dagster_run_id"] is not None:
        tags["dagster/run_id"] = row["dagster_run_id"]
    client.log_batch(
        run_id,
        metrics=metrics[: _METRICS_PER_BATCH - len(params) - len(tags)],
        params=[Param(name, str(value)) for name, value in params.items()],
        tags=[RunTag(name, str(value)) for name, value in tags.items()],
    )
    rest = metrics[_METRICS_PER_BATCH - len(params) - len(tags) :]
    for first in range(0, len(rest), _METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=rest[first : first + _METRICS_PER_BATCH])
