"""What the supervisor of a home sees, as rows: ``system_health`` and an alert for each restart."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.types.json import Jsonb

from precog_core.alerts import report
from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_platform.keeper import POSTGRESQL, Restart

CHECK_EVERY_S = 30.0
"""Seconds between two rows of a healthy component."""
_COMPONENTS = {
    POSTGRESQL: "database",
    "pipelines": "dagster",
    "trading": "dagster",
    "webserver": "dagster",
    "daemon": "dagster",
    "mlflow": "mlflow",
}
"""The component (``components.code``) that each server belongs to."""


def note_health(database: Database, restarts: Sequence[Restart], now: datetime) -> None:
    """Write the state of every supervised component at ``now`` (wall clock), in one transaction.

    A component with a server that had to be started again is degraded until the next look, and
    each such server has an alert. Repeating it at the same time changes nothing but counts.
    """
    queries = load_queries("health")
    with database.transaction() as conn:
        alerts: dict[str, tuple[int, dict[str, object]]] = {}
        for restart in restarts:
            component = _COMPONENTS[restart.name]
            details = {
                "server": restart.name,
                "reason": restart.reason,
                "within_ten_minutes": restart.number,
            }
            alert_id = report(
                conn,
                "server_restarted",
                f"{restart.name} {restart.reason} and was started again",
                component=component,
                stable_keys={"server": restart.name},
                details=details,
                now=now,
            )
            alerts[component] = (alert_id, details)
        for component in sorted(set(_COMPONENTS.values())):
            alert_id_, details_ = alerts.get(component, (None, None))
            queries.note_health(
                conn,
                component=component,
                status="healthy" if details_ is None else "degraded",
                at=now,
                details=None if details_ is None else Jsonb(details_),
                alert_id=alert_id_,
            )
