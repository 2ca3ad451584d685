"""What a replayed quote takes for granted because nobody ever observed it (trading-rules §5).

Simulated quotes and quotes assumed from closing lines come without a book, a volume, rules of a
venue or fees. Those are assumed from ``replay.assume.*``, and every assumption made is marked in
the decision's inputs, so that no table passes an assumption off as a fact. Real money takes none.
"""

from decimal import Decimal
from functools import lru_cache

from precog_trading.config import AssumeSettings
from precog_trading.rules.fees import FINE_ROUNDING, STANDARD_RATES, FeeSchedule
from precog_trading.settings import LIVE_ENVIRONMENTS

RECORDED_CANDLE = "recorded_candle"
"""A venue's bar as a quote: its price was traded, its book is assumed."""


def takes_assumptions(
    source: str, platform_id: str, environment: str, settings: AssumeSettings
) -> bool:
    """Whether a quote of ``source`` on ``platform_id`` lacks what only a real book shows."""
    if environment in LIVE_ENVIRONMENTS:
        return False
    return source in settings.sources or platform_id in settings.platforms


def fills_on_own_book(
    source: str, platform_id: str, environment: str, settings: AssumeSettings
) -> bool:
    """Whether the paper exchange fills an order on the very quote it was decided on.

    Only where no next quote was ever observed: simulated and assumed ones. A recorded candle
    takes assumptions about its book, but the next one was recorded too, and orders meet that.
    """
    return source != RECORDED_CANDLE and takes_assumptions(
        source, platform_id, environment, settings
    )


def assumed_fee_schedule(platform_id: str, settings: AssumeSettings) -> FeeSchedule | None:
    """The schedule assumed where the platform has none; None for a type without a formula."""
    return _assumed(platform_id, settings.fee_type, settings.fee_multiplier)


@lru_cache(maxsize=64)
def _assumed(platform_id: str, fee_type: str, multiplier: Decimal) -> FeeSchedule | None:
    rates = STANDARD_RATES.get(fee_type)
    if rates is None:
        return None
    taker, maker = rates
    return FeeSchedule(
        fee_schedule_id=None,
        fee_type=fee_type,
        taker_rate=taker,
        maker_rate=maker,
        multiplier=multiplier,
        rounding_increment=FINE_ROUNDING,
        platform_id=platform_id,
        source="assumed",
    )
