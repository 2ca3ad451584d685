"""Trading rules §3: shrinking, edge, bands, the limit, confidence."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_core.prices import CENT_GRID, Grid, PriceRange
from precog_trading.config import ConfidenceBounds
from precog_trading.rules.confidence import confidence_level, half_width
from precog_trading.rules.edge import (
    Band,
    Edge,
    band,
    is_quarantined,
    limit_price,
    remaining_edge,
    shrink,
)
from precog_trading.rules.fees import fee_per_contract
from tests.trading.worlds import d, schedule

FINE_GRID = Grid((PriceRange(d(0), d(1), d("0.001")),))
PROBABILITIES = st.integers(min_value=0, max_value=10_000).map(lambda n: Decimal(n) / 10_000)
CENTS = st.integers(min_value=1, max_value=99).map(lambda n: Decimal(n) / 100)


def phi(contracts: str = "100", increment: str = "0.0001"):  # type: ignore[no-untyped-def]
    row = schedule(rounding_increment=d(increment))
    return lambda price: fee_per_contract(row, d(contracts), price)


def test_3_a_tenth_of_the_way_to_the_market() -> None:
    assert shrink(d("0.62"), d("0.495"), d("0.10")) == d("0.6075")
    assert shrink(d("0.62"), d("0.495"), d("0")) == d("0.6200")
    assert shrink(d("0.62"), d("0.495"), d("1")) == d("0.4950")


@given(PROBABILITIES, PROBABILITIES, PROBABILITIES)
def test_3_shrunk_probabilities_of_both_sides_sum_to_one(
    probability: Decimal, mid: Decimal, trust: Decimal
) -> None:
    assert shrink(probability, mid, trust) + shrink(1 - probability, 1 - mid, trust) == 1


def test_3_edge_is_net_of_ask_and_fee() -> None:
    edge = Edge(d("0.62"), d("0.6075"), d("0.495"), d("0.50"), phi()(d("0.50")))
    assert edge.value == d("0.09")
    assert edge.cost == d("0.5175")


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        ("0.0499", Band.IGNORE),
        ("0.05", Band.ALERT),
        ("0.0799", Band.ALERT),
        ("0.08", Band.AUTO_EXECUTE),
    ],
)
def test_3_bands_start_at_their_bounds(edge: str, expected: Band) -> None:
    assert band(d(edge), d("0.05"), d("0.08")) is expected


def test_3_an_automatic_threshold_below_the_minimum_is_the_minimum() -> None:
    assert band(d("0.04"), d("0.05"), d("0.02")) is Band.IGNORE
    assert band(d("0.05"), d("0.05"), d("0.02")) is Band.AUTO_EXECUTE


def test_3_quarantine_begins_above_the_gap() -> None:
    assert not is_quarantined(d("0.65"), d("0.50"), d("0.15"))
    assert is_quarantined(d("0.6501"), d("0.50"), d("0.15"))
    assert is_quarantined(d("0.3499"), d("0.50"), d("0.15"))


def test_3_the_limit_is_the_last_cent_that_keeps_the_threshold() -> None:
    limit = limit_price(d("0.6075"), d("0.50"), d("0.08"), d("0.02"), CENT_GRID, phi())
    assert limit == d("0.51")
    assert d("0.6075") - d("0.51") - phi()(d("0.51")) >= d("0.08")
    assert d("0.6075") - d("0.52") - phi()(d("0.52")) < d("0.08")


def test_3_the_limit_never_slips_more_than_allowed() -> None:
    assert limit_price(d("0.80"), d("0.50"), d("0.08"), d("0.02"), CENT_GRID, phi()) == d("0.52")


def test_3_no_limit_when_the_ask_is_already_too_dear() -> None:
    assert limit_price(d("0.59"), d("0.50"), d("0.08"), d("0.02"), CENT_GRID, phi()) is None


@given(
    PROBABILITIES,
    CENTS,
    st.sampled_from(["1", "7", "100"]),
    st.sampled_from(["0.0001", "0.01"]),
    st.sampled_from([CENT_GRID, FINE_GRID]),
)
def test_3_the_limit_is_the_maximum_of_its_definition(
    shrunk: Decimal, ask: Decimal, contracts: str, increment: str, grid: Grid
) -> None:
    fee = phi(contracts, increment)
    step = grid.ranges[0].step
    every = [n * step for n in range(1, int(1 / step))]
    allowed = [x for x in every if ask <= x <= ask + d("0.02") and shrunk - x - fee(x) >= d("0.08")]
    found = limit_price(shrunk, ask, d("0.08"), d("0.02"), grid, fee)
    assert found == max(allowed, default=None)


def test_3_remaining_edge_counts_the_fee_of_selling() -> None:
    """Selling at 0.57 brings 0.57 - 0.017157; keeping is worth 0.60."""
    assert remaining_edge(d("0.60"), d("0.57"), phi()) == d("0.60") - (d("0.57") - d("0.017157"))


@pytest.mark.parametrize(
    ("h", "level"),
    [
        ("0.04", "high"),
        ("0.0401", "medium"),
        ("0.08", "medium"),
        ("0.12", "low"),
        ("0.1201", None),
    ],
)
def test_3_confidence_by_half_width(h: str, level: str | None) -> None:
    assert confidence_level(d(h), ConfidenceBounds()) == level


def test_3_no_interval_is_no_confidence() -> None:
    assert half_width(None, d("0.6")) is None
    assert half_width(d("0.52"), d("0.60")) == d("0.04")
    assert confidence_level(None, ConfidenceBounds()) is None
