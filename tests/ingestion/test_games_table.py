"""Games are written by key: again changes nothing, a correction is known from now."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import League
from precog_pipelines.sources.games_table import GamesWritten
from precog_pipelines.sources.protocols import SourceGame
from precog_pipelines.sources.reference import store_league
from precog_pipelines.sources.teams import TeamDirectory

Game = Callable[..., SourceGame]
Store = Callable[..., GamesWritten]
NO_RESULT: dict[str, Any] = {"away_score": None, "home_score": None}


def rows(conn: psycopg.Connection) -> list[Any]:
    return conn.execute(
        "SELECT g.*, h.team_code AS home, a.team_code AS away FROM games AS g "
        "JOIN teams AS h ON h.team_id = g.home_team_id "
        "JOIN teams AS a ON a.team_id = g.away_team_id ORDER BY g.game_key"
    ).fetchall()


def one(conn: psycopg.Connection, columns: str) -> Any:
    (row,) = conn.execute(f"SELECT {columns} FROM games").fetchall()
    return row


def test_a_finished_game_is_stored_with_the_times_it_could_have_been_known(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    assert store([game()]) == GamesWritten(inserted=1, updated=0, unchanged=0, absent=0)
    assert one(
        conn,
        "game_key, season, week, game_type, status, home_score, away_score, source, source_game_id,"
        " kickoff_at, known_at, result_known_at",
    ) == (
        "nfl:2018:2018-09-09:BUF@KC", 2018, 1, "regular", "final", 24, 17, "nflverse",
        "2018_01_BUF_KC",
        datetime(2018, 9, 9, 17, 0, tzinfo=UTC),
        datetime(2018, 9, 7, 17, 0, tzinfo=UTC),
        datetime(2018, 9, 9, 21, 0, tzinfo=UTC),
    )  # fmt: skip
    assert [tuple(row[-2:]) for row in rows(conn)] == [("KC", "BUF")]


def test_a_game_without_a_start_is_known_by_the_local_day(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    store([game(kickoff_at=None)])
    assert one(conn, "kickoff_at, known_at, result_known_at") == (
        None,
        datetime(2018, 9, 7, 4, 0, tzinfo=UTC),
        datetime(2018, 9, 10, 16, 0, tzinfo=UTC),
    )


def test_the_same_games_again_touch_no_row(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    games = [game(), game(away="GB", home="CHI", source_game_id="b", kickoff_at=None)]
    store(games)
    before = rows(conn)
    # Another file with the same games is a new retrieval, but no new fact.
    assert store(games, digest="b") == GamesWritten(0, 0, 2, 0)
    assert rows(conn) == before
    assert conn.execute("SELECT count(*) FROM source_snapshots").fetchone() == (2,)
    assert store(games) == GamesWritten(0, 0, 2, 0)
    assert conn.execute("SELECT count(*) FROM source_snapshots").fetchone() == (2,)


def test_a_corrected_score_is_known_from_now_and_keeps_the_fixture(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    store([game()])
    before = one(conn, "game_id, known_at, updated_at, source_snapshot_id, now()")
    assert store([game(home_score=27)], digest="b").updated == 1
    after = one(conn, "game_id, known_at, updated_at, source_snapshot_id, result_known_at")
    assert after[:2] == before[:2]
    assert after[2] > before[2]
    assert after[3] != before[3]
    assert after[4] >= before[4]


def test_a_result_learnt_for_a_stored_fixture_is_known_from_now(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    store([game(**NO_RESULT)])
    assert one(conn, "status, home_score, result_known_at") == ("scheduled", None, None)
    (before,) = one(conn, "now()")
    store([game()])
    status, score, known = one(conn, "status, home_score, result_known_at")
    assert (status, score) == ("final", 24)
    assert known >= before


def test_nothing_is_known_before_it_is_read(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    soon = datetime.now(UTC) + timedelta(days=90)
    store([game(kickoff_at=soon, game_date=soon.date(), season=soon.year, **NO_RESULT)])
    assert one(conn, "known_at <= now()") == (True,)


def test_a_game_moved_to_another_day_stays_one_game(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    store([game(**NO_RESULT)])
    (game_id,) = one(conn, "game_id")
    moved = game(
        game_date=date(2018, 9, 11),
        kickoff_at=datetime(2018, 9, 11, 22, 0, tzinfo=UTC),
        **NO_RESULT,
    )
    assert store([moved]).updated == 1
    assert one(conn, "game_id, game_key, kickoff_at, known_at > '2026-01-01'") == (
        game_id,
        "nfl:2018:2018-09-11:BUF@KC",
        datetime(2018, 9, 11, 22, 0, tzinfo=UTC),
        True,
    )


def test_a_corrected_kickoff_of_a_played_game_keeps_the_back_fill_rule(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    store([game()])
    store([game(kickoff_at=datetime(2018, 9, 9, 20, 0, tzinfo=UTC))])
    assert one(conn, "known_at, result_known_at") == (
        datetime(2018, 9, 7, 20, 0, tzinfo=UTC),
        datetime(2018, 9, 10, 0, 0, tzinfo=UTC),
    )


def test_a_final_that_lost_its_result_is_refused_and_nothing_is_stored(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    store([game()])
    before = rows(conn)
    other = game(away="GB", home="CHI", source_game_id="b")
    with pytest.raises(PrecogError, match="no result for nfl:2018:2018-09-09:BUF@KC, which was"):
        store([other, game(**NO_RESULT)], digest="b")
    assert rows(conn) == before
    assert conn.execute("SELECT count(*) FROM source_snapshots").fetchone() == (1,)


def test_a_home_keeps_one_source_of_results(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    store([game()], source="sample")
    with pytest.raises(PrecogError, match="holds 1 nfl games of 2018-2018 from source 'sample'"):
        store([game(season=2019, game_date=date(2019, 9, 9))], source="nflverse")


def test_games_the_source_no_longer_has_are_counted_and_kept(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    store([game(), game(away="GB", home="CHI", source_game_id="b")])
    assert store([game()]) == GamesWritten(0, 0, 1, absent=1)
    assert len(rows(conn)) == 2


def test_one_season_after_the_other_gives_the_rows_of_both_at_once(
    conn: psycopg.Connection, store: Store, game: Game
) -> None:
    first = game()
    second = game(season=2019, game_date=date(2019, 9, 9), source_game_id="c", kickoff_at=None)
    store([second])
    store([first])
    columns = "game_key, season, kickoff_at, home_score, known_at, result_known_at"
    apart = conn.execute(f"SELECT {columns} FROM games ORDER BY game_key").fetchall()
    conn.execute("DELETE FROM games")
    store([first, second])
    assert conn.execute(f"SELECT {columns} FROM games ORDER BY game_key").fetchall() == apart


def test_teams_are_stored_once_and_an_operators_alias_stays(
    conn: psycopg.Connection, league: League
) -> None:
    conn.execute(
        "INSERT INTO team_aliases (source, league, alias, team_id) "
        "SELECT 'nflverse', 'nfl', 'KCC', team_id FROM teams WHERE team_code = 'KC'"
    )
    before = conn.execute("SELECT * FROM teams ORDER BY 1").fetchall()
    aliases = conn.execute("SELECT * FROM team_aliases ORDER BY 1").fetchall()
    directory = store_league(conn, "nfl", league)
    assert conn.execute("SELECT * FROM teams ORDER BY 1").fetchall() == before
    assert conn.execute("SELECT * FROM team_aliases ORDER BY 1").fetchall() == aliases
    assert len(before) == 32
    assert directory.code("nflverse", "KCC") == "KC"
    assert directory.code("kalshi", "LAR") == "LA"
    configured = TeamDirectory.configured("nfl", league).codes
    assert set(directory.codes) == set(configured) | {("nflverse", "KCC")}
