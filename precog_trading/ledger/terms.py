"""What an order intent carries beside its price, as stored in ``orders.terms``."""

from typing import Any

from precog_trading.engine.state import OrderIntent


def order_terms(order: OrderIntent) -> dict[str, Any] | None:
    """The terms of an intent, decimals kept; None when it has none.

    Of an entry the exit plan of its position; of an exit how urgent it is, how long it may rest,
    what its fills are booked to, what it outranked, and the resting order it replaces.
    """
    if order.exit_condition is None:
        return None if order.plan is None else {"plan": order.plan.model_dump(mode="json")}
    return {
        "priority": order.exit_priority,
        "timeout_s": order.timeout_s,
        "trigger_mark": order.trigger_mark,
        "bookings": [
            {"condition": b.condition, "stage": b.stage, "quantity": b.quantity}
            for b in order.bookings
        ],
        "conflicting_triggers": list(order.conflicting_triggers),
        "replaces": order.replaces,
    }
