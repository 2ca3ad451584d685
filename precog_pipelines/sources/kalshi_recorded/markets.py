"""Markets, attributes and settlements of a recording, matched with stored games."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg

from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_pipelines.sources.config import League
from precog_pipelines.sources.games_table import BULK
from precog_pipelines.sources.kalshi.matching import (
    Fixture,
    ListedEvent,
    Unmatched,
    match_events,
)
from precog_pipelines.sources.kalshi_recorded.candles_file import PERIOD_S
from precog_pipelines.sources.kalshi_recorded.games_file import RecordedMarket

PLATFORM = "kalshi"
_COLUMNS = (
    "ticker", "event_ticker", "series_ticker", "event_title", "title", "open_at", "last_bar_at",
    "yes_won", "file",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MarketsStored:
    """Rows inserted, markets that have their game, and those that do not, each with the reason."""

    events: int
    markets: int
    attributes: int
    matched: int
    unmatched: list[Unmatched] = field(default_factory=list)


def store_recorded_markets(
    conn: psycopg.Connection,
    league: str,
    config: League,
    markets: Sequence[RecordedMarket],
    file: str,
) -> MarketsStored:
    """Store the markets and match them with games, in the caller's transaction; idempotent.

    Matching is that of live markets, by ticker, New York date and teams. A market that fits no
    game is stored without one. Attributes say that the market was open from its first bar on and
    settled after its last.
    """
    queries, kalshi = load_queries("recorded"), load_queries("kalshi")
    kalshi.lock_platform(conn, platform_id=PLATFORM)
    with _staged(conn, config, markets, file):
        queries.insert_series(conn, platform_id=PLATFORM, league=league, title=config.series.title)
        events = queries.insert_events(conn, platform_id=PLATFORM)
        new = queries.insert_markets(conn, platform_id=PLATFORM)
        unmatched = _match(conn, league)
        queries.mark_undescribed(conn, platform_id=PLATFORM)
        attributes = queries.insert_open_lives(conn, platform_id=PLATFORM)
        queries.end_open_lives(conn, platform_id=PLATFORM)
        attributes += queries.insert_settled_lives(conn, platform_id=PLATFORM)
        if new >= BULK:
            load_queries("markets").analyze_markets(conn)
    return MarketsStored(events, new, attributes, len(markets) - len(unmatched), unmatched)


def store_recorded_settlements(
    conn: psycopg.Connection, config: League, markets: Sequence[RecordedMarket], file: str
) -> tuple[int, int]:
    """What the venue paid, in the caller's transaction: rows inserted, and stored ones that differ.

    A settlement is known once the result is and the market has stopped trading.
    """
    queries = load_queries("recorded")
    with _staged(conn, config, markets, file):
        inserted: int = queries.insert_settlements(conn, platform_id=PLATFORM)
        differing: int = queries.differing_settlements(conn, platform_id=PLATFORM)
    return inserted, differing


@contextmanager
def _staged(
    conn: psycopg.Connection, config: League, markets: Sequence[RecordedMarket], file: str
) -> Iterator[None]:
    queries = load_queries("recorded")
    names = {team.code: team.name for team in config.teams}
    queries.create_staged_markets(conn)
    copy_rows(
        conn, "staged_recorded_markets", _COLUMNS, (_row(one, names, file) for one in markets)
    )
    yield
    queries.drop_staged_markets(conn)


def _row(market: RecordedMarket, names: dict[str, str], file: str) -> tuple[Any, ...]:
    away, home, winner = (
        names[code] for code in (market.game.away, market.game.home, market.yes_team)
    )
    return (
        market.ticker,
        market.event_ticker,
        market.event_ticker.partition("-")[0],
        f"{away} at {home}",
        f"{winner} to win ({market.game.away} at {market.game.home})",
        market.first_bar_at - timedelta(seconds=PERIOD_S),
        market.last_bar_at,
        market.yes_won,
        file,
    )


def _match(conn: psycopg.Connection, league: str) -> list[Unmatched]:
    queries, kalshi = load_queries("recorded"), load_queries("kalshi")
    teams = {
        (of_league, code): team_id
        for of_league, code, team_id in kalshi.kalshi_teams(conn, leagues=[league])
    }
    events = [_listed(row) for row in queries.staged_events(conn, platform_id=PLATFORM)]
    matching = match_events(
        events,
        [Fixture(*row) for row in kalshi.fixtures(conn, leagues=[league])],
        teams,
        taken=list(kalshi.taken_games(conn, platform_id=PLATFORM)),
        lone_markets=True,
    )
    pairs = [pair for match in matching.matches for pair in match.yes_teams.items()]
    game_ids = [match.game_id for match in matching.matches]
    queries.link_events(
        conn, event_ids=[match.event_id for match in matching.matches], game_ids=game_ids
    )
    queries.link_markets(
        conn, market_ids=[market for market, _ in pairs], team_ids=[team for _, team in pairs]
    )
    load_queries("markets").update_events(conn, game_ids=game_ids, platform_id=PLATFORM)
    return matching.unmatched


def _listed(row: tuple[Any, ...]) -> ListedEvent:
    event_id, ticker, series_id, league, game_id, tickers, market_ids = row
    return ListedEvent(
        event_id=event_id,
        ticker=ticker,
        series_id=series_id,
        league=league,
        competition=None,
        outcomes={
            name.removeprefix(f"{ticker}-"): market_id
            for name, market_id in zip(tickers, market_ids, strict=True)
        },
        game_id=game_id,
    )
