"""How far a probability can be trusted, from the width of its interval (trading-rules §3)."""

from decimal import Decimal

from precog_trading.config import ConfidenceBounds

HIGH, MEDIUM, LOW = "high", "medium", "low"


def half_width(p_low: Decimal | None, p_high: Decimal | None) -> Decimal | None:
    """h: half the 90 % Wilson interval of the model's record at this probability. None if unknown.

    The same for both sides, as 1 - p has an interval of the same width.
    """
    if p_low is None or p_high is None:
        return None
    return (p_high - p_low) / 2


def confidence_level(h: Decimal | None, bounds: ConfidenceBounds) -> str | None:
    """high, medium or low; None when the interval is unknown or too wide to trade on."""
    if h is None or h > bounds.low:
        return None
    if h <= bounds.high:
        return HIGH
    return MEDIUM if h <= bounds.medium else LOW
