"""Who may trade now: kill switch and the venue's hours (trading-rules §5 rows 1 and 2, §12)."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from precog_trading.config import ClockRange, MaintenanceWindow

NEW_YORK = ZoneInfo("America/New_York")
RUNNING, EXITS_ONLY, HALTED = "running", "exits_only", "halted"
_STRICTNESS = {RUNNING: 0, EXITS_ONLY: 1, HALTED: 2}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def strictest(states: Iterable[str]) -> str:
    """The strictest of some control states, running when there is none.

    Raises ValueError for a state that is none of running, exits_only, halted.
    """
    worst = RUNNING
    for state in states:
        if state not in _STRICTNESS:
            raise ValueError(
                f"control state is {state!r}; expected one of {', '.join(_STRICTNESS)}"
            )
        worst = max(worst, state, key=_STRICTNESS.__getitem__)
    return worst


def default_state(environment: str) -> str:
    """What the absence of a global row means: halted where real money is, running elsewhere."""
    return HALTED if environment == "live" else RUNNING


def in_clock_range(at: datetime, clock: ClockRange) -> bool:
    """Whether the New York time of day of ``at`` lies in [start, until)."""
    return clock.start <= at.astimezone(NEW_YORK).time() < clock.until


def in_maintenance(at: datetime, windows: Iterable[MaintenanceWindow]) -> bool:
    """Whether ``at`` lies in one of the venue's weekly windows."""
    local = at.astimezone(NEW_YORK)
    weekday = _WEEKDAYS[local.weekday()]
    return any(w.weekday == weekday and w.start <= local.time() < w.until for w in windows)


@lru_cache(maxsize=4096)
def trading_day(at: datetime) -> str:
    """The New York date of ``at``, ISO: what ``day`` means in caps, rates and daily losses."""
    return at.astimezone(NEW_YORK).date().isoformat()
