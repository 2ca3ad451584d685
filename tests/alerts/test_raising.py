"""Raising: one row per cause, counted, told again, escalated, reopened."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from precog_core.alerts import raise_alert, report
from precog_core.database import Database
from precog_core.errors import PrecogError

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def _raise(conn: psycopg.Connection, at: datetime = NOW, **changes: Any) -> int:
    alert = {
        "alert_type": "quote_stale",
        "severity": "medium",
        "category": "data",
        "component": "monitoring",
        "message": "no quote for 5 minutes",
        "stable_keys": {"ticker": "KX-1"},
    }
    return raise_alert(conn, **(alert | changes), now=at)


def _row(conn: psycopg.Connection, alert_id: int, columns: str) -> tuple[Any, ...]:
    row = conn.execute(f"SELECT {columns} FROM alerts WHERE alert_id = %s", (alert_id,)).fetchone()
    assert row is not None
    return tuple(row)


def _resolve(conn: psycopg.Connection, alert_id: int, at: datetime) -> None:
    conn.execute(
        "UPDATE alerts SET acknowledged_at = %s, acknowledged_by = 'ann', resolved_at = %s, "
        "resolved_by = 'ann', resolution_action = 'fixed' WHERE alert_id = %s",
        (at, at, alert_id),
    )


def _rounds(conn: psycopg.Connection, alert_id: int) -> int:
    row = conn.execute(
        "SELECT count(*) FROM notification_deliveries WHERE alert_id = %s AND channel = "
        "'database' AND status = 'sent'",
        (alert_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.requirement("ALERT-001", "ALERT-007", "ALERT-013", "ALERT-014")
def test_s15_a_recurrence_is_counted_told_again_escalated_and_reopened(db: Database) -> None:
    with db.transaction() as conn:
        first = _raise(conn, details={"gap": Decimal("0.100"), "api_key": "s3cret-value"})
        kept = _row(conn, first, "details, environment, occurrence_count, notification_sent_at")
        assert kept == ({"gap": "0.100", "api_key": "********"}, "paper", 1, NOW)

        inside = NOW + timedelta(seconds=899)
        assert _raise(conn, inside, message="another text") == first
        assert _row(conn, first, "occurrence_count, last_seen_at, message") == (
            2,
            inside,
            "no quote for 5 minutes",
        )
        assert _rounds(conn, first) == 1

        after = NOW + timedelta(seconds=900)
        assert _raise(conn, after, severity="low", message="still none") == first
        assert _row(conn, first, "occurrence_count, severity, message") == (
            3,
            "medium",
            "still none",
        )
        assert _rounds(conn, first) == 2

        assert _raise(conn, after + timedelta(seconds=1), severity="critical") == first
        assert _row(conn, first, "severity") == ("critical",)
        assert _rounds(conn, first) == 3

        _resolve(conn, first, after + timedelta(hours=1))
        soon = after + timedelta(hours=24, minutes=59)
        assert _raise(conn, soon) == first
        assert _row(conn, first, "severity, acknowledged_at, resolved_by, occurrence_count") == (
            "medium",
            None,
            None,
            5,
        )
        assert _rounds(conn, first) == 4

        _resolve(conn, first, soon)
        second = _raise(conn, soon + timedelta(hours=24))
        assert second != first
        assert _row(conn, second, "occurrence_count") == (1,)
        assert _raise(conn, NOW, stable_keys={"ticker": "KX-2"}) not in (first, second)


@pytest.mark.requirement("DB-007")
def test_an_unknown_component_keeps_the_alert_and_raises_another(db: Database) -> None:
    with db.transaction() as conn:
        alert_id = _raise(conn, component="teleporter")
        assert _row(conn, alert_id, "component") == ("teleporter",)
        found = conn.execute(
            "SELECT severity, details->>'code' FROM alerts WHERE alert_type = 'unknown_code'"
        ).fetchall()
        assert found == [("medium", "teleporter")]


@pytest.mark.requirement("ALERT-001")
def test_an_alert_rolls_back_with_its_cause_and_two_at_once_share_a_row(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.transaction() as conn:
        _raise(conn)
        raise ZeroDivisionError
    with db.connect() as one, db.connect() as other, ThreadPoolExecutor(1) as second:
        first = _raise(one)
        waiting = second.submit(_raise, other)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.2)
        one.commit()
        assert waiting.result(timeout=10) == first
        other.commit()
    with db.transaction() as conn:
        counted = conn.execute("SELECT count(*), max(occurrence_count) FROM alerts").fetchone()
    assert counted == (1, 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"message": " "}, "message is empty"),
        ({"source_table": "positions"}, "belong together"),
        ({"at": datetime(2026, 1, 1)}, "no zone"),  # noqa: DTZ001
    ],
)
def test_half_an_alert_is_refused(db: Database, changes: dict[str, Any], words: str) -> None:
    with db.transaction() as conn, pytest.raises(PrecogError, match=words):
        _raise(conn, **changes)


def test_an_alert_of_a_backtest_is_recorded_and_never_notified(db: Database) -> None:
    with db.transaction() as conn:
        alert_id = report(conn, "day_loss", "lost 120", environment="backtest", now=NOW)
        assert _row(conn, alert_id, "suppressed, severity, category, component") == (
            True,
            "high",
            "risk",
            "risk",
        )
        with pytest.raises(PrecogError, match="no kind of alert 'day_los'"):
            report(conn, "day_los", "x")
