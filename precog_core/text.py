"""Values as a person reads them, in the terminal and on Dagster's pages alike."""

from datetime import datetime
from decimal import Decimal
from typing import Any


def cell(value: Any) -> str:
    """No trailing zeros, few digits of a float, times to the minute (UTC), empty for NULL."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1 else f"{value:.1f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)
