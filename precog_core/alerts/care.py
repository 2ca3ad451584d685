"""A person's part: reading alerts, taking one, closing it. Taking comes before closing."""

from datetime import UTC, datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from precog_core.alerts.rules import Resolution, Severity
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError

State = Literal["open", "unacknowledged", "resolved", "all"]
Row = dict[str, Any]


def list_alerts(
    conn: psycopg.Connection,
    state: State = "open",
    severity: Severity | None = None,
    alert_type: str | None = None,
    maximum: int = 50,
) -> list[Row]:
    """Alerts in this state, the most urgent first."""
    return _rows(
        conn,
        "list_alerts",
        state=state,
        severity=severity,
        alert_type=alert_type,
        maximum=maximum,
    )


def get_alert(conn: psycopg.Connection, alert_id: int) -> Row:
    """Everything about one alert, with its ``deliveries``; PrecogError when there is none."""
    found = _rows(conn, "alert", alert_id=alert_id)
    if not found:
        raise PrecogError(f"there is no alert {alert_id}; `precog alerts list --state all`")
    return found[0] | {"deliveries": _rows(conn, "deliveries_of", alert_id=alert_id)}


def acknowledge(
    conn: psycopg.Connection,
    alert_id: int,
    by: str,
    notes: str | None = None,
    now: datetime | None = None,
) -> None:
    """Take an alert: reminders end. Raises PrecogError when it is taken or closed already."""
    changed = load_queries("alerts").acknowledge(
        conn, alert_id=alert_id, by=_author(by), notes=notes, now=now or datetime.now(UTC)
    )
    if not changed:
        alert = get_alert(conn, alert_id)
        if alert["resolved_at"] is not None:
            raise PrecogError(f"alert {alert_id} is resolved already, by {alert['resolved_by']}")
        raise PrecogError(
            f"alert {alert_id} is acknowledged already, by {alert['acknowledged_by']} at "
            f"{alert['acknowledged_at']:%Y-%m-%d %H:%M} UTC"
        )


def resolve(
    conn: psycopg.Connection,
    alert_id: int,
    by: str,
    action: Resolution,
    notes: str | None = None,
    now: datetime | None = None,
) -> None:
    """Close an alert that somebody took. Raises PrecogError when nobody did, or it is closed.

    The same cause within 24 hours opens it again.
    """
    changed = load_queries("alerts").resolve(
        conn,
        alert_id=alert_id,
        by=_author(by),
        action=action,
        notes=notes,
        now=now or datetime.now(UTC),
    )
    if not changed:
        alert = get_alert(conn, alert_id)
        if alert["resolved_at"] is not None:
            raise PrecogError(f"alert {alert_id} is resolved already, by {alert['resolved_by']}")
        raise PrecogError(
            f"nobody has acknowledged alert {alert_id}; `precog alerts ack {alert_id}` first"
        )


def _author(by: str) -> str:
    if not by.strip():
        raise PrecogError("who acts is empty; pass --by NAME")
    return by.strip()


def _rows(conn: psycopg.Connection, statement: str, **params: Any) -> list[Row]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(getattr(load_queries("alerts"), statement).sql, params).fetchall()
