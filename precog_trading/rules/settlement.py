"""What a finished market pays (trading-rules §11): pure, per contract and per position.

v is the value of YES in [0, 1]: 1 or 0 for a result, anything between for a scalar settlement
(a tie at 0.5, a cancelled game at its fair price). A NO contract is worth 1 - v. Settling costs
nothing.
"""

from decimal import Decimal

from precog_core.prices import ONE, ZERO, Side, own_side


def yes_value(outcome: str, scalar: Decimal | None = None) -> Decimal:
    """v of a settlement: 1 for yes, 0 for no, the stated value for scalar.

    Raises ValueError for another outcome, a scalar without a value, or one outside [0, 1].
    """
    if outcome == "yes":
        return ONE
    if outcome == "no":
        return ZERO
    if outcome != "scalar":
        raise ValueError(f"settlement outcome is {outcome!r}; expected yes, no or scalar")
    if scalar is None or not ZERO <= scalar <= ONE:
        raise ValueError(f"scalar settlement value is {scalar}; expected 0 to 1 dollars")
    return scalar


def winner_market_value(
    *, yes_is_home: bool, home_score: int | None, away_score: int | None, canceled: bool = False
) -> tuple[str, Decimal]:
    """(outcome, v) of a winner market from the final score: a tie pays 0.5 as a scalar.

    Raises ValueError for a game without a final score, or a canceled one: only the venue knows
    the fair price a cancelled game settles at.
    """
    if canceled or home_score is None or away_score is None:
        raise ValueError("a game without a final score settles by the venue's record only")
    if home_score == away_score:
        return "scalar", Decimal("0.5")
    yes_won = (home_score > away_score) == yes_is_home
    return ("yes", ONE) if yes_won else ("no", ZERO)


def contract_value(side: Side, value: Decimal) -> Decimal:
    """What one held contract pays in dollars: v for YES, 1 - v for NO."""
    return own_side(side, value)


def settlement_cash(side: Side, quantity: Decimal, value: Decimal) -> Decimal:
    """Dollars paid into the account for ``quantity`` contracts."""
    return quantity * contract_value(side, value)


def settlement_pnl(
    side: Side, quantity: Decimal, entry_price: Decimal, value: Decimal, fees: Decimal
) -> Decimal:
    """q·(value - entry average) - fees, in dollars; ``fees`` are the entry fees still carried."""
    return quantity * (contract_value(side, value) - entry_price) - fees


def amendment_cash(
    side: Side, quantity: Decimal, old_value: Decimal, new_value: Decimal
) -> tuple[Decimal, Decimal]:
    """(reversal, new booking) in dollars when a venue amends v: the old one is taken back whole."""
    return (
        -settlement_cash(side, quantity, old_value),
        settlement_cash(side, quantity, new_value),
    )
