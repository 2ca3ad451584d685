"""Raising an alert: one row per cause, in the transaction of what caused it.

Nothing is sent here. The row commits or rolls back with its cause, and a later delivery, in a
process of its own, reads what was committed; so no channel can slow down or fail a trading tick.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from precog_core.alerts.content import as_json
from precog_core.alerts.kinds import kind_of
from precog_core.alerts.rules import (
    Category,
    Environment,
    Known,
    Severity,
    fingerprint,
    is_higher,
    judge,
)
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_core.secrets import masked

RUNNING_ENVIRONMENT: Environment = "paper"
"""For a cause that has no environment of its own, such as a failed run."""


def raise_alert(
    conn: psycopg.Connection,
    *,
    alert_type: str,
    severity: Severity,
    category: Category,
    component: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    environment: Environment = RUNNING_ENVIRONMENT,
    source_table: str | None = None,
    source_id: int | None = None,
    stable_keys: Mapping[str, Any] | None = None,
    tags: Sequence[str] | None = None,
    now: datetime | None = None,
) -> int:
    """Write or count the alert in the caller's transaction; its ``alert_id``.

    ``stable_keys`` tell causes of one type, component and environment apart (a ticker, a breaker;
    no times, no ids of requests): equal ones share a row while it is unresolved and for 24 hours
    after. ``details`` keep decimals exactly; secrets in them and in ``message`` are masked.
    ``now`` is the wall clock, not the decision clock. Alerts of a backtest are recorded and never
    notified. Raise last in a transaction: it holds a lock on the cause until the end.

    Raises PrecogError for an empty message, half a source, or a time without zone.
    """
    now = now or datetime.now(UTC)
    if now.tzinfo is None:
        raise PrecogError(f"raise_alert({alert_type}): now = {now} has no zone; pass UTC")
    if not message.strip():
        raise PrecogError(f"raise_alert({alert_type}): the message is empty; say what happened")
    if (source_table is None) != (source_id is None):
        raise PrecogError(
            f"raise_alert({alert_type}): source_table {source_table!r} and source_id "
            f"{source_id!r} belong together; give both or none"
        )
    queries = load_queries("alerts")
    if queries.note_component(conn, code=component):
        unknown_code(conn, lookup="components", code=component, now=now)
    cause = fingerprint(alert_type, component, environment, stable_keys or {})
    queries.lock_cause(conn, fingerprint=cause)
    row = queries.latest_of_cause(conn, fingerprint=cause)
    known = None if row is None else Known(*row[1:])
    verdict = judge(known, severity, now)
    if verdict == "count":
        queries.count_alert(conn, alert_id=row[0], now=now)
        return int(row[0])
    content = {
        "severity": severity,
        "message": masked(message),
        "details": as_json(details),
        "source_table": source_table,
        "source_id": source_id,
        "now": now,
    }
    if verdict == "open":
        alert_id = queries.insert_alert(
            conn,
            **content,
            alert_type=alert_type,
            category=category,
            component=component,
            environment=environment,
            tags=None if tags is None else json.dumps(list(tags)),
            fingerprint=cause,
            suppressed=environment == "backtest",
        )
    else:
        alert_id = row[0]
        if verdict == "notify" and known is not None and is_higher(known.severity, severity):
            content["severity"] = known.severity
        queries.renew_alert(conn, alert_id=alert_id, **content)
    queries.begin_notification(conn, alert_id=alert_id, now=now)
    return int(alert_id)


def report(
    conn: psycopg.Connection,
    alert_type: str,
    message: str,
    *,
    severity: Severity | None = None,
    details: Mapping[str, Any] | None = None,
    environment: Environment = RUNNING_ENVIRONMENT,
    source: tuple[str, int] | None = None,
    stable_keys: Mapping[str, Any] | None = None,
    component: str | None = None,
    now: datetime | None = None,
) -> int:
    """:func:`raise_alert` with severity, category and component of its kind (``kinds.py``).

    ``source`` is (table, primary key) of the row the alert is about. Raises PrecogError for a type
    that is no kind.
    """
    kind = kind_of(alert_type)
    return raise_alert(
        conn,
        alert_type=alert_type,
        severity=severity or kind.severity,
        category=kind.category,
        component=component or kind.component,
        message=message,
        details=details,
        environment=environment,
        source_table=source[0] if source else None,
        source_id=source[1] if source else None,
        stable_keys=stable_keys,
        now=now,
    )


def unknown_code(
    conn: psycopg.Connection, *, lookup: str, code: str, now: datetime | None = None
) -> int:
    """Data brought ``code``, which the lookup table does not describe; the row is kept."""
    return report(
        conn,
        "unknown_code",
        f"{lookup} has no description of {code!r}; the row is kept. Describe it in a migration, "
        "or correct the source",
        details={"lookup": lookup, "code": code},
        stable_keys={"lookup": lookup, "code": code},
        now=now,
    )
