"""Writes the markets of games: one event and two mirror markets per game, one row of attributes."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from precog_core.database.queries import load_queries
from precog_pipelines.sources.config import League
from precog_pipelines.sources.games_table import BULK


@dataclass(frozen=True, slots=True)
class MarketsWritten:
    """Rows inserted, and events whose start or status followed their game."""

    events: int
    markets: int
    attributes: int
    events_updated: int


def store_markets(
    conn: psycopg.Connection, platform_id: str, league: str, config: League, game_ids: Sequence[int]
) -> MarketsWritten:
    """Markets on ``platform_id`` for stored games, in the caller's transaction; idempotent.

    YES of the first market pays for the home team, of the second for the away team. Attributes are
    knowable with the fixture (``games.known_at``) and say nothing that came later.
    """
    queries = load_queries("markets")
    series = {"platform_id": platform_id, "series_ticker": config.series.ticker}
    ids = list(game_ids)
    queries.insert_series(conn, league=league, title=config.series.title, **series)
    events = queries.insert_events(conn, game_ids=ids, **series)
    updated = queries.update_events(conn, game_ids=ids, platform_id=platform_id)
    markets = queries.insert_markets(conn, game_ids=ids, platform_id=platform_id)
    attributes = queries.insert_market_attributes(conn, game_ids=ids, platform_id=platform_id)
    if markets >= BULK:
        queries.analyze_markets(conn)
    return MarketsWritten(events, markets, attributes, updated)


def tradable_games(conn: psycopg.Connection, league: str, seasons: Sequence[int]) -> list[int]:
    """Ids of the regular and postseason games of ``seasons``."""
    rows = load_queries("markets").tradable_game_ids(conn, league=league, seasons=list(seasons))
    return [game_id for (game_id,) in rows]


def market_ids(
    conn: psycopg.Connection, platform_id: str, league: str, seasons: Sequence[int]
) -> dict[tuple[str, str], int]:
    """``(game_key, "home" | "away")`` to the market whose YES pays for that team."""
    rows = load_queries("markets").game_markets(
        conn, platform_id=platform_id, league=league, seasons=list(seasons)
    )
    return {(key, "home" if is_home else "away"): market_id for key, is_home, market_id in rows}
