"""Each check of the ingestion stage, passing on good rows and failing on a planted bad one."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import psycopg
import pytest

from precog_core.config import set_override
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.ingestion import assets, checks
from precog_pipelines.sources.closing_line_quotes import ClosingLineQuotes
from precog_pipelines.sources.config import ClosingLineSection, League
from precog_pipelines.sources.markets_table import market_ids, store_markets, tradable_games
from precog_pipelines.sources.protocols import SourceGame
from precog_pipelines.sources.quotes_table import store_quotes

QUOTE = (
    "INSERT INTO market_snapshots (market_id, observed_at, yes_bid, yes_ask, yes_bid_size, "
    "yes_ask_size, write_reason, source, known_at) "
    "SELECT market_id, '{at}', {bid}, {ask}, {size}, 1, 'price', '{source}', '{at}' "
    "FROM markets ORDER BY market_id LIMIT {limit}"
)


@pytest.fixture
def filled(conn: psycopg.Connection, league: League, store: Any, game: Any) -> psycopg.Connection:
    """One good game with two markets and two quotes."""
    games = [game()]
    store(games)
    with conn.transaction():
        store_markets(conn, "closing_line", "nfl", league, tradable_games(conn, "nfl", [2018]))
        source = ClosingLineQuotes(ClosingLineSection())
        ids = market_ids(conn, "closing_line", "nfl", [2018])
        store_quotes(conn, ids, source.quotes(games), source.source)
    return conn


def run_checks() -> dict[str, dict[str, Any]]:
    """All checks through Dagster; the metadata of those that fail, by name."""
    result = dg.materialize(
        [
            assets.games,
            assets.markets,
            assets.market_snapshots,
            checks.games_checks,
            checks.seasons_complete,
            checks.results_fresh,
            checks.two_markets_a_game,
            checks.quote_checks,
        ],
        selection=dg.AssetSelection.all_asset_checks(),
        resources={"postgres": PostgresResource()},
        raise_on_error=False,
    )
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == 10
    return {e.check_name: dict(e.metadata) for e in evaluations if not e.passed}


def problems(conn: psycopg.Connection) -> set[str]:
    """The same questions without Dagster."""
    found = {
        **checks.game_problems(conn),
        **checks.market_problems(conn),
        **checks.quote_problems(conn),
    }
    return {name for name, rows in found.items() if rows}


def quote(
    at: str = "2018-09-09 12:00+00", bid: str = "0.60", ask: str = "0.62", size: str = "1",
    source: str = "assumed_closing_line", limit: int = 1,
) -> str:  # fmt: skip
    return QUOTE.format(at=at, bid=bid, ask=ask, size=size, source=source, limit=limit)


ANOTHER_GAME_THAT_DAY = (
    "INSERT INTO games (game_key, league, season, game_type, home_team_id, away_team_id, "
    "source, known_at) SELECT 'nfl:2018:2018-09-09:x', league, season, game_type, "
    "home_team_id, (SELECT team_id FROM teams WHERE team_code = 'GB'), 'manual', known_at "
    "FROM games"
)
NO_RESULT = (
    "UPDATE games SET status = 'scheduled', home_score = NULL, away_score = NULL, "
    "result_known_at = NULL"
)
WRONG_TEAM = (
    "UPDATE markets SET yes_team_id = (SELECT team_id FROM teams WHERE team_code = 'GB') "
    "WHERE ticker LIKE '%-BUF'"
)
FAULTS = [
    ("games_unique", ANOTHER_GAME_THAT_DAY),
    ("results_possible", "UPDATE games SET home_score = 151"),
    ("results_possible", "UPDATE games SET result_known_at = now() + INTERVAL '1 day'"),
    ("results_possible", "UPDATE games SET known_at = result_known_at + INTERVAL '1 s'"),
    ("results_present", NO_RESULT),
    ("two_markets_a_game", WRONG_TEAM),
    ("quotes_valid", quote(bid="0.62", ask="0.62")),
    ("quotes_valid", quote(bid="0")),
    ("quotes_valid", quote(ask="1")),
    ("quotes_valid", quote(bid="0.605")),
    ("quotes_valid", quote(bid="NULL")),
    ("quotes_valid", quote(size="NULL")),
    ("mirrors_consistent", quote(bid="0.50", ask="0.52", limit=2)),
    ("mirrors_consistent", quote(bid="0.40", ask="0.45", limit=2)),
    ("quotes_labelled", quote(source="recorded")),
    ("quotes_labelled", quote(source="simulated")),
    ("quotes_before_kickoff", quote(at="2018-09-09 17:01+00")),
]


def test_each_planted_fault_is_found_by_its_own_check_only(filled: psycopg.Connection) -> None:
    assert problems(filled) == set()
    for name, statement in FAULTS:
        with filled.transaction(force_rollback=True):
            filled.execute(statement)  # type: ignore[call-overload]
            assert problems(filled) == {name}, statement
    assert problems(filled) == set()


def test_manual_quotes_are_welcome_on_any_platform(filled: psycopg.Connection) -> None:
    filled.execute(quote(source="manual"))  # type: ignore[call-overload]
    assert problems(filled) == set()


def test_dagster_reports_what_fails_and_what_is_shown(filled: psycopg.Connection) -> None:
    found = run_checks()
    assert list(found) == ["seasons_complete"]
    assert "| nfl | 2018 | 1 | 267 | 0 |" in found["seasons_complete"]["problems"].value

    filled.execute(quote(bid="0.62", ask="0.62"))  # type: ignore[call-overload]
    filled.execute("UPDATE games SET home_score = 151")
    found = run_checks()
    assert set(found) == {"seasons_complete", "quotes_valid", "results_possible"}
    assert found["quotes_valid"]["problems"].value == 1
    assert "NFLGAME-18SEP09BUFKC-KC" in found["quotes_valid"]["first"].value


def test_old_results_are_stale_for_a_download_and_not_for_a_file(
    filled: psycopg.Connection,
) -> None:
    set_override(filled, "sources.games.provider", "nflverse", reason="test", applied_by="test")
    assert run_checks()["results_fresh"]["newest_result"].value == "2018-09-09T17:00:00+00:00"
    filled.execute(
        "UPDATE games SET kickoff_at = now() - INTERVAL '9 days', result_known_at = now()"
    )
    assert "results_fresh" not in run_checks()


def test_a_running_season_is_not_incomplete(
    filled: psycopg.Connection, store: Any, game: Callable[..., SourceGame]
) -> None:
    store([game(away="GB", home="CHI", source_game_id="b", away_score=None, home_score=None)])
    assert "seasons_complete" not in run_checks()
