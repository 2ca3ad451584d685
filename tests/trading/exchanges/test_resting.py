"""Resting paper orders: filled only when somebody trades through them, in the order they came."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_core.prices import Action, Side, complement
from precog_trading.exchanges.port import OrderTicket
from precog_trading.exchanges.resting import Bar, Print, RestingOrder, trade_through
from precog_trading.rules.fees import FeeSchedule

AT = datetime(2019, 9, 8, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SHARE = Decimal("0.10")
SCHEDULE = FeeSchedule(
    fee_schedule_id=7, fee_type="quadratic_with_maker_fees", taker_rate=Decimal("0.07"),
    maker_rate=Decimal("0.0175"), multiplier=Decimal(1), rounding_increment=Decimal("0.0001"),
)  # fmt: skip


def order(
    name: str = "a",
    limit: str = "0.60",
    quantity: int = 100,
    side: Side = Side.YES,
    action: Action = Action.SELL,
    sent: datetime = AT,
) -> RestingOrder:
    ticket = OrderTicket(
        client_order_id=name, environment="paper", platform_id="kalshi", market_id=1, side=side,
        action=action, limit_price=Decimal(limit), quantity=Decimal(quantity),
        time_in_force="gtc", sent_at=sent, expires_at=sent + 60 * SECOND,
    )  # fmt: skip
    return RestingOrder(ticket, Decimal(quantity), sent, SCHEDULE)


def trade(price: str, quantity: int, after: int = 10, name: str = "1") -> Print:
    at = AT + after * SECOND
    return Print(name, at, at, Decimal(price), Decimal(quantity))


def bar(low: str, high: str, volume: int, start: int = 0, end: int = 60) -> Bar:
    stop = AT + end * SECOND
    return Bar(AT + start * SECOND, stop, stop, Decimal(low), Decimal(high), Decimal(volume))


def test_a_trade_at_our_price_proves_nothing_one_beyond_it_does() -> None:
    (at_limit,) = trade_through([order()], [trade("0.60", 500)], [], AT + 20 * SECOND, SHARE)
    assert (at_limit.status, at_limit.fills) == ("resting", ())
    (beyond,) = trade_through([order()], [trade("0.61", 40)], [], AT + 20 * SECOND, SHARE)
    (fill,) = beyond.fills
    assert (fill.price, fill.quantity, fill.is_taker) == (Decimal("0.60"), 40, False)
    assert fill.fee == Decimal("0.1680"), "maker: 0.0175 * 40 * 0.6 * 0.4"
    assert fill.executed_at == AT + 10 * SECOND
    assert beyond.status == "resting"


def test_s10_maker_fee_of_a_hundred_at_half_a_dollar() -> None:
    (done,) = trade_through(
        [order(limit="0.50")], [trade("0.51", 100)], [], AT + 20 * SECOND, SHARE
    )
    assert (done.status, done.fills[0].fee) == ("filled", Decimal("0.4375"))


@pytest.mark.parametrize(
    ("side", "action", "limit", "price", "fills"),
    [
        (Side.YES, Action.SELL, "0.60", "0.61", True),
        (Side.YES, Action.BUY, "0.60", "0.61", False),
        (Side.YES, Action.BUY, "0.60", "0.59", True),
        (Side.NO, Action.SELL, "0.60", "0.39", True),
        (Side.NO, Action.SELL, "0.60", "0.41", False),
        (Side.NO, Action.BUY, "0.60", "0.41", True),
    ],
)
def test_beyond_is_seen_from_the_side_of_the_order(
    side: Side, action: Action, limit: str, price: str, fills: bool
) -> None:
    resting = order(side=side, action=action, limit=limit)
    (by_print,) = trade_through([resting], [trade(price, 500)], [], AT + 60 * SECOND, SHARE)
    assert bool(by_print.fills) == fills
    (by_bar,) = trade_through([resting], [], [bar(price, price, 5000)], AT + 60 * SECOND, SHARE)
    assert bool(by_bar.fills) == fills


def test_orders_share_a_print_first_in_first_out() -> None:
    second, first = order("b", sent=AT + SECOND), order("a", quantity=30)
    done = trade_through([second, first], [trade("0.61", 50)], [], AT + 20 * SECOND, SHARE)
    assert [sum(f.quantity for f in o.fills) for o in done] == [20, 30]
    assert [o.status for o in done] == ["resting", "filled"]


def test_reading_the_same_tape_again_fills_nothing_twice() -> None:
    tape = [trade("0.61", 50)]
    (done,) = trade_through([order()], tape, [], AT + 20 * SECOND, SHARE)
    rest = replace(order(), remaining=Decimal(50))
    taken = {done.fills[0].raw["traded_through"]: done.fills[0].quantity}
    (again,) = trade_through([rest], tape, [], AT + 30 * SECOND, SHARE, taken)
    assert (again.status, again.fills) == ("resting", ())


def test_a_bar_gives_a_tenth_of_its_volume_and_must_lie_in_the_life_of_the_order() -> None:
    (done,) = trade_through([order()], [], [bar("0.55", "0.61", 405)], AT + 60 * SECOND, SHARE)
    assert [(f.quantity, f.executed_at) for f in done.fills] == [(40, AT + 60 * SECOND)]
    for outside in (bar("0.55", "0.61", 405, start=-1), bar("0.55", "0.61", 405, end=61)):
        (none,) = trade_through([order()], [], [outside], AT + 90 * SECOND, SHARE)
        assert (none.fills, none.status) == ((), "canceled")


def test_bars_are_not_read_where_trades_are_known() -> None:
    (done,) = trade_through(
        [order()], [trade("0.60", 1)], [bar("0.55", "0.61", 405)], AT + 60 * SECOND, SHARE
    )
    assert done.fills == ()


def test_when_its_time_is_over_an_order_is_canceled_with_what_it_got() -> None:
    tape = [trade("0.61", 40), trade("0.62", 40, after=61, name="2")]
    (done,) = trade_through([order()], tape, [], AT + 90 * SECOND, SHARE)
    assert (done.status, done.filled_quantity) == ("canceled", 40)
    assert done.closed_at == AT + 60 * SECOND


def test_what_is_not_known_yet_fills_nothing() -> None:
    late = replace(trade("0.61", 40), known_at=AT + 50 * SECOND)
    (early,) = trade_through([order()], [late], [], AT + 49 * SECOND, SHARE)
    (then,) = trade_through([order()], [late], [], AT + 50 * SECOND, SHARE)
    assert (early.fills, then.filled_quantity) == ((), 40)


@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(1, 300), st.integers(1, 60)), max_size=8),
    st.lists(st.tuples(st.integers(1, 99), st.integers(1, 200)), min_size=1, max_size=3),
)
def test_never_more_than_was_traded_beyond_and_the_mirror_fills_alike(
    tape: list[tuple[int, int, int]], limits: list[tuple[int, int]]
) -> None:
    prints = [
        trade(f"0.{cents:02d}", size, after, str(n)) for n, (cents, size, after) in enumerate(tape)
    ]
    orders = [order(str(n), f"0.{cents:02d}", size) for n, (cents, size) in enumerate(limits)]
    done = trade_through(orders, prints, [], AT + 60 * SECOND, SHARE)
    for resting, outcome in zip(orders, done, strict=True):
        assert outcome.filled_quantity <= resting.remaining
        assert all(fill.price == resting.ticket.limit_price for fill in outcome.fills)
    lowest = min(o.ticket.limit_price for o in orders)
    beyond = sum(p.quantity for p in prints if p.yes_price > lowest)
    assert sum(o.filled_quantity for o in done) <= beyond
    mirrored = trade_through(
        [replace(o, ticket=replace(o.ticket, side=Side.NO)) for o in orders],
        [replace(p, yes_price=complement(p.yes_price)) for p in prints],
        [], AT + 60 * SECOND, SHARE,
    )  # fmt: skip
    assert mirrored == done
