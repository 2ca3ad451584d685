"""Trading rules §1: sides, complements and the grid."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_core.errors import PrecogError
from precog_core.prices import (
    CENT_GRID,
    Action,
    BookSide,
    Grid,
    Side,
    best_bid_ask,
    book_side,
    complement,
    decimal_from_float,
    own_side,
    parse_grid,
    to_yes_space,
)

TAPERED = parse_grid(
    [
        {"start": "0.10", "end": "0.90", "step": "0.01"},
        {"start": "0.00", "end": "0.10", "step": "0.001"},
        {"start": "0.90", "end": "1.00", "step": "0.001"},
    ]
)
UNEVEN = parse_grid(
    [
        {"start": "0.00", "end": "0.30", "step": "0.05"},
        {"start": "0.30", "end": "1.00", "step": "0.01"},
    ]
)
PRICES = st.decimals(min_value=0, max_value=1, places=6)
GRIDS = st.sampled_from([CENT_GRID, TAPERED, UNEVEN])


def points(grid: Grid) -> list[Decimal]:
    """Every price of a grid, by plain enumeration."""
    found = set()
    for part in grid.ranges:
        steps = int((part.end - part.start) / part.step)
        found |= {part.start + n * part.step for n in range(steps + 1)}
    return sorted(price for price in found if 0 < price < 1)


@given(PRICES)
def test_the_complement_is_its_own_inverse(price: Decimal) -> None:
    assert complement(complement(price)) == price
    assert to_yes_space(Side.NO, own_side(Side.NO, price)) == price
    assert own_side(Side.YES, price) + own_side(Side.NO, price) == 1


def test_a_no_buyer_sees_the_yes_book_from_the_other_side() -> None:
    bid, ask = Decimal("0.43"), Decimal("0.46")
    assert best_bid_ask(Side.YES, bid, ask) == (bid, ask)
    assert best_bid_ask(Side.NO, bid, ask) == (Decimal("0.54"), Decimal("0.57"))
    assert best_bid_ask(Side.NO, None, ask) == (Decimal("0.54"), None)


@pytest.mark.parametrize(
    ("action", "side", "expected"),
    [
        (Action.BUY, Side.YES, BookSide.BID),
        (Action.SELL, Side.YES, BookSide.ASK),
        (Action.BUY, Side.NO, BookSide.ASK),
        (Action.SELL, Side.NO, BookSide.BID),
    ],
)
def test_orders_join_the_venues_yes_book_on_the_printed_side(
    action: Action, side: Side, expected: BookSide
) -> None:
    assert book_side(action, side) is expected


@given(GRIDS, PRICES)
def test_grid_rounding_agrees_with_enumerating_the_grid(grid: Grid, price: Decimal) -> None:
    every = points(grid)
    assert grid.floor(price) == max((p for p in every if p <= price), default=None)
    assert grid.ceil(price) == min((p for p in every if p >= price), default=None)
    assert grid.next_below(price) == max((p for p in every if p < price), default=None)
    assert grid.next_above(price) == min((p for p in every if p > price), default=None)
    assert grid.contains(price) == (price in every)


@given(GRIDS, PRICES)
def test_rounding_a_buy_down_for_no_is_rounding_its_yes_price_up(
    grid: Grid, price: Decimal
) -> None:
    down = grid.for_side(Side.NO).floor(price)
    up = grid.ceil(complement(price))
    assert (down is None and up is None) or (
        down is not None and up is not None and down == complement(up)
    )
    assert grid.mirrored().mirrored() == grid


def test_zero_and_one_are_no_prices() -> None:
    assert not CENT_GRID.contains(Decimal(0))
    assert not CENT_GRID.contains(Decimal(1))
    assert (CENT_GRID.floor(Decimal(1)), CENT_GRID.floor(Decimal("0.005"))) == (
        Decimal("0.99"),
        None,
    )


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([], "empty"),
        ([{"start": "0", "end": "1", "step": 0.01}], "not a string"),
        ([{"start": "0", "end": "1"}], "step"),
        ([{"start": "0", "end": "1", "step": "0.03"}], "whole number of steps"),
        ([{"start": "0.5", "end": "0.2", "step": "0.1"}], "start < end"),
        (
            [
                {"start": "0", "end": "0.4", "step": "0.1"},
                {"start": "0.5", "end": "1", "step": "0.1"},
            ],
            "contiguous",
        ),
    ],
)
def test_a_broken_price_grid_is_refused_with_its_reason(
    ranges: list[dict[str, object]], message: str
) -> None:
    with pytest.raises(PrecogError, match=message):
        parse_grid(ranges)


def test_a_statistic_becomes_the_decimal_it_is_printed_as() -> None:
    assert decimal_from_float(0.61235) == Decimal("0.6124")  # half-even on the printed digits
    assert decimal_from_float(0.61225) == Decimal("0.6122")
    assert decimal_from_float(0.1 + 0.2, Decimal("0.000001")) == Decimal("0.300000")
    with pytest.raises(ValueError, match="finite"):
        decimal_from_float(float("nan"))
