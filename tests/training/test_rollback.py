"""One command takes a champion back, and the gate remembers why."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from precog_core.errors import PrecogError
from precog_pipelines.models import ensure_model
from precog_pipelines.predictions.serving import serving_models
from precog_pipelines.tracking import season_regression
from precog_pipelines.tracking.models import (
    CHALLENGER,
    CHAMPION,
    Version,
    register,
    set_alias,
    tag_version,
    version_by_alias,
)
from precog_pipelines.tracking.runs import registered_name
from precog_pipelines.training.approval import approve
from precog_pipelines.training.commands import register as register_commands
from precog_pipelines.training.comparison import compare_candidates, log_comparison
from precog_pipelines.training.datasets import latest_dataset
from precog_pipelines.training.judging import judge_league
from precog_pipelines.training.recording import (
    LoggedModel,
    Outcome,
    SeasonFit,
    SeasonPlan,
    Subject,
    record,
)
from precog_pipelines.training.rollback import CHAMPION_SINCE, withdrawal
from tests.trained_league import LEAGUE, Home


def command(home: Home, monkeypatch: pytest.MonkeyPatch, *arguments: str):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.tracking.uri)
    app = typer.Typer()
    register_commands(app)
    return CliRunner().invoke(app, ["models", *arguments, "--league", LEAGUE])


def test_rolling_back_moves_the_alias_and_keeps_the_reason(
    trained_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = trained_home.tracking
    first = approve(trained_home.db, tracking, LEAGUE)
    nothing = command(trained_home, monkeypatch, "rollback", "--reason", "a test")
    assert isinstance(nothing.exception, PrecogError)
    assert "is the only champion ncaaf ever had" in str(nothing.exception)
    assert "say why" in str(command(trained_home, monkeypatch, "rollback").exception)

    # Another model held the place before.
    earlier = next(iter(first.challengers.values()))
    since = datetime.now(UTC) - timedelta(days=90)
    tag_version(tracking, earlier, CHAMPION_SINCE, since.isoformat())
    done = command(trained_home, monkeypatch, "rollback", "--reason", "lost its mind", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {
        "league": LEAGUE,
        "left": f"{first.version.name} version 1",
        "champion": f"{earlier.name} version 1",
        "reason": "lost its mind",
    }
    assert version_by_alias(tracking, first.version.name, CHAMPION) is None
    served = serving_models(trained_home.db, tracking, LEAGUE)
    assert (served[0].role, served[0].version.name) == ("champion", earlier.name)
    noted = trained_home.value(
        "SELECT count(*) FROM probability_models WHERE notes = 'rolled back: lost its mind'"
    )
    assert noted == 2

    # The next training does not put the same fit back.
    again = approve(trained_home.db, tracking, LEAGUE)
    assert again.version.name != first.version.name
    assert "this fit was rolled back: lost its mind" in again.reasons[first.champion.name]


def tiny_fit(home: Home, seed: int) -> Version:
    """A registered version of the regression whose record is made up; nothing is fitted."""
    with home.db.transaction() as conn:
        dataset = latest_dataset(conn, LEAGUE)
        model_id = ensure_model(
            conn, name=f"{LEAGUE}-logistic", version="v1.0", model_type="regression",
            league=LEAGUE, config={"family": "logistic"},
        )  # fmt: skip
    subject = Subject(
        league=LEAGUE, family="logistic", model_id=model_id, model_name=f"{LEAGUE}-logistic",
        model_version="v1.0", dataset_id=dataset.dataset_id, dataset_name=dataset.name,
        dataset_version=dataset.version, sha256=dataset.sha256, manifest=dataset.manifest,
        dataset_frame=dataset.frame.head(4), dataset_path=dataset.path, params={},
        feature_versions="elo_diff v1.0", seed=seed, dagster_run_id="run",
    )  # fmt: skip
    games = dataset.frame.head(4)[["game_id", "game_key", "season", "kickoff_at", "home_win"]]
    predictions = games.assign(p_raw=0.5, p_home=0.5)
    model = LoggedModel(
        season_regression.__name__,
        lambda folder: season_regression.save(["elo_diff"], {}, folder),
        dataset.frame.head(1)[["season", "elo_diff"]],
        predictions.head(1)[["p_home"]],
    )
    recorded = record(
        home.db,
        home.tracking,
        subject,
        [SeasonPlan(2015, datetime(2015, 2, 1, tzinfo=UTC), 4)],
        lambda: Outcome([SeasonFit(2015, {}, {}, model)], predictions, [], {}, "tiny"),
    )
    return register(
        home.tracking, registered_name(LEAGUE, "logistic"), recorded.latest.mlflow_run_id,
        description="tiny", tags={},
    )  # fmt: skip


def test_inside_one_family_the_earlier_fit_comes_back(
    league_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = league_home.tracking
    first, second = tiny_fit(league_home, 1), tiny_fit(league_home, 2)
    assert (first.name, first.number, second.number) == (second.name, 1, 2)
    for version, days in ((first, 60), (second, 7)):
        since = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=days)
        tag_version(tracking, version, CHAMPION_SINCE, since.isoformat())
    set_alias(tracking, second, CHAMPION)
    set_alias(tracking, first, CHALLENGER)

    done = command(league_home, monkeypatch, "rollback", "--reason", "bad week", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["champion"] == f"{first.name} version 1"
    assert version_by_alias(tracking, first.name, CHAMPION) == first
    # The champion is no challenger of itself, and the row of the one model may trade on paper.
    assert version_by_alias(tracking, first.name, CHALLENGER) is None
    status = "SELECT status, notes FROM probability_models WHERE model_name = %s"
    row = league_home.rows(status, f"{LEAGUE}-logistic")
    assert row == [("testing", "rolled back: bad week")]
    assert withdrawal(tracking, second.name, second.run_id) == "bad week"
    assert withdrawal(tracking, first.name, first.run_id) is None
    serving = serving_models(league_home.db, tracking, LEAGUE)
    assert [(one.role, one.version) for one in serving] == [("champion", first)]

    # Killed before the alias moved: the same command ends in the same state.
    set_alias(tracking, second, CHAMPION)
    assert command(league_home, monkeypatch, "rollback", "--reason", "bad week").exit_code == 0
    assert version_by_alias(tracking, first.name, CHAMPION) == first
    assert league_home.rows(status, f"{LEAGUE}-logistic") == row
    # The fit that was left is never gone back to.
    again = command(league_home, monkeypatch, "rollback", "--reason", "another")
    assert "is the only champion ncaaf ever had" in str(again.exception)


def test_the_comparison_of_a_league_is_one_run_with_a_picture(league_home: Home) -> None:
    tracking = league_home.tracking
    tiny_fit(league_home, 1)
    judgement = judge_league(league_home.db, tracking, LEAGUE)
    games = judgement.candidates[0].predictions
    prices = games[["game_id"]].assign(p_home=[0.6, 0.7, 0.4, 0.5], source="recorded")
    judgement = replace(
        judgement, market=prices, rates=dict.fromkeys(games["season"], 0.55), opening=prices.head(1)
    )
    compared = compare_candidates(judgement)
    assert compared is not None
    rows = {row["model"]: row for row in compared.rows}
    assert set(rows) == {"logistic", "home_rate", "market"}
    assert {row["n"] for row in rows.values()} == {4}
    # One opening price of four games is no baseline, and is said to be none.
    assert "No opening price is known" in compared.note
    url = log_comparison(tracking, judgement, compared)
    assert log_comparison(tracking, judgement, compared) == url
    client = tracking.client()
    experiment = client.get_experiment_by_name(f"precog/{LEAGUE}/comparison")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["brier/market"] == pytest.approx(rows["market"]["brier"])
    assert run.data.tags["run.logistic"] == judgement.candidates[0].record.parent_run_id
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "comparison.json", "comparison.png",
    }  # fmt: skip
    # A run that a killed process left open is completed, not doubled.
    client.update_run(run.info.run_id, status="RUNNING")
    assert log_comparison(tracking, judgement, compared) == url
    assert client.get_run(run.info.run_id).info.status == "FINISHED"

    everywhere = compare_candidates(replace(judgement, opening=prices))
    assert everywhere is not None and everywhere.note == ""
    assert {row["model"] for row in everywhere.rows} >= {"market", "opening_market"}
