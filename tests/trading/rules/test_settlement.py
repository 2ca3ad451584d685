"""Trading rules §11: what a finished market pays."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_core.prices import Side
from precog_trading.rules.settlement import (
    amendment_cash,
    contract_value,
    settlement_cash,
    settlement_pnl,
    winner_market_value,
    yes_value,
)
from tests.trading.worlds import d

CENTS = st.integers(min_value=0, max_value=100).map(lambda n: Decimal(n) / 100)
QUANTITIES = st.integers(min_value=1, max_value=1_000).map(Decimal)


@pytest.mark.requirement("LEDGER-008")
@pytest.mark.parametrize(
    ("side", "outcome", "pnl"),
    [
        (Side.YES, "yes", "48.25"),  # 100·(1 - 0.50) - 1.75
        (Side.YES, "no", "-51.75"),
        (Side.NO, "no", "48.25"),
        (Side.NO, "yes", "-51.75"),
    ],
)
def test_11_a_result_pays_one_side_a_dollar(side: Side, outcome: str, pnl: str) -> None:
    found = settlement_pnl(side, d(100), d("0.50"), yes_value(outcome), d("1.75"))
    assert found == d(pnl)


@pytest.mark.requirement("LEDGER-008")
def test_11_a_tie_pays_both_sides_half() -> None:
    outcome, value = winner_market_value(yes_is_home=True, home_score=20, away_score=20)
    assert (outcome, value) == ("scalar", d("0.5"))
    assert settlement_cash(Side.YES, d(10), value) == settlement_cash(Side.NO, d(10), value) == 5


@pytest.mark.parametrize(
    ("yes_is_home", "home", "away", "expected"),
    [
        (True, 24, 17, ("yes", 1)),
        (True, 17, 24, ("no", 0)),
        (False, 17, 24, ("yes", 1)),
        (False, 24, 17, ("no", 0)),
    ],
)
def test_11_the_winner_decides_by_which_team_yes_names(
    yes_is_home: bool, home: int, away: int, expected: tuple[str, int]
) -> None:
    assert (
        winner_market_value(yes_is_home=yes_is_home, home_score=home, away_score=away) == expected
    )


def test_11_a_game_without_a_score_is_not_settled_from_sports_results() -> None:
    with pytest.raises(ValueError, match="venue"):
        winner_market_value(yes_is_home=True, home_score=None, away_score=None)
    with pytest.raises(ValueError, match="venue"):
        winner_market_value(yes_is_home=True, home_score=1, away_score=0, canceled=True)


def test_11_a_fair_price_is_a_scalar() -> None:
    assert yes_value("scalar", d("0.37")) == d("0.37")
    with pytest.raises(ValueError, match="None"):
        yes_value("scalar")
    with pytest.raises(ValueError, match=r"1\.2"):
        yes_value("scalar", d("1.2"))
    with pytest.raises(ValueError, match="void"):
        yes_value("void")


@pytest.mark.requirement("LEDGER-008")
def test_11_an_amendment_takes_the_old_value_back_whole() -> None:
    assert amendment_cash(Side.NO, d(100), d(1), d("0.25")) == (d(0), d(75))
    assert amendment_cash(Side.YES, d(100), d(1), d("0.25")) == (d(-100), d(25))


@given(CENTS)
def test_11_both_contracts_of_a_market_pay_a_dollar_together(value: Decimal) -> None:
    assert contract_value(Side.YES, value) + contract_value(Side.NO, value) == 1


@given(QUANTITIES, CENTS, CENTS)
def test_11_a_no_position_gains_exactly_what_its_mirror_gains(
    quantity: Decimal, entry: Decimal, value: Decimal
) -> None:
    held_no = settlement_pnl(Side.NO, quantity, entry, value, d(0))
    mirror = settlement_pnl(Side.YES, quantity, entry, 1 - value, d(0))
    assert held_no == mirror
