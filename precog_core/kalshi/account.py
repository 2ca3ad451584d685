"""The venue's state and one's own: status, limits, balance, orders, fills, settlements.

Own-account records keep the venue's words (YES-space prices, bid and ask): the exchange adapter
translates. Counts are read, never the status of an order: a partly filled IOC is ``canceled``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from precog_core.kalshi.fields import Fields

CENT = Decimal("0.01")
ORDER_STATUSES = {name: name for name in ("resting", "canceled", "executed")}
OUTCOME_SIDES = {name: name for name in ("yes", "no")}
BOOK_SIDES = {name: name for name in ("bid", "ask")}
SETTLED_RESULTS = {name: name for name in ("yes", "no", "scalar")}


@dataclass(frozen=True, slots=True)
class ExchangeStatus:
    """Both must be true before anything is sent."""

    exchange_active: bool
    trading_active: bool


@dataclass(frozen=True, slots=True)
class HistoricalCutoff:
    """What settled or traded earlier is in the archive only."""

    market_settled_at: datetime
    trades_created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """Tier and tokens per second, with the capacity of each bucket."""

    tier: str
    read_rate: Decimal
    read_capacity: Decimal
    write_rate: Decimal
    write_capacity: Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """Cash in dollars; the venue counts in whole cents and, where given, in dollars exactly."""

    cash: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the venue has it. ``yes_price`` is in YES space; counts are contracts."""

    order_id: str
    client_order_id: str | None
    ticker: str
    outcome_side: str
    book_side: str
    status: str
    yes_price: Decimal
    initial_count: Decimal
    filled_count: Decimal
    remaining_count: Decimal
    created_at: datetime
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution; joined to its order by ``order_id``, for it has no client_order_id."""

    fill_id: str
    order_id: str
    ticker: str
    outcome_side: str
    book_side: str
    count: Decimal
    yes_price: Decimal
    is_taker: bool
    fee: Decimal
    created_at: datetime
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a settled market paid. ``revenue`` is dollars, ``value`` dollars per YES contract."""

    ticker: str
    result: str
    yes_count: Decimal
    no_count: Decimal
    revenue: Decimal
    value: Decimal
    fee: Decimal
    settled_at: datetime
    raw: Mapping[str, Any] = field(repr=False, compare=False)


def exchange_status_of(content: Any, endpoint: str) -> ExchangeStatus:
    """The answer of ``/exchange/status``."""
    fields = Fields(content, endpoint, None)
    return ExchangeStatus(fields.flag("exchange_active"), fields.flag("trading_active"))


def cutoff_of(content: Any, endpoint: str) -> HistoricalCutoff:
    """The answer of ``/historical/cutoff``."""
    fields = Fields(content, endpoint, None)
    return HistoricalCutoff(
        fields.instant("market_settled_ts"), fields.instant("trades_created_ts")
    )


def limits_of(content: Any, endpoint: str) -> AccountLimits:
    """The answer of ``/account/limits``."""
    fields = Fields(content, endpoint, None)
    read, write = fields.inner("read"), fields.inner("write")
    return AccountLimits(
        tier=fields.text("usage_tier"),
        read_rate=read.rate("refill_rate"),
        read_capacity=read.rate("bucket_capacity"),
        write_rate=write.rate("refill_rate"),
        write_capacity=write.rate("bucket_capacity"),
    )


def balance_of(content: Any, endpoint: str) -> Balance:
    """The answer of ``/portfolio/balance``: ``balance`` is a whole number of cents."""
    fields = Fields(content, endpoint, None)
    exact = fields.optional(fields.dollars, "balance_dollars")
    cents = fields.integer("balance") * CENT
    return Balance(cents if exact is None else exact)


def order_of(content: Any, endpoint: str) -> Order:
    """An ``order`` object."""
    fields = Fields.about(content, endpoint, "ticker")
    return Order(
        order_id=fields.text("order_id"),
        client_order_id=fields.optional(fields.any_text, "client_order_id") or None,
        ticker=fields.text("ticker"),
        outcome_side=fields.choice("outcome_side", OUTCOME_SIDES),
        book_side=fields.choice("book_side", BOOK_SIDES),
        status=fields.choice("status", ORDER_STATUSES),
        yes_price=fields.price("yes_price_dollars"),
        initial_count=fields.count("initial_count_fp"),
        filled_count=fields.count("fill_count_fp"),
        remaining_count=fields.count("remaining_count_fp"),
        created_at=fields.instant("created_time"),
        raw=fields.content,
    )


def fill_of(content: Any, endpoint: str) -> Fill:
    """An element of ``fills``."""
    fields = Fields.about(content, endpoint, "ticker")
    return Fill(
        fill_id=fields.text("fill_id"),
        order_id=fields.text("order_id"),
        ticker=fields.text("ticker"),
        outcome_side=fields.choice("outcome_side", OUTCOME_SIDES),
        book_side=fields.choice("book_side", BOOK_SIDES),
        count=fields.count("count_fp"),
        yes_price=fields.price("yes_price_dollars"),
        is_taker=fields.flag("is_taker"),
        fee=fields.dollars("fee_cost"),
        created_at=fields.instant("created_time"),
        raw=fields.content,
    )


def settlement_of(content: Any, endpoint: str) -> Settlement:
    """An element of ``settlements``: ``revenue`` and ``value`` are whole cents."""
    fields = Fields.about(content, endpoint, "ticker")
    return Settlement(
        ticker=fields.text("ticker"),
        result=fields.choice("market_result", SETTLED_RESULTS),
        yes_count=fields.count("yes_count_fp"),
        no_count=fields.count("no_count_fp"),
        revenue=fields.integer("revenue") * CENT,
        value=fields.integer("value") * CENT,
        fee=fields.dollars("fee_cost"),
        settled_at=fields.instant("settled_time"),
        raw=fields.content,
    )
