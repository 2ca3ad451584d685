"""Alerts: everything that needs a person. Raised as rows first, delivered afterwards.

``raise_alert`` and ``report`` write in the caller's transaction; ``delivery`` sends what was
committed; ``care`` acknowledges and resolves.
"""

from precog_core.alerts.kinds import KINDS, Kind, breaker_severity
from precog_core.alerts.raising import raise_alert, report

__all__ = ["KINDS", "Kind", "breaker_severity", "raise_alert", "report"]
