"""A wall clock that jumps, and what Dagster remembers of a future that has not come yet.

Everything that matters is ordered by our own tables; the clock of trading never goes back. Dagster,
however, measures a sensor's interval from the time of its last tick, and a schedule goes on after
its last one: set back by two hours, both would rest for two hours, and so would its daemon, whose
pauses end at a time of the wall clock. So after a jump back their memory of later times is taken
from them and the daemon starts afresh. Run keys keep a schedule from launching a run twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_platform.troubles import Trouble

if TYPE_CHECKING:
    import dagster as dg

TOLERANCE_S = 10.0
"""What a clock is corrected by without being called a jump."""


@dataclass
class WallClock:
    """Compares the wall clock with one that nobody sets."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._offset = self.wall() - self.steady()

    def jump(self) -> float:
        """Seconds by which the wall clock was set since the last call; 0 within the tolerance.

        A machine that slept looks as if its clock had been set forward.
        """
        offset = self.wall() - self.steady()
        moved = offset - self._offset
        if abs(moved) < TOLERANCE_S:
            return 0.0
        self._offset = offset
        return moved


def jumped(seconds: float) -> Trouble:
    """The jump as something a person must hear; ``seconds`` forward, negative back."""
    by = timedelta(seconds=abs(round(seconds)))
    words = (
        f"the wall clock went back by {by}; sensors and schedules go on, and trading decides again "
        "once the time of its last decision has passed"
        if seconds < 0
        else f"the wall clock went forward by {by}, or the machine slept; what was due meanwhile "
        "runs now, and quotes that grew old are left alone"
    )
    direction = "back" if seconds < 0 else "forward"
    return Trouble("clock_jump", "dagster", words, {"direction": direction})


def forget_the_future(instance: "dg.DagsterInstance", database: Database, now: datetime) -> int:
    """Take ticks after ``now`` from Dagster's sensors and schedules; how many.

    Repeating it changes nothing. Cursors, and with them what a sensor has seen, stay.
    """
    latest = now.astimezone(UTC).timestamp()
    with database.connect("dagster") as conn:
        # Dagster's times have no zone and are UTC.
        forgotten: int = load_queries("health").forget_ticks_after(
            conn, now=now.astimezone(UTC).replace(tzinfo=None)
        )
    for state in instance.all_instigator_state():
        data = state.instigator_data
        later: dict[str, Any] = {
            name: latest
            for name in getattr(data, "_fields", ())
            if name.startswith("last_")
            and name.endswith("_timestamp")
            and (getattr(data, name) or 0) > latest
        }
        if data is not None and later:
            instance.update_instigator_state(state.with_data(data._replace(**later)))
    return forgotten
