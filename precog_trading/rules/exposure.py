"""What can be lost in a game, over every way it can end (trading-rules §6).

Two mirror markets are one bet: YES on a team and NO on its opponent pay on the same outcome, and
are added before the worst outcome is looked for. Between games there is no credit: a team, a day,
a league and the account are sums of their games' worst losses.

Only winner markets can be bought today, so the outcomes are a win of either team, a tie and a
void; a market on margin or total adds cells here and nothing elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from precog_core.prices import ZERO

TIE_VALUE = Decimal("0.5")
"""A tied game settles its winner markets at half a dollar each."""

OutcomeKey = int | str
"""The team that wins; text for the outcomes of a market that belongs to no game."""
Gains = tuple[Decimal, ...]
"""Dollars gained in each outcome ω of a game: each winner in order, then tie, then void."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A holding, or an open buy order as if filled at its limit.

    ``cost`` is what was or would be paid for the whole quantity, fees included, in dollars.
    ``void_value`` is the own-side mid per contract, which a void pays; 0 when it is not known.
    """

    pays_on: OutcomeKey
    quantity: Decimal
    cost: Decimal
    void_value: Decimal


def outcome_values(
    winners: tuple[OutcomeKey, ...], pays_on: OutcomeKey, void_value: Decimal
) -> Gains:
    """What one contract pays in each outcome: 1 or 0 by winner, half in a tie, the mid if void."""
    by_winner = tuple(Decimal(winner == pays_on) for winner in winners)
    return (*by_winner, TIE_VALUE, void_value)


def outcome_gains(winners: tuple[OutcomeKey, ...], legs: Iterable[Leg]) -> Gains:
    """Gain in dollars in every outcome of one game: Σ q·value(ω) - cost."""
    gains: Gains = (ZERO,) * (len(winners) + 2)
    for leg in legs:
        values = outcome_values(winners, leg.pays_on, leg.void_value)
        gains = with_order(gains, values, leg.quantity, leg.cost)
    return gains


def with_order(gains: Gains, values: Gains, quantity: Decimal, cost: Decimal) -> Gains:
    """The gains once ``quantity`` contracts paying ``values`` are added for ``cost`` dollars."""
    return tuple(g + quantity * v - cost for g, v in zip(gains, values, strict=True))


def worst_loss(gains: Gains) -> Decimal:
    """max(0, -min over outcomes of the gain), in dollars."""
    return max(ZERO, -min(gains))


def most_contracts(
    gains: Gains, values: Gains, least_cost: Decimal, room: Decimal, wanted: Decimal
) -> Decimal:
    """No more than this many contracts, at most ``wanted``, keep the worst loss within ``room``.

    ``least_cost`` is per contract before fee rounding, so the result is an upper bound, one
    contract or so above the exact one. In each outcome the gain falls by least_cost - value per
    contract; an outcome already beyond the room admits none.
    """
    most = wanted
    for gain, value in zip(gains, values, strict=True):
        left = room + gain
        if left < ZERO:
            return ZERO
        falls = least_cost - value
        if falls > ZERO:
            most = min(most, left / falls)
    return most
