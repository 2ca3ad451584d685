"""Alerts about failed runs that close by themselves once a later run has made each failure good.

An alert counts every run that failed of one cause, so it keeps which of them are still to be made
good (``details.waiting``). A retry makes good what shares its root run. What was cut off because
Precog was stopped is no fault of the run and is requested anew rather than retried, so there any
later run of the same job, assets and partition does.
"""

import json
from datetime import UTC, datetime
from typing import Any

import psycopg

from precog_core.alerts.rules import Environment, fingerprint
from precog_core.database.queries import load_queries

BY = "precog"
_MOST = 100
"""An alert of more failures than this waits for a person."""


def waiting(
    conn: psycopg.Connection, component: str, environment: Environment, keys: dict[str, Any]
) -> list[dict[str, Any]]:
    """The failures that the open alert ``run_failed`` of these stable keys still waits for.

    Holds the lock on the cause until the end of the transaction, as raising it does.
    """
    queries = load_queries("alerts")
    cause = fingerprint("run_failed", component, environment, keys)
    queries.lock_cause(conn, fingerprint=cause)
    return list(queries.waiting_of(conn, fingerprint=cause) or [])


def remember(
    conn: psycopg.Connection, alert_id: int, before: list[dict[str, Any]], failed: dict[str, Any]
) -> None:
    """Add a failure (``root``, ``work`` or None, ``at`` in seconds since 1970) to an alert's."""
    kept = [*before, failed] if len(before) < _MOST else before
    if len(kept) == _MOST:
        # A root that no run has: the alert never closes by itself.
        kept[-1] = {"root": None, "work": None, "at": failed["at"]}
    load_queries("alerts").set_waiting(conn, alert_id=alert_id, waiting=json.dumps(kept))


def make_good(
    conn: psycopg.Connection, *, run_id: str, root: str, work: str, at: float
) -> list[int]:
    """A run succeeded at ``at``: strike what it made good; the ids of the alerts that closed."""
    queries, closed = load_queries("alerts"), []
    for alert_id, failures in list(queries.waiting_alerts(conn, root=root, work=work)):
        left = [
            failure
            for failure in failures
            if failure["at"] > at or (failure["root"] != root and failure["work"] != work)
        ]
        if len(left) == len(failures):
            continue
        queries.set_waiting(conn, alert_id=alert_id, waiting=json.dumps(left))
        if not left:
            queries.resolve_by_itself(
                conn, alert_id=alert_id, by=BY, now=datetime.now(UTC),
                notes=f"run {run_id} made it good",
            )  # fmt: skip
            closed.append(int(alert_id))
    return closed
