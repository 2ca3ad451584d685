"""Trading fees, per fill and per contract (trading-rules §2).

A schedule is data: the row of ``fee_schedules`` in force at the time, never a constant in code.
Fees round **up**, so a modelled fee is never below the venue's. Settlement is free and has no
function here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from functools import lru_cache

from precog_core.errors import PrecogError
from precog_core.prices import ONE, PRICE_STEP, ZERO, Action, ceil_to, floor_to

REBATE = Decimal("0.01")
"""Accumulated rounding above one cent is paid back a cent at a time (Kalshi fee-rounding page)."""
FINE_ROUNDING = Decimal("0.0001")
"""The rounding_increment from which on an account's balance is rounded separately from the fee."""

KNOWN_FEE_TYPES = frozenset(
    {"quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"}
)
"""The types whose formula is rate·M·C·P·(1-P); ``flat`` and anything new cannot be modelled."""

STANDARD_RATES: dict[str, tuple[Decimal, Decimal]] = {
    "quadratic": (Decimal("0.07"), ZERO),
    "quadratic_with_maker_fees": (Decimal("0.07"), Decimal("0.0175")),
    "quadratic_with_combo_maker_fees": (Decimal("0.07"), Decimal("0.0175")),
}
"""(taker, maker) by fee type: Kalshi fee schedule of July 2025; combo makers conservatively."""


class Role(StrEnum):
    TAKER = "taker"
    MAKER = "maker"


class FeeUnknown(PrecogError):
    """The schedule is missing or of a type without a formula: nothing may be bought under it."""


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """One row of ``fee_schedules``: rates are dollars per contract at C·P·(1-P) = 1.

    ``rounding_increment`` is in dollars. The scope is the event, else the series, else the
    platform, whichever is named.
    """

    fee_schedule_id: int | None
    fee_type: str
    taker_rate: Decimal
    maker_rate: Decimal
    multiplier: Decimal
    rounding_increment: Decimal
    platform_id: str = ""
    series_id: int | None = None
    event_id: int | None = None
    effective_from: datetime | None = None
    known_at: datetime | None = None
    source: str = ""

    def __hash__(self) -> int:
        return hash((self.fee_schedule_id, self.fee_type))

    @property
    def is_known(self) -> bool:
        """Whether this schedule's type has a formula."""
        return self.fee_type in KNOWN_FEE_TYPES

    def rate(self, role: Role) -> Decimal:
        """rate · M of the role. Raises FeeUnknown for a type without a formula."""
        if self.fee_type not in KNOWN_FEE_TYPES:
            raise FeeUnknown(
                f"fee schedule {self.fee_schedule_id} has type {self.fee_type!r}, which has no "
                f"formula; expected one of {', '.join(sorted(KNOWN_FEE_TYPES))}"
            )
        return (self.taker_rate if role is Role.TAKER else self.maker_rate) * self.multiplier


@dataclass(frozen=True, slots=True)
class Fee:
    """What one fill costs beside its price, in dollars, all >= 0.

    ``accumulated`` is the order's rounding not paid back yet: pass it to the order's next fill.
    """

    trade_fee: Decimal
    rounding_fee: Decimal
    rebate: Decimal
    accumulated: Decimal

    @property
    def total(self) -> Decimal:
        """What leaves the account: trade fee plus rounding less rebate."""
        return self.trade_fee + self.rounding_fee - self.rebate


def fee(
    schedule: FeeSchedule,
    role: Role,
    contracts: Decimal,
    price: Decimal,
    accumulated: Decimal = ZERO,
    *,
    action: Action = Action.BUY,
    account_precision: Decimal = FINE_ROUNDING,
) -> Fee:
    """The fee of one fill of ``contracts`` at ``price`` (of either side: P·(1-P) is the same).

    raw = rate·M·C·P·(1-P), rounded up to the schedule's increment. Under the 0.0001 increment the
    balance change ±C·P - trade_fee is then floored to ``account_precision`` (the price paid for
    balances in whole cents), and what that takes is paid back a cent at a time per order. Under
    the older 0.01 increment there is nothing left to round. Source: Kalshi fee schedule and
    fee-rounding page. Raises FeeUnknown for a schedule without a formula.
    """
    raw = schedule.rate(role) * contracts * price * (ONE - price)
    trade_fee = ceil_to(raw, schedule.rounding_increment)
    if schedule.rounding_increment != FINE_ROUNDING:
        return Fee(trade_fee, ZERO, ZERO, accumulated)
    cash = contracts * price
    change = (-cash if action is Action.BUY else cash) - trade_fee
    rounding_fee = change - floor_to(change, account_precision)
    accumulated += rounding_fee
    rebate = ZERO
    while accumulated > REBATE:
        rebate += REBATE
        accumulated -= REBATE
    return Fee(trade_fee, rounding_fee, rebate, accumulated)


@lru_cache(maxsize=16_384)
def fee_per_contract(
    schedule: FeeSchedule,
    contracts: Decimal,
    price: Decimal,
    account_precision: Decimal = FINE_ROUNDING,
) -> Decimal:
    """φ(price): the taker fee of ``contracts`` at ``price``, per contract, up to six places.

    Rounding is included and a rebate is not: an edge must not hope for one. Asked again and again
    for the few prices of a grid, so answers are kept.
    """
    paid = fee(schedule, Role.TAKER, contracts, price, account_precision=account_precision)
    per_contract = (paid.trade_fee + paid.rounding_fee) / contracts
    return per_contract.quantize(PRICE_STEP, rounding=ROUND_CEILING)


def waived(schedule: FeeSchedule) -> FeeSchedule:
    """The schedule while a market's fees are waived: the same row, charging nothing."""
    return replace(schedule, taker_rate=ZERO, maker_rate=ZERO)


def schedule_in_force(
    schedules: Iterable[FeeSchedule],
    at: datetime,
    *,
    platform_id: str,
    series_id: int | None = None,
    event_id: int | None = None,
) -> FeeSchedule | None:
    """The schedule that binds a market at ``at``: narrowest scope, then latest effective_from,
    then latest known_at, among those effective and known by then. None when there is none.
    """
    best: FeeSchedule | None = None
    best_rank: tuple[int, datetime, datetime] | None = None
    for row in schedules:
        if row.platform_id != platform_id or row.effective_from is None or row.known_at is None:
            continue
        if row.effective_from > at or row.known_at > at:
            continue
        if row.event_id is not None:
            scope = 2 if row.event_id == event_id else -1
        elif row.series_id is not None:
            scope = 1 if row.series_id == series_id else -1
        else:
            scope = 0
        rank = (scope, row.effective_from, row.known_at)
        if scope >= 0 and (best_rank is None or rank > best_rank):
            best, best_rank = row, rank
    return best
