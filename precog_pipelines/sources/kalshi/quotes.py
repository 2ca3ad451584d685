"""What is bid and asked on the open markets now, stored where it differs materially."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_core.kalshi.config import QuotesSection
from precog_core.kalshi.market_data import Market
from precog_core.kalshi.quote_filter import MarketQuote
from precog_core.kalshi.quote_store import store_quotes
from precog_pipelines.sources.kalshi.report import Report

if TYPE_CHECKING:  # it brings the HTTP library, which a code location loads only to use
    from precog_core.kalshi.client import KalshiClient

_STORED_WITHIN = timedelta(seconds=2)


def ingest_quotes(
    client: "KalshiClient", database: Database, now: Callable[[], datetime]
) -> Report:
    """Quote every open market of the configured series.

    A quote is observed, and known, when its answer has arrived; it is stored within two seconds,
    while further books are read. A market whose book cannot be read gets no quote and is a problem
    of the report; a market that is not stored yet is counted.
    """
    config = client.config
    report = Report()
    for entry in config.series:
        listing = client.markets(series_ticker=entry.ticker, status="open")
        listed_at = now()
        open_markets = [
            market
            for market in report.heard(listing, f"open markets of {entry.ticker}")
            if market.status == "open"
        ]
        with database.connection() as conn:
            ids = dict(
                load_queries("kalshi").market_ids(
                    conn,
                    platform_id=config.platform_id,
                    tickers=[market.ticker for market in open_markets],
                )
            )
        report.add(open_markets=len(open_markets), not_stored_yet=len(open_markets) - len(ids))
        quotes: list[MarketQuote] = []
        for market in open_markets:
            if market.ticker not in ids:
                continue
            with report.one_market():
                quotes.append(_quote(client, market, ids[market.ticker], listed_at, now))
            # Hundreds of books take longer than a quote may wait to be seen by trading.
            if quotes and now() - quotes[0].observed_at >= _STORED_WITHIN:
                report.add(quotes_seen=len(quotes), **_store(database, quotes, config.quotes))
                quotes = []
        report.add(quotes_seen=len(quotes), **_store(database, quotes, config.quotes))
    return report


def _store(
    database: Database, quotes: Sequence[MarketQuote], rule: QuotesSection
) -> dict[str, int]:
    with database.transaction() as conn:
        return store_quotes(conn, quotes, rule)


def _quote(
    client: "KalshiClient",
    market: Market,
    market_id: int,
    listed_at: datetime,
    now: Callable[[], datetime],
) -> MarketQuote:
    """From the book, with volume and interest of the listing; or all from the listing."""
    top: Any = market
    observed_at = listed_at
    if client.config.quotes.origin == "orderbook":
        top = client.order_book(market.ticker, depth=1)
        observed_at = now()
    return MarketQuote(
        market_id=market_id,
        observed_at=observed_at,
        yes_bid=top.yes_bid,
        yes_ask=top.yes_ask,
        yes_bid_size=top.yes_bid_size,
        yes_ask_size=top.yes_ask_size,
        last_price=market.last_price,
        volume=market.volume,
        open_interest=market.open_interest,
    )
