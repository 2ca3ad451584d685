"""From a venue's answer to money: order, fills, trades, position, cash.

Nothing here decides or sends, and all of it belongs to the caller's transaction. Every row has a
key that derives from the client order id or the venue's fill id, so booking an answer twice changes
nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from precog_core.prices import decimal_text
from precog_trading.exchanges.port import OrderOutcome, VenueFill
from precog_trading.ledger.holdings import Execution, LedgerError, dollars, fold
from precog_trading.ledger.statements import as_json, change, one, rows, value

OrderRow = Mapping[str, Any]
"""A row of the statement ``leftover_orders``."""
_EDGE_LIMITS = (Decimal(-1), Decimal(1))


def book_outcome(
    conn: psycopg.Connection, environment: str, order: OrderRow, outcome: OrderOutcome
) -> int:
    """Record what became of a sent order; returns the number of new fills.

    The order must be sent, resting or unknown. Raises LedgerError when it is not, or when the
    fills contradict what is booked.
    """
    changed = change(
        conn, "ledger", "record_outcome",
        order_id=order["order_id"], status=outcome.status, venue_order_id=outcome.venue_order_id,
        filled_quantity=outcome.filled_quantity, closed_at=outcome.closed_at,
        error_code=outcome.error_code, error_message=outcome.error_message,
    )  # fmt: skip
    if changed != 1:
        raise LedgerError(
            f"order {order['client_order_id']} is not waiting for an outcome; nothing was booked"
        )
    new_fills = [
        (fill, fill_id)
        for fill in outcome.fills
        if (fill_id := _insert_fill(conn, environment, order, outcome, fill)) is not None
    ]
    if not new_fills:
        return 0
    position_id = _apply_to_position(conn, environment, order, [fill for fill, _ in new_fills])
    entries: list[dict[str, Any]] = []
    for fill, fill_id in new_fills:
        _insert_trade(conn, environment, order, position_id, fill, fill_id)
        entries += _cash_entries(environment, order, position_id, fill, fill_id)
    book_cash(conn, environment, entries)
    return len(new_fills)


def book_cash(
    conn: psycopg.Connection, environment: str, entries: Iterable[Mapping[str, Any]]
) -> int:
    """Append movements of cash and carry the balance forward, one version per instant.

    An entry has entry_key, platform_id, entry_type, amount (dollars, signed), event_ts, known_at
    and, where they apply, position_id, fill_id, settlement_id, note. Movements already booked are
    left out; returns the number that were new.
    """
    # The key of the conflict alone decides, so a repeated entry cannot move the balance again.
    booked = rows(
        conn, "ledger", "insert_ledger_entries",
        rows=as_json(
            [
                {**entry, "execution_environment": environment, "number": number}
                for number, entry in enumerate(entries)
            ]
        ),
    )  # fmt: skip
    deltas: dict[tuple[str, datetime], Decimal] = {}
    for row in booked:
        key = (row["platform_id"], row["known_at"])
        deltas[key] = deltas.get(key, Decimal(0)) + row["amount"]
    for (platform_id, at), delta in sorted(deltas.items()):
        if delta == 0:  # a worthless settlement moves nothing
            continue
        _carry_balance(conn, environment, platform_id, at, delta)
    return len(booked)


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


def _insert_fill(
    conn: psycopg.Connection,
    environment: str,
    order: OrderRow,
    outcome: OrderOutcome,
    fill: VenueFill,
) -> int | None:
    fill_id: int | None = value(
        conn, "ledger", "insert_fill",
        platform_id=order["platform_id"], environment=environment,
        venue_fill_id=fill.venue_fill_id, venue_order_id=outcome.venue_order_id,
        order_id=order["order_id"], market_id=order["market_id"], action=order["action"],
        side=order["side"], price=fill.price, quantity=fill.quantity, fee=fill.fee,
        modelled_fee=fill.modelled_fee, fee_schedule_id=fill.fee_schedule_id,
        is_taker=fill.is_taker, event_ts=fill.executed_at, known_at=fill.known_at,
        raw=Jsonb(fill.raw),
    )  # fmt: skip
    return fill_id


def _apply_to_position(
    conn: psycopg.Connection, environment: str, order: OrderRow, fills: list[VenueFill]
) -> int:
    """Open or change the owner's position by folding all its executions anew."""
    new = [
        Execution(f.venue_fill_id, f.executed_at, order["action"], f.price, f.quantity, f.fee)
        for f in fills
    ]
    position_id = order["position_id"] or value(
        conn, "ledger", "open_position_of_owner",
        environment=environment, market_id=order["market_id"], side=order["side"],
        strategy_id=order["strategy_id"], model_id=order["model_id"],
        method_id=order["method_id"],
    )  # fmt: skip
    if position_id is None:
        return _open_position(conn, environment, order, new)
    holding = fold([*executions(conn, [position_id]).get(position_id, []), *new])
    closed = holding.quantity == 0
    change(
        conn, "ledger", "update_position",
        position_id=position_id, original_quantity=holding.original_quantity,
        quantity=holding.quantity, entry_price=holding.entry_price, fees=holding.fees,
        realized_pnl=holding.realized_pnl, status="closed" if closed else "open",
        exit_price=holding.exit_price,
        exit_reason=order["exit_condition"] if closed else None,
        exit_time=max(e.executed_at for e in new) if closed else None,
    )  # fmt: skip
    return int(position_id)


def _open_position(
    conn: psycopg.Connection, environment: str, order: OrderRow, new: list[Execution]
) -> int:
    holding = fold(new)
    metadata = {
        "tick_id": order["tick_id"],
        "method": order["method_name"] and f"{order['method_name']} {order['method_version']}",
        "position_mgmt": order["position_mgmt_config"],
    }
    return int(
        value(
            conn,
            "ledger",
            "open_position",
            # The order that opened it names the position: the same in every database.
            position_key=f"{environment}:{order['client_order_id']}",
            platform_id=order["platform_id"],
            market_id=order["market_id"],
            environment=environment,
            side=order["side"],
            original_quantity=holding.original_quantity,
            quantity=holding.quantity,
            entry_price=holding.entry_price,
            fees=holding.fees,
            realized_pnl=holding.realized_pnl,
            strategy_id=order["strategy_id"],
            model_id=order["model_id"],
            method_id=order["method_id"],
            edge_at_entry=order["edge"],
            entry_time=holding.opened_at,
            position_metadata=Jsonb(metadata),
        )
    )


def executions(conn: psycopg.Connection, position_ids: list[int]) -> dict[int, list[Execution]]:
    """All booked executions of the given positions."""
    found: dict[int, list[Execution]] = {}
    for row in rows(conn, "ledger", "executions_of_positions", position_ids=position_ids):
        found.setdefault(row["position_id"], []).append(
            Execution(
                row["venue_fill_id"],
                row["event_ts"],
                row["action"],
                row["price"],
                row["quantity"],
                row["fee"],
            )
        )
    return found


def _insert_trade(
    conn: psycopg.Connection,
    environment: str,
    order: OrderRow,
    position_id: int,
    fill: VenueFill,
    fill_id: int,
) -> None:
    worse = 1 if order["action"] == "buy" else -1
    slippage = (
        None if order["decided_price"] is None else worse * (fill.price - order["decided_price"])
    )
    change(
        conn, "ledger", "insert_trade",
        platform_id=order["platform_id"], market_id=order["market_id"], position_id=position_id,
        environment=environment, action=order["action"], side=order["side"], price=fill.price,
        quantity=fill.quantity, fee=fill.fee, is_taker=fill.is_taker, event_ts=fill.executed_at,
        known_at=fill.known_at,
        trade_metadata=Jsonb({"quote_source": fill.raw.get("quote_source")}),
        strategy_id=order["strategy_id"], model_id=order["model_id"],
        method_id=order["method_id"], edge_at_execution=_edge_at(order, fill),
        confidence=order["confidence"], slippage=slippage, decision_id=order["decision_id"],
        fill_id=fill_id,
    )  # fmt: skip


def _edge_at(order: OrderRow, fill: VenueFill) -> Decimal | None:
    """Edge per contract at the price paid: probability - price - fee of one contract."""
    if order["probability"] is None or order["action"] != "buy":
        return None
    edge = dollars(order["probability"] - fill.price - fill.fee / fill.quantity)
    return min(max(edge, _EDGE_LIMITS[0]), _EDGE_LIMITS[1])


def _cash_entries(
    environment: str, order: OrderRow, position_id: int, fill: VenueFill, fill_id: int
) -> list[dict[str, Any]]:
    amount = dollars(fill.price * fill.quantity)
    common = {
        "platform_id": order["platform_id"], "position_id": position_id, "fill_id": fill_id,
        "event_ts": fill.executed_at, "known_at": fill.known_at,
    }  # fmt: skip
    buys = order["action"] == "buy"
    what = f"{decimal_text(fill.quantity)} @ {decimal_text(fill.price)} {order['side']}"
    return [
        {
            **common,
            "entry_key": f"fill:{fill.venue_fill_id}:cash",
            "entry_type": "purchase" if buys else "sale",
            "amount": -amount if buys else amount,
            "note": f"{'bought' if buys else 'sold'} {what}",
        },
        {
            **common,
            "entry_key": f"fill:{fill.venue_fill_id}:fee",
            "entry_type": "fee",
            "amount": -fill.fee,
            "note": f"taker fee of {what}" if fill.is_taker else f"maker fee of {what}",
        },
    ]
