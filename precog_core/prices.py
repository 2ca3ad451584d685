"""Prices as exact decimals: sides, the YES/NO complement and the grid a venue quotes on.

Every rule of trading reads the price of the contract that is *held* ("own side"): a NO contract
at 0.40 is the YES contract at 0.60 seen from the other side. YES space appears in two places
only, the stored quote and the venue's order message; both conversions live here, so no other
module ever writes ``1 - price``. There is no float in this file except at the entrance of
:func:`decimal_from_float`, the one place where a statistic becomes a decimal.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from functools import lru_cache

from precog_core.errors import PrecogError

ZERO = Decimal(0)
ONE = Decimal(1)
PRICE_STEP = Decimal("0.000001")
"""Prices and dollars are stored with six places, NUMERIC(12,6) and NUMERIC(18,6)."""
PROBABILITY_STEP = Decimal("0.0001")
"""Probabilities are stored with four places, NUMERIC(10,4)."""


class Side(StrEnum):
    """The contract one holds: it pays 1 when the market resolves to its name."""

    YES = "yes"
    NO = "no"

    @property
    def opposite(self) -> "Side":
        return Side.NO if self is Side.YES else Side.YES


class Action(StrEnum):
    BUY = "buy"
    SELL = "sell"


class BookSide(StrEnum):
    """The two sides of a venue's single YES book."""

    BID = "bid"
    ASK = "ask"


def complement(price: Decimal) -> Decimal:
    """The price of the other side, ``1 - price``: exact, and its own inverse."""
    return ONE - price


def own_side(side: Side, yes_price: Decimal) -> Decimal:
    """A YES-space price as the price of ``side``. The same map leads back (see to_yes_space)."""
    return yes_price if side is Side.YES else ONE - yes_price


def to_yes_space(side: Side, price: Decimal) -> Decimal:
    """The venue's YES-space price of an own-side price: x for YES, 1 - x for NO."""
    return price if side is Side.YES else ONE - price


def book_side(action: Action, side: Side) -> BookSide:
    """The side of the YES book an order joins: buy YES bid, sell YES ask, buy NO ask, sell NO bid.

    Buying NO at n is offering YES at 1 - n, because holding both is holding a dollar.
    """
    buys_yes = (action is Action.BUY) == (side is Side.YES)
    return BookSide.BID if buys_yes else BookSide.ASK


def best_bid_ask(
    side: Side, yes_bid: Decimal | None, yes_ask: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    """Own-side (bid, ask) of a YES quote: for NO the bid is 1 - yes_ask and the ask 1 - yes_bid."""
    if side is Side.YES:
        return yes_bid, yes_ask
    return (
        None if yes_ask is None else ONE - yes_ask,
        None if yes_bid is None else ONE - yes_bid,
    )


def decimal_from_float(value: float, step: Decimal = PROBABILITY_STEP) -> Decimal:
    """A statistic as a decimal, rounded half-even to ``step``; the only float → Decimal conversion.

    The shortest text that denotes the float is rounded, so 0.61235 is read as it is printed and
    not as its binary neighbour. Raises ValueError for NaN and infinities.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number and cannot become a price")
    return Decimal(repr(float(value))).quantize(step, rounding=ROUND_HALF_EVEN)


def decimal_text(value: Decimal) -> str:
    """Plain notation, never an exponent: what canonical JSON and ids carry."""
    return format(value, "f")


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` not above ``value`` (toward minus infinity)."""
    if value >= ZERO:
        return value // step * step
    return (value / step).to_integral_value(rounding=ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of ``step`` not below ``value``."""
    return (value / step).to_integral_value(rounding=ROUND_CEILING) * step


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Prices ``start, start + step, …, end`` of a venue's grid."""

    start: Decimal
    end: Decimal
    step: Decimal


@dataclass(frozen=True)
class Grid:
    """The prices a market can be quoted at, in the space of one side, strictly between 0 and 1.

    ``ranges`` are contiguous and ascending and every range holds a whole number of steps, so the
    grid of the other side is its mirror image, point for point.
    """

    ranges: tuple[PriceRange, ...]

    def contains(self, price: Decimal) -> bool:
        """Whether ``price`` is a quotable price: on a step and strictly between 0 and 1."""
        return ZERO < price < ONE and self.floor(price) == price

    def floor(self, price: Decimal) -> Decimal | None:
        """The highest grid price at or below ``price``: how a buy limit is rounded. None below."""
        for part in reversed(self.ranges):
            if price >= part.start:
                top = min(price, part.end)
                point = part.start + floor_to(top - part.start, part.step)
                return self._inside(point, lower=True)
        return None

    def ceil(self, price: Decimal) -> Decimal | None:
        """The lowest grid price at or above ``price``: how a sell limit is rounded. None above."""
        for part in self.ranges:
            if price <= part.end:
                low = max(price, part.start)
                point = part.start + ceil_to(low - part.start, part.step)
                return self._inside(point, lower=False)
        return None

    def next_below(self, price: Decimal) -> Decimal | None:
        """The highest grid price strictly below ``price``; None at the bottom of the grid."""
        for part in reversed(self.ranges):
            if price > part.start:
                steps = ((min(price, part.end) - part.start) / part.step).to_integral_value(
                    rounding=ROUND_CEILING
                )
                if price > part.end:
                    steps += 1
                return self._inside(part.start + (steps - 1) * part.step, lower=True)
        return None

    def next_above(self, price: Decimal) -> Decimal | None:
        """The lowest grid price strictly above ``price``; None at the top of the grid."""
        below = self.mirrored().next_below(complement(price))
        return None if below is None else complement(below)

    def mirrored(self) -> "Grid":
        """The grid of the other side: every point x becomes 1 - x."""
        return _mirrored(self)

    def for_side(self, side: Side) -> "Grid":
        """This grid, given in YES space, in the space of ``side``."""
        return self if side is Side.YES else _mirrored(self)

    def _inside(self, point: Decimal, *, lower: bool) -> Decimal | None:
        if ZERO < point < ONE:
            return point
        # 0 and 1 bound a range but are no prices: the answer, if any, is the neighbour inside.
        if lower:
            return self.next_below(point) if point >= ONE else None
        return self.next_above(point) if point <= ZERO else None


@lru_cache(maxsize=256)
def _mirrored(grid: Grid) -> Grid:
    return Grid(
        tuple(PriceRange(ONE - r.end, ONE - r.start, r.step) for r in reversed(grid.ranges))
    )


def parse_grid(price_ranges: Iterable[Mapping[str, object]]) -> Grid:
    """``price_ranges`` of ``market_attributes`` ([{start, end, step}] as strings) as a Grid.

    Raises PrecogError naming the range when a key is missing, a value is not a decimal string,
    steps do not divide a range, or ranges overlap, leave a gap or leave [0, 1].
    """
    ranges: list[PriceRange] = []
    for number, row in enumerate(price_ranges):
        try:
            values = [_decimal_string(row[key]) for key in ("start", "end", "step")]
        except (KeyError, ValueError, ArithmeticError) as error:
            raise PrecogError(
                f"price_ranges[{number}] = {dict(row)!r}: expected start, end and step as decimal "
                f"strings ({error}); correct the market's price grid"
            ) from error
        part = PriceRange(*values)
        if not (ZERO <= part.start < part.end <= ONE and part.step > ZERO):
            raise PrecogError(
                f"price_ranges[{number}] = {dict(row)!r}: expected 0 <= start < end <= 1, step > 0"
            )
        if (part.end - part.start) % part.step != ZERO:
            raise PrecogError(
                f"price_ranges[{number}] = {dict(row)!r}: the range must be a whole number of steps"
            )
        ranges.append(part)
    ranges.sort(key=lambda part: part.start)
    if not ranges:
        raise PrecogError("price_ranges is empty: a market without a price grid cannot be traded")
    for left, right in itertools.pairwise(ranges):
        if left.end != right.start:
            raise PrecogError(
                f"price_ranges: {left.end} is followed by {right.start}; ranges must be contiguous"
            )
    return Grid(tuple(ranges))


def _decimal_string(value: object) -> Decimal:
    if not isinstance(value, str | Decimal):
        raise ValueError(f"{value!r} is {type(value).__name__}, not a string")
    return Decimal(value)


CENT_GRID = Grid((PriceRange(ZERO, ONE, Decimal("0.01")),))
"""Whole cents, 0.01 to 0.99: what simulated and assumed markets are quoted on."""
