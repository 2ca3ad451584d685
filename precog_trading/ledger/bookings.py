"""From a venue's answer to the rows it becomes: fills, trades, position, exits, cash. Pure.

The tick writes these rows at once, the backtest keeps them until its end; both make them here, so
that they cannot differ. Rows name each other by keys (client_order_id, venue_fill_id,
position_key), because the ids of a database do not exist yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from precog_core.prices import ZERO, decimal_text
from precog_trading.exchanges.port import TERMINAL, OrderOutcome, VenueFill
from precog_trading.ledger.holdings import Execution, Holding, LedgerError, dollars, fold

Row = dict[str, Any]
OrderRow = Mapping[str, Any]
"""An order with what its decision knew: a row of the statement ``working_orders_in_full``."""
OwnerKey = tuple[int, str, int | None, int | None, int | None]
"""(market, side, strategy, model, method): whose position it is."""
MANUAL = "manual"
_EDGE_LIMITS = (Decimal(-1), Decimal(1))


@dataclass(frozen=True, slots=True)
class PositionBook:
    """An open position with everything that happened to it.

    ``position_id`` is None until a database gave one; ``last_mark`` is ``current_price``.
    """

    position_key: str
    owner: OwnerKey
    executions: tuple[Execution, ...]
    position_id: int | None = None
    last_mark: Decimal | None = None

    @property
    def quantity(self) -> Decimal:
        """Contracts still held."""
        return fold(self.executions).quantity


@dataclass(frozen=True, slots=True)
class Booked:
    """The rows one answer becomes; ``position`` and ``attempt`` None when there is none.

    ``position_is_new`` tells an insert from an update. ``book`` is the position afterwards, None
    when nothing is held any more or nothing was traded.
    """

    order: Row
    platform_id: str
    fills: tuple[Row, ...] = ()
    trades: tuple[Row, ...] = ()
    position: Row | None = None
    position_is_new: bool = False
    exits: tuple[Row, ...] = ()
    attempt: Row | None = None
    entries: tuple[Row, ...] = ()
    book: PositionBook | None = None


def owner_of(row: Mapping[str, Any]) -> OwnerKey:
    """The owner key of an order or position row."""
    return (
        row["market_id"], row["side"], row["strategy_id"], row["model_id"], row["method_id"],
    )  # fmt: skip


def book(
    environment: str, order: OrderRow, outcome: OrderOutcome, position: PositionBook | None
) -> Booked:
    """The rows of an order's outcome.

    ``order``: a row with client_order_id, platform_id, market_id, side, action, purpose,
    exit_condition, position_key (of an exit), strategy_id, model_id, method_id, limit_price,
    quantity, filled_quantity and filled_value (contracts and dollars before), attempt_number,
    time_in_force, terms (parsed), sent_at,
    decided_at, probability, decided_price, edge, confidence. ``outcome.fills`` may repeat fills
    booked before; they change nothing. Raises LedgerError when fills contradict what is booked.
    """
    known = {e.venue_fill_id: e for e in position.executions} if position else {}
    fills = [fill for fill in outcome.fills if not _is_known(fill, order, known)]
    filled = order["filled_quantity"] + sum((fill.quantity for fill in fills), ZERO)
    outcome_row = {
        "client_order_id": order["client_order_id"],
        "status": outcome.status,
        "venue_order_id": outcome.venue_order_id,
        "filled_quantity": filled,
        "sent_at": order["sent_at"] or order["decided_at"],
        "closed_at": outcome.closed_at,
        "error_code": outcome.error_code,
        "error_message": outcome.error_message,
    }
    attempt = None
    if outcome.status in TERMINAL and order["purpose"] == "exit":
        attempt = _attempt(environment, order, outcome, filled, fills)
    if not fills:
        return Booked(outcome_row, order["platform_id"], attempt=attempt, book=position)
    if order["purpose"] == "exit" and position is None:
        raise LedgerError(
            f"exit order {order['client_order_id']} filled but its position is not open; "
            "reconcile positions with the venue"
        )
    key = position.position_key if position else f"{environment}:{order['client_order_id']}"
    before = position.executions if position else ()
    executions = before + tuple(_execution(order, fill) for fill in fills)
    after = PositionBook(
        key,
        owner_of(order),
        executions,
        position.position_id if position else None,
        position.last_mark if position else None,
    )
    exits, closing = _exits(environment, order, key, before, fills)
    holding = fold(executions)
    row = (
        _opened(environment, order, key, holding)
        if position is None
        else _changed(order, after, holding, closing, fills)
    )
    entries = [entry for fill in fills for entry in cash_entries(environment, order, key, fill)]
    return Booked(
        order=outcome_row,
        platform_id=order["platform_id"],
        fills=tuple(_fill_row(environment, order, outcome, fill) for fill in fills),
        trades=tuple(_trade_row(environment, order, key, fill) for fill in fills),
        position=row,
        position_is_new=position is None,
        exits=exits,
        attempt=attempt,
        entries=tuple(entries),
        book=after if holding.quantity > 0 else None,
    )


def with_id(book_: PositionBook, position_id: int) -> PositionBook:
    """The same position with the id a database gave it."""
    return replace(book_, position_id=position_id)


def balance_steps(entries: Iterable[Mapping[str, Any]]) -> list[tuple[str, datetime, Decimal]]:
    """(platform, instant, change of cash in dollars) of some ledger entries, in order.

    All movements of one instant are one version of the balance; those that come to nothing none.
    """
    deltas: dict[tuple[str, datetime], Decimal] = {}
    for entry in entries:
        key = (entry["platform_id"], entry["known_at"])
        deltas[key] = deltas.get(key, ZERO) + entry["amount"]
    return [(platform, at, delta) for (platform, at), delta in sorted(deltas.items()) if delta]


def cash_entries(
    environment: str, order: OrderRow, position_key: str, fill: VenueFill
) -> list[Row]:
    """The two movements of a fill: its cash and its fee."""
    amount = dollars(fill.price * fill.quantity)
    common = {
        "platform_id": order["platform_id"], "execution_environment": environment,
        "position_key": position_key, "venue_fill_id": fill.venue_fill_id,
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
            "note": f"{'taker' if fill.is_taker else 'maker'} fee of {what}",
        },
    ]


def _is_known(fill: VenueFill, order: OrderRow, known: Mapping[str, Execution]) -> bool:
    """Whether the fill is booked. Raises LedgerError when it was reported otherwise then."""
    booked = known.get(fill.venue_fill_id)
    if booked is None:
        return False
    if booked != _execution(order, fill):
        raise LedgerError(
            f"the venue reported fill {fill.venue_fill_id} twice with different content: "
            f"{booked} and {fill}; nothing of it is booked"
        )
    return True


def _execution(order: OrderRow, fill: VenueFill) -> Execution:
    return Execution(
        fill.venue_fill_id, fill.executed_at, order["action"], fill.price, fill.quantity, fill.fee
    )


def _fill_row(environment: str, order: OrderRow, outcome: OrderOutcome, fill: VenueFill) -> Row:
    return {
        "client_order_id": order["client_order_id"],
        "platform_id": order["platform_id"],
        "execution_environment": environment,
        "venue_fill_id": fill.venue_fill_id,
        "venue_order_id": outcome.venue_order_id,
        "market_id": order["market_id"],
        "action": order["action"],
        "side": order["side"],
        "price": fill.price,
        "quantity": fill.quantity,
        "fee": fill.fee,
        "modelled_fee": fill.modelled_fee,
        "fee_schedule_id": fill.fee_schedule_id,
        "is_taker": fill.is_taker,
        "event_ts": fill.executed_at,
        "known_at": fill.known_at,
        "raw": fill.raw,
    }


def _trade_row(environment: str, order: OrderRow, position_key: str, fill: VenueFill) -> Row:
    worse = 1 if order["action"] == "buy" else -1
    decided = order["decided_price"]
    return {
        "client_order_id": order["client_order_id"],
        "venue_fill_id": fill.venue_fill_id,
        "position_key": position_key,
        "platform_id": order["platform_id"],
        "execution_environment": environment,
        "trade_source": "manual" if order["exit_condition"] == MANUAL else "automated",
        "market_id": order["market_id"],
        "action": order["action"],
        "side": order["side"],
        "price": fill.price,
        "quantity": fill.quantity,
        "fee": fill.fee,
        "is_taker": fill.is_taker,
        "event_ts": fill.executed_at,
        "known_at": fill.known_at,
        "trade_metadata": {"quote_source": fill.raw.get("quote_source")},
        "strategy_id": order["strategy_id"],
        "model_id": order["model_id"],
        "method_id": order["method_id"],
        "edge_at_execution": edge_at(order, fill),
        "confidence_at_execution": order["confidence"],
        "slippage": None if decided is None else worse * (fill.price - decided),
    }


def edge_at(order: OrderRow, fill: VenueFill) -> Decimal | None:
    """Edge per contract at the price paid: probability - price - fee of one contract."""
    if order["probability"] is None or order["action"] != "buy":
        return None
    edge = dollars(order["probability"] - fill.price - fill.fee / fill.quantity)
    return min(max(edge, _EDGE_LIMITS[0]), _EDGE_LIMITS[1])


def _opened(environment: str, order: OrderRow, key: str, holding: Holding) -> Row:
    terms = order["terms"] or {}
    return {
        # The order that opened it names the position: the same in every database.
        "position_key": key,
        "platform_id": order["platform_id"],
        "execution_environment": environment,
        "market_id": order["market_id"],
        "side": order["side"],
        "strategy_id": order["strategy_id"],
        "model_id": order["model_id"],
        "method_id": order["method_id"],
        "edge_at_entry": order["edge"],
        "entry_time": holding.opened_at,
        "position_metadata": terms.get("plan"),
        "original_quantity": holding.original_quantity,
        "quantity": holding.quantity,
        "entry_price": holding.entry_price,
        "fees": holding.fees,
        "realized_pnl": holding.realized_pnl,
    }


def _changed(
    order: OrderRow,
    after: PositionBook,
    holding: Holding,
    closing: tuple[str, str | None] | None,
    fills: Sequence[VenueFill],
) -> Row:
    closed = holding.quantity == 0
    mark = after.last_mark
    gain = (
        None if mark is None or closed else dollars(holding.quantity * (mark - holding.entry_price))
    )
    if closed and closing is None:
        raise LedgerError(
            f"order {order['client_order_id']} to {order['action']} left nothing of "
            f"{after.position_key}; only an exit may"
        )
    reason, priority = closing if closed and closing else (None, None)
    return {
        "position_key": after.position_key,
        "original_quantity": holding.original_quantity,
        "quantity": holding.quantity,
        "entry_price": holding.entry_price,
        "fees": holding.fees,
        "realized_pnl": holding.realized_pnl,
        "status": "closed" if closed else "open",
        "exit_price": holding.exit_price,
        "exit_reason": reason,
        "exit_priority": priority,
        "exit_time": max(fill.executed_at for fill in fills) if closed else None,
        "unrealized_pnl": gain,
    }


def _exits(
    environment: str,
    order: OrderRow,
    key: str,
    before: tuple[Execution, ...],
    fills: Sequence[VenueFill],
) -> tuple[tuple[Row, ...], tuple[str, str | None] | None]:
    """The rows of ``position_exits`` of an exit's fills, and (reason, priority) of the last.

    Fills go to the bookings in order, past what earlier fills used up. The realised profit of a
    part is what the fold gains by it, so parts add up to the whole; the last part of a fill takes
    the remainder of its fee. A manual exit has no condition to be booked to.
    """
    if order["purpose"] != "exit":
        return (), None
    if order["exit_condition"] == MANUAL:
        return (), (MANUAL, None)
    terms = order["terms"] or {}
    priority = terms["priority"]
    left = _unused(terms["bookings"], order["filled_quantity"])
    rows: list[Row] = []
    done = before
    for fill in fills:
        booked = ZERO
        parts: dict[tuple[str, int | None], Decimal] = {}
        while booked < fill.quantity:
            condition, stage, available = _next_booking(left, order)
            part = min(available, fill.quantity - booked)
            left[0] = (condition, stage, available - part)
            parts[condition, stage] = parts.get((condition, stage), ZERO) + part
            booked += part
        cumulated = ZERO
        realized = fold(done).realized_pnl
        for (condition, stage), part in parts.items():
            cumulated += part
            holding = fold((*done, _part(order, fill, cumulated)))
            rows.append(
                {
                    "position_key": key,
                    "venue_fill_id": fill.venue_fill_id,
                    "execution_environment": environment,
                    "exit_condition": condition,
                    "exit_priority": priority,
                    "stage": stage,
                    "quantity_exited": part,
                    "remaining_quantity": holding.quantity,
                    "exit_price": fill.price,
                    "realized_pnl": holding.realized_pnl - realized,
                    "conflicting_triggers": terms.get("conflicting_triggers") or None,
                    "triggered_at": order["decided_at"],
                    "executed_at": max(fill.executed_at, order["decided_at"]),
                }
            )
            realized = holding.realized_pnl
        done = (*done, _execution(order, fill))
    return tuple(rows), (rows[-1]["exit_condition"], priority)


def _part(order: OrderRow, fill: VenueFill, quantity: Decimal) -> Execution:
    """The first ``quantity`` contracts of a fill, with their share of its fee."""
    whole = _execution(order, fill)
    if quantity == fill.quantity:
        return whole
    return replace(whole, quantity=quantity, fee=dollars(fill.fee * quantity / fill.quantity))


def _unused(
    bookings: Sequence[Mapping[str, Any]], used: Decimal
) -> list[tuple[str, int | None, Decimal]]:
    left: list[tuple[str, int | None, Decimal]] = []
    for booking in bookings:
        quantity = Decimal(str(booking["quantity"]))
        taken = min(quantity, used)
        used -= taken
        left.append((booking["condition"], booking["stage"], quantity - taken))
    return left


def _next_booking(
    left: list[tuple[str, int | None, Decimal]], order: OrderRow
) -> tuple[str, int | None, Decimal]:
    while left and left[0][2] <= ZERO:
        left.pop(0)
    if not left:
        raise LedgerError(
            f"exit order {order['client_order_id']} sold more than its bookings hold; "
            "reconcile its fills with the venue"
        )
    return left[0]


def _attempt(
    environment: str,
    order: OrderRow,
    outcome: OrderOutcome,
    filled: Decimal,
    fills: Sequence[VenueFill],
) -> Row | None:
    """The row of ``exit_attempts``: one per finished exit order, filled or not."""
    if order["exit_condition"] == MANUAL:
        return None
    terms = order["terms"] or {}
    proceeds = order["filled_value"] + sum((f.price * f.quantity for f in fills), ZERO)
    return {
        "position_key": order["position_key"],
        "client_order_id": order["client_order_id"],
        "execution_environment": environment,
        "exit_condition": order["exit_condition"],
        "exit_priority": terms["priority"],
        "order_style": "limit" if order["time_in_force"] == "gtc" else "market",
        "attempt_number": order["attempt_number"],
        "limit_price": order["limit_price"],
        "fill_price": dollars(proceeds / filled) if filled else None,
        "quantity": order["quantity"],
        "filled_quantity": filled,
        "timeout_seconds": terms["timeout_s"],
        "success": filled == order["quantity"],
        "placed_at": order["sent_at"] or order["decided_at"],
        "ended_at": outcome.closed_at,
        "error_message": outcome.error_message,
    }
