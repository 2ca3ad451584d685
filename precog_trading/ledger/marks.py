"""What a look at an open position found, as the columns of ``positions`` it becomes. Pure."""

from typing import Any

from precog_trading.engine.state import PositionMark


def mark_row(mark: PositionMark) -> dict[str, Any]:
    """The monitored columns; without a bid the price and profit are unknown (NULL)."""
    trailing = mark.trailing
    return {
        "position_id": mark.position_id,
        "last_check_time": mark.checked_at,
        "current_price": mark.mark,
        "unrealized_pnl": mark.unrealized_pnl,
        "unrealized_pnl_pct": mark.unrealized_pnl_pct,
        "target_price": mark.target_price,
        "stop_loss_price": mark.stop_loss_price,
        "trailing_stop_active": trailing.active,
        "trailing_stop_type": trailing.type,
        "trailing_stop_distance": trailing.distance,
        "trailing_stop_price": trailing.price,
        "peak_price": trailing.peak,
    }
