"""The endpoints Precog reads, each as one method with typed answers.

A listing is paged to its end, or says that it is not complete: absence may only be concluded from
a complete one. An object that cannot be read is set aside with its error and the rest is kept.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, TypeVar
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

Item = TypeVar("Item")
EVENTS_PAGE = 200
MARKETS_PAGE = 1000
TRADES_PAGE = 1000
PORTFOLIO_PAGE = 200
_Reject = Callable[[KalshiPayloadError], None]


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """What a listing gave. ``complete`` is False when anything may be missing; ``why`` says why.

    ``rejected`` are the objects that could not be read, each with its error.
    """

    items: tuple[Item, ...]
    complete: bool
    why: str | None = None
    rejected: tuple[KalshiPayloadError, ...] = ()


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
        return series_of(self._object(path, "series"), f"GET {path}")

    def fee_changes(self, series_ticker: str) -> Listing[FeeChange]:
        """Past and scheduled fee changes of a series; the venue does not page them."""
        path = "/series/fee_changes"
        content = self.transport.get(
            path, {"series_ticker": series_ticker, "show_historical": True}
        )
        rejected: list[KalshiPayloadError] = []
        items = _each(
            _elements(content, f"GET {path}", "series_fee_change_arr"),
            lambda item, _: fee_change_of(item, f"GET {path}"),
            rejected.append,
        )
        return _listing(items, rejected)

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
            lambda item, reject: _event_markets(item, "GET /events", with_markets, reject),
        )

    def event(self, ticker: str) -> Event:
        """One event, also where its markets are archived."""
        path = f"/events/{_quoted(ticker)}"
        return event_of(self._object(path, "event"), f"GET {path}")

    def markets(
        self,
        *,
        series_ticker: str | None = None,
        event_ticker: str | None = None,
        status: str | None = None,
        min_close_at: datetime | None = None,
    ) -> Listing[Market]:
        """Markets of the live tier, which holds about three months."""
        return self._list(
            "/markets",
            "markets",
            {
                "series_ticker": series_ticker,
                "event_ticker": event_ticker,
                "status": status,
                "min_close_ts": _unix(min_close_at),
                "limit": MARKETS_PAGE,
            },
            lambda item, _: market_of(item, "GET /markets"),
        )

    def archived_markets(self, series_ticker: str) -> Listing[Market]:
        """Markets of a series that settled before the cutoff; the archive knows no time filter."""
        return self._list(
            "/historical/markets",
            "markets",
            {"series_ticker": series_ticker, "limit": MARKETS_PAGE},
            lambda item, _: market_of(item, "GET /historical/markets"),
        )

    def market(self, ticker: str) -> Market:
        """One market of the live tier."""
        path = f"/markets/{_quoted(ticker)}"
        return market_of(self._object(path, "market"), f"GET {path}")

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
        if fields.optional(fields.any_text, "ticker") not in (None, ticker):
            fields.refuse("ticker", f"is {content['ticker']!r}, not the market that was asked for")
        rejected: list[KalshiPayloadError] = []
        items = _each(
            fields.items("candlesticks"),
            lambda item, _: candle_of(item, endpoint, ticker),
            rejected.append,
        )
        return _listing(sorted(items, key=lambda candle: candle.end_at), rejected)

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
            lambda item, _: trade_of(item, f"GET {path}"),
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
        read: Callable[[Any, _Reject], Item],
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
                elements = _elements(content, f"GET {path}", name)
                cursor = _cursor(content, f"GET {path}")
            except KalshiError as error:
                if page == 0:
                    raise
                return Listing(tuple(items), False, f"page {page + 1}: {error}", tuple(rejected))
            items += _each(elements, read, rejected.append)
            if not cursor:
                return _listing(items, rejected)
            if cursor in seen:
                why = f"GET {path} repeated the cursor of an earlier page"
                return Listing(tuple(items), False, why, tuple(rejected))
            seen.add(cursor)
        why = f"GET {path} has more than {self.config.page_budget} pages (kalshi.page_budget)"
        return Listing(tuple(items), False, why, tuple(rejected))


def _event_markets(
    content: Any, endpoint: str, with_markets: bool, reject: _Reject
) -> EventMarkets:
    event = event_of(content, endpoint)
    if not with_markets:
        return EventMarkets(event, ())
    nested = list(Fields(content, endpoint, event.ticker).items("markets"))
    return EventMarkets(
        event, tuple(_each(nested, lambda item, _: market_of(item, endpoint), reject))
    )


def _elements(content: Any, endpoint: str, name: str) -> list[Any]:
    return list(Fields(content, endpoint, None).items(name))


def _cursor(content: Any, endpoint: str) -> str:
    fields = Fields(content, endpoint, None)
    return fields.optional(fields.any_text, "cursor") or ""


def _each(
    elements: Iterable[Any], read: Callable[[Any, _Reject], Item], reject: _Reject
) -> list[Item]:
    items: list[Item] = []
    for element in elements:
        try:
            items.append(read(element, reject))
        except KalshiPayloadError as error:
            reject(error)
    return items


def _listing(items: Iterable[Item], rejected: list[KalshiPayloadError]) -> Listing[Item]:
    if not rejected:
        return Listing(tuple(items), True)
    why = f"{len(rejected)} of its objects could not be read"
    return Listing(tuple(items), False, why, tuple(rejected))


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _quoted(part: str) -> str:
    return quote(part, safe="")
