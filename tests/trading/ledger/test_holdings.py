"""A position is the fold of its fills: values by hand, and the laws under any reporting."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_trading.ledger.holdings import Execution, LedgerError, dollars, fold

START = datetime(2019, 9, 8, 12, tzinfo=UTC)


def execution(
    number: int, action: str, price: str, quantity: str, fee: str = "0", minute: int | None = None
) -> Execution:
    at = START + timedelta(minutes=number if minute is None else minute)
    return Execution(f"f{number}", at, action, Decimal(price), Decimal(quantity), Decimal(fee))


def test_two_buys_average_their_cost() -> None:
    held = fold(
        [execution(1, "buy", "0.57", "430", "7.3776"), execution(2, "buy", "0.58", "570", "9.7197")]
    )
    assert held.quantity == held.original_quantity == Decimal("1000.00")
    assert held.cost == Decimal("575.700000")
    assert held.entry_price == Decimal("0.575700")
    assert held.fees == Decimal("17.097300")
    assert held.gross_realized == held.realized_pnl == 0
    assert held.exit_price is None
    assert held.opened_at == START + timedelta(minutes=1)


def test_a_sale_realises_its_share_of_the_average_and_of_the_entry_fees() -> None:
    held = fold(
        [
            execution(1, "buy", "0.40", "100", "2"),
            execution(2, "buy", "0.50", "100", "2"),
            execution(3, "sell", "0.60", "50", "1"),
        ]
    )
    assert held.quantity == 150
    assert held.original_quantity == 200
    assert held.entry_price == Decimal("0.45")
    assert held.cost == Decimal("67.5")
    assert held.gross_realized == Decimal("7.5")  # 50 · (0.60 - 0.45)
    assert held.realized_pnl == Decimal("5.5")  # less 1 of the exit and a quarter of 4


def test_the_last_exit_takes_the_remaining_entry_fees() -> None:
    parts = [
        execution(1, "buy", "0.40", "3", "0.01"),
        execution(2, "sell", "0.50", "1"),
        execution(3, "sell", "0.50", "1"),
        execution(4, "sell", "0.50", "1"),
    ]
    closed = fold(parts)
    assert closed.quantity == 0
    assert closed.realized_pnl == Decimal("0.29")  # 3 · 0.10 - 0.01, no thirds of a cent lost
    assert closed.entry_price == Decimal("0.40")
    assert closed.exit_price == Decimal("0.50")


@pytest.mark.parametrize(
    ("paid", "gross", "net"),
    [("1", "250", "241.25"), ("0", "-250", "-258.75"), ("0.5", "0", "-8.75")],
)
def test_settlement_pays_the_value_against_the_average_less_fees(
    paid: str, gross: str, net: str
) -> None:
    settled = fold([execution(1, "buy", "0.50", "500", "8.75")], settlement_value=Decimal(paid))
    assert settled.quantity == 0
    assert settled.cost == 0
    assert settled.gross_realized == Decimal(gross)
    assert settled.realized_pnl == Decimal(net)
    assert settled.exit_price == Decimal(paid)


def test_an_average_of_thirds_loses_nothing_at_settlement() -> None:
    buys = [execution(1, "buy", "0.57", "1"), execution(2, "buy", "0.58", "2")]
    assert fold(buys).entry_price == Decimal("0.576667")
    assert fold(buys).cost == Decimal("1.73")
    assert fold(buys, Decimal(1)).gross_realized == Decimal("1.27")


def test_selling_more_than_was_held_is_refused() -> None:
    with pytest.raises(LedgerError, match="sells 11 contracts but only 10 were held"):
        fold([execution(1, "buy", "0.5", "10"), execution(2, "sell", "0.5", "11")])


def test_two_reports_of_one_fill_that_differ_are_refused() -> None:
    with pytest.raises(LedgerError, match="fill f1 twice with different content"):
        fold([execution(1, "buy", "0.5", "10"), execution(1, "buy", "0.5", "11")])


def test_a_position_without_executions_is_refused() -> None:
    with pytest.raises(LedgerError, match="without executions"):
        fold([])


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [("0.0000005", "0.000000"), ("0.0000015", "0.000002"), ("-0.0000025", "-0.000002")],
)
def test_dollars_round_half_to_even_at_the_sixth_place(exact: str, rounded: str) -> None:
    from fractions import Fraction

    assert dollars(Decimal(exact)) == dollars(Fraction(exact)) == Decimal(rounded)


PRICES = st.integers(1, 9999).map(lambda n: Decimal(n) / 10_000)
QUANTITIES = st.integers(1, 50_000).map(lambda n: Decimal(n) / 100)
FEES = st.integers(0, 100_000).map(lambda n: Decimal(n) / 10_000)


@st.composite
def histories(draw: st.DrawFn) -> list[Execution]:
    """Executions in which no sale exceeds what was held."""
    made: list[Execution] = []
    held = Decimal(0)
    for number in range(draw(st.integers(1, 8))):
        action = "sell" if held > 0 and draw(st.booleans()) else "buy"
        quantity = draw(QUANTITIES)
        if action == "sell":
            quantity = min(quantity, held)
        held += quantity if action == "buy" else -quantity
        made.append(
            Execution(
                f"f{number}",
                START + timedelta(seconds=number),
                action,
                draw(PRICES),
                quantity,
                draw(FEES),
            )
        )
    return made


@pytest.mark.requirement("LEDGER-003", "LEDGER-007")
@given(histories(), st.data())
def test_any_order_split_or_repeat_of_the_reports_gives_the_same_position(
    history: list[Execution], data: st.DataObject
) -> None:
    whole = fold(history)
    reported: list[Execution] = []
    for one in history:
        parts = [one]
        if one.quantity > Decimal("0.01") and data.draw(st.booleans()):
            cents = int(one.quantity * 100)
            first = Decimal(data.draw(st.integers(1, cents - 1))) / 100
            parts = [
                Execution(one.venue_fill_id + "a", one.executed_at, one.action, one.price, first,
                          one.fee),
                Execution(one.venue_fill_id + "b", one.executed_at, one.action, one.price,
                          one.quantity - first, Decimal(0)),
            ]  # fmt: skip
        reported += parts * data.draw(st.integers(1, 2))
    shuffled = data.draw(st.permutations(reported))
    assert fold(shuffled) == whole


@pytest.mark.requirement("LEDGER-012")
@given(histories(), st.sampled_from(["0", "0.5", "1", None]))
def test_cash_cost_and_results_balance_to_the_last_digit(
    history: list[Execution], paid: str | None
) -> None:
    value = None if paid is None else Decimal(paid)
    before, after = fold(history), fold(history, value)
    spent = sum((e.price * e.quantity for e in history if e.action == "buy"), Decimal(0))
    received = sum((e.price * e.quantity for e in history if e.action == "sell"), Decimal(0))
    if value is not None:
        received += before.quantity * value
    assert received - spent + after.cost == after.gross_realized
    if after.quantity == 0:
        assert after.realized_pnl == after.gross_realized - after.fees
