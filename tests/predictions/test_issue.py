"""Issued predictions: the record itself, known in time, written once."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

import pandas as pd
import pytest

from precog_core.errors import PrecogError
from precog_pipelines.features.matrix import feature_matrix
from precog_pipelines.features.store import write_features
from precog_pipelines.predictions.intervals import bin_intervals, interval_of
from precog_pipelines.predictions.issue import (
    Issued,
    features_hash,
    issue_predictions,
    on_grid,
)
from precog_pipelines.predictions.serving import Served, serving_models
from precog_pipelines.tracking.models import CHAMPION, remove_alias
from precog_pipelines.training import recording
from precog_pipelines.training.approval import approve
from precog_pipelines.training.metrics import wilson
from tests.synthetic_league import GameRow, store
from tests.trained_league import AHEAD, FAMILIES, LEAGUE, SEASONS, TESTED, Home

ROWS = (
    "SELECT g.game_key, m.model_name, p.event_ts, p.known_at, p.p_home, p.p_low, p.p_high,"
    " p.trained_until, p.features_hash, p.registry_version, r.params ->> 'season'"
    " FROM predictions p JOIN games g USING (game_id) JOIN probability_models m USING (model_id)"
    " JOIN model_training_runs r USING (training_run_id) ORDER BY 1, 2, 3"
)


def issue(home: Home, seasons: list[int], served: list[Served] | None = None) -> Issued:
    if served is None:
        served = serving_models(home.db, home.tracking, LEAGUE)
    with home.db.transaction() as conn:
        return issue_predictions(
            conn, home.tracking, LEAGUE, seasons, served, dagster_run_id="run-again"
        )


def without_predictions(home: Home) -> Home:
    """An administrator's view: the table refuses DELETE, so the test takes the guard away."""
    with home.db.transaction() as conn:
        conn.execute("ALTER TABLE predictions DISABLE TRIGGER trg_predictions_no_change")
        conn.execute("DELETE FROM predictions")
        conn.execute("ALTER TABLE predictions ENABLE TRIGGER trg_predictions_no_change")
    return home


def test_champion_and_challenger_speak_a_day_before_and_at_the_decision(
    trained_home: Home,
) -> None:
    rows = trained_home.rows(ROWS)
    games = trained_home.value(
        "SELECT count(*) FROM games WHERE season = ANY(%s) AND game_type <> 'preseason'", TESTED
    )
    assert len(rows) == games * 2 * len(FAMILIES)
    leads = trained_home.rows(
        "SELECT DISTINCT g.kickoff_at - p.event_ts FROM predictions p JOIN games g USING (game_id)"
    )
    assert {lead for (lead,) in leads} == {timedelta(minutes=60), timedelta(hours=24)}
    assert all(row[2] == row[3] for row in rows)  # back-filled: known at its moment
    assert all(row[10] == row[0].split(":")[1] for row in rows)  # season S by the fit of S


@pytest.mark.requirement("TRACE-004")
def test_the_decision_equals_the_out_of_sample_record(trained_home: Home) -> None:
    for served in serving_models(trained_home.db, trained_home.tracking, LEAGUE):
        issued = dict(
            trained_home.rows(
                "SELECT p.game_id, p.p_home FROM predictions p JOIN games g USING (game_id)"
                " WHERE p.model_id = %s AND p.event_ts = g.kickoff_at - INTERVAL '60 minutes'",
                served.model_id,
            )
        )
        judged = served.history[served.history["game_id"].isin(issued)]
        assert len(judged) == len(served.history) > 300
        for game_id, p in zip(judged["game_id"], judged["p_home"], strict=True):
            assert issued[game_id] == on_grid(p)


@pytest.mark.requirement("PIT-006")
def test_nothing_is_trained_or_computed_after_its_moment(trained_home: Home) -> None:
    assert trained_home.value(
        "SELECT count(*) FROM predictions p JOIN games g USING (game_id)"
        " WHERE p.trained_until >= g.kickoff_at OR p.trained_until > p.event_ts"
    ) == 0  # fmt: skip
    boosted = trained_home.rows(
        "SELECT DISTINCT p.trained_until = r.trained_until FROM predictions p"
        " JOIN model_training_runs r USING (training_run_id) JOIN probability_models m"
        " ON m.model_id = p.model_id WHERE m.model_type = 'ml'"
    )
    assert boosted == [(True,)]
    # Elo knew the last result of both teams and nothing later.
    elo = trained_home.rows(
        "SELECT p.trained_until, (SELECT max(h.known_at) FROM elo_rating_history h WHERE h.team_id"
        " IN (g.home_team_id, g.away_team_id) AND h.known_at <= p.event_ts) FROM predictions p"
        " JOIN games g USING (game_id) JOIN probability_models m USING (model_id)"
        " WHERE m.model_type = 'elo'"
    )
    assert elo and all(until == latest for until, latest in elo)


def test_issuing_again_in_any_cut_changes_no_row(trained_home: Home) -> None:
    before = trained_home.rows(ROWS)
    served = serving_models(trained_home.db, trained_home.tracking, LEAGUE)
    for seasons in ([2012], [2013, 2014], SEASONS):
        again = issue(trained_home, seasons, served)
        assert (again.inserted, again.differing) == (0, 0)
        assert again.largest_gap < 1e-12
    assert trained_home.rows(ROWS) == before
    without_predictions(trained_home)
    for season in reversed(SEASONS):
        issue(trained_home, [season], served)
    assert trained_home.rows(ROWS) == before


def test_seasons_with_too_few_before_them_are_named_not_guessed(trained_home: Home) -> None:
    issued = issue(trained_home, SEASONS)
    assert issued.without_model == (2009, 2010, 2011)
    assert issued.compared > 700
    assert trained_home.value(
        "SELECT count(*) FROM predictions p JOIN games g USING (game_id) WHERE g.season < 2012"
    ) == 0  # fmt: skip


def test_a_failure_leaves_no_season_half_written(trained_home: Home) -> None:
    without_predictions(trained_home)
    served = serving_models(trained_home.db, trained_home.tracking, LEAGUE)
    # The last season's boosted model is gone from MLflow: an Elo pass stands in, which has none.
    elo, boosted = (next(s for s in served if s.family == f) for f in ("elo", "xgboost"))
    gone = elo.record.run_of(2014)
    runs = [gone if run.season == 2014 else run for run in boosted.record.seasons]
    broken = replace(boosted, record=replace(boosted.record, seasons=tuple(runs)))
    with pytest.raises(PrecogError, match="holds no model"):
        issue(trained_home, SEASONS, [elo, broken])
    assert trained_home.value("SELECT count(*) FROM predictions") == 0


def test_the_interval_comes_from_earlier_seasons_only(trained_home: Home) -> None:
    served = serving_models(trained_home.db, trained_home.tracking, LEAGUE)[0]
    rows = trained_home.rows(
        "SELECT g.season, p.p_home, p.p_low, p.p_high FROM predictions p JOIN games g"
        " USING (game_id) WHERE p.model_id = %s", served.model_id,
    )  # fmt: skip
    assert {(low, high) for season, _, low, high in rows if season == 2012} == {(None, None)}
    past = served.history[served.history["season"] < 2014]
    inside = past[(past["p_home"] >= 0.6) & (past["p_home"] < 0.7)]
    low, high = wilson(int(inside["home_win"].sum()), len(inside), 0.90)
    found = {
        (low, high)
        for season, p, low, high in rows
        if season == 2014 and Decimal("0.61") < p < Decimal("0.69")
    }
    assert found == {(on_grid(low), on_grid(high))}


def test_a_bin_without_history_gives_no_interval() -> None:
    history = pd.DataFrame(
        {"season": [2010, 2010, 2011], "home_win": [1, 0, 1], "p_home": [0.55, 0.58, 0.55]}
    )
    assert bin_intervals(history, 2010) == {}
    intervals = bin_intervals(history, 2011)
    assert intervals == {5: wilson(1, 2, 0.90)}
    assert interval_of(0.51, intervals) == wilson(1, 2, 0.90)
    assert interval_of(0.61, intervals) is None
    assert bin_intervals(history, 2012)[5] == wilson(2, 3, 0.90)


def test_the_features_hash_names_the_vector_and_not_its_order() -> None:
    text = json.dumps({"a": 1.5, "b": None}, separators=(",", ":"))
    assert features_hash(["b", "a"], [float("nan"), 1.5]) == sha256(text.encode()).hexdigest()
    assert features_hash(["a", "b"], [1.5, float("nan")]) == features_hash(
        ["b", "a"], [float("nan"), 1.5]
    )
    assert features_hash(["a"], [1.5]) != features_hash(["a"], [1.5000001])


def test_a_probability_is_rounded_to_the_grid_of_the_table() -> None:
    assert on_grid(0.123449) == Decimal("0.1234")
    assert on_grid(1 / 3) == Decimal("0.3333")
    assert on_grid(0.5) == Decimal("0.5000")


def game_ahead(now: datetime, hours: float, announced: datetime) -> GameRow:
    kickoff = now + timedelta(hours=hours)
    return GameRow(
        LEAGUE, AHEAD, kickoff.date(), "T00", "T01", kickoff, known_at=announced
    )  # fmt: skip


def add_and_predict(home: Home, game: GameRow) -> tuple[Issued, list[tuple]]:
    with home.db.transaction() as conn:
        store(conn, [game], source="manual")
        write_features(conn, LEAGUE, [AHEAD], now=datetime.now(UTC), dagster_run_id="run-now")
    issued = issue(home, [AHEAD])
    return issued, [row for row in home.rows(ROWS) if row[0] == game.key]


def test_a_game_ahead_is_predicted_and_known_from_now(trained_home: Home) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    game = game_ahead(now, 2, now - timedelta(hours=46))
    issued, rows = add_and_predict(trained_home, game)
    assert issued.inserted == len(FAMILIES)
    assert {row[2] for row in rows} == {game.kickoff_at - timedelta(hours=24)}
    for row in rows:
        assert now <= row[3] <= datetime.now(UTC)
        assert row[10] == str(AHEAD) and row[9] == 1  # the registered fit, for the season ahead
    again = issue(trained_home, [AHEAD])
    assert again.inserted == 0
    assert [row for row in trained_home.rows(ROWS) if row[0] == game.key] == rows


def test_a_game_announced_today_is_predicted_from_its_announcement(trained_home: Home) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    issued, rows = add_and_predict(trained_home, game_ahead(now, 2, now))
    assert issued.inserted == len(FAMILIES)
    assert {row[2] for row in rows} == {now}
    with trained_home.db.connection() as conn:
        matrix = feature_matrix(conn, LEAGUE, [AHEAD], "day_before")
    elo = next(row for row in rows if row[1] == "ncaaf-elo")
    assert elo[4] == on_grid(matrix["elo_prob"].iloc[0])


def test_a_corrected_feature_does_not_rewrite_what_was_issued(trained_home: Home) -> None:
    before = trained_home.rows(ROWS)
    with trained_home.db.transaction() as conn:
        conn.execute(
            "UPDATE features_historical f SET feature_value = feature_value + 0.1"
            " FROM feature_definitions d, games g WHERE d.feature_id = f.feature_id"
            " AND d.feature_name = 'elo_prob' AND g.game_id = f.entity_id AND g.season = 2014"
        )
    issued = issue(trained_home, [2014])
    assert issued.inserted == 0 and issued.differing > 100
    assert issued.largest_gap == pytest.approx(0.1)
    assert trained_home.rows(ROWS) == before


def test_a_refit_by_other_code_takes_over_and_repeats_nothing(
    trained_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trained_home.rows(ROWS)
    monkeypatch.setattr(recording, "git_sha", lambda: "f" * 40)
    trained_home.train()
    approval = approve(trained_home.db, trained_home.tracking, LEAGUE)
    assert approval.moved and approval.version.number == 2
    assert approval.compared_with.endswith("version 1")
    issued = issue(trained_home, SEASONS)
    assert (issued.predictions, issued.inserted) == (len(before), 0)
    assert trained_home.rows(ROWS) == before
    # A game ahead is predicted by the new fit.
    now = datetime.now(UTC).replace(microsecond=0)
    _, rows = add_and_predict(trained_home, game_ahead(now, 2, now - timedelta(hours=46)))
    assert {row[9] for row in rows} == {2}


def test_without_a_champion_nothing_is_predicted(trained_home: Home) -> None:
    for name in ("precog-ncaaf-elo", "precog-ncaaf-xgboost"):
        remove_alias(trained_home.tracking, name, CHAMPION)
    with pytest.raises(PrecogError, match=r"needs exactly one champion: the registry says none"):
        serving_models(trained_home.db, trained_home.tracking, LEAGUE)


def test_a_champion_of_another_installation_is_refused(trained_home: Home) -> None:
    with trained_home.db.transaction() as conn:
        conn.execute("ALTER TABLE model_training_runs DISABLE TRIGGER ALL")
        conn.execute("UPDATE model_training_runs SET mlflow_run_id = 'x' || mlflow_run_id")
        conn.execute("ALTER TABLE model_training_runs ENABLE TRIGGER ALL")
    with pytest.raises(PrecogError, match="belong to different installations"):
        serving_models(trained_home.db, trained_home.tracking, LEAGUE)
