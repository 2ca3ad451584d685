"""New York's clock beside a column of times."""

from datetime import timedelta

import numpy as np

from precog_trading.backtest.columns import DAY_US, Int64, instant
from precog_trading.rules.controls import NEW_YORK

_HOUR_US = 3_600_000_000


def ahead_of_utc(at: Int64) -> Int64:
    """What New York's clock is ahead of UTC at each of ascending times, microseconds."""
    if not len(at):
        return at
    days = np.arange(int(at[0]) // DAY_US, int(at[-1]) // DAY_US + 2)
    first = [_offset_us(int(day) * DAY_US) for day in days.tolist()]
    hours: list[int] = []
    for day, here, then in zip(days.tolist(), first, first[1:], strict=False):
        # Clocks change on the hour, and on few days.
        hours += [
            here if here == then else _offset_us(day * DAY_US + hour * _HOUR_US)
            for hour in range(24)
        ]
    return np.array(hours, dtype=np.int64)[at // _HOUR_US - int(days[0]) * 24]


def _offset_us(at_us: int) -> int:
    offset = instant(at_us).astimezone(NEW_YORK).utcoffset()
    return 0 if offset is None else offset // timedelta(microseconds=1)
