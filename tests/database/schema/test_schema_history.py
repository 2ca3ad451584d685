"""What was written stays written: facts, versions, states and history.

A promise that only the writing code kept would end with the first console session.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import errors, sql

from precog_core.database import Database

if TYPE_CHECKING:
    from tests.database.schema.conftest import Rows

NOW = datetime(2026, 9, 14, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)


# What never changes


APPEND_ONLY: dict[str, Callable[["Rows"], Any]] = {
    "market_snapshots": lambda rows: rows.quote(rows.market(), NOW),
    "fee_schedules": lambda rows: None,
    "method_templates": lambda rows: None,
    "position_history": lambda rows: rows.position(),
    "predictions": lambda rows: rows.prediction(),
    "elo_rating_history": lambda rows: rows.rating(),
    "source_snapshots": lambda rows: rows.source_snapshot(),
    "training_datasets": lambda rows: rows.training_run(rows.model()),
}


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_an_append_only_table_refuses_every_change(rows: "Rows", table: str) -> None:
    APPEND_ONLY[table](rows)
    before = rows.conn.execute(sql.SQL("TABLE {}").format(sql.Identifier(table))).fetchall()
    assert before
    for statement in (
        "UPDATE {} SET created_at = created_at",
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
    ):
        with rows.refused(errors.RestrictViolation, match=r"refused"):
            rows.conn.execute(sql.SQL(statement).format(sql.Identifier(table)))
    assert rows.conn.execute(sql.SQL("TABLE {}").format(sql.Identifier(table))).fetchall() == before


def test_a_partition_is_as_immutable_as_its_table(rows: "Rows") -> None:
    rows.quote(rows.market(), NOW)
    rows.conn.execute("SELECT ensure_snapshot_partitions('2026-09-01', '2026-09-30')")
    for statement in ("UPDATE {} SET source = 'x'", "DELETE FROM {}", "TRUNCATE {}"):
        with rows.refused(errors.RestrictViolation):
            rows.conn.execute(statement.format("market_snapshots_2026_09"))
    with rows.refused(errors.RestrictViolation):
        rows.conn.execute("TRUNCATE market_snapshots_default")


@pytest.mark.requirement("VER-001", "METH-002", "METH-012")
@pytest.mark.parametrize(
    "change",
    ["config = '{}'", "strategy_name = 'other'", "strategy_version = 'v2.0'", "league = 'nba'"],
)
def test_a_version_is_never_edited(rows: "Rows", change: str) -> None:
    rows.strategy()
    with rows.refused(errors.RestrictViolation, match=change.split(" ")[0]):
        rows.conn.execute(f"UPDATE strategies SET {change}")
    for statement in ("DELETE FROM strategies", "TRUNCATE strategies CASCADE"):
        with rows.refused(errors.RestrictViolation):
            rows.conn.execute(statement)
    rows.conn.execute("UPDATE strategies SET notes = 'looked at'")
    assert rows.one("SELECT notes FROM strategies") == "looked at"


@pytest.mark.requirement("VER-002")
def test_a_version_is_unique_and_well_formed(rows: "Rows") -> None:
    rows.strategy()
    with rows.refused(errors.UniqueViolation):
        rows.strategy()
    for version in ("1.0", "v1", "v1.0.0"):
        with rows.refused(errors.CheckViolation):
            rows.strategy(version)


@pytest.mark.requirement("VER-004")
@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (["testing", "active", "inactive", "active", "deprecated"], "active"),
        (["testing", "draft"], "active"),
        (["testing", "active", "inactive", "deprecated"], "testing"),
        ([], "active"),
        (["testing"], "deprecated"),
    ],
)
def test_a_strategy_moves_only_along_its_path(rows: "Rows", path: list[str], wrong: str) -> None:
    rows.strategy()
    for status in path:
        rows.conn.execute("UPDATE strategies SET status = %s", (status,))
    with rows.refused(errors.RestrictViolation, match=f"to {wrong}"):
        rows.conn.execute("UPDATE strategies SET status = %s", (wrong,))


def test_a_version_is_born_as_a_draft(rows: "Rows") -> None:
    with rows.refused(errors.CheckViolation, match="draft"):
        rows.strategy(status="active")


def test_a_training_run_is_frozen_once_it_ended(rows: "Rows") -> None:
    rows.training_run(rows.model())
    rows.conn.execute("UPDATE model_training_runs SET status = 'completed', completed_at = now()")
    for statement in (
        "UPDATE model_training_runs SET metrics = '{}'",
        "DELETE FROM model_training_runs",
    ):
        with rows.refused(errors.RestrictViolation):
            rows.conn.execute(statement)


def test_a_feature_goes_from_draft_to_active_to_deprecated(rows: "Rows") -> None:
    rows.feature()
    with rows.refused(errors.RestrictViolation):
        rows.conn.execute("UPDATE feature_definitions SET status = 'deprecated'")
    with rows.refused(errors.RestrictViolation):
        rows.conn.execute("UPDATE feature_definitions SET status = 'testing'")
    rows.conn.execute("UPDATE feature_definitions SET status = 'active'")
    with rows.refused(errors.RestrictViolation, match="calculation"):
        rows.conn.execute("UPDATE feature_definitions SET calculation = 'other'")


def test_feature_values_are_replaced_at_will(rows: "Rows") -> None:
    """Class FACT: derived rows, so the one table of this group without a guard."""
    value = {
        "feature_id": rows.feature(), "entity_type": "game", "entity_id": 1, "event_ts": NOW,
        "known_at": NOW, "dagster_run_id": "r1",
    }  # fmt: skip
    rows.insert("features_historical", **value, feature_value=12.5)
    with rows.refused(errors.UniqueViolation):
        rows.insert("features_historical", **value, feature_value=None)
    rows.conn.execute("DELETE FROM features_historical")
    rows.insert("features_historical", **value, feature_value=None)
    assert rows.one("SELECT feature_value IS NULL FROM features_historical") is True


# History


@pytest.mark.requirement("DB-002")
def test_slow_attributes_have_one_current_row_and_never_overlap(rows: "Rows") -> None:
    market = rows.market()
    rows.attributes(market, NOW)
    with rows.refused(errors.UniqueViolation):
        rows.attributes(market, NOW + HOUR)
    rows.conn.execute(
        "UPDATE market_attributes SET row_end_ts = %s, row_current_ind = false", (NOW + 2 * HOUR,)
    )
    with rows.refused(errors.CheckViolation, match="before its predecessor ended"):
        rows.attributes(market, NOW + HOUR)
    rows.attributes(market, NOW + 2 * HOUR, status="closed")
    states = rows.conn.execute(
        "SELECT status, row_current_ind FROM market_attributes ORDER BY row_start_ts"
    ).fetchall()
    assert states == [("open", False), ("closed", True)]


def test_history_is_closed_but_not_rewritten(rows: "Rows") -> None:
    rows.attributes(rows.market(), NOW)
    close = f"row_end_ts = '{NOW + HOUR}', row_current_ind = false"
    for statement in (
        "UPDATE market_attributes SET status = 'closed'",
        f"UPDATE market_attributes SET status = 'closed', {close}",
        "DELETE FROM market_attributes",
        "TRUNCATE market_attributes",
    ):
        with rows.refused(errors.RestrictViolation):
            rows.conn.execute(statement)
    rows.conn.execute(f"UPDATE market_attributes SET {close}")
    with rows.refused(errors.RestrictViolation):
        rows.conn.execute(f"UPDATE market_attributes SET row_end_ts = '{NOW + 2 * HOUR}'")


def test_a_closed_row_is_not_inserted(rows: "Rows") -> None:
    market = rows.market()
    with rows.refused(errors.CheckViolation, match="inserted as current"):
        rows.attributes(market, NOW, row_end_ts=NOW + HOUR, row_current_ind=False)


@pytest.mark.requirement("DB-002")
def test_of_two_concurrent_writers_of_one_key_one_wins(db: Database, rows: "Rows") -> None:
    with db.transaction() as conn:
        market = rows.on(conn).market()
        rows.on(conn).attributes(market, NOW)
    outcomes: list[str] = []

    def write(conn: psycopg.Connection, at: datetime, status: str) -> None:
        conn.execute(
            "UPDATE market_attributes SET row_end_ts = %s, row_current_ind = false"
            " WHERE market_id = %s AND row_current_ind",
            (at, market),
        )
        rows.on(conn).attributes(market, at, status=status)

    def second_writer() -> None:
        try:
            with db.transaction() as conn:
                write(conn, NOW + HOUR, "closed")
            outcomes.append("written")
        except errors.IntegrityError:
            outcomes.append("refused")

    with db.transaction() as conn:
        write(conn, NOW + 2 * HOUR, "paused")
        thread = threading.Thread(target=second_writer)
        thread.start()
        thread.join(timeout=0.5)
        assert thread.is_alive(), "the second writer waits for the first"
    thread.join(timeout=30)
    assert outcomes == ["refused"]
    with db.transaction() as conn:
        current = conn.execute(
            "SELECT status FROM market_attributes WHERE row_current_ind"
        ).fetchall()
    assert current == [("paused",)]


def test_every_state_of_a_position_is_kept(rows: "Rows") -> None:
    position = rows.position()
    rows.conn.execute("UPDATE positions SET last_check_time = now()")
    rows.conn.execute("UPDATE positions SET current_price = 0.58, unrealized_pnl = 0.10")
    states = rows.conn.execute(
        "SELECT version, changed_columns, row_data ->> 'current_price', row_data ->> 'entry_price'"
        " FROM position_history WHERE position_id = %s ORDER BY version",
        (position,),
    ).fetchall()
    assert [state[0] for state in states] == [1, 2]
    assert "entry_price" in states[0][1]
    assert states[1][1:] == (["current_price", "unrealized_pnl"], "0.580000", "0.570000")
    kind = rows.one("SELECT jsonb_typeof(row_data -> 'entry_price') FROM position_history LIMIT 1")
    assert kind == "string"


@pytest.mark.requirement("TRAIL-002")
def test_a_trailing_stop_needs_all_its_parts(rows: "Rows") -> None:
    parts = {
        "peak_price": "0.64", "trailing_stop_price": "0.608", "trailing_stop_distance": "0.05",
        "trailing_stop_type": "percentage",
    }  # fmt: skip
    rows.position(trailing_stop_active=True, **parts)
    for missing in parts:
        with rows.refused(errors.CheckViolation):
            rows.position(trailing_stop_active=True, **{**parts, missing: None})
    with rows.refused(errors.CheckViolation):
        rows.position(trailing_stop_active=True, **{**parts, "trailing_stop_price": "0.65"})


def test_a_position_that_ended_says_when_and_why(rows: "Rows") -> None:
    rows.position()
    with rows.refused(errors.CheckViolation):
        rows.conn.execute("UPDATE positions SET status = 'settled', quantity = 0")
    rows.conn.execute(
        "UPDATE positions SET status = 'settled', quantity = 0, exit_time = now(),"
        " exit_reason = 'settlement'"
    )


# Alerts


@pytest.mark.requirement("ALERT-007")
def test_one_cause_has_one_unresolved_alert(rows: "Rows") -> None:
    rows.alert()
    with rows.refused(errors.UniqueViolation):
        rows.alert()
    with rows.refused(errors.CheckViolation):
        rows.conn.execute("UPDATE alerts SET resolved_at = now(), resolution_action = 'fixed'")
    rows.conn.execute(
        "UPDATE alerts SET acknowledged_at = now(), resolved_at = now(),"
        " resolution_action = 'fixed'"
    )
    rows.alert()
    assert rows.one("SELECT count(*) FROM alerts") == 2
