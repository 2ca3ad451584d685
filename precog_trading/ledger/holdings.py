"""A position is the fold of its executions at average cost: no other state is kept.

The fold sorts and deduplicates first, and carries the average as an exact fraction, so that any
order, split or repetition of the pages a venue sends gives the same position to the last digit.
Rounding to the six places of the ledger happens once, when the result is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import lru_cache

from precog_core.errors import PrecogError

_PLACES = Decimal("0.000001")
_ZERO = Fraction(0)


class LedgerError(PrecogError):
    """Executions contradict each other: nothing is booked until a person has looked."""


@dataclass(frozen=True, slots=True)
class Execution:
    """Contracts of one side that changed hands: price and fee in dollars, price per contract."""

    venue_fill_id: str
    executed_at: datetime
    action: str
    price: Decimal
    quantity: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Holding:
    """The state after some executions; dollars to 6 places.

    ``cost`` is what the contracts still held were bought for, ``gross_realized`` what sales and
    settlement brought above the cost of what left, ``realized_pnl`` the same after the fees that
    belong to it: all exit fees, entry fees pro rata to the contracts that left.
    """

    original_quantity: Decimal
    quantity: Decimal
    entry_price: Decimal
    cost: Decimal
    fees: Decimal
    gross_realized: Decimal
    realized_pnl: Decimal
    opened_at: datetime
    exit_price: Decimal | None


def dollars(amount: Decimal | Fraction) -> Decimal:
    """An amount rounded half-even to the 6 places of the ledger."""
    if isinstance(amount, Fraction):
        scaled = round(amount * 1_000_000)  # Python rounds fractions half-even, exactly
        return Decimal(scaled).scaleb(-6)
    return amount.quantize(_PLACES, rounding=ROUND_HALF_EVEN)


def fold(executions: Iterable[Execution], settlement_value: Decimal | None = None) -> Holding:
    """The holding after all executions, and after settlement at ``settlement_value`` if given.

    ``settlement_value`` is that of the held side in dollars per contract. Raises LedgerError when
    two reports of one fill differ, when more is sold than was held, or when there is nothing.
    """
    return _fold(tuple(executions), settlement_value)


@lru_cache(maxsize=1024)
def _fold(executions: tuple[Execution, ...], settlement_value: Decimal | None) -> Holding:
    """One booking asks for the same holding several times: of its parts, the whole, the order."""
    ordered = _once_each(executions)
    if not ordered:
        raise LedgerError("a position without executions cannot exist; reconcile with the venue")
    bought = held = cost = entry_fees = exit_fees = left = proceeds = average = _ZERO
    cash = Decimal(0)  # as the ledger books it: rounded movement by movement
    for execution in ordered:
        quantity, price = Fraction(execution.quantity), Fraction(execution.price)
        if execution.action == "buy":
            bought += quantity
            held += quantity
            cash -= dollars(quantity * price)
            cost += quantity * price
            entry_fees += Fraction(execution.fee)
            average = cost / held
            continue
        if quantity > held:
            raise LedgerError(
                f"fill {execution.venue_fill_id} sells {execution.quantity} contracts but only "
                f"{Decimal(held.numerator) / held.denominator} were held; "
                "reconcile fills with the venue"
            )
        proceeds += quantity * price
        cash += dollars(quantity * price)
        left += quantity
        held -= quantity
        cost = average * held
        exit_fees += Fraction(execution.fee)
    if settlement_value is not None and held:
        proceeds += held * Fraction(settlement_value)
        cash += dollars(held * Fraction(settlement_value))
        left += held
        held = cost = _ZERO
    # From rounded cash and cost, so that both add up to the last digit whatever was rounded.
    gross = cash + dollars(cost)
    fees_of_exits = dollars(exit_fees + entry_fees * left / bought)
    return Holding(
        original_quantity=_quantity(bought),
        quantity=_quantity(held),
        entry_price=dollars(average),
        cost=dollars(cost),
        fees=dollars(entry_fees + exit_fees),
        gross_realized=gross,
        realized_pnl=gross - fees_of_exits,
        opened_at=ordered[0].executed_at,
        exit_price=dollars(proceeds / left) if left else None,
    )


def _once_each(executions: Iterable[Execution]) -> list[Execution]:
    """Without repeats, in the order of execution; the id breaks ties, so the order is total."""
    seen: dict[str, Execution] = {}
    for execution in executions:
        known = seen.setdefault(execution.venue_fill_id, execution)
        if known != execution:
            raise LedgerError(
                f"the venue reported fill {execution.venue_fill_id} twice with different content: "
                f"{known} and {execution}; nothing of it is booked"
            )
    # Buys first at one instant: the venue stamps an order's fills alike, and nothing sells what it
    # does not hold yet.
    return sorted(seen.values(), key=lambda e: (e.executed_at, e.action != "buy", e.venue_fill_id))


def _quantity(contracts: Fraction) -> Decimal:
    return Decimal(round(contracts * 100)).scaleb(-2)
