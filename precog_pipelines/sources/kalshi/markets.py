"""Series, events, markets and their attributes from listings, and their games."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from precog_core.database import Database
from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_core.kalshi.config import SeriesEntry
from precog_core.kalshi.errors import KalshiRefused
from precog_core.kalshi.market_data import EventMarkets, Market, Series
from precog_core.kalshi.wording import wording_hash
from precog_pipelines.sources.config import league_config
from precog_pipelines.sources.kalshi.matching import (
    Fixture,
    ListedEvent,
    Matching,
    match_events,
)
from precog_pipelines.sources.kalshi.report import Report
from precog_pipelines.sources.kalshi.settlements import store_settlements
from precog_pipelines.sources.kalshi.tickers import read_event_ticker
from precog_pipelines.sources.reference import store_league

if TYPE_CHECKING:  # it brings the HTTP library, which a code location loads only to use
    from precog_core.kalshi.client import KalshiClient

NOT_FOUND = 404
MOST_OVERDUE = 100
"""So many unsettled markets of the past are asked for in one listing of a series."""
OVER = frozenset({"closed", "determined", "disputed", "settled"})
_COLUMNS = (
    "ticker", "title", "status", "open_at", "close_at", "expected_expiration_at", "price_ranges",
    "count_step", "rules_hash", "raw", "event_ts", "known_at", "is_past",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MarketsIngested:
    """The report, and the matching of everything stored so far."""

    report: Report
    matching: Matching


def ingest_markets(
    client: "KalshiClient",
    database: Database,
    now: Callable[[], datetime],
    since: datetime | None = None,
) -> MarketsIngested:
    """Store what the configured series list and match it with games; each series one transaction.

    Read are all events with a market that closes after ``since`` (default: a few days ago), also
    from the archive where ``since`` lies before its cutoff, and older markets that have no final
    settlement yet: some stay closed for months.
    """
    config = client.config
    since = since or now() - timedelta(days=config.markets.lookback_d)
    cutoff = client.historical_cutoff().market_settled_at
    report = Report()
    for entry in config.series:
        with _listing_turn(database, config.platform_id):
            series = client.series(entry.ticker)
            listing = client.events(entry.ticker, min_close_at=since)
            received_at = now()
            found = list(report.heard(listing, f"events of {entry.ticker}"))
            if since < cutoff:
                found = _with_archived(client, entry, found, since, report)
            found += _overdue(client, database, entry, since, report)
            with database.transaction() as conn:
                store_listing(conn, config.platform_id, entry, series, found, received_at, report)
    with database.transaction() as conn:
        matching = match_stored(conn, config.platform_id)
        report.add(matched_now=len(matching.matches))
    return MarketsIngested(report, matching)


@contextmanager
def _listing_turn(database: Database, platform_id: str) -> Iterator[None]:
    """One process at a time asks and stores: an answer that is older is also stored earlier."""
    # A connection of its own: waiting for a turn must not use up the pool of who has it.
    with closing(database.connect(autocommit=True)) as conn:
        load_queries("kalshi").take_listing_turn(conn, platform_id=platform_id)
        yield


def _with_archived(
    client: "KalshiClient",
    entry: SeriesEntry,
    found: Sequence[EventMarkets],
    since: datetime,
    report: Report,
) -> list[EventMarkets]:
    """``found`` and the archived markets since ``since``; their events are asked one by one."""
    live = {market.ticker for one in found for market in one.markets}
    archived: dict[str, list[Market]] = {}
    listing = client.archived_markets(entry.ticker)
    for market in report.heard(listing, f"archived markets of {entry.ticker}"):
        if market.close_at >= since and market.ticker not in live:
            archived.setdefault(market.event_ticker, []).append(market)
    events = {one.event.ticker: one for one in found}
    for ticker, markets in archived.items():
        with report.one_market():
            event = events[ticker].event if ticker in events else client.event(ticker)
            known = events[ticker].markets if ticker in events else ()
            events[ticker] = EventMarkets(event, (*known, *markets))
    return list(events.values())


def _overdue(
    client: "KalshiClient",
    database: Database,
    entry: SeriesEntry,
    since: datetime,
    report: Report,
) -> list[EventMarkets]:
    """Stored markets that closed before ``since`` without a final word, asked one by one."""
    with database.connection() as conn:
        waiting = list(
            load_queries("kalshi").overdue_markets(
                conn,
                platform_id=client.config.platform_id,
                series_ticker=entry.ticker,
                closed_before=since,
                maximum=MOST_OVERDUE,
            )
        )
    by_event: dict[str, list[str]] = {}
    for event_ticker, ticker in waiting:
        by_event.setdefault(event_ticker, []).append(ticker)
    found = []
    for event_ticker, tickers in by_event.items():
        with report.one_market():
            report.add(overdue_asked=len(tickers))
            try:
                event = client.event(event_ticker)
                markets = tuple(client.market(ticker) for ticker in tickers)
            except KalshiRefused as refusal:
                if refusal.status != NOT_FOUND:
                    raise
                # It has left the live tier; a backfill of its day reads the archive.
                report.add(overdue_archived=len(tickers))
                continue
            found.append(EventMarkets(event, markets))
    return found


def store_listing(
    conn: psycopg.Connection,
    platform_id: str,
    entry: SeriesEntry,
    series: Series,
    found: Iterable[EventMarkets],
    received_at: datetime,
    report: Report,
) -> None:
    """Write one series' listing in the caller's transaction; the same again changes no row.

    Results become settlements. Attributes of a market are a new row only when something but its
    prices changed. An older listing never overwrites a newer one.
    """
    queries = load_queries("kalshi")
    row_ts = queries.lock_platform(conn, platform_id=platform_id)[0]
    series_id = _store_series(conn, platform_id, entry, series)
    markets: dict[str, tuple[Market, Any]] = {}
    for one in found:
        name = read_event_ticker(one.event.ticker)
        report.add(
            events=1,
            events_new_or_renamed=queries.upsert_event(
                conn,
                platform_id=platform_id,
                series_id=series_id,
                event_ticker=one.event.ticker,
                title=one.event.title,
                start_at=name.start_at if name else None,
            ),
        )
        for market in one.markets:
            if market.event_ticker != one.event.ticker:
                report.problems.append(
                    f"market {market.ticker} is listed under {one.event.ticker} but names event "
                    f"{market.event_ticker}; it is not stored"
                )
                continue
            markets[market.ticker] = market, one.event.raw
            report.add(
                markets_new=queries.upsert_market(
                    conn,
                    platform_id=platform_id,
                    event_ticker=one.event.ticker,
                    ticker=market.ticker,
                    market_type=market.market_type,
                )
            )
    described = {
        ticker
        for (ticker,) in queries.described_markets(
            conn, platform_id=platform_id, tickers=list(markets)
        )
    }
    report.add(
        markets=len(markets),
        attributes_written=_store_attributes(
            conn, platform_id, markets, described, received_at, row_ts
        ),
        settlements_new=store_settlements(
            conn,
            platform_id,
            ((market, ticker not in described) for ticker, (market, _) in markets.items()),
            received_at,
        ),
    )


def _store_series(
    conn: psycopg.Connection, platform_id: str, entry: SeriesEntry, series: Series
) -> int:
    queries = load_queries("kalshi")
    met = f"met in Kalshi's series {series.ticker}"
    queries.note_category(conn, code=series.category, description=met)
    queries.note_frequency(conn, code=series.frequency, description=met)
    queries.upsert_series(
        conn,
        platform_id=platform_id,
        series_ticker=entry.ticker,
        category=series.category,
        league=entry.league,
        title=series.title,
        frequency=series.frequency,
    )
    series_id: int = queries.series_id(conn, platform_id=platform_id, series_ticker=entry.ticker)
    return series_id


def _store_attributes(
    conn: psycopg.Connection,
    platform_id: str,
    markets: dict[str, tuple[Market, Any]],
    described: Collection[str],
    received_at: datetime,
    row_ts: datetime,
) -> int:
    queries = load_queries("kalshi")
    queries.create_staged_attributes(conn)
    copy_rows(
        conn,
        "staged_attributes",
        _COLUMNS,
        (
            _attributes(market, event, received_at, is_new=ticker not in described)
            for ticker, (market, event) in markets.items()
        ),
    )
    written: int = queries.insert_past_lives(conn, platform_id=platform_id, row_ts=row_ts)
    queries.close_changed_attributes(conn, platform_id=platform_id, row_ts=row_ts)
    written += queries.insert_attributes(conn, platform_id=platform_id, row_ts=row_ts)
    queries.drop_staged_attributes(conn)
    return written


def _attributes(
    market: Market, event: Any, received_at: datetime, *, is_new: bool
) -> tuple[Any, ...]:
    is_past = is_new and market.status in OVER
    changed_at = min(market.updated_at or received_at, received_at)
    known_at = received_at
    if is_past:
        # Met after the fact: it was public when the market closed, or with its settlement.
        changed_at = known_at = min(market.settled_at or market.close_at, received_at)
    raw = {"market": market.raw, "event": event}
    return (
        market.ticker,
        market.title,
        market.status,
        market.open_at,
        market.close_at,
        market.expected_expiration_at,
        Jsonb(list(market.price_ranges)),
        market.count_step,
        wording_hash(market.rules_primary, market.rules_secondary),
        Jsonb(raw, dumps=partial(json.dumps, default=str)),
        changed_at,
        known_at,
        is_past,
    )


def match_stored(conn: psycopg.Connection, platform_id: str) -> Matching:
    """Match every stored event that has no game yet, in the caller's transaction.

    A match once made is kept, also when the game moves to another day than the ticker names.
    Matched events then follow their games: start and status.
    """
    queries = load_queries("kalshi")
    events = [_listed(row) for row in queries.events_to_match(conn, platform_id=platform_id)]
    leagues = sorted({event.league for event in events if event.league})
    for league in leagues:
        _store_teams(conn, league)
    fixtures = [Fixture(*row) for row in queries.fixtures(conn, leagues=leagues)]
    teams = {(league, code): team for league, code, team in _teams(conn, leagues)}
    matching = match_events(
        events, fixtures, teams, taken=list(queries.taken_games(conn, platform_id=platform_id))
    )
    for match in matching.matches:
        queries.set_game(conn, event_id=match.event_id, game_id=match.game_id)
        for market_id, team_id in match.yes_teams.items():
            queries.set_team(conn, market_id=market_id, team_id=team_id)
    games = [game_id for (game_id,) in queries.matched_games(conn, platform_id=platform_id)]
    load_queries("markets").update_events(conn, game_ids=games, platform_id=platform_id)
    return matching


def _teams(conn: psycopg.Connection, leagues: Sequence[str]) -> list[tuple[str, str, int]]:
    return list(load_queries("kalshi").kalshi_teams(conn, leagues=list(leagues)))


def _store_teams(conn: psycopg.Connection, league: str) -> None:
    """Teams and aliases of a league that is configured; another has those an operator added."""
    try:
        config = league_config(league)
    except PrecogError:
        return
    store_league(conn, league, config)


def _listed(row: tuple[Any, ...]) -> ListedEvent:
    event_id, ticker, series_id, league, game_id, competition, volume, tickers, market_ids = row
    prefix = f"{ticker}-"
    outcomes = {
        name.removeprefix(prefix): market_id
        for name, market_id in zip(tickers or (), market_ids or (), strict=True)
    }
    return ListedEvent(
        event_id=event_id,
        ticker=ticker,
        series_id=series_id,
        league=league,
        competition=competition,
        outcomes=outcomes,
        volume=volume,
        game_id=game_id,
    )
