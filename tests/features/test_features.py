"""The feature store: written once, replaced only when changed, read as a matrix."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_pipelines.features.config import features_config
from precog_pipelines.features.matrix import feature_matrix, feature_names
from precog_pipelines.features.registry import registered
from precog_pipelines.features.store import (
    compute_features,
    ensure_definitions,
    find_definitions,
    write_features,
)
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import write_ratings
from tests.synthetic_league import made_up_league, nfl_divisions, nflverse_games, store

SEASONS = list(range(2009, 2014))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTENT = (
    "SELECT g.game_key, d.feature_name, f.event_ts, f.known_at, f.feature_value,"
    " f.source_snapshot_id = g.source_snapshot_id FROM features_historical f"
    " JOIN feature_definitions d USING (feature_id) JOIN games g ON g.game_id = f.entity_id"
    " ORDER BY 1, 2, 3"
)


@pytest.fixture
def league(db: Database) -> Database:
    with db.transaction() as conn:
        store(conn, made_up_league())
        write_ratings(conn, "ncaaf", SEASONS, elo_config().league("ncaaf"))
    return db


def write(db: Database, *seasons: int, run: str = "run-1", now: datetime = NOW):
    with db.transaction() as conn:
        return write_features(conn, "ncaaf", seasons, now=now, dagster_run_id=run)


def content(db: Database) -> list[tuple]:
    with db.transaction() as conn:
        return conn.execute(CONTENT).fetchall()


def record_ids(db: Database) -> list[tuple]:
    with db.transaction() as conn:
        return conn.execute(
            "SELECT feature_record_id, dagster_run_id FROM features_historical ORDER BY 1"
        ).fetchall()


def matrix(db: Database, moment="decision", seasons=SEASONS, **options):
    with db.transaction() as conn:
        return feature_matrix(conn, "ncaaf", seasons, moment, **options)


def test_every_game_has_every_feature_at_both_moments(league: Database) -> None:
    written = write(league, *SEASONS)
    # 240 counted games; 8 of them have no start time and so only a decision.
    assert (written.games, written.rows) == (240, (2 * 240 - 8) * 18)
    assert written.replaced_seasons == tuple(SEASONS)
    stored = content(league)
    assert len(stored) == written.rows
    assert {same_snapshot for *_, same_snapshot in stored} == {True}
    assert all(known_at <= event_ts for _, _, event_ts, known_at, _, _ in stored)
    assert sum(value is None for *_, value, _ in stored) == written.undefined


def test_writing_again_changes_no_row(league: Database) -> None:
    write(league, *SEASONS)
    before = record_ids(league)
    again = write(league, *SEASONS, run="run-2")
    assert again.replaced_seasons == ()
    assert again.rows == len(before)
    assert record_ids(league) == before


@pytest.mark.requirement("ORCH-002")
def test_a_range_equals_single_seasons_in_any_order(league: Database) -> None:
    write(league, *SEASONS)
    whole = content(league)
    with league.transaction() as conn:
        conn.execute("DELETE FROM features_historical")
    for season in (2012, 2009, 2013, 2011, 2010, 2011):
        write(league, season)
    assert content(league) == whole


def test_only_a_changed_season_is_replaced(league: Database) -> None:
    write(league, *SEASONS)
    before = record_ids(league)
    with league.transaction() as conn:
        conn.execute(
            "UPDATE games SET neutral_site = NOT neutral_site WHERE game_id ="
            " (SELECT max(game_id) FROM games WHERE season = 2013 AND game_type = 'postseason')"
        )
        write_ratings(conn, "ncaaf", SEASONS, elo_config().league("ncaaf"))
    again = write(league, *SEASONS, run="run-2")
    assert again.replaced_seasons == (2013,)
    after = record_ids(league)
    assert len(after) == len(before)
    kept = [row for row in after if row[1] == "run-1"]
    assert set(kept) < set(before)
    assert len(after) - len(kept) == again.rows_by_season[2013]


def test_a_game_that_left_the_schedule_takes_its_values_along(league: Database) -> None:
    write(league, *SEASONS)
    with league.transaction() as conn:
        conn.execute(
            "UPDATE games SET status = 'canceled', home_score = NULL, away_score = NULL,"
            " result_known_at = NULL WHERE game_id = (SELECT max(game_id) FROM games)"
        )
    assert write(league, 2013).replaced_seasons == (2013,)
    with league.transaction() as conn:
        (left,) = conn.execute(
            "SELECT count(*) FROM features_historical WHERE entity_id ="
            " (SELECT max(game_id) FROM games)"
        ).fetchone()
    assert left == 0


def test_elo_features_equal_the_ratings_with_which_the_game_was_rated(league: Database) -> None:
    write(league, *SEASONS)
    frame = matrix(league, include_unknown_start=True).set_index("game_id")
    with league.transaction() as conn:
        rated = conn.execute(
            "SELECT game_id, rating_before, expected FROM elo_rating_history WHERE is_home"
        ).fetchall()
        away = dict(
            conn.execute(
                "SELECT game_id, rating_before FROM elo_rating_history WHERE NOT is_home"
            ).fetchall()
        )
    assert len(rated) == len(frame) == 240
    for game_id, rating_before, expected in rated:
        assert frame.at[game_id, "elo_home"] == rating_before
        assert frame.at[game_id, "elo_away"] == away[game_id]
        assert frame.at[game_id, "elo_prob"] == expected


@pytest.mark.requirement("ML-002")
def test_the_matrix_has_one_row_a_game_and_one_column_a_feature(league: Database) -> None:
    write(league, *SEASONS)
    frame = matrix(league)
    assert list(frame.columns) == [
        "game_id", "game_key", "season", "kickoff_at", "event_ts", "known_at",
        *feature_names("ncaaf"),
    ]  # fmt: skip
    assert len(frame) == 232
    assert frame["game_key"].is_monotonic_increasing
    assert frame["game_id"].is_unique
    assert (frame["kickoff_at"] - frame["event_ts"] == timedelta(minutes=60)).all()
    assert (frame["known_at"] <= frame["event_ts"]).all()
    assert {str(frame[name].dtype) for name in feature_names("ncaaf")} == {"float64"}
    assert frame["margin_10_home"].isna().any()
    assert not frame["elo_diff"].isna().any()
    assert frame["division_game"].isna().all()

    early = matrix(league, "day_before")
    assert list(early["game_id"]) == list(frame["game_id"])
    assert (early["kickoff_at"] - early["event_ts"] == timedelta(hours=24)).all()
    # Rounds on consecutive days: yesterday's result is not known a day ahead.
    assert (early["games_played_home"] < frame["games_played_home"]).any()

    whole = matrix(league, include_unknown_start=True)
    unknown = whole[whole["kickoff_at"].isna()]
    assert len(unknown) == 8
    assert (unknown["event_ts"].dt.hour == 4).all()  # midnight Eastern in summer
    assert len(matrix(league, seasons=[2010])) == 48
    assert matrix(league, seasons=[1990]).empty


def test_a_partial_set_of_features_is_refused(league: Database) -> None:
    write(league, *SEASONS)
    with league.transaction() as conn:
        conn.execute(
            "DELETE FROM features_historical WHERE feature_record_id = (SELECT max("
            "feature_record_id) FROM features_historical f JOIN games g ON g.game_id = f.entity_id"
            " WHERE f.event_ts = g.kickoff_at - interval '60 min')"
        )
    with pytest.raises(PrecogError, match=r"17 of 18 features .* materialise features_historical"):
        matrix(league)


def test_features_need_the_ratings_of_all_earlier_games(db: Database) -> None:
    with db.transaction() as conn:
        store(conn, made_up_league())
        elo = elo_config().league("ncaaf")
        write_ratings(conn, "ncaaf", [2009], elo)
    with pytest.raises(PrecogError, match=r"ncaaf\|2010 \(48 games\), ncaaf\|2011 \(48 games\)"):
        write(db, 2011)
    assert content(db) == []


def test_the_matrix_before_anything_was_computed_says_what_to_do(db: Database) -> None:
    with pytest.raises(PrecogError, match="materialise the asset features_historical"):
        matrix(db)


@pytest.mark.requirement("VER-001")
def test_definitions_are_stored_once_and_never_change(db: Database) -> None:
    features = registered("ncaaf", features_config())
    with db.transaction() as conn:
        ids = ensure_definitions(conn, features)
        assert ensure_definitions(conn, features) == ids == find_definitions(conn, features)
        rows = conn.execute(
            "SELECT feature_name, feature_version, entity_type, unit, status, calculation"
            " FROM feature_definitions ORDER BY feature_id"
        ).fetchall()
    assert [(r[0], r[1]) for r in rows] == [f.key for f in features]
    assert {(r[2], r[4]) for r in rows} == {("game", "active")}
    assert rows[2][5].startswith("elo_home - elo_away, plus home advantage unless")
    other = replace(features[0], calculation="Something else.")
    with (
        db.transaction() as conn,
        pytest.raises(PrecogError, match=r"elo_home v1\.0 is stored wit"),
    ):
        ensure_definitions(conn, [other])


def test_a_rescheduled_game_moves_its_moments(league: Database) -> None:
    write(league, *SEASONS)
    with league.transaction() as conn:
        (game_id, kickoff) = conn.execute(
            "UPDATE games SET kickoff_at = kickoff_at + interval '2 hours', result_known_at ="
            " result_known_at + interval '2 hours' WHERE game_id = (SELECT max(game_id) FROM games"
            " WHERE season = 2013) RETURNING game_id, kickoff_at"
        ).fetchone()
        write_ratings(conn, "ncaaf", SEASONS, elo_config().league("ncaaf"))
    write(league, 2013)
    frame = matrix(league, seasons=[2013]).set_index("game_id")
    assert frame.at[game_id, "event_ts"] == kickoff - timedelta(hours=1)
    with league.transaction() as conn:
        moments = conn.execute(
            "SELECT DISTINCT event_ts FROM features_historical WHERE entity_id = %s", (game_id,)
        ).fetchall()
    assert len(moments) == 2


def test_division_games_and_rest_agree_with_nflverse(db: Database, data_dir: Path) -> None:
    import pandas as pd

    config = features_config()
    elo = elo_config().league("nfl")
    names = feature_names("nfl")
    with db.transaction() as conn:
        store(conn, nflverse_games(data_dir), divisions=nfl_divisions())
        seasons = list(range(1999, 2026))
        write_ratings(conn, "nfl", seasons, elo)
        later = NOW.replace(year=2027)
        features = registered("nfl", config)
        table = compute_features(conn, "nfl", seasons, features, now=later, elo=elo, config=config)
        keys = dict(conn.execute("SELECT game_id, source_game_id FROM games").fetchall())
    ours = pd.DataFrame(dict(zip(names, table.values, strict=True)), index=table.game_id)
    # By game the day before comes first, so the decision is what stays.
    ours = ours[~ours.index.duplicated(keep="last")]
    assert len(ours) == 7276
    columns = ["game_id", "season", "div_game", "home_rest", "away_rest"]
    source = pd.read_csv(data_dir / "nfl" / "nflverse_games.csv", usecols=columns)
    both = ours.set_index(ours.index.map(keys)).join(source.set_index("game_id"), validate="1:1")
    aligned = both["season"] >= 2002
    assert (both["division_game"] == both["div_game"])[aligned].all()
    assert both["division_game"][~aligned].isna().all()
    # nflverse gives 7 days before a team's first game of a season, we the cap; and it kept the
    # rest of the original date for games that were moved at short notice in 2019, 2021 and 2022.
    for side in ("home", "away"):
        seasoned = both[both[f"games_played_{side}"] > 0]
        differ = seasoned[seasoned[f"rest_{side}"] != seasoned[f"{side}_rest"].clip(upper=14)]
        assert len(differ) < 20
        assert set(differ["season"]) <= {2019, 2021, 2022}


def test_two_writers_of_the_same_seasons_leave_one_copy(league: Database) -> None:
    def write_all(run: str):
        return write(league, *SEASONS, run=run)

    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(write_all, ["run-1", "run-2"]))
    assert sorted(len(w.replaced_seasons) for w in written) == [0, 5]
    assert len(record_ids(league)) == written[0].rows
