"""Writes booked rows in a constant number of statements, whatever their number.

Everything belongs to the caller's transaction. Rows name each other by keys and are joined to ids
in the statements. Keys also make a repeated writing a refusal or a no-op, never a second booking.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from precog_core.logging import JOURNAL
from precog_trading.ledger.bookings import Booked, balance_steps
from precog_trading.ledger.holdings import Execution, LedgerError
from precog_trading.ledger.statements import Row, as_json, change, one, rows, rows_of_all

_JOURNAL = logging.getLogger(f"{JOURNAL}.orders")


def write_booked(conn: psycopg.Connection, environment: str, booked: Sequence[Booked]) -> int:
    """Write the outcomes of some orders, in their order; returns the number of fills.

    Raises LedgerError when an order was not waiting for an outcome: then nothing is written.
    """
    if not booked:
        return 0
    orders = as_json([b.order for b in booked])
    change(conn, "ledger", "mark_sent", environment=environment, rows=orders)
    changed = change(conn, "ledger", "record_outcomes", environment=environment, rows=orders)
    if changed != len(booked):
        raise LedgerError(
            f"{len(booked) - changed} of {len(booked)} orders were not waiting for an outcome; "
            "nothing was booked"
        )
    positions = _final_positions(booked)
    fills = [row for b in booked for row in b.fills]
    trades = [row for b in booked for row in b.trades]
    exits = [row for b in booked for row in b.exits]
    attempts = [b.attempt for b in booked if b.attempt is not None]
    writes: list[tuple[str, str, dict[str, Any]]] = []
    for name, content in (
        ("insert_fills", fills),
        ("insert_positions", [row for row, is_new in positions if is_new]),
        ("update_positions", [row for row, is_new in positions if not is_new]),
        ("insert_trades", trades),
        ("insert_position_exits", exits),
        ("insert_exit_attempts", attempts),
    ):
        if content:
            writes.append(
                ("ledger", name, {"environment": environment, "rows": _numbered(content)})
            )
    if writes:
        rows_of_all(conn, *writes)
    book_cash(conn, environment, [entry for b in booked for entry in b.entries])
    for b in booked:
        _tell(b)
    return len(fills)


def _tell(booked: Booked) -> None:
    """One event per order that got an outcome, with what was filled."""
    order = booked.order
    _JOURNAL.info(
        "order %s", order["status"],
        extra={
            "order_id": order["client_order_id"],
            "platform_id": booked.platform_id,
            "fills": len(booked.fills),
            "filled_quantity": order.get("filled_quantity"),
            "error_code": order.get("error_code"),
        },
    )  # fmt: skip


def write_positions(
    conn: psycopg.Connection, environment: str, positions: Sequence[Mapping[str, Any]]
) -> None:
    """Change open or settled positions by their keys."""
    if positions:
        change(
            conn, "ledger", "update_positions",
            environment=environment, rows=_numbered(positions),
        )  # fmt: skip


def book_cash(
    conn: psycopg.Connection, environment: str, entries: Sequence[Mapping[str, Any]]
) -> int:
    """Append movements of cash and carry the balance forward, one version per instant.

    An entry has entry_key, platform_id, entry_type, amount (dollars, signed), event_ts, known_at
    and, where they apply, position_key, venue_fill_id, market_id with revision (of a settlement),
    reverses_entry_key, note. Movements already booked are left out; returns how many were new.
    """
    if not entries:
        return 0
    # The key of the conflict alone decides, so a repeated entry cannot move the balance again.
    booked = rows(
        conn, "ledger", "insert_ledger_entries", environment=environment, rows=_numbered(entries)
    )
    for platform_id, at, delta in balance_steps(booked):
        _carry_balance(conn, environment, platform_id, at, delta)
    return len(booked)


def executions(conn: psycopg.Connection, position_ids: Sequence[int]) -> dict[int, list[Execution]]:
    """All booked executions of the given positions."""
    found: dict[int, list[Execution]] = {position_id: [] for position_id in position_ids}
    for row in rows(conn, "ledger", "executions_of_positions", position_ids=list(position_ids)):
        found[row["position_id"]].append(execution(row))
    return found


def execution(row: Mapping[str, Any]) -> Execution:
    """An execution from a row of ``executions_of_positions``."""
    return Execution(
        row["venue_fill_id"], row["event_ts"], row["action"], row["price"], row["quantity"],
        row["fee"],
    )  # fmt: skip


def _final_positions(booked: Sequence[Booked]) -> list[tuple[Row, bool]]:
    """Each position once, as the last of its orders left it; True for those to insert."""
    latest: dict[str, tuple[Row, bool]] = {}
    for b in booked:
        if b.position is None:
            continue
        key = b.position["position_key"]
        before = latest.get(key)
        if before is None:
            latest[key] = (b.position, b.position_is_new)
        else:
            latest[key] = ({**before[0], **b.position}, before[1])
    return list(latest.values())


def _numbered(content: Sequence[Mapping[str, Any]]) -> str:
    """JSON with each row's place, because a set has no order and ids are given in order."""
    return as_json([{**row, "number": number} for number, row in enumerate(content)])


def _carry_balance(
    conn: psycopg.Connection, environment: str, platform_id: str, at: datetime, delta: Decimal
) -> None:
    closed = one(
        conn, "ledger", "close_balance", platform_id=platform_id, environment=environment, at=at
    )
    balance = (closed["balance"] if closed else Decimal(0)) + delta
    if balance < 0:
        raise LedgerError(
            f"{environment} account on {platform_id}: a movement of {delta} at {at.isoformat()} "
            f"would leave {balance} dollars; nothing is bought on credit, so it is not booked"
        )
    change(
        conn, "ledger", "insert_balance",
        platform_id=platform_id, environment=environment, balance=balance, event_ts=at,
        row_start_ts=closed["row_end_ts"] if closed else at,
    )  # fmt: skip
