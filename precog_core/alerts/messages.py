"""What a person reads: a title, a text, a short text for SMS, a line for the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from precog_core.alerts.content import shown
from precog_core.alerts.kinds import KINDS
from precog_core.alerts.rules import Severity

SMS_LENGTH = 300
_DETAILS_LENGTH = 2000


@dataclass(frozen=True)
class Notice:
    """An alert as it stands when it is told. ``details`` hold no secrets: raising masks them."""

    alert_id: int
    alert_uuid: str
    alert_type: str
    severity: Severity
    component: str
    environment: str
    message: str
    details: Mapping[str, Any] | None
    triggered_at: datetime
    last_seen_at: datetime
    occurrence_count: int

    @property
    def title(self) -> str:
        """One line, such as ``CRITICAL exit_blocked (paper) #12``."""
        return f"{self.severity.upper()} {self.alert_type} ({self.environment}) #{self.alert_id}"

    @property
    def text(self) -> str:
        """The message, what to do, since when, how often, and the facts."""
        kind = KINDS.get(self.alert_type)
        lines = [self.message, ""]
        if kind is not None:
            lines += [f"Do: {kind.do}"]
        lines += [f"First seen {_time(self.triggered_at)}"]
        if self.occurrence_count > 1:
            lines[-1] += f", {self.occurrence_count} times until {_time(self.last_seen_at)}"
        if self.details:
            facts = [f"{key}: {_value(value)}" for key, value in shown(self.details)]
            lines += ["", *_cut("\n".join(facts), _DETAILS_LENGTH).split("\n")]
        lines += ["", f"precog alerts show {self.alert_id}"]
        return "\n".join(lines)

    @property
    def short(self) -> str:
        """Title and message in at most 300 characters: two SMS."""
        return _cut(f"{self.title}: {self.message}", SMS_LENGTH)

    def as_dict(self) -> dict[str, Any]:
        """All of it, in JSON's types."""
        return {
            "alert_id": self.alert_id,
            "alert_uuid": self.alert_uuid,
            "severity": self.severity,
            "alert_type": self.alert_type,
            "component": self.component,
            "environment": self.environment,
            "message": self.message,
            "details": self.details,
            "triggered_at": self.triggered_at.astimezone(UTC).isoformat(),
            "last_seen_at": self.last_seen_at.astimezone(UTC).isoformat(),
            "occurrence_count": self.occurrence_count,
        }


def _time(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
