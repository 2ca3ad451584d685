"""``precog elo search`` leaves one MLflow run that a continued search goes on with."""

import json

import typer
from typer.testing import CliRunner

from precog_pipelines.ratings.commands import register
from tests.trained_league import LEAGUE, Home


def test_a_search_is_one_run_with_its_trials_as_a_table(league_home: Home, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", league_home.tracking.uri)
    app = typer.Typer()
    register(app)

    def run(trials: int, *more: str) -> str:
        arguments = ["elo", "search", "--league", LEAGUE, "--trials", str(trials), *more]
        return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout

    first = json.loads(run(4, "--json"))
    assert first["trials"] == 4
    assert first["found"]["log_loss"] <= first["configured"]["log_loss"]
    shown = run(6)
    assert "held" in shown
    assert "home_advantage: [{points:" in shown
    client = league_home.tracking.client()
    experiment = client.get_experiment_by_name(f"precog/{LEAGUE}/elo")
    (found,) = client.search_runs([experiment.experiment_id])
    assert f"/runs/{found.info.run_id}?" in first["run"]
    assert found.info.status == "FINISHED"
    assert found.data.tags["precog.kind"] == "parameter search"
    assert float(found.data.tags["best.k"]) >= 1
    history = client.get_metric_history(found.info.run_id, "best_log_loss")
    assert [point.step for point in history] == [4, 6]
    assert {file.path for file in client.list_artifacts(found.info.run_id)} == {
        "best.yaml", "history.png", "trials.csv",
    }  # fmt: skip
