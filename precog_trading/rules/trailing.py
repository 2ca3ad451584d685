"""The trailing stop: once a gain is there, most of it stays (trading-rules §7).

It looks at the held contract's mark alone, so quantity and side make no difference, and whatever
happens to the distance the stop itself never falls.
"""

import itertools
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from precog_core.prices import ONE, PRICE_STEP, ZERO, floor_to
from precog_trading.config_exits import TrailingSettings
from precog_trading.engine.holding import MidBar, TrailingState

_DISTANCE_STEP = Decimal("0.0001")
"""``trailing_stop_distance`` is stored with four places."""


def follow(
    trailing: TrailingState,
    settings: TrailingSettings,
    entry: Decimal,
    mark: Decimal,
    bars: Sequence[MidBar] = (),
) -> TrailingState:
    """The stop after a look at ``mark``, dollars.

    ``entry`` is the average entry price. ``bars`` (oldest first) are read for type atr only.
    """
    if not trailing.active and mark < activation_price(settings, entry):
        return trailing
    peak = mark if trailing.peak is None else max(trailing.peak, mark)
    if trailing.active and peak == trailing.peak and settings.type != "atr":
        return trailing
    kind, distance, stop = _stop_below(peak, settings, entry, bars)
    if trailing.price is not None:
        stop = max(trailing.price, stop)
    return TrailingState(True, kind, distance, stop, peak)


def has_fired(trailing: TrailingState, mark: Decimal) -> bool:
    """Active, and the mark is at the stop or below."""
    return trailing.active and trailing.price is not None and mark <= trailing.price


def activation_price(settings: TrailingSettings, entry: Decimal) -> Decimal:
    """The mark from which the stop is active: a gain in percent, for type fixed in dollars."""
    if settings.type == "fixed":
        return entry + settings.fixed.activation
    return entry * (ONE + settings.activation)


def average_true_range(bars: Sequence[MidBar], period: int) -> Decimal | None:
    """Wilder's average true range over ``period`` bars, dollars; None below ``period`` + 1 bars.

    The first bar only gives a previous close; the next ``period`` true ranges are averaged, and
    each later one replaces 1/period of the average. TR = max(high - low, |high - previous close|,
    |low - previous close|), the same for YES and NO bars. Source: J. W. Wilder, New Concepts in
    Technical Trading Systems (1978).
    """
    if period < 1 or len(bars) < period + 1:
        return None
    ranges = [
        max(bar.high - bar.low, abs(bar.high - before.close), abs(bar.low - before.close))
        for before, bar in itertools.pairwise(bars)
    ]
    average = sum(ranges[:period], ZERO) / period
    for true_range in ranges[period:]:
        average = (average * (period - 1) + true_range) / period
    return average


def _stop_below(
    peak: Decimal, settings: TrailingSettings, entry: Decimal, bars: Sequence[MidBar]
) -> tuple[str, Decimal, Decimal]:
    """(type used, distance, stop) for a peak."""
    if settings.type == "fixed":
        fixed = settings.fixed
        steps = _steps(peak - activation_price(settings, entry), fixed.step_gain)
        distance = max(fixed.floor, fixed.distance - fixed.step * steps)
        return "fixed", distance, max(ZERO, peak - distance)
    if settings.type == "atr":
        found = average_true_range(bars, settings.atr.period)
        if found is not None:
            wide = min(max(settings.atr.multiple * found, settings.atr.low), settings.atr.high)
            distance = wide.quantize(_DISTANCE_STEP, rounding=ROUND_HALF_EVEN)
            return "atr", distance, max(ZERO, peak - distance)
    steps = _steps(peak - activation_price(settings, entry), entry * settings.step_gain)
    distance = max(settings.floor, settings.distance - settings.step * steps)
    return "percentage", distance, floor_to(peak * (ONE - distance), PRICE_STEP)


def _steps(gain: Decimal, step: Decimal) -> Decimal:
    """Whole steps of gain beyond the activation."""
    return max(ZERO, gain // step)
