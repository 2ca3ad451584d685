"""Bars and public trades of past days, market by market.

A day is a UTC day: bars that end after its first instant up to and including its last, trades
from its first instant on and before the next. So days never overlap, and any chunking of a range
gives the same rows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import psycopg

from precog_core.database import Database
from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_core.kalshi.account import HistoricalCutoff
from precog_core.kalshi.market_data import Candle, PublicTrade
from precog_pipelines.sources.kalshi.report import Report

if TYPE_CHECKING:  # it brings the HTTP library, which a code location loads only to use
    from precog_core.kalshi.client import KalshiClient

BARS_PER_CALL = 4000
BEFORE_GAME = timedelta(hours=25)
GAME_LASTS = timedelta(hours=8)
"""Trading enters up to a day before the start; no game lasts longer than this after it."""
_CANDLE_COLUMNS = (
    "market_id", "period_s", "bar_end_ts", "open_price", "high_price", "low_price", "close_price",
    "yes_bid", "yes_ask", "volume",
)  # fmt: skip
_TRADE_COLUMNS = ("market_id", "venue_trade_id", "price", "quantity", "taker_side", "event_ts")


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start_at`` to ``end_at`` (UTC), the days of a run."""

    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True)
class OpenMarket:
    """A stored market that was open in the window; ``settled_at`` is None while it is not."""

    market_id: int
    ticker: str
    series_ticker: str
    open_at: datetime
    close_at: datetime | None
    settled_at: datetime | None

    def within(self, window: Window) -> Window:
        """The part of ``window`` in which the market was open."""
        end = window.end_at if self.close_at is None else min(window.end_at, self.close_at)
        return Window(max(window.start_at, self.open_at), end)


def ingest_candles(
    client: "KalshiClient", database: Database, window: Window, now: Callable[[], datetime]
) -> Report:
    """Bars of every stored market that was open in ``window``; each answer one transaction.

    A bar already stored is left as it is; one that differs from it is counted.
    """
    report = Report()
    cutoff = client.historical_cutoff()
    period_s = client.config.history.candle_period_s
    for market in _markets(client, database, window, report):
        for part in _parts(_to_the_bar(market.within(window), period_s), period_s):
            with report.one_market():
                listing = client.candles(
                    market.series_ticker,
                    market.ticker,
                    part.start_at,
                    part.end_at,
                    period_s,
                    archived=_is_archived(market, cutoff),
                )
                # The running bar is not over, and the venue's last bar may be.
                seen_at = now()
                bars = [
                    bar
                    for bar in report.heard(listing, f"bars of {market.ticker}")
                    if part.start_at < bar.end_at <= min(part.end_at, seen_at)
                ]
                with database.transaction() as conn:
                    report.add(**store_candles(conn, market.market_id, period_s, bars))
    return report


def ingest_trades(client: "KalshiClient", database: Database, window: Window) -> Report:
    """Public trades of every stored market that was open in ``window``.

    A window that touches the cutoff is read from both tiers; a trade has one id in both.
    """
    report = Report()
    cutoff = client.historical_cutoff()
    for market in _markets(client, database, window, report):
        part = market.within(window)
        if part.start_at >= part.end_at:
            continue
        with report.one_market():
            trades: dict[str, PublicTrade] = {}
            for archived in _tiers(part, cutoff):
                # The query counts whole seconds; what happened in the last one is asked for too.
                until = part.end_at + timedelta(seconds=1)
                listing = client.trades(market.ticker, part.start_at, until, archived=archived)
                for trade in report.heard(listing, f"trades of {market.ticker}"):
                    if window.start_at <= trade.traded_at < window.end_at:
                        trades.setdefault(trade.trade_id, trade)
            with database.transaction() as conn:
                report.add(**store_trades(conn, market.market_id, trades.values()))
    return report


def ingest_recent_trades(
    client: "KalshiClient", database: Database, now: Callable[[], datetime]
) -> Report:
    """The tape since it was last read, of open markets of games that are near or on.

    Resting paper orders fill on it. A trade is known from when its answer arrived. The daily
    history completes what a pause of this longer than ``history.recent_h`` leaves out.
    """
    report = Report()
    config = client.config
    at = now()
    reach = timedelta(hours=config.history.recent_h)
    with database.connection() as conn:
        found = list(
            load_queries("kalshi").markets_in_play(
                conn,
                platform_id=config.platform_id,
                series_tickers=[entry.ticker for entry in config.series],
                from_ts=at - GAME_LASTS,
                to_ts=at + BEFORE_GAME,
            )
        )
    report.add(markets=len(found))
    for market_id, ticker, _, open_at, _, last_trade_at in found:
        # The query counts whole seconds, and trades of one instant may come in two answers.
        since = max(filter(None, (open_at, at - reach, last_trade_at))) - timedelta(seconds=1)
        with report.one_market():
            listing = client.trades(ticker, since, now() + timedelta(seconds=1), archived=False)
            received_at = now()
            trades = report.heard(listing, f"trades of {ticker}")
            with database.transaction() as conn:
                report.add(**store_trades(conn, market_id, trades, received_at))
    return report


def store_candles(
    conn: psycopg.Connection, market_id: int, period_s: int, bars: Iterable[Candle]
) -> dict[str, int]:
    """Append bars in the caller's transaction, each known at its end."""
    queries = load_queries("kalshi")
    queries.create_staged_candles(conn)
    rows = (
        (
            market_id, period_s, bar.end_at, bar.open, bar.high, bar.low, bar.close,
            bar.yes_bid, bar.yes_ask, bar.volume,
        )
        for bar in bars
    )  # fmt: skip
    offered = copy_rows(conn, "staged_candles", _CANDLE_COLUMNS, rows)
    inserted = queries.insert_candles(conn)
    differing = queries.differing_candles(conn) if inserted < offered else 0
    queries.drop_staged_candles(conn)
    return {"bars": offered, "bars_new": inserted, "bars_differing": differing}


def store_trades(
    conn: psycopg.Connection,
    market_id: int,
    trades: Iterable[PublicTrade],
    received_at: datetime | None = None,
) -> dict[str, int]:
    """Append trades in the caller's transaction, known when they happened or were received."""
    queries = load_queries("kalshi")
    queries.create_staged_trades(conn)
    rows = ((market_id, t.trade_id, t.price, t.quantity, t.taker_side, t.traded_at) for t in trades)
    offered = copy_rows(conn, "staged_trades", _TRADE_COLUMNS, rows)
    inserted = queries.insert_trades(conn, received_at=received_at)
    queries.drop_staged_trades(conn)
    return {"trades": offered, "trades_new": inserted}


def _markets(
    client: "KalshiClient", database: Database, window: Window, report: Report
) -> list[OpenMarket]:
    with database.connection() as conn:
        rows = load_queries("kalshi").markets_open_between(
            conn,
            platform_id=client.config.platform_id,
            series_tickers=[entry.ticker for entry in client.config.series],
            from_ts=window.start_at,
            to_ts=window.end_at,
        )
        markets = [OpenMarket(*row) for row in rows]
    report.add(markets=len(markets))
    return markets


def _to_the_bar(window: Window, period_s: int) -> Window:
    """``window`` widened to the end of the bar in which the market closed, within its day."""
    seconds = window.end_at.timestamp()
    rest = -seconds % period_s
    return Window(window.start_at, window.end_at + timedelta(seconds=rest))


def _parts(window: Window, period_s: int) -> Iterator[Window]:
    step = timedelta(seconds=period_s * BARS_PER_CALL)
    start = window.start_at
    while start < window.end_at:
        yield Window(start, min(start + step, window.end_at))
        start += step


def _is_archived(market: OpenMarket, cutoff: HistoricalCutoff) -> bool:
    return market.settled_at is not None and market.settled_at < cutoff.market_settled_at


def _tiers(window: Window, cutoff: HistoricalCutoff) -> list[bool]:
    """Which tiers (archived or not) hold trades of ``window``."""
    tiers = []
    if window.start_at < cutoff.trades_created_at:
        tiers.append(True)
    if window.end_at > cutoff.trades_created_at:
        tiers.append(False)
    return tiers
