"""The search of hyper-parameters: inner seasons only, resumable, visible in MLflow."""

import json

import pytest
import typer
from typer.testing import CliRunner

from precog_pipelines.tracking.runs import PARENT_TAG
from precog_pipelines.training.commands import register
from tests.trained_league import LEAGUE, SEASONS, Home


def test_a_search_goes_on_where_it_stopped_and_never_sees_the_last_season(
    league_home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("PRECOG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", league_home.tracking.uri)
    monkeypatch.setenv("PRECOG__MODELS__XGBOOST__MAX_ROUNDS", "20")
    app = typer.Typer()
    register(app)

    def tune(trials: int) -> dict:
        arguments = ["models", "tune", "--league", LEAGUE, "--trials", str(trials), "--json"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    first = tune(1)
    assert first["seasons"] == [SEASONS[3], SEASONS[-2]]
    assert first["held_out"] == [SEASONS[-1]]
    assert first["best"] == first["configured"]  # the configured values are the first trial
    both = tune(2)
    assert both["trials"] == 2
    assert both["configured"] == first["configured"]
    assert both["best"]["log_loss"] <= first["best"]["log_loss"]
    assert both["mlflow_run"] == first["mlflow_run"]
    assert tune(2) == both

    client = league_home.tracking.client()
    experiment = client.get_experiment_by_name(f"precog/{LEAGUE}/xgboost-search")
    runs = client.search_runs([experiment.experiment_id])
    trials = [run for run in runs if run.data.tags["precog.kind"] == "trial"]
    (parent,) = [run for run in runs if run not in trials]
    assert {run.data.tags[PARENT_TAG] for run in trials} == {parent.info.run_id}
    assert sorted(run.info.run_name for run in trials) == ["trial 0", "trial 1"]
    assert all("max_depth" in run.data.params for run in trials)
    assert parent.info.status == "FINISHED"
