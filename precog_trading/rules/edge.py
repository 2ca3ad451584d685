"""What a contract is worth beyond its price and fee, and how much may be paid (trading-rules §3).

The cost of buying is always the ask; the mid only says what the market believes, and the last
price says nothing. All prices are of the side that is bought.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from precog_core.prices import PROBABILITY_STEP, Grid

FeePerContract = Callable[[Decimal], Decimal]
"""φ: own-side price → taker fee per contract in dollars, for the intended quantity."""


class Band(StrEnum):
    """What an edge recommends; stored as ``edges.recommended_action``."""

    IGNORE = "ignore"
    ALERT = "alert"
    AUTO_EXECUTE = "auto_execute"


@dataclass(frozen=True, slots=True)
class Edge:
    """The value of buying one contract at the ask, dollars per contract."""

    probability: Decimal
    """p_s, the model's"""
    shrunk: Decimal
    """p̂_s, four places"""
    mid: Decimal
    ask: Decimal
    fee: Decimal
    """φ(ask), six places, rounded up"""

    @property
    def value(self) -> Decimal:
        """p̂ - ask - φ(ask)."""
        return self.shrunk - self.ask - self.fee

    @property
    def cost(self) -> Decimal:
        """k = ask + φ(ask): what one contract costs."""
        return self.ask + self.fee


def shrink(probability: Decimal, mid: Decimal, trust: Decimal) -> Decimal:
    """p̂ = (1 - λ)·p + λ·mid, half-even to four places; ``trust`` is λ, the market's share.

    Half-even keeps the sides complementary: p̂_YES + p̂_NO = 1 also after rounding.
    """
    mixed = (1 - trust) * probability + trust * mid
    return mixed.quantize(PROBABILITY_STEP, rounding=ROUND_HALF_EVEN)


def is_quarantined(probability: Decimal, mid: Decimal, gap: Decimal) -> bool:
    """Whether model and market differ by more than ``gap``: an error before it is an edge."""
    return abs(probability - mid) > gap


def band(edge: Decimal, minimum: Decimal, auto: Decimal) -> Band:
    """ignore below the minimum, alert up to the larger of minimum and auto, else auto_execute."""
    if edge < minimum:
        return Band.IGNORE
    return Band.AUTO_EXECUTE if edge >= max(minimum, auto) else Band.ALERT


def limit_price(
    shrunk: Decimal,
    ask: Decimal,
    threshold: Decimal,
    slippage: Decimal,
    grid: Grid,
    fee: FeePerContract,
) -> Decimal | None:
    """The highest grid price x <= ask + slippage with p̂ - x - φ(x) >= ``threshold``; None if none.

    ``grid`` is the bought side's. Rounded-up fees make x + φ(x) not quite monotone on fine grids,
    so the walk starts at the top and its first hit is the maximum; the ask bounds it below,
    because an order under the ask would not trade.
    """
    price = grid.floor(ask + slippage)
    while price is not None and price >= ask:
        if shrunk - price - fee(price) >= threshold:
            return price
        price = grid.next_below(price)
    return None


def remaining_edge(shrunk: Decimal, bid: Decimal, fee: FeePerContract) -> Decimal:
    """What an open contract is still worth beyond selling it now: p̂ - (bid - φ(bid))."""
    return shrunk - (bid - fee(bid))
