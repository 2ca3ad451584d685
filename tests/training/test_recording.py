"""Fits recorded once, whatever interrupts them, in the database and in a real MLflow store."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

from precog_core.build_info import git_sha
from precog_core.errors import PrecogError
from precog_pipelines.tracking.models import feature_names, load_model
from precog_pipelines.tracking.runs import IDENTITY_TAG, PARENT_TAG
from precog_pipelines.training import recording
from precog_pipelines.training.boosted import train_boosted
from precog_pipelines.training.datasets import Dataset, latest_dataset
from precog_pipelines.training.elo_passes import train_elo
from precog_pipelines.training.judging import REQUIRED_TAGS
from precog_pipelines.training.records import find_record, latest_record, out_of_sample
from precog_pipelines.training.regression import train_logistic
from tests.trained_league import AHEAD, FAMILIES, LEAGUE, SEASONS, TESTED, Home

RUNS = (
    "SELECT m.model_name, CAST(r.params ->> 'season' AS INT), r.status, r.trained_until,"
    " r.params ->> 'train_rows', r.metrics ->> 'brier', r.mlflow_run_id"
    " FROM model_training_runs r JOIN probability_models m USING (model_id) ORDER BY 1, 2, 3"
)


def record_of(home: Home, family: str):
    model_id = home.value(
        "SELECT model_id FROM probability_models WHERE model_name = %s", f"{LEAGUE}-{family}"
    )
    record = latest_record(home.db, home.tracking, int(model_id))
    assert record is not None
    return record


def dataset_of(home: Home) -> Dataset:
    with home.db.connection() as conn:
        return latest_dataset(conn, LEAGUE)


def mlflow_runs(home: Home) -> list:
    client = home.tracking.client()
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments, max_results=500))


@pytest.mark.requirement("ML-003")
def test_every_season_has_one_row_and_one_run_under_a_parent(trained_home: Home) -> None:
    rows = trained_home.rows(RUNS)
    boosted = [row for row in rows if row[0] == "ncaaf-xgboost"]
    elo = [row for row in rows if row[0] == "ncaaf-elo"]
    assert [row[1] for row in boosted] == [*TESTED, AHEAD]
    assert [row[1] for row in elo] == [*SEASONS, AHEAD]
    assert {row[2] for row in rows} == {"completed"}

    frame = dataset_of(trained_home).frame
    for _, season, _, trained_until, train_rows, brier, _ in boosted:
        earlier = frame[frame["season"] < season]
        assert trained_until == earlier["result_known_at"].max()
        assert int(train_rows) == len(earlier)
        assert (brier is None) == (season == AHEAD)
    for _, season, _, trained_until, _, _, _ in elo:
        assert trained_until == trained_home.value(
            "SELECT max(result_known_at) FROM games WHERE season <= %s", season
        )
    assert len(mlflow_runs(trained_home)) == len(rows) + len(FAMILIES)


@pytest.mark.requirement("ML-003")
def test_the_run_says_what_was_fitted_on_what_by_which_code(trained_home: Home) -> None:
    client = trained_home.tracking.client()
    for family in ("elo", "xgboost"):
        record = record_of(trained_home, family)
        parent = client.get_run(record.parent_run_id)
        assert client.get_experiment(record.experiment_id).name == f"precog/ncaaf/{family}"
        assert [tag for tag in REQUIRED_TAGS if not parent.data.tags.get(tag)] == []
        assert parent.data.tags["dagster/run_id"] == "run-train"
        assert parent.data.tags["data_source"] == "synthetic"
        assert "**Out of sample** (2012–2014" in parent.data.tags["mlflow.note.content"]
        assert (
            parent.inputs.dataset_inputs[0].dataset.digest
            == (parent.data.tags["dataset_sha256"][:32])
        )
        names = {file.path for file in client.list_artifacts(record.parent_run_id)}
        expected = {"predictions.parquet", "manifest.json", "environment.txt", "reliability.png",
                    "brier_by_season.png", "by_season.csv"}  # fmt: skip
        assert expected <= names
        assert ({"rating_history.png", "ratings.csv"} <= names) == (family == "elo")
        for run in record.seasons:
            child = client.get_run(run.mlflow_run_id)
            assert child.data.tags[PARENT_TAG] == record.parent_run_id
            assert child.info.status == "FINISHED"

    dataset = dataset_of(trained_home)
    child = client.get_run(record_of(trained_home, "xgboost").seasons[0].mlflow_run_id)
    assert child.data.tags["dataset_sha256"] == dataset.sha256
    assert child.data.tags["feature_versions"].startswith("elo_home v1.0, ")
    assert child.data.params["xgboost.max_depth"] == "3"
    assert child.data.params["train_seasons"] == "2009–2011"
    assert child.data.params["calibration"] == "identity"


def test_the_metrics_of_the_parent_are_those_of_its_predictions(trained_home: Home) -> None:
    client = trained_home.tracking.client()
    record = record_of(trained_home, "xgboost")
    predictions = out_of_sample(trained_home.tracking, record)
    error = (predictions["p_home"] - predictions["home_win"]) ** 2
    parent = client.get_run(record.parent_run_id)
    assert parent.data.metrics["brier"] == pytest.approx(error.mean())
    assert parent.data.metrics["n"] == len(predictions)
    history = client.get_metric_history(record.parent_run_id, "season/brier")
    by_season = {point.step: point.value for point in history}
    assert by_season == pytest.approx(dict(error.groupby(predictions["season"]).mean()))
    child = client.get_run(record.run_of(2013).mlflow_run_id)
    assert child.data.metrics["brier"] == pytest.approx(by_season[2013])
    assert parent.data.metrics["vs_elo/n"] == len(predictions)


@pytest.mark.requirement("TRACE-004")
def test_the_stored_model_of_a_season_predicts_what_was_judged(trained_home: Home) -> None:
    record = record_of(trained_home, "xgboost")
    dataset = dataset_of(trained_home)
    predictions = out_of_sample(trained_home.tracking, record).set_index("game_key")["p_home"]
    for season in (2012, 2014):
        model = load_model(trained_home.tracking, record.run_of(season).mlflow_run_id)
        assert feature_names(model) == dataset.feature_names
        games = dataset.frame[dataset.frame["season"] == season]
        p = model.predict(games[dataset.feature_names])["p_home"]
        assert p.tolist() == predictions[games["game_key"]].tolist()
    assert model.metadata.signature.outputs.input_names() == ["p_home"]
    assert model.input_example is not None


def test_elo_predicts_from_its_snapshot_and_knows_no_result_of_the_game(
    trained_home: Home,
) -> None:
    record = record_of(trained_home, "elo")
    judged = out_of_sample(trained_home.tracking, record)
    stored = dict(
        trained_home.rows("SELECT game_id, expected FROM elo_rating_history WHERE is_home")
    )
    assert judged["p_home"].tolist() == [stored[game_id] for game_id in judged["game_id"]]
    assert sorted(judged["season"].unique()) == TESTED
    ties = trained_home.value(
        "SELECT count(*) FROM games WHERE home_score = away_score AND season = ANY(%s)"
        " AND game_type <> 'preseason'", TESTED,
    )  # fmt: skip
    rated = trained_home.value(
        "SELECT count(*) FROM elo_rating_history h JOIN games g USING (game_id)"
        " WHERE h.is_home AND g.season = ANY(%s)", TESTED,
    )  # fmt: skip
    assert ties > 0 and len(judged) == rated - ties

    model = load_model(trained_home.tracking, record.latest.mlflow_run_id)
    games = pd.DataFrame(
        {"home_team": ["T00", "T01"], "away_team": ["T01", "T00"], "season": [AHEAD, AHEAD],
         "neutral_site": [True, True]}
    )  # fmt: skip
    p = model.predict(games)["p_home"]
    assert p.sum() == pytest.approx(1)
    last = {
        team: trained_home.value(
            "SELECT h.rating_after FROM elo_rating_history h JOIN teams t USING (team_id)"
            " WHERE t.team_code = %s ORDER BY h.event_ts DESC LIMIT 1", team,
        )
        for team in ("T00", "T01")
    }  # fmt: skip
    # A third of the way back to the mean before the new season, as models.md says.
    lead = (last["T00"] - last["T01"]) * 2 / 3
    assert p[0] == pytest.approx(1 / (1 + 10 ** (-lead / 400)))


def test_elo_has_a_frozen_dataset_of_the_games_it_read(trained_home: Home) -> None:
    ((rows, features, sha256, sources),) = trained_home.rows(
        "SELECT d.row_count, d.feature_count, d.sha256, count(s.source_snapshot_id)"
        " FROM training_datasets d LEFT JOIN training_dataset_sources s USING (dataset_id)"
        " WHERE d.dataset_name = 'ncaaf-elo-games' GROUP BY d.dataset_id"
    )
    assert features == 0 and sources == len(SEASONS)
    assert rows == trained_home.value(
        "SELECT count(*) FROM games WHERE status = 'final' AND game_type <> 'preseason'"
    )
    run = trained_home.tracking.client().get_run(record_of(trained_home, "elo").parent_run_id)
    assert run.data.tags["dataset_sha256"] == sha256


def test_training_again_finds_everything_and_fits_nothing(trained_home: Home) -> None:
    before = (trained_home.rows(RUNS), len(mlflow_runs(trained_home)))
    for train in (train_elo, train_boosted):
        record = train(trained_home.db, trained_home.tracking, LEAGUE, "run-again")
        assert not record.created
    assert (trained_home.rows(RUNS), len(mlflow_runs(trained_home))) == before


def test_other_parameters_are_another_model_version(
    trained_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECOG__MODELS__XGBOOST__MAX_DEPTH", "2")
    with pytest.raises(PrecogError, match=r"ncaaf-xgboost v1\.0 already exists .* raise the"):
        train_boosted(trained_home.db, trained_home.tracking, LEAGUE, None)
    monkeypatch.setenv("PRECOG__MODELS__XGBOOST__VERSION", "v1.1")
    record = train_boosted(trained_home.db, trained_home.tracking, LEAGUE, None)
    assert record.created and len(record.seasons) == len(TESTED) + 1
    assert trained_home.value(
        "SELECT count(DISTINCT model_id) FROM model_training_runs"
    ) == len(FAMILIES) + 1  # fmt: skip


KILLED = """
import os, signal
from pathlib import Path
from precog_core.database import Database
from precog_pipelines.tracking import models
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training import recording
from precog_pipelines.training.boosted import train_boosted

# A commit made while the tests run would be another identity.
recording.git_sha = lambda: {sha!r}
log_model, calls = models.log_model, []

def dying(*args, **kwargs):
    model_id = log_model(*args, **kwargs)
    calls.append(model_id)
    if len(calls) == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
    return model_id

models.log_model = dying
db = Database.from_environment()
tracking = Tracking({uri!r}, Path({artifacts!r}), "http://127.0.0.1:5000")
train_boosted(db, tracking, {league!r}, "run-killed")
"""


def test_a_killed_training_is_completed_by_the_next_one_in_the_same_rows(
    league_home: Home, trained_home: Home
) -> None:
    script = KILLED.format(
        after=3,
        uri=league_home.tracking.uri,
        artifacts=str(league_home.tracking.artifact_root),
        league=LEAGUE,
        sha=git_sha(),
    )
    environment = os.environ | {"PRECOG_DATABASE_URL": league_home.db.base_url}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, check=False
    )
    assert done.returncode == -signal.SIGKILL
    left = league_home.rows(RUNS)
    # Two seasons are complete; the third has a model in MLflow that nobody vouches for.
    assert [row[2] for row in left] == ["completed"] * 2 + ["running"] * 2

    record = train_boosted(league_home.db, league_home.tracking, LEAGUE, "run-next")
    assert record.created
    rows = league_home.rows(RUNS)
    assert [row[2] for row in rows] == ["completed"] * 4
    assert [row[6] for row in rows] == [row[6] for row in left]
    undisturbed = [row for row in trained_home.rows(RUNS) if row[0] == "ncaaf-xgboost"]
    assert [row[:6] for row in rows] == [row[:6] for row in undisturbed]

    runs = mlflow_runs(league_home)
    assert len(runs) == 5
    assert len({run.data.tags[IDENTITY_TAG] for run in runs}) == 5
    assert {run.info.status for run in runs} == {"FINISHED"}
    client = league_home.tracking.client()
    models = client.search_logged_models([record.experiment_id])
    assert len(models) == 4
    ours = out_of_sample(league_home.tracking, record).set_index("game_key")["p_home"]
    theirs = out_of_sample(trained_home.tracking, record_of(trained_home, "xgboost"))
    assert (
        ours.sort_index().tolist() == theirs.set_index("game_key")["p_home"].sort_index().tolist()
    )
    model = load_model(league_home.tracking, record.run_of(2013).mlflow_run_id)
    assert len(feature_names(model)) == len(dataset_of(league_home).feature_names)


def test_a_training_stopped_before_its_totals_were_logged_is_finished(
    league_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(recording, "_log_parent", stop)
        train_elo(league_home.db, league_home.tracking, LEAGUE, "run-1")
    rows = league_home.rows(RUNS)
    assert {row[2] for row in rows} == {"completed"}
    model_id = league_home.value("SELECT model_id FROM model_training_runs LIMIT 1")
    with pytest.raises(PrecogError, match="continues where it was interrupted"):
        latest_record(league_home.db, league_home.tracking, int(model_id))
    record = train_elo(league_home.db, league_home.tracking, LEAGUE, "run-2")
    assert record.created
    assert league_home.rows(RUNS) == rows
    assert len(out_of_sample(league_home.tracking, record)) > 300


def test_a_failed_fit_is_on_record_and_the_next_one_starts_afresh(
    league_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> str:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left"):
        patch.setattr(recording.mlflow_models, "log_model", fail)
        train_boosted(league_home.db, league_home.tracking, LEAGUE, None)
    failed = league_home.rows("SELECT status, error_message, metrics FROM model_training_runs")
    assert failed == [("failed", "OSError: no space left on device", None)] * 4
    record = train_boosted(league_home.db, league_home.tracking, LEAGUE, None)
    assert record.created
    assert league_home.rows(
        "SELECT status, count(*) FROM model_training_runs GROUP BY 1 ORDER BY 1"
    ) == [("completed", 4), ("failed", 4)]
    assert len(find_record(
        league_home.db, league_home.tracking, record.model_id, record.walk_forward
    ).seasons) == 4  # fmt: skip


def test_a_league_without_data_is_told_what_to_materialise(league_home: Home) -> None:
    with pytest.raises(PrecogError, match="materialise the asset training_datasets"):
        train_boosted(league_home.db, league_home.tracking, "nba", None)
    with pytest.raises(PrecogError, match="materialise the asset elo_ratings"):
        train_elo(league_home.db, league_home.tracking, "nba", None)


def test_training_leaves_no_address_of_mlflow_in_the_environment(league_home: Home) -> None:
    train_logistic(league_home.db, league_home.tracking, LEAGUE, None)
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert "MLFLOW_REGISTRY_URI" not in os.environ


def test_the_out_of_sample_record_has_every_game_once(trained_home: Home) -> None:
    for family in ("elo", "xgboost"):
        predictions = out_of_sample(trained_home.tracking, record_of(trained_home, family))
        assert predictions["game_key"].is_unique
        assert predictions["p_home"].between(0, 1, inclusive="neither").all()
        assert np.isin(predictions["home_win"], (0, 1)).all()
