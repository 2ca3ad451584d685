"""When a recurrence is told again, as pure functions: trading-rules §15.

Every occurrence is either a new row, a silent count on the open row, a new notification about it,
or the reopening of a row that was resolved too early. The windows run on the wall clock, because a
person is told in wall time whatever moment a replay has reached.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from precog_core.alerts.content import plain

Severity = Literal["critical", "high", "medium", "low"]
Category = Literal["risk", "system", "trading", "data"]
Environment = Literal["backtest", "paper", "demo", "live"]
Resolution = Literal["fixed", "false_positive", "ignored", "escalated"]
Verdict = Literal["open", "count", "notify", "escalate", "reopen"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Most urgent first."""

WINDOW: dict[Severity, timedelta] = {
    "critical": timedelta(seconds=300),
    "high": timedelta(seconds=300),
    "medium": timedelta(seconds=900),
    "low": timedelta(seconds=3600),
}
"""How long after a notification the same cause is only counted."""

REOPENS_WITHIN = timedelta(hours=24)
"""After a resolution: a recurrence before that reopens the row, a later one is a new row."""


@dataclass(frozen=True)
class Known:
    """The row a cause has already: the open one, else the one resolved last."""

    severity: Severity
    notified_at: datetime | None
    resolved_at: datetime | None


def judge(known: Known | None, severity: Severity, now: datetime) -> Verdict:
    """What an occurrence of ``severity`` at ``now`` means for the row its cause has, if any.

    The window is that of the row's own severity; an occurrence above it is told at once, one below
    it never lowers the row.
    """
    if known is None:
        return "open"
    if known.resolved_at is not None:
        return "reopen" if now - known.resolved_at < REOPENS_WITHIN else "open"
    if is_higher(severity, known.severity):
        return "escalate"
    if known.notified_at is not None:
        since = now - known.notified_at
        # A notification of the future was before the clock was set back: nobody knows how long ago.
        if -WINDOW[known.severity] < since < WINDOW[known.severity]:
            return "count"
    return "notify"


def is_higher(severity: Severity, than: Severity) -> bool:
    """Whether ``severity`` is more urgent than ``than``."""
    return SEVERITIES.index(severity) < SEVERITIES.index(than)


def fingerprint(
    alert_type: str, component: str, environment: str, stable_keys: Mapping[str, Any]
) -> str:
    """MD5 (32 hex digits; a duplicate key, not security) of a cause as canonical JSON.

    ``stable_keys`` say which one of its kind it is, such as a ticker; neither times nor request
    ids belong into them. Equal numbers of other spelling (0.1, 0.10) are other causes.
    """
    cause = {
        "alert_type": alert_type,
        "component": component,
        "environment": environment,
        "keys": plain(stable_keys),
    }
    text = json.dumps(cause, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
