"""A finished replay as rows of the trading tables."""

from precog_trading.backtest.account import Account
from precog_trading.backtest.portfolio import Order
from precog_trading.backtest.recording import RunRows
from precog_trading.backtest.replay import Replay
from precog_trading.ledger.risk import OPERATOR
from precog_trading.ledger.statements import Row

_INTENT = (
    "client_order_id", "platform_id", "market_id", "decision_key", "strategy_id", "model_id",
    "method_id", "position_key", "purpose", "exit_condition", "action", "side", "limit_price",
    "quantity", "time_in_force", "reduce_only", "post_only", "attempt_number", "terms",
)  # fmt: skip
_ANSWER = (
    "status", "sent_at", "venue_order_id", "filled_quantity", "closed_at", "error_code",
    "error_message",
)  # fmt: skip


def run_rows(run: Replay) -> RunRows:
    """Everything ``run`` decided, traded and booked."""
    account = run.account
    return RunRows(
        decisions=run.decisions,
        known_at=run.known_at,
        position_keys={p.position_id: p.row["position_key"] for p in account.positions},
        # The last version carries the last look as well.
        positions=[[*p.versions[:-1], {**p.row}] for p in account.positions],
        orders=[_order(order) for order in account.orders],
        fills=account.fills,
        trades=account.trades,
        exits=account.exits,
        attempts=account.attempts,
        entries=_entries(account),
        equity=run.equity,
        breakers=_breakers(run),
        balances=[v for cash in account.cash.values() for v in cash.versions],
    )


def _breakers(run: Replay) -> list[Row]:
    """Trips, each with its re-arming when the simulated operator came to it."""
    rearmed = sorted(run.rearmed, key=lambda event: event.at)
    found = []
    for trip in run.tripped:
        event = next(
            (
                r
                for r in rearmed
                if r.breaker_type == trip.breaker_type and r.at >= trip.triggered_at
            ),
            None,
        )
        found.append(
            {
                "breaker_type": trip.breaker_type,
                "action": trip.action,
                "triggered_at": trip.triggered_at,
                "trigger_value": dict(trip.trigger_value),
                "resolved_at": None if event is None else event.at,
                "resolved_by": None if event is None else OPERATOR,
            }
        )
    return found


def _order(order: Order) -> Row:
    return {
        **{name: order.row[name] for name in _INTENT},
        "rested": order.rested,
        **{name: order.row.get(name) for name in _ANSWER},
    }


def _entries(account: Account) -> list[Row]:
    """Ledger entries, all with the same columns."""
    found = []
    for entry in account.entries:
        settled = entry.get("revision")
        found.append(
            {
                "entry_key": entry["entry_key"],
                "platform_id": entry["platform_id"],
                "entry_type": entry["entry_type"],
                "amount": entry["amount"],
                "event_ts": entry["event_ts"],
                "known_at": entry["known_at"],
                "note": entry["note"],
                "position_key": entry.get("position_key"),
                "venue_fill_id": entry.get("venue_fill_id"),
                "reverses_entry_key": entry.get("reverses_entry_key"),
                "settlement": None if settled is None else (entry["market_id"], settled),
            }
        )
    return found
