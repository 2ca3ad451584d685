"""Trading rules §2: the fee table to the ten-thousandth, rounding, rebates, schedules in force."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_core.prices import Action, complement
from precog_trading.rules.fees import (
    FeeUnknown,
    Role,
    fee,
    fee_per_contract,
    schedule_in_force,
    waived,
)
from tests.trading.worlds import d, schedule

FINE = schedule()
CENTS = schedule(rounding_increment=d("0.01"))
MAKER = schedule(fee_type="quadratic_with_maker_fees", maker_rate=d("0.0175"))
T0 = datetime(2025, 1, 1, tzinfo=UTC)

CONTRACTS = st.integers(min_value=1, max_value=5_000).map(Decimal)
PRICES = st.integers(min_value=1, max_value=999).map(lambda n: Decimal(n) / 1000)


@pytest.mark.parametrize(
    ("contracts", "price", "fine", "cents"),
    [
        ("1", "0.50", "0.0175", "0.02"),
        ("10", "0.57", "0.1716", "0.18"),
        ("100", "0.50", "1.7500", "1.75"),
    ],
)
def test_2_the_taker_fee_table(contracts: str, price: str, fine: str, cents: str) -> None:
    assert fee(FINE, Role.TAKER, d(contracts), d(price)).trade_fee == d(fine)
    assert fee(CENTS, Role.TAKER, d(contracts), d(price)).trade_fee == d(cents)


def test_2_the_maker_fee_of_a_hundred_at_fifty() -> None:
    assert fee(MAKER, Role.MAKER, d(100), d("0.50")).trade_fee == d("0.4375")
    assert fee(FINE, Role.MAKER, d(100), d("0.50")).trade_fee == 0


def test_10_the_golden_walk_pays_two_fees() -> None:
    assert fee(FINE, Role.TAKER, d(430), d("0.57")).trade_fee == d("7.3776")
    assert fee(FINE, Role.TAKER, d(570), d("0.58")).trade_fee == d("9.7197")


def test_2_the_multiplier_scales_the_fee() -> None:
    half = replace(FINE, multiplier=d("0.5"))
    assert fee(half, Role.TAKER, d(100), d("0.50")).trade_fee == d("0.8750")


@pytest.mark.parametrize("fee_type", ["flat", "tiered"])
def test_2_a_type_without_a_formula_is_an_error_not_a_zero(fee_type: str) -> None:
    with pytest.raises(FeeUnknown, match=fee_type):
        fee(schedule(fee_type=fee_type), Role.TAKER, d(1), d("0.50"))


def test_2_an_account_in_whole_cents_pays_the_rounding_of_its_balance() -> None:
    """430 @ 0.57 leaves 252.4776; the balance falls by 252.48, so 0.0024 is rounding."""
    paid = fee(FINE, Role.TAKER, d(430), d("0.57"), account_precision=d("0.01"))
    assert (paid.trade_fee, paid.rounding_fee, paid.rebate) == (d("7.3776"), d("0.0024"), 0)
    assert paid.accumulated == d("0.0024")
    assert d(430) * d("0.57") + paid.total == d("252.48")


def test_2_a_sale_is_floored_too() -> None:
    """Selling 10 @ 0.57 brings 5.70 - 0.1716 = 5.5284, booked as 5.52."""
    paid = fee(FINE, Role.TAKER, d(10), d("0.57"), action=Action.SELL, account_precision=d("0.01"))
    assert paid.rounding_fee == d("0.0084")


def test_2_rounding_above_a_cent_is_paid_back_a_cent_at_a_time() -> None:
    first = fee(FINE, Role.TAKER, d(10), d("0.57"), action=Action.SELL, account_precision=d("0.01"))
    second = fee(
        FINE,
        Role.TAKER,
        d(10),
        d("0.57"),
        first.accumulated,
        action=Action.SELL,
        account_precision=d("0.01"),
    )
    assert second.rebate == d("0.01")
    assert second.accumulated == d("0.0068")
    assert second.total == d("0.1716") + d("0.0084") - d("0.01")


def test_2_exactly_a_cent_is_not_above_a_cent() -> None:
    paid = fee(FINE, Role.TAKER, d(100), d("0.50"), d("0.01"), account_precision=d("0.01"))
    assert (paid.rebate, paid.accumulated) == (0, d("0.01"))


@given(st.lists(st.tuples(CONTRACTS, PRICES), min_size=1, max_size=20))
def test_2_what_an_order_pays_is_its_trade_fees_plus_less_than_two_cents(
    fills: list[tuple[Decimal, Decimal]],
) -> None:
    accumulated = total = trade_fees = Decimal(0)
    for contracts, price in fills:
        paid = fee(
            FINE, Role.TAKER, contracts, price, accumulated, account_precision=Decimal("0.01")
        )
        accumulated = paid.accumulated
        total += paid.total
        trade_fees += paid.trade_fee
        assert 0 <= paid.rounding_fee < Decimal("0.01")
        assert accumulated <= Decimal("0.01")
    assert total == trade_fees + accumulated


@given(CONTRACTS, PRICES)
def test_2_fees_round_up_and_by_less_than_the_increment(contracts: Decimal, price: Decimal) -> None:
    raw = Decimal("0.07") * contracts * price * (1 - price)
    for row in (FINE, CENTS):
        charged = fee(row, Role.TAKER, contracts, price).trade_fee
        assert raw <= charged < raw + row.rounding_increment


@given(CONTRACTS, CONTRACTS, PRICES)
def test_2_more_contracts_never_cost_less(one: Decimal, other: Decimal, price: Decimal) -> None:
    few, many = sorted((one, other))
    assert (
        fee(FINE, Role.TAKER, few, price).trade_fee <= fee(FINE, Role.TAKER, many, price).trade_fee
    )


@given(CONTRACTS, PRICES)
def test_2_both_sides_of_a_trade_pay_the_same(contracts: Decimal, price: Decimal) -> None:
    mirrored = fee(FINE, Role.TAKER, contracts, complement(price))
    assert fee(FINE, Role.TAKER, contracts, price) == mirrored


def test_3_the_fee_per_contract_rounds_up_to_six_places() -> None:
    assert fee_per_contract(FINE, d(100), d("0.50")) == d("0.017500")
    assert fee_per_contract(FINE, d(3), d("0.57")) == d("0.017167")  # 0.0515 / 3
    assert fee_per_contract(CENTS, d(1), d("0.50")) == d("0.020000")


def test_2_waived_fees_are_nothing() -> None:
    assert fee(waived(FINE), Role.TAKER, d(100), d("0.50")).total == 0


def test_2_the_narrowest_scope_in_force_binds() -> None:
    platform = schedule(fee_schedule_id=1, effective_from=T0, known_at=T0)
    series = schedule(fee_schedule_id=2, series_id=7, effective_from=T0, known_at=T0)
    event = schedule(fee_schedule_id=3, event_id=9, effective_from=T0, known_at=T0)
    rows = [event, platform, series]

    def bound(series_id: int | None, event_id: int | None) -> int | None:
        row = schedule_in_force(
            rows, T0, platform_id="kalshi", series_id=series_id, event_id=event_id
        )
        return None if row is None else row.fee_schedule_id

    assert bound(7, 9) == 3
    assert bound(7, 8) == 2
    assert bound(6, 8) == 1
    assert schedule_in_force(rows, T0, platform_id="other") is None


def test_2_a_scheduled_change_binds_from_its_day_and_only_once_known() -> None:
    later = T0 + timedelta(days=30)
    old = schedule(fee_schedule_id=1, effective_from=T0, known_at=T0)
    new = schedule(fee_schedule_id=2, effective_from=later, known_at=T0)
    correction = schedule(
        fee_schedule_id=3, effective_from=later, known_at=later + timedelta(days=2)
    )
    rows = [old, new, correction]

    def at(moment: datetime) -> int | None:
        row = schedule_in_force(rows, moment, platform_id="kalshi")
        return None if row is None else row.fee_schedule_id

    assert at(T0 - timedelta(seconds=1)) is None
    assert at(later - timedelta(seconds=1)) == 1
    assert at(later) == 2
    assert at(later + timedelta(days=2)) == 3
