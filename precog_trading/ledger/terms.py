"""What an order intent carries beside its price, as stored in ``orders.terms``."""

from typing import Any

from precog_core.prices import decimal_text
from precog_trading.engine.state import OrderIntent


def order_terms(order: OrderIntent) -> dict[str, Any] | None:
    """The terms of an intent as JSON keeps them, decimals as text; None when it has none.

    Of an entry the exit plan of its position; of an exit how urgent it is, how long it may rest,
    what its fills are booked to, what it outranked, and the resting order it replaces.
    """
    if order.exit_condition is None:
        return None if order.plan is None else {"plan": order.plan.stored}
    return {
        "priority": None if order.exit_priority is None else order.exit_priority.value,
        "timeout_s": order.timeout_s,
        "trigger_mark": None if order.trigger_mark is None else decimal_text(order.trigger_mark),
        "bookings": [
            {
                "condition": b.condition.value,
                "stage": b.stage,
                "quantity": decimal_text(b.quantity),
            }
            for b in order.bookings
        ],
        "conflicting_triggers": [condition.value for condition in order.conflicting_triggers],
        "replaces": order.replaces,
    }
