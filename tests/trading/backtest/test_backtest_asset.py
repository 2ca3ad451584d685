"""The backtest as an asset: a season in one run, its page, its MLflow run, its audit."""

from pathlib import Path

import dagster as dg
import mlflow
import pytest

from precog_core.database import Database
from precog_trading.definitions import defs
from tests.trading import season


@pytest.mark.slow
@pytest.mark.requirement("TEST-004")
def test_a_season_materialises_with_plots_a_statement_and_an_mlflow_run(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with db.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        season.add_season(conn, league, 8, hours=(8, 2, 1), week_of=4)
    definitions = defs()
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(
            instance=instance,
            partition_key=dg.MultiPartitionKey({"league": "nfl", "season": "2019"}),
            asset_selection=[dg.AssetKey("backtest")],
        )
        assert done.success
        (event,) = done.asset_materializations_for_node("backtest")
        (check,) = done.get_asset_check_evaluations()
    page = event.metadata
    assert "data:image/png;base64" in str(page["equity nfl_pre_game nfl 2019"].value)
    runs = str(page["runs"].value).splitlines()
    assert runs[0] == "| figure | 1 |" and any(line.startswith("| net | ") for line in runs)
    assert "| purpose | exit_condition | reason | candidates |" in str(
        page["reasons nfl_pre_game nfl 2019"].value
    )
    assert "| exit_reason | positions | won | net |" in str(
        page["exits nfl_pre_game nfl 2019"].value
    )
    assert "Queue:" in str(page["what the fill model cannot know"].value)
    assert check.passed, check.metadata
    client = mlflow.MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("precog/nfl/backtest")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert float(page["net"].value) == pytest.approx(run.data.metrics["net"])
    logged = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert {
        "equity.png", "calibration.png", "pnl.png", "closing_line_value.png", "skip_reasons.png",
        "metrics.json", "entries.json", "what_fills_cannot_know.md",
    } == logged  # fmt: skip
