"""Trading rules §4: Kelly with fees, reductions, whole contracts, the largest size under a cap."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_trading.config import Reductions
from precog_trading.rules.fees import fee_per_contract
from precog_trading.rules.kelly import kelly_share
from precog_trading.rules.sizing import (
    OrderCost,
    SizingFacts,
    contracts_for,
    largest_fitting,
    reductions,
    stake,
)
from tests.trading.worlds import d, schedule

PROBABILITIES = st.integers(min_value=1, max_value=9_999).map(lambda n: Decimal(n) / 10_000)
COSTS = st.integers(min_value=1, max_value=980_000).map(lambda n: Decimal(n) / 1_000_000)
NOTHING = SizingFacts(None, None, None, None, None, None, other_exposure_in_game=False)


@pytest.mark.requirement("KELLY-001", "KELLY-003")
def test_4_the_printed_check() -> None:
    """p̂ 0.60, x 0.50: k 0.5175, f* 0.1710."""
    cost = d("0.50") + fee_per_contract(schedule(), d(100), d("0.50"))
    assert cost == d("0.5175")
    assert kelly_share(d("0.60"), cost).quantize(d("0.0001")) == d("0.1710")


@pytest.mark.requirement("KELLY-001")
@given(PROBABILITIES, COSTS)
def test_4_the_kelly_share_maximises_expected_log_wealth(
    probability: Decimal, cost: Decimal
) -> None:
    """f* against a golden-section search of E[log(1 + f·R)], which knows no formula."""
    p, k = float(probability), float(cost)

    def growth(share: float) -> float:
        return p * math.log1p(share * (1 - k) / k) + (1 - p) * math.log1p(-share)

    low, high = 0.0, 1 - 1e-9
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(90):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if growth(left) >= growth(right):
            high = right
        else:
            low = left
    formula = float(kelly_share(probability, cost))
    best = (low + high) / 2
    # Near its top E[log] is flat, so the two are compared by the growth they reach as well.
    assert formula == pytest.approx(best, abs=2e-4) or growth(formula) >= growth(best) - 1e-12
    assert growth(formula) >= growth(best) - 1e-12


@pytest.mark.requirement("KELLY-001")
@given(PROBABILITIES, COSTS)
def test_4_nothing_is_staked_on_a_contract_that_costs_its_probability(
    probability: Decimal, cost: Decimal
) -> None:
    share = kelly_share(probability, cost)
    assert (share == 0) == (probability <= cost)
    assert 0 <= share < 1


@given(PROBABILITIES, PROBABILITIES, COSTS)
def test_4_a_better_chance_never_stakes_less(one: Decimal, other: Decimal, cost: Decimal) -> None:
    worse, better = sorted((one, other))
    assert kelly_share(worse, cost) <= kelly_share(better, cost)


def test_4_the_stake_is_fraction_times_reductions_of_the_bankroll() -> None:
    amount = stake(d(10_000), d("0.60"), d("0.5175"), d("0.25"), [d("0.80"), d("0.92")])
    assert amount.quantize(d("0.0001")) == d("314.6114")  # 10000·0.170984·0.25·0.736
    assert contracts_for(amount, d("0.5175"), d(1)) == 607


def test_4_a_negative_bankroll_stakes_nothing() -> None:
    assert stake(d(-5), d("0.60"), d("0.5175"), d("0.25"), []) == 0


def test_4_a_missing_input_reduces_nothing() -> None:
    assert reductions(NOTHING, Reductions()) == {}


@pytest.mark.requirement("KELLY-003")
@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"volatility_ratio": d("2")}, {"volatility": d("0.70")}),
        ({"volatility_ratio": d("1.99")}, {}),
        ({"volume_24h": d("199")}, {"volume": d("0.50")}),
        ({"volume_24h": d("200")}, {}),
        ({"spread": d("0.02")}, {"spread": d("0.75")}),
        ({"spread": d("0.01")}, {}),
        ({"hours_to_start": d("3.01")}, {"early": d("0.80")}),
        ({"hours_to_start": d("3")}, {}),
        ({"confidence": "low"}, {"confidence_low": d("0.60")}),
        ({"confidence": "medium"}, {}),
        ({"half_width": d("0.04")}, {"interval": d("0.84")}),
        ({"half_width": d("0.30")}, {"interval": d("0")}),
        ({"other_exposure_in_game": True}, {"same_game": d("0.50")}),
    ],
)
def test_4_each_reduction_at_its_bound(
    facts: dict[str, object], expected: dict[str, Decimal]
) -> None:
    values = {field: getattr(NOTHING, field) for field in SizingFacts.__slots__}
    assert reductions(SizingFacts(**{**values, **facts}), Reductions()) == expected  # type: ignore[arg-type]


def test_4_all_reductions_multiply() -> None:
    facts = SizingFacts(
        d("3"), d("150"), d("0.02"), d("12"), "low", d("0.10"), other_exposure_in_game=True
    )
    product = math.prod(reductions(facts, Reductions()).values())
    assert product == d("0.70") * d("0.50") * d("0.75") * d("0.80") * d("0.60") * d("0.60") * d(
        "0.50"
    )


@given(
    st.integers(min_value=1, max_value=95).map(lambda n: Decimal(n) / 100),
    st.integers(min_value=0, max_value=60_000).map(lambda n: Decimal(n) / 100),
    st.sampled_from(["0.0001", "0.01"]),
)
def test_4_the_largest_fitting_order_is_the_largest(
    price: Decimal, dollars: Decimal, precision: str
) -> None:
    cost = OrderCost(schedule(), price, d(precision))
    bound = dollars / cost.least_per_contract
    found = largest_fitting(d(100_000), bound, d(1), lambda q: cost.of(q) <= dollars)
    assert cost.of(found) <= dollars
    assert cost.of(found + 1) > dollars
