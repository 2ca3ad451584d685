"""Decisions, orders and fills: what they refuse, and the order history that writes itself."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

if TYPE_CHECKING:
    from tests.database.conftest import World

DECIDED = datetime(2019, 12, 29, 16, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


# Decisions


@pytest.mark.requirement("TRACE-005")
def test_every_no_has_a_reason_and_no_yes_has_one(world: "World") -> None:
    world.decision(outcome="skipped", skip_reason="edge_below_min")
    with pytest.raises(errors.CheckViolation, match="ck_decisions_outcome_skip_reason"):
        world.decision(outcome="skipped")
    with pytest.raises(errors.CheckViolation, match="ck_decisions_outcome_skip_reason"):
        world.decision(outcome="taken", skip_reason="edge_below_min")


def test_an_exit_names_its_position_and_an_entry_none(world: "World") -> None:
    position = world.position()
    world.decision(purpose="exit", position_id=position, exit_condition="stop_loss")
    with pytest.raises(errors.CheckViolation, match="ck_decisions_purpose_position_id"):
        world.decision(purpose="exit", exit_condition="stop_loss")
    with pytest.raises(errors.CheckViolation, match="ck_decisions_purpose_position_id"):
        world.decision(purpose="entry", position_id=position)


def test_a_tick_that_runs_again_meets_its_own_decisions(world: "World") -> None:
    world.decision(decision_key="k")
    with pytest.raises(errors.UniqueViolation, match="uq_decisions_decision_key"):
        world.decision(decision_key="k")


@pytest.mark.requirement("VER-003")
def test_an_automated_trade_has_a_decision_and_each_fill_one_trade(world: "World") -> None:
    strategy, model = world.strategy(), world.model()
    fill = world.fill()
    with pytest.raises(errors.CheckViolation, match="ck_trades_trade_source_decision_id"):
        world.trade(trade_source="automated", strategy_id=strategy, model_id=model, fill_id=fill)
    world.trade(
        trade_source="automated", strategy_id=strategy, model_id=model, fill_id=fill,
        decision_id=world.decision(),
    )  # fmt: skip
    with pytest.raises(errors.UniqueViolation, match="uq_trades_fill_id"):
        world.trade(fill_id=fill)


# Orders

LEGAL_STEPS = {
    "intent": {"sent", "canceled"},
    "sent": {"resting", "filled", "canceled", "rejected", "unknown"},
    "resting": {"filled", "canceled", "unknown"},
    "unknown": {"resting", "filled", "canceled", "rejected"},
    "filled": set(),
    "canceled": set(),
    "rejected": set(),
}
WAY_TO = {
    "intent": [],
    "sent": ["sent"],
    "resting": ["sent", "resting"],
    "unknown": ["sent", "unknown"],
    "filled": ["sent", "filled"],
    "canceled": ["canceled"],
    "rejected": ["sent", "rejected"],
}  # fmt: skip


@pytest.mark.requirement("LEDGER-001")
@pytest.mark.parametrize("start", LEGAL_STEPS)
def test_an_order_moves_only_along_its_path(world: "World", start: str) -> None:
    decision = world.decision()
    legal = set()
    for target in LEGAL_STEPS:
        order = world.order(decision_id=decision)
        for status in WAY_TO[start]:
            world.conn.execute("UPDATE orders SET status = %s WHERE order_id = %s", (status, order))
        try:
            world.conn.execute("UPDATE orders SET status = %s WHERE order_id = %s", (target, order))
        except errors.RestrictViolation:
            continue
        if target != start:
            legal.add(target)
    assert legal == LEGAL_STEPS[start]


def test_an_order_is_born_as_an_intent(world: "World") -> None:
    with pytest.raises(errors.CheckViolation, match="inserted with status intent"):
        world.order(status="sent")


@pytest.mark.parametrize(
    "change",
    [
        "limit_price = 0.60", "quantity = 11", "side = 'no'", "client_order_id = 'x'",
        "expires_at = now()", "decision_id = decision_id + 1", "strategy_id = 1",
        "time_in_force = 'gtc'", "created_at = created_at + INTERVAL '1 s'",
    ],
)  # fmt: skip
def test_the_intent_of_an_order_never_changes(world: "World", change: str) -> None:
    world.order()
    with pytest.raises(errors.RestrictViolation):
        world.conn.execute(f"UPDATE orders SET {change}")


@pytest.mark.requirement("LEDGER-001")
def test_an_order_is_neither_deleted_nor_overfilled_nor_sent_twice(world: "World") -> None:
    world.order(client_order_id="a" * 32)
    with pytest.raises(errors.RestrictViolation):
        world.conn.execute("DELETE FROM orders")
    with pytest.raises(errors.RestrictViolation):
        world.conn.execute("TRUNCATE orders CASCADE")
    with pytest.raises(errors.CheckViolation, match="ck_orders_filled_quantity_quantity"):
        world.conn.execute("UPDATE orders SET filled_quantity = 10.01")
    with pytest.raises(errors.UniqueViolation, match="uq_orders_client_order_id"):
        world.order(client_order_id="a" * 32)
    with pytest.raises(errors.CheckViolation, match="ck_orders_client_order_id"):
        world.order(client_order_id="with space")
    with pytest.raises(errors.CheckViolation, match="ck_orders_purpose_exit_condition"):
        world.order(purpose="exit")


def test_the_history_of_an_order_writes_itself_with_the_times_of_the_order(
    world: "World",
) -> None:
    order = world.order()
    sent, closed = DECIDED + MINUTE, DECIDED + 2 * MINUTE
    world.conn.execute("UPDATE orders SET status = 'sent', sent_at = %s", (sent,))
    world.conn.execute("UPDATE orders SET venue_order_id = 'v1', filled_quantity = 4")
    world.conn.execute(
        "UPDATE orders SET status = 'canceled', closed_at = %s, error_code = 'ioc_remainder'",
        (closed,),
    )
    assert world.all(
        "SELECT order_id, from_status, to_status, changed_at, filled_quantity, payload"
        " FROM order_events ORDER BY order_event_id"
    ) == [
        (order, None, "intent", DECIDED, Decimal(0), None),
        (order, "intent", "sent", sent, Decimal(0), None),
        (
            order, "sent", "canceled", closed, Decimal(4),
            {"venue_order_id": "v1", "error_code": "ioc_remainder"},
        ),
    ]  # fmt: skip
    assert world.one("SELECT updated_at >= created_at FROM orders")


def test_the_order_history_falls_back_to_the_database_clock(world: "World") -> None:
    world.order()
    world.conn.execute("UPDATE orders SET status = 'sent'")
    world.conn.execute("UPDATE orders SET status = 'unknown'")
    ages = world.all(
        "SELECT clock_timestamp() - changed_at < INTERVAL '1 minute' FROM order_events"
        " WHERE to_status IN ('sent', 'unknown')"
    )
    assert ages == [(True,), (True,)]


@pytest.mark.requirement("LEDGER-003")
def test_an_execution_counts_once_however_often_it_is_reported(world: "World") -> None:
    world.fill(venue_fill_id="f1")
    with pytest.raises(errors.UniqueViolation, match="venue_fill_id"):
        world.fill(venue_fill_id="f1", price="0.60")
    world.fill(venue_fill_id="f1", execution_environment="demo")


def test_the_trading_tables_accept_fractional_contracts_exactly(world: "World") -> None:
    fill = world.fill(quantity="0.25", price="0.987654", fee="0.000001")
    assert world.all("SELECT quantity, price, fee FROM fills WHERE fill_id = %s", fill) == [
        (Decimal("0.25"), Decimal("0.987654"), Decimal("0.000001"))
    ]
    with pytest.raises(psycopg.errors.CheckViolation):
        world.fill(quantity=0)
