"""Exits, settlements, the ledger, controls and alerts: what they refuse and what they keep."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import errors, sql

from precog_core.database import Database

if TYPE_CHECKING:
    from tests.database.conftest import World

DECIDED = datetime(2019, 12, 29, 16, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def an_exit(world: "World", trade: int, **values: Any) -> int:
    position = values.pop("position_id", None) or world.position(market_id=world.market("X"))
    return world.insert(
        "position_exits",
        **{
            "position_id": position, "trade_id": trade, "execution_environment": "paper",
            "exit_condition": "profit_target", "exit_priority": "medium", "quantity_exited": 5,
            "remaining_quantity": 5, "exit_price": "0.70", "realized_pnl": "0.6",
            "triggered_at": DECIDED, "executed_at": DECIDED + MINUTE, **values,
        },
    )  # fmt: skip


def an_attempt(world: "World", **values: Any) -> int:
    return world.insert(
        "exit_attempts",
        **{
            "position_id": values.pop("position_id", None) or world.position(),
            "order_id": values.pop("order_id", None) or world.order(),
            "execution_environment": "paper", "exit_condition": "profit_target",
            "exit_priority": "medium", "order_style": "limit", "attempt_number": 1,
            "limit_price": "0.70", "quantity": 5, "filled_quantity": 5, "timeout_seconds": 30,
            "success": True, "placed_at": DECIDED, "ended_at": DECIDED + MINUTE, **values,
        },
    )  # fmt: skip


APPEND_ONLY = [
    "decisions", "order_events", "fills", "trades", "position_exits", "exit_attempts",
    "settlements", "account_ledger", "trading_controls", "order_approvals",
    "notification_deliveries", "probability_matrices",
]  # fmt: skip


def one_row_of_each(world: "World") -> None:
    """A row in every append-only table of trading."""
    an_exit(world, world.trade())
    an_attempt(world)  # with an order, its decision and its first event
    world.settlement()
    world.entry("deposit", "10000")
    world.insert(
        "trading_controls", execution_environment="paper", scope="global", state="halted",
        reason="r", set_by="breaker", set_by_kind="system",
    )  # fmt: skip
    world.insert(
        "order_approvals", decision_id=world.decision(), approved_by="p", approved_at=DECIDED,
        expires_at=DECIDED + MINUTE,
    )  # fmt: skip
    world.insert(
        "notification_deliveries", alert_id=world.alert(), channel="file", attempt=1,
        status="sent", attempted_at=DECIDED,
    )  # fmt: skip
    world.insert(
        "probability_matrices", matrix_name="m", matrix_version="v1.0", league="nfl",
        state_descriptor="halftime", value_bucket="+7..+10", win_probability="0.8123",
        sample_size=120, wins=97, first_season=2009, last_season=2019,
    )  # fmt: skip


def test_what_was_recorded_is_never_changed_nor_removed(world: "World") -> None:
    one_row_of_each(world)
    for table in map(sql.Identifier, APPEND_ONLY):
        assert world.conn.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone() != (
            0,
        )
        for attack in (
            "UPDATE {} SET created_at = now()",
            "DELETE FROM {}",
            "TRUNCATE {} CASCADE",
        ):
            with pytest.raises(errors.RestrictViolation):
                world.conn.execute(sql.SQL(attack).format(table))  # type: ignore[arg-type]


# Exits


@pytest.mark.requirement("DB-004")
def test_an_exit_is_booked_once_per_trade_condition_and_stage(world: "World") -> None:
    trade = world.trade()
    position = world.position(market_id=world.market("X"))
    stage = {"exit_condition": "partial_exit_target", "position_id": position}
    an_exit(world, trade, stage=1, **stage)
    an_exit(world, trade, stage=2, **stage)
    an_exit(world, trade, position_id=position)
    with pytest.raises(errors.UniqueViolation):
        an_exit(world, trade, stage=1, **stage)
    with pytest.raises(errors.UniqueViolation):  # two NULL stages are the same stage
        an_exit(world, trade, position_id=position)
    with pytest.raises(errors.CheckViolation, match="exit_condition_stage"):
        an_exit(world, trade, **stage)
    with pytest.raises(errors.CheckViolation, match="exit_condition_stage"):
        an_exit(world, trade, position_id=position, stage=1)
    with pytest.raises(errors.CheckViolation, match="executed_at_triggered_at"):
        an_exit(world, world.trade(), position_id=position, executed_at=DECIDED - MINUTE)


@pytest.mark.requirement("DB-005")
def test_an_exit_attempt_succeeds_exactly_when_all_was_filled(world: "World") -> None:
    position = world.position()
    an_attempt(world, position_id=position)
    an_attempt(world, position_id=position, filled_quantity=4, success=False)
    with pytest.raises(errors.CheckViolation, match="success_filled_quantity"):
        an_attempt(world, position_id=position, filled_quantity=4)
    with pytest.raises(errors.CheckViolation, match="filled_quantity_quantity"):
        an_attempt(world, position_id=position, filled_quantity=6, success=False)


# Settlements and ledger


def test_a_settlement_pays_what_its_outcome_says(world: "World") -> None:
    world.settlement(outcome="no", settlement_value=0, stage="determined")
    world.settlement(outcome="scalar", settlement_value="0.5", revision=2, stage="amended")
    with pytest.raises(errors.UniqueViolation):
        world.settlement(outcome="yes", settlement_value=1, revision=2)
    for outcome, value in (("yes", "0.99"), ("no", "1")):
        with pytest.raises(errors.CheckViolation, match="outcome_settlement_value"):
            world.settlement(outcome=outcome, settlement_value=value, revision=3)


def test_a_movement_of_cash_is_booked_once(world: "World") -> None:
    world.entry("fee", "-0.175", entry_key="fill:1:fee")
    with pytest.raises(errors.UniqueViolation):
        world.entry("fee", "-0.175", entry_key="fill:1:fee")
    assert world.one("SELECT sum(amount) FROM account_ledger") == Decimal("-0.175")


def test_a_reversal_is_the_exact_opposite_of_one_entry(world: "World") -> None:
    position = world.position()
    paid = world.entry("settlement", "40", position_id=position)
    for wrong in (
        {"amount": "-39.999999", "position_id": position},
        {"amount": "-40"},
        {"amount": "-40", "position_id": position, "execution_environment": "demo"},
    ):
        with pytest.raises(errors.CheckViolation, match="must be the same account and position"):
            world.entry("reversal", reverses_entry_id=paid, **wrong)  # type: ignore[arg-type]
    with pytest.raises(errors.CheckViolation, match="entry_type_reverses_entry_id"):
        world.entry("reversal", "-40", position_id=position)
    with pytest.raises(errors.CheckViolation, match="entry_type_reverses_entry_id"):
        world.entry("adjustment", "-40", position_id=position, reverses_entry_id=paid)
    with pytest.raises(errors.ForeignKeyViolation):
        world.entry("reversal", "-40", position_id=position, reverses_entry_id=paid + 1000)

    back = world.entry("reversal", "-40", position_id=position, reverses_entry_id=paid)
    with pytest.raises(errors.UniqueViolation):
        world.entry("reversal", "-40", position_id=position, reverses_entry_id=paid)
    with pytest.raises(errors.CheckViolation, match="is itself a reversal"):
        world.entry("reversal", "40", position_id=position, reverses_entry_id=back)
    assert world.one("SELECT sum(amount) FROM account_ledger") == 0


def test_only_a_complete_listing_is_clean(world: "World") -> None:
    run = {"platform_id": "simulated", "execution_environment": "paper", "started_at": DECIDED}
    world.insert("reconciliation_runs", **run, status="clean", listing_complete=True)
    with pytest.raises(errors.CheckViolation, match="status_listing_complete"):
        world.insert("reconciliation_runs", **run, status="clean")


# Risk controls


def trip(world: "World", **values: Any) -> int:
    return world.insert(
        "circuit_breaker_events",
        **{
            "breaker_type": "daily_loss", "execution_environment": "paper",
            "action": "close_all", "triggered_at": DECIDED, "trigger_value": {"loss": "512.30"},
            **values,
        },
    )  # fmt: skip


def test_the_breakers_of_the_rules_are_known(world: "World") -> None:
    codes = world.one("SELECT array_agg(code) FROM breaker_types WHERE is_known")
    assert " ".join(sorted(codes)) == (
        "auth_error consecutive_losses daily_loss data_quality db_errors drawdown edge_anomaly "
        "fee_mismatch manual model_stale position_quote_stale rapid_loss reconcile_mismatch "
        "rejects trade_burst unknown_order venue_errors weekly_loss"
    )


def test_a_breaker_is_open_once_and_rearmed_by_somebody(world: "World") -> None:
    trip(world)
    with pytest.raises(errors.UniqueViolation, match="uq_circuit_breaker_events_open"):
        trip(world)
    trip(world, execution_environment="demo")
    with pytest.raises(errors.CheckViolation, match="resolved_at_resolved_by"):
        world.conn.execute("UPDATE circuit_breaker_events SET resolved_at = now()")
    with pytest.raises(errors.CheckViolation, match="resolved_at_resolved_by"):
        world.conn.execute(
            "UPDATE circuit_breaker_events SET resolved_by = 'p', resolved_at = %s",
            (DECIDED - MINUTE,),
        )
    world.conn.execute(
        "UPDATE circuit_breaker_events SET resolved_by = 'p', resolved_at = %s",
        (DECIDED + MINUTE,),
    )
    trip(world)


def command(world: "World", state: str, kind: str = "person", **values: Any) -> int:
    return world.insert(
        "trading_controls",
        **{
            "execution_environment": "paper", "scope": "global", "state": state, "reason": "r",
            "set_by": "x", "set_by_kind": kind, **values,
        },
    )  # fmt: skip


def test_the_latest_command_of_a_scope_rules_and_only_a_person_sets_running(
    world: "World",
) -> None:
    command(world, "halted", "system")
    with pytest.raises(errors.CheckViolation, match="state_set_by_kind"):
        command(world, "running", "system")
    command(world, "exits_only", scope="league", scope_key="nfl")
    command(world, "running")
    command(world, "halted", execution_environment="live")
    assert world.all(
        "SELECT execution_environment, scope, scope_key, state FROM current_trading_controls"
        " ORDER BY 1, 2"
    ) == [
        ("live", "global", "*", "halted"),
        ("paper", "global", "*", "running"),
        ("paper", "league", "nfl", "exits_only"),
    ]


def test_an_approval_is_given_once_and_ends(world: "World") -> None:
    decision = world.decision()
    yes = {"decision_id": decision, "approved_by": "p", "approved_at": DECIDED}
    with pytest.raises(errors.CheckViolation, match="expires_at_approved_at"):
        world.insert("order_approvals", **yes, expires_at=DECIDED)
    world.insert("order_approvals", **yes, expires_at=DECIDED + MINUTE)
    with pytest.raises(errors.UniqueViolation):
        world.insert("order_approvals", **yes, expires_at=DECIDED + 2 * MINUTE)


# Operations


@pytest.mark.requirement("SYS-002")
def test_one_override_per_key_is_active_and_old_ones_stay(world: "World") -> None:
    override = {
        "config_key": "trading.gate.spread_max", "data_type": "decimal", "reason": "r",
        "applied_by": "p",
    }  # fmt: skip
    world.insert("config_overrides", **override, override_value="0.03", active=False)
    first = world.insert("config_overrides", **override, override_value="0.02")
    with pytest.raises(errors.UniqueViolation):
        world.insert("config_overrides", **override, override_value="0.01")
    world.conn.execute(
        "UPDATE config_overrides SET active = false WHERE override_id = %s", (first,)
    )
    world.insert("config_overrides", **override, override_value="0.01")
    with pytest.raises(errors.CheckViolation, match="expires_at_applied_at"):
        world.insert(
            "config_overrides",
            **override,
            override_value="0.01",
            active=False,
            expires_at=DECIDED,
        )


def test_a_component_has_one_state_of_health(world: "World") -> None:
    state = {"component": "test_component", "last_check": DECIDED}
    world.insert("system_health", **state, status="healthy")
    with pytest.raises(errors.UniqueViolation):
        world.insert("system_health", **state, status="down")


def test_a_matrix_cell_is_counted_once_per_version(world: "World") -> None:
    cell = {
        "matrix_name": "m", "matrix_version": "v1.0", "league": "nfl",
        "state_descriptor": "halftime", "value_bucket": "+7", "win_probability": "0.8",
        "sample_size": 9, "wins": 7, "first_season": 2009, "last_season": 2019,
    }  # fmt: skip
    world.insert("probability_matrices", **cell)
    world.insert("probability_matrices", **cell, situational_factors={"home": True})
    with pytest.raises(errors.UniqueViolation):
        world.insert("probability_matrices", **cell)
    with pytest.raises(errors.UniqueViolation):
        world.insert("probability_matrices", **cell, situational_factors={"home": True})


@pytest.mark.requirement("ALERT-011")
def test_an_alert_carries_the_summary_of_its_deliveries(world: "World") -> None:
    alert = world.alert()
    for channel, attempt, status, minutes, error in (
        ("email", 1, "failed", 0, "timeout"),
        ("console", 1, "sent", 2, None),
        ("email", 2, "sent", 1, None),
        ("console", 2, "sent", 1, None),
        ("sms", 1, "skipped", 3, "rate_limited"),
    ):
        world.insert(
            "notification_deliveries", alert_id=alert, channel=channel, attempt=attempt,
            status=status, attempted_at=DECIDED + minutes * MINUTE, error=error,
        )  # fmt: skip
    assert world.all(
        "SELECT notification_sent, notification_attempts, notification_channels,"
        " notification_sent_at, notification_errors FROM alerts"
    ) == [
        (
            True, 5, ["console", "email"], DECIDED + 2 * MINUTE,
            [{"channel": "email", "attempt": 1, "error": "timeout"}],
        )
    ]  # fmt: skip
    with pytest.raises(errors.UniqueViolation):
        world.insert(
            "notification_deliveries", alert_id=alert, channel="sms", attempt=1, status="sent",
            attempted_at=DECIDED,
        )  # fmt: skip


@pytest.mark.requirement("ALERT-011")
def test_deliveries_at_the_same_time_are_all_counted(
    db: Database, committed_world: "World"
) -> None:
    alert = committed_world.alert()
    ready = threading.Barrier(2)

    def deliver(channel: str) -> None:
        for attempt in range(1, 11):
            with db.transaction() as conn:
                if attempt == 1:
                    ready.wait(10)
                conn.execute(
                    "INSERT INTO notification_deliveries"
                    " (alert_id, channel, attempt, status, attempted_at, error)"
                    " VALUES (%s, %s, %s, 'failed', now(), 'refused')",
                    (alert, channel, attempt),
                )

    threads = [threading.Thread(target=deliver, args=(name,)) for name in ("email", "slack")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert committed_world.all(
        "SELECT notification_sent, notification_attempts, notification_sent_at,"
        " jsonb_array_length(notification_errors) FROM alerts"
    ) == [(False, 20, None, 20)]
