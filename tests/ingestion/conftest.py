"""Made-up games, and a database with a league in it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from precog_core.database import Database
from precog_pipelines.sources.config import BackfillSection, League, league_config
from precog_pipelines.sources.games_table import GamesWritten, store_games
from precog_pipelines.sources.protocols import Retrieval, SourceGame, SourceSnapshot
from precog_pipelines.sources.reference import store_league

GAME = SourceGame(
    league="nfl",
    season=2018,
    week=1,
    game_type="regular",
    game_date=date(2018, 9, 9),
    kickoff_at=datetime(2018, 9, 9, 17, 0, tzinfo=UTC),
    away="BUF",
    home="KC",
    neutral_site=False,
    away_score=17,
    home_score=24,
    source_game_id="2018_01_BUF_KC",
    away_moneyline=150,
    home_moneyline=-170,
)


@pytest.fixture
def game() -> Callable[..., SourceGame]:
    return lambda **changes: replace(GAME, **changes)


@pytest.fixture
def league() -> League:
    return league_config("nfl")


@pytest.fixture
def conn(db: Database, league: League) -> Iterator[psycopg.Connection]:
    """A connection in autocommit, teams stored; tests open their own transactions on it."""
    with db.connect(autocommit=True) as connection:
        store_league(connection, "nfl", league)
        yield connection


@pytest.fixture
def retrieval() -> Callable[..., Retrieval]:
    def build(
        games: Sequence[SourceGame], source: str = "nflverse", digest: str = "a"
    ) -> Retrieval:
        snapshot = SourceSnapshot(
            source=source,
            dataset="games",
            league="nfl",
            uri="games.csv",
            sha256=digest * 64,
            row_count=len(games),
            fetched_at=datetime(2020, 1, 1, tzinfo=UTC),
            published_at=None,
            licence="made up",
        )
        return Retrieval(tuple(games), snapshot)

    return build


@pytest.fixture
def store(
    conn: psycopg.Connection, league: League, retrieval: Callable[..., Retrieval]
) -> Callable[..., GamesWritten]:
    """Stores games in one transaction."""

    def write(games: Sequence[SourceGame], **details: Any) -> GamesWritten:
        with conn.transaction():
            return store_games(conn, "nfl", retrieval(games, **details), league, BackfillSection())

    return write
