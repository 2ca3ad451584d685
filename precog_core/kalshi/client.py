"""The endpoints Precog reads, each as one method with typed answers.

A listing is paged to its end, or says that it is not complete: absence may only be concluded from
a complete one. An object that cannot be read is set aside with its error and the rest is kept.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

from precog_core.kalshi.account import (
    AccountLimits,
    Balance,
    ExchangeStatus,
    Fill,
    HistoricalCutoff,
    Order,
    Settlement,
    balance_of,
    cutoff_of,
    exchange_status_of,
    fill_of,
    limits_of,
    order_of,
    settlement_of,
)
from precog_core.kalshi.config import KalshiConfig
from precog_core.kalshi.credentials import Credentials
from precog_core.kalshi.errors import KalshiError, KalshiPayloadError
from precog_core.kalshi.fields import Fields
from precog_core.kalshi.listings import (
    Item,
    Listing,
    Reject,
    asked_for,
    cursor_of,
    each,
    elements,
    listing_of,
)
from precog_core.kalshi.market_data import (
    Candle,
    Event,
    EventMarkets,
    FeeChange,
    Market,
    OrderBook,
    PublicTrade,
    Series,
    candle_of,
    event_of,
    fee_change_of,
    market_of,
    order_book_of,
    series_of,
    trade_of,
)
from precog_core.kalshi.transport import Params, Transport

EVENTS_PAGE = 200
MARKETS_PAGE = 1000
TRADES_PAGE = 1000
PORTFOLIO_PAGE = 200


class KalshiClient:
    """Reads from one environment of Kalshi. Close it, or use it in a ``with`` block.

    The client does not look at ``config.enabled``: whoever runs by itself asks that first.
    """

    def __init__(self, config: KalshiConfig, transport: Transport) -> None:
        self.config = config
        self.transport = transport

    @classmethod
    def connect(
        cls, config: KalshiConfig, credentials: Credentials | None = None
    ) -> "KalshiClient":
        """A client with the process's own clock and limits; opens no connection yet."""
        return cls(config, Transport(config, credentials))

    def __enter__(self) -> "KalshiClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.transport.close()

    # Public market data

    def series(self, ticker: str) -> Series:
        """One series."""
        path = f"/series/{_quoted(ticker)}"
        series = series_of(self._object(path, "series"), f"GET {path}")
        asked_for(series.ticker, ticker, f"GET {path}", "ticker")
        return series

    def fee_changes(self, series_ticker: str) -> Listing[FeeChange]:
        """Past and scheduled fee changes of a series; the venue does not page them."""
        path = "/series/fee_changes"
        content = self.transport.get(
            path, {"series_ticker": series_ticker, "show_historical": True}
        )
        rejected: list[KalshiPayloadError] = []
        items = each(
            elements(content, f"GET {path}", "series_fee_change_arr"),
            lambda item, _: fee_change_of(item, f"GET {path}"),
            rejected.append,
        )
        return listing_of((c for c in items if c.series_ticker == series_ticker), rejected)

    def events(
        self,
        series_ticker: str,
        *,
        status: str | None = None,
        min_close_at: datetime | None = None,
        with_markets: bool = True,
    ) -> Listing[EventMarkets]:
        """Events of a series with their markets, archived ones without.

        ``status`` is unopened, open, closed or settled, which are not the statuses of answers.
        """
        return self._list(
            "/events",
            "events",
            {
                "series_ticker": series_ticker,
                "status": status,
                "min_close_ts": _unix(min_close_at),
                "with_nested_markets": with_markets,
                "limit": EVENTS_PAGE,
            },
            lambda item, reject: _event_markets(item, series_ticker, with_markets, reject),
        )

    def event(self, ticker: str) -> Event:
        """One event, also where its markets are archived."""
        path = f"/events/{_quoted(ticker)}"
        event = event_of(self._object(path, "event"), f"GET {path}")
        asked_for(event.ticker, ticker, f"GET {path}", "event_ticker")
        return event

    def markets(
        self,
        *,
        series_ticker: str | None = None,
        event_ticker: str | None = None,
        tickers: Sequence[str] = (),
        status: str | None = None,
        min_close_at: datetime | None = None,
    ) -> Listing[Market]:
        """Markets of the live tier, which holds about three months; ``tickers``: only these."""
        return self._list(
            "/markets",
            "markets",
            {
                "series_ticker": series_ticker,
                "event_ticker": event_ticker,
                "tickers": ",".join(tickers) or None,
                "status": status,
                "min_close_ts": _unix(min_close_at),
                "limit": MARKETS_PAGE,
            },
            lambda item, _: _market(item, "GET /markets", series_ticker, event_ticker, tickers),
        )

    def archived_markets(self, series_ticker: str) -> Listing[Market]:
        """Markets of a series that settled before the cutoff; the archive knows no time filter."""
        return self._list(
            "/historical/markets",
            "markets",
            {"series_ticker": series_ticker, "limit": MARKETS_PAGE},
            lambda item, _: _market(item, "GET /historical/markets", series_ticker, None),
        )

    def market(self, ticker: str) -> Market:
        """One market of the live tier."""
        path = f"/markets/{_quoted(ticker)}"
        market = market_of(self._object(path, "market"), f"GET {path}")
        asked_for(market.ticker, ticker, f"GET {path}", "ticker")
        return market

    def order_book(self, ticker: str, depth: int = 0) -> OrderBook:
        """The book of a market; ``depth`` levels of each side, 0 for all."""
        path = f"/markets/{_quoted(ticker)}/orderbook"
        content = self.transport.get(path, {"depth": depth})
        return order_book_of(content, f"GET {path}", ticker)

    def candles(
        self,
        series_ticker: str,
        ticker: str,
        start_at: datetime,
        end_at: datetime,
        period_s: int,
        *,
        archived: bool = False,
    ) -> Listing[Candle]:
        """Bars that end within [``start_at``, ``end_at``], oldest first."""
        path = (
            f"/historical/markets/{_quoted(ticker)}/candlesticks"
            if archived
            else f"/series/{_quoted(series_ticker)}/markets/{_quoted(ticker)}/candlesticks"
        )
        endpoint = f"GET {path}"
        content = self.transport.get(
            path,
            {
                "start_ts": _unix(start_at),
                "end_ts": _unix(end_at),
                "period_interval": period_s // 60,
            },
        )
        fields = Fields(content, endpoint, ticker)
        given = fields.optional(fields.any_text, "ticker")
        asked_for(given or ticker, ticker, endpoint, "ticker")
        rejected: list[KalshiPayloadError] = []
        items = each(
            fields.items("candlesticks"),
            lambda item, _: candle_of(item, endpoint, ticker),
            rejected.append,
        )
        return listing_of(sorted(items, key=lambda candle: candle.end_at), rejected)

    def trades(
        self,
        ticker: str,
        start_at: datetime,
        end_at: datetime,
        *,
        archived: bool = False,
    ) -> Listing[PublicTrade]:
        """Public trades of a market in [``start_at``, ``end_at``]."""
        path = "/historical/trades" if archived else "/markets/trades"
        return self._list(
            path,
            "trades",
            {
                "ticker": ticker,
                "min_ts": _unix(start_at),
                "max_ts": _unix(end_at),
                "limit": TRADES_PAGE,
            },
            lambda item, _: _trade(item, f"GET {path}", ticker),
        )

    def historical_cutoff(self) -> HistoricalCutoff:
        """Where the archive begins; it moves."""
        return cutoff_of(self.transport.get("/historical/cutoff"), "GET /historical/cutoff")

    def exchange_status(self) -> ExchangeStatus:
        """Whether the exchange and its trading are active. A failure means: not active."""
        return exchange_status_of(self.transport.get("/exchange/status"), "GET /exchange/status")

    # The account; these need a key

    def account_limits(self) -> AccountLimits:
        """Tier and token rates of the account."""
        return limits_of(self.transport.get("/account/limits", signed=True), "GET /account/limits")

    def balance(self) -> Balance:
        """Cash of the account."""
        path = "/portfolio/balance"
        return balance_of(self.transport.get(path, signed=True), f"GET {path}")

    def orders(self, ticker: str, min_created_at: datetime | None = None) -> Listing[Order]:
        """Orders of a market. The venue cannot filter by client_order_id: match in memory."""
        return self._list(
            "/portfolio/orders",
            "orders",
            {"ticker": ticker, "min_ts": _unix(min_created_at), "limit": PORTFOLIO_PAGE},
            lambda item, _: order_of(item, "GET /portfolio/orders"),
            signed=True,
        )

    def order(self, order_id: str) -> Order:
        """One order by the venue's id."""
        path = f"/portfolio/orders/{_quoted(order_id)}"
        return order_of(self._object(path, "order", signed=True), f"GET {path}")

    def fills(
        self, ticker: str | None = None, min_created_at: datetime | None = None
    ) -> Listing[Fill]:
        """Executions of the account."""
        return self._list(
            "/portfolio/fills",
            "fills",
            {"ticker": ticker, "min_ts": _unix(min_created_at), "limit": PORTFOLIO_PAGE},
            lambda item, _: fill_of(item, "GET /portfolio/fills"),
            signed=True,
        )

    def settlements(self, min_settled_at: datetime | None = None) -> Listing[Settlement]:
        """What settled positions paid."""
        return self._list(
            "/portfolio/settlements",
            "settlements",
            {"min_ts": _unix(min_settled_at), "limit": PORTFOLIO_PAGE},
            lambda item, _: settlement_of(item, "GET /portfolio/settlements"),
            signed=True,
        )

    def _object(self, path: str, name: str, *, signed: bool = False) -> Any:
        content = self.transport.get(path, signed=signed)
        return Fields(content, f"GET {path}", None).inner(name).content

    def _list(
        self,
        path: str,
        name: str,
        params: Params,
        read: Callable[[Any, Reject], Item],
        *,
        signed: bool = False,
    ) -> Listing[Item]:
        """All pages of a listing. A failure of the first page raises, of a later one ends it."""
        items: list[Item] = []
        rejected: list[KalshiPayloadError] = []
        seen: set[str] = set()
        cursor = ""
        for page in range(self.config.page_budget):
            try:
                content = self.transport.get(
                    path, {**params, "cursor": cursor or None}, signed=signed
                )
                found = elements(content, f"GET {path}", name)
                cursor = cursor_of(content, f"GET {path}")
            except KalshiError as error:
                if page == 0:
                    raise
                return Listing(tuple(items), False, f"page {page + 1}: {error}", tuple(rejected))
            items += each(found, read, rejected.append)
            if not cursor:
                return listing_of(items, rejected)
            if cursor in seen:
                why = f"GET {path} repeated the cursor of an earlier page"
                return Listing(tuple(items), False, why, tuple(rejected))
            seen.add(cursor)
        why = f"GET {path} has more than {self.config.page_budget} pages (kalshi.page_budget)"
        return Listing(tuple(items), False, why, tuple(rejected))


def _event_markets(
    content: Any, series_ticker: str, with_markets: bool, reject: Reject
) -> EventMarkets:
    endpoint = "GET /events"
    event = event_of(content, endpoint)
    asked_for(event.series_ticker, series_ticker, endpoint, "series_ticker", event.ticker)
    if not with_markets:
        return EventMarkets(event, ())
    nested = list(Fields(content, endpoint, event.ticker).items("markets"))
    return EventMarkets(
        event, tuple(each(nested, lambda item, _: market_of(item, endpoint), reject))
    )


def _market(
    content: Any,
    endpoint: str,
    series_ticker: str | None,
    event_ticker: str | None,
    tickers: Sequence[str] = (),
) -> Market:
    market = market_of(content, endpoint)
    series, event = market.event_ticker.partition("-")[0], market.event_ticker
    asked_for(series, series_ticker, endpoint, "event_ticker", market.ticker)
    asked_for(event, event_ticker, endpoint, "event_ticker", market.ticker)
    if tickers and market.ticker not in tickers:
        asked_for(market.ticker, ", ".join(tickers), endpoint, "ticker")
    return market


def _trade(content: Any, endpoint: str, ticker: str) -> PublicTrade:
    trade = trade_of(content, endpoint)
    asked_for(trade.ticker, ticker, endpoint, "ticker")
    return trade


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _quoted(part: str) -> str:
    return quote(part, safe="")
