"""Trading rules §6: worst losses against brute force over every outcome."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_trading.rules.exposure import (
    Leg,
    most_contracts,
    outcome_gains,
    outcome_values,
    with_order,
    worst_loss,
)
from tests.trading.worlds import d

TEAMS = (10, 20)
CENTS = st.integers(min_value=1, max_value=99).map(lambda n: Decimal(n) / 100)
LEGS = st.lists(
    st.builds(
        lambda team, quantity, price, mid: Leg(team, Decimal(quantity), quantity * price, mid),
        st.sampled_from(TEAMS),
        st.integers(min_value=1, max_value=500),
        CENTS,
        CENTS,
    ),
    max_size=6,
)


def brute_force(legs: list[Leg]) -> Decimal:
    """The definition, written out: every way the game can end, every leg's value in it."""
    worst = Decimal(0)
    for ending in ("10 wins", "20 wins", "tie", "void"):
        gain = Decimal(0)
        for leg in legs:
            if ending == "void":
                value = leg.void_value
            elif ending == "tie":
                value = Decimal("0.5")
            else:
                value = Decimal(1) if ending == f"{leg.pays_on} wins" else Decimal(0)
            gain += leg.quantity * value - leg.cost
        worst = max(worst, -gain)
    return worst


@pytest.mark.requirement("RISK-004")
@given(LEGS)
def test_6_the_worst_loss_is_the_worst_of_all_outcomes(legs: list[Leg]) -> None:
    assert worst_loss(outcome_gains(TEAMS, legs)) == brute_force(legs)


@pytest.mark.requirement("RISK-003")
def test_6_mirror_legs_are_one_exposure() -> None:
    """YES on a team and NO on its opponent lose together: 100 + 100 contracts at 0.40."""
    legs = [Leg(10, d(100), d(40), d("0.40")), Leg(10, d(100), d(41), d("0.40"))]
    assert worst_loss(outcome_gains(TEAMS, legs)) == d(81)


def test_6_opposite_legs_credit_each_other_within_a_game() -> None:
    """One of them pays 100 whoever wins, and both pay half in a tie: 95 of cost are covered."""
    legs = [Leg(10, d(100), d(45), d("0.50")), Leg(20, d(100), d(50), d("0.50"))]
    assert worst_loss(outcome_gains(TEAMS, legs)) == 0


def test_6_a_void_can_be_the_worst_outcome() -> None:
    """Bought at 0.45 and 0.50, voided at mids that have fallen to 0.20."""
    legs = [Leg(10, d(100), d(45), d("0.20")), Leg(20, d(100), d(50), d("0.20"))]
    assert worst_loss(outcome_gains(TEAMS, legs)) == d(55)


@pytest.mark.requirement("RISK-004")
@given(LEGS, st.sampled_from(TEAMS), CENTS, CENTS, st.integers(min_value=0, max_value=2_000))
def test_6_as_many_contracts_fit_as_brute_force_finds(
    legs: list[Leg], team: int, price: Decimal, mid: Decimal, room: int
) -> None:
    gains = outcome_gains(TEAMS, legs)
    values = outcome_values(TEAMS, team, mid)
    bound = most_contracts(gains, values, price, Decimal(room), Decimal(300))
    fitting = int(bound)
    if fitting > 0:
        filled = with_order(gains, values, Decimal(fitting), fitting * price)
        assert worst_loss(filled) <= room
        assert worst_loss(filled) == brute_force(
            [*legs, Leg(team, Decimal(fitting), fitting * price, mid)]
        )
    if fitting < 300 and worst_loss(gains) <= room:
        more = with_order(gains, values, Decimal(fitting + 1), (fitting + 1) * price)
        assert worst_loss(more) > room
