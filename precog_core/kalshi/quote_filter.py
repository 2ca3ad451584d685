"""Whether a quote says something that the last stored one did not (schema: material change)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from precog_core.kalshi.config import QuotesSection

WriteReason = Literal["price", "volume", "heartbeat"]


@dataclass(frozen=True, slots=True)
class MarketQuote:
    """The best of both sides of a YES book at one instant; None where a side is empty."""

    market_id: int
    observed_at: datetime
    yes_bid: Decimal | None
    yes_ask: Decimal | None
    yes_bid_size: Decimal | None
    yes_ask_size: Decimal | None
    last_price: Decimal | None
    volume: Decimal | None
    open_interest: Decimal | None


def write_reason(
    stored: MarketQuote | None, seen: MarketQuote, rule: QuotesSection
) -> WriteReason | None:
    """Why ``seen`` is worth a row after ``stored`` (the market's last), or None.

    A price that appears or disappears counts as a move. A quote not later than the stored one is
    never written.
    """
    if stored is None:
        return "price"
    if seen.observed_at <= stored.observed_at:
        return None
    if moved(stored.yes_bid, seen.yes_bid, rule) or moved(stored.yes_ask, seen.yes_ask, rule):
        return "price"
    if abs((seen.volume or Decimal(0)) - (stored.volume or Decimal(0))) >= rule.min_volume:
        return "volume"
    if seen.observed_at - stored.observed_at >= timedelta(seconds=rule.heartbeat_s):
        return "heartbeat"
    return None


def moved(before: Decimal | None, after: Decimal | None, rule: QuotesSection) -> bool:
    """Whether a price moved enough for a row; appearing and disappearing does."""
    if before is None or after is None:
        return before is not after
    move = abs(after - before)
    return move >= rule.min_move or (move > 0 and move >= rule.min_move_fraction * before)
