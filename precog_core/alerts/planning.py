"""Which deliveries are owed, as pure functions of the delivery log and the clock.

An alert is told in rounds. A round begins with the delivery row of the channel ``database``, which
``raise_alert`` writes with the alert; every other channel owes one delivery after it. So the log
alone says what is still to be done, and a worker that died leaves nothing to clean up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from precog_core.alerts.config import Limit, Retry

Step = Literal["send", "wait", "done", "gave_up"]
Status = Literal["sent", "failed", "skipped"]
RATE_LIMITED = "rate_limited"


@dataclass(frozen=True)
class Attempt:
    """A finished attempt on one channel within the current round of an alert."""

    status: Status
    at: datetime


def next_step(attempts: Sequence[Attempt], retry: Retry, now: datetime) -> Step:
    """What a channel owes an alert, given its attempts of this round, oldest first."""
    if any(attempt.status != "failed" for attempt in attempts):
        return "done"
    if not attempts:
        return "send"
    if len(attempts) >= retry.attempts:
        return "gave_up"
    wait = pause(len(attempts), retry)
    # An attempt further ahead than the pause was made before the clock was set back.
    return "wait" if -wait <= now - attempts[-1].at < wait else "send"


def pause(failures: int, retry: Retry) -> timedelta:
    """How long to wait after the given number of failures (at least 1)."""
    doublings = min(failures - 1, 20)  # beyond, the maximum holds anyway
    return timedelta(seconds=min(retry.base_s * 2**doublings, retry.max_s))


def may_send(sent: Sequence[datetime], limit: Limit, now: datetime) -> bool:
    """Whether a channel that sent at these times, newest or oldest first, may send again now.

    The hour and the day slide: they are the last 60 minutes and the last 24 hours. What was sent
    later than ``now``, before the clock was set back, counts for both.
    """
    hour, day = now - timedelta(hours=1), now - timedelta(days=1)
    return (
        sum(at > hour for at in sent) < limit.per_hour
        and sum(at > day for at in sent) < limit.per_day
        and all(abs(now - at) >= timedelta(seconds=limit.apart_s) for at in sent)
    )
