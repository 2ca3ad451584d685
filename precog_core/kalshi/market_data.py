"""Public market data as frozen records: series, events, markets, books, bars and trades.

Each record keeps the object it was read from in ``raw`` where the schema stores it, so that
fields Precog does not know are not lost. Prices of an empty side (0 bid, 1 ask) become None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from precog_core.kalshi.fields import Fields
from precog_core.prices import ONE, ZERO, complement

MarketStatus = Literal["unopened", "open", "paused", "closed", "determined", "disputed", "settled"]
MARKET_STATUSES: Mapping[str, MarketStatus] = {
    "initialized": "unopened",
    "active": "open",
    "inactive": "paused",
    "closed": "closed",
    "determined": "determined",
    "disputed": "disputed",
    "amended": "determined",
    "finalized": "settled",
}
"""The venue's life of a market in the words of ``market_attributes.status``."""
RESULTS: Mapping[str, str | None] = {"": None, "yes": "yes", "no": "no", "scalar": "scalar"}
MARKET_TYPES = {name: name for name in ("binary", "scalar", "categorical")}
WHOLE_CONTRACTS = Decimal(1)
FRACTIONS = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Series:
    """A contract family and its fees."""

    ticker: str
    title: str
    category: str
    frequency: str
    fee_type: str
    fee_multiplier: Decimal


@dataclass(frozen=True, slots=True)
class FeeChange:
    """Fees of a series from ``effective_at`` on."""

    change_id: str
    series_ticker: str
    fee_type: str
    fee_multiplier: Decimal
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Market:
    """A contract: what it is, how it stands, and its best quotes as the listing shows them."""

    ticker: str
    event_ticker: str
    market_type: str
    title: str
    status: MarketStatus
    result: str | None
    open_at: datetime
    close_at: datetime
    expected_expiration_at: datetime | None
    updated_at: datetime | None
    settled_at: datetime | None
    settlement_value: Decimal | None
    price_ranges: tuple[Mapping[str, str], ...]
    count_step: Decimal
    rules_primary: str
    rules_secondary: str
    yes_bid: Decimal | None
    yes_ask: Decimal | None
    yes_bid_size: Decimal | None
    yes_ask_size: Decimal | None
    last_price: Decimal | None
    volume: Decimal
    open_interest: Decimal
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def outcome(self) -> str | None:
        """The part of the ticker that names what YES pays; None when the ticker has none."""
        prefix = f"{self.event_ticker}-"
        suffix = self.ticker.removeprefix(prefix)
        return suffix if self.ticker.startswith(prefix) and suffix else None


@dataclass(frozen=True, slots=True)
class Event:
    """One game, without its markets."""

    ticker: str
    series_ticker: str
    title: str
    competition: str | None
    fee_type_override: str | None
    fee_multiplier_override: Decimal | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class EventMarkets:
    """An event with those of its markets that could be read."""

    event: Event
    markets: tuple[Market, ...]


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Bids of both sides, best first; an empty side is an empty tuple."""

    ticker: str
    yes: tuple[tuple[Decimal, Decimal], ...]
    no: tuple[tuple[Decimal, Decimal], ...]

    @property
    def yes_bid(self) -> Decimal | None:
        return self.yes[0][0] if self.yes else None

    @property
    def yes_bid_size(self) -> Decimal | None:
        return self.yes[0][1] if self.yes else None

    @property
    def yes_ask(self) -> Decimal | None:
        """1 - the best NO bid: offering YES at x is bidding 1 - x for NO."""
        return complement(self.no[0][0]) if self.no else None

    @property
    def yes_ask_size(self) -> Decimal | None:
        return self.no[0][1] if self.no else None


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar, known at its inclusive end. Prices are None where nothing traded or was quoted."""

    end_at: datetime
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    yes_bid: Decimal | None
    yes_ask: Decimal | None
    volume: Decimal


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade on the tape, YES price. ``taker_side`` is None for a block trade without one."""

    trade_id: str
    ticker: str
    price: Decimal
    quantity: Decimal
    taker_side: str | None
    traded_at: datetime


def series_of(content: Any, endpoint: str) -> Series:
    """A ``series`` object."""
    fields = Fields.about(content, endpoint, "ticker")
    return Series(
        ticker=fields.text("ticker"),
        title=fields.text("title"),
        category=fields.text("category").strip().lower(),
        frequency=fields.text("frequency").strip().lower(),
        fee_type=fields.text("fee_type"),
        fee_multiplier=fields.rate("fee_multiplier"),
    )


def fee_change_of(content: Any, endpoint: str) -> FeeChange:
    """An element of ``series_fee_change_arr``."""
    fields = Fields.about(content, endpoint, "series_ticker")
    return FeeChange(
        change_id=fields.text("id"),
        series_ticker=fields.text("series_ticker"),
        fee_type=fields.text("fee_type"),
        fee_multiplier=fields.rate("fee_multiplier"),
        effective_at=fields.instant("scheduled_ts"),
    )


def event_of(content: Any, endpoint: str) -> Event:
    """An ``event`` object; its nested markets are read by ``market_of``, one by one."""
    fields = Fields.about(content, endpoint, "event_ticker")
    metadata = fields.inner("product_metadata") if fields.has("product_metadata") else None
    return Event(
        ticker=fields.text("event_ticker"),
        series_ticker=fields.text("series_ticker"),
        title=fields.text("title"),
        competition=metadata.optional(metadata.any_text, "competition") if metadata else None,
        fee_type_override=fields.optional(fields.any_text, "fee_type_override") or None,
        fee_multiplier_override=fields.optional(fields.rate, "fee_multiplier_override"),
        raw={name: value for name, value in fields.content.items() if name != "markets"},
    )


def market_of(content: Any, endpoint: str) -> Market:
    """A ``market`` object in its live or archived form."""
    fields = Fields.about(content, endpoint, "ticker")
    status = fields.choice("status", MARKET_STATUSES)
    result = fields.choice("result", RESULTS)
    value = fields.optional(fields.price, "settlement_value_dollars")
    if status == "settled" and result is None:
        fields.refuse("result", "is empty although the market is finalized")
    if result == "scalar" and value is None:
        fields.refuse("settlement_value_dollars", "is missing although the result is scalar")
    bid, bid_size = _bid(fields.price("yes_bid_dollars"), fields.count("yes_bid_size_fp"))
    ask, ask_size = _ask(fields.price("yes_ask_dollars"), fields.count("yes_ask_size_fp"))
    fractional = fields.optional(fields.flag, "fractional_trading_enabled")
    return Market(
        ticker=fields.text("ticker"),
        event_ticker=fields.text("event_ticker"),
        market_type=fields.choice("market_type", MARKET_TYPES),
        title=fields.text("title"),
        status=status,
        result=result,
        open_at=fields.instant("open_time"),
        close_at=fields.instant("close_time"),
        expected_expiration_at=fields.optional(fields.instant, "expected_expiration_time"),
        updated_at=fields.optional(fields.instant, "updated_time"),
        settled_at=fields.optional(fields.instant, "settlement_ts"),
        settlement_value=value,
        price_ranges=_price_ranges(fields),
        count_step=FRACTIONS if fractional else WHOLE_CONTRACTS,
        rules_primary=fields.any_text("rules_primary"),
        rules_secondary=fields.any_text("rules_secondary"),
        yes_bid=bid,
        yes_ask=ask,
        yes_bid_size=bid_size,
        yes_ask_size=ask_size,
        last_price=_traded(fields.price("last_price_dollars")),
        volume=fields.count("volume_fp"),
        open_interest=fields.count("open_interest_fp"),
        raw=fields.content,
    )


def order_book_of(content: Any, endpoint: str, ticker: str) -> OrderBook:
    """The answer of ``/markets/{ticker}/orderbook``; any other envelope raises."""
    book = Fields(content, endpoint, ticker).inner("orderbook_fp")
    return OrderBook(ticker, _bids(book, "yes_dollars"), _bids(book, "no_dollars"))


def candle_of(content: Any, endpoint: str, ticker: str) -> Candle:
    """A bar of the live tier (``open_dollars``) or of the archive (``open``)."""
    fields = Fields(content, endpoint, ticker)
    archived = "volume_fp" not in fields.content and "volume" in fields.content
    suffix = "" if archived else "_dollars"
    price = fields.inner("price")
    traded = {part: price.optional(price.price, part + suffix) for part in _OHLC}
    if any(value is None for value in traded.values()) and any(traded.values()):
        absent = next(part for part, value in traded.items() if value is None)
        price.refuse(absent + suffix, "is missing although the bar has other prices")
    bid = fields.inner("yes_bid")
    ask = fields.inner("yes_ask")
    return Candle(
        end_at=fields.unix_time("end_period_ts"),
        open=traded["open"],
        high=traded["high"],
        low=traded["low"],
        close=traded["close"],
        yes_bid=_bid(bid.price(f"close{suffix}"), None)[0],
        yes_ask=_ask(ask.price(f"close{suffix}"), None)[0],
        volume=fields.count("volume" if archived else "volume_fp"),
    )


def trade_of(content: Any, endpoint: str) -> PublicTrade:
    """An element of ``trades``."""
    fields = Fields.about(content, endpoint, "ticker")
    quantity = fields.count("count_fp")
    if quantity <= 0:
        fields.refuse("count_fp", f"is {quantity}; a trade has contracts")
    return PublicTrade(
        trade_id=fields.text("trade_id"),
        ticker=fields.text("ticker"),
        price=fields.price("yes_price_dollars"),
        quantity=quantity,
        taker_side=_taker_side(fields),
        traded_at=fields.instant("created_time"),
    )


_OHLC = ("open", "high", "low", "close")
_SIDES = {"yes": "yes", "no": "no"}


def _taker_side(fields: Fields) -> str | None:
    """``taker_outcome_side``; ``taker_side`` in older answers."""
    for name in ("taker_outcome_side", "taker_side"):
        if fields.has(name):
            return fields.choice(name, {**_SIDES, "": None})
    if fields.has("is_block_trade") and fields.flag("is_block_trade"):
        return None
    return fields.choice("taker_outcome_side", _SIDES)


def _bids(book: Fields, name: str) -> tuple[tuple[Decimal, Decimal], ...]:
    levels = (book.level(name, value) for value in book.items(name))
    return tuple(sorted(levels, reverse=True))


def _bid(price: Decimal, size: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
    return (None, None) if price == ZERO else (price, size)


def _ask(price: Decimal, size: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
    return (None, None) if price == ONE else (price, size)


def _traded(price: Decimal) -> Decimal | None:
    """The last price; 0 stands for a market that has not traded."""
    return None if price == ZERO else price


def _price_ranges(fields: Fields) -> tuple[Mapping[str, str], ...]:
    ranges = []
    for number, item in enumerate(fields.items("price_ranges")):
        part = Fields(item, fields.endpoint, fields.ticker, f"price_ranges[{number}]")
        for name in ("start", "end", "step"):
            part.price(name)
        ranges.append({name: part.text(name) for name in ("start", "end", "step")})
    if not ranges:
        fields.refuse("price_ranges", "is empty; a market has a price grid")
    return tuple(ranges)
