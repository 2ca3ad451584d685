"""What the supervisor saw is in the database: the state of each component, an alert per restart."""

from datetime import UTC, datetime, timedelta

import pytest

from precog_core.database import Database
from precog_platform.health import note_health
from precog_platform.keeper import Restart

NOW = datetime(2026, 1, 4, 12, tzinfo=UTC)

pytestmark = pytest.mark.requirement("ALERT-001", "ALERT-007")


def test_a_restart_is_an_alert_and_degrades_its_component_until_the_next_look(
    db: Database,
) -> None:
    restart = Restart("daemon", "ended unexpectedly (signal SIGKILL)", 1)
    note_health(db, [], NOW - timedelta(seconds=30))
    note_health(db, [restart], NOW)
    note_health(db, [restart, Restart("postgresql", "ended unexpectedly", 2)], NOW)
    with db.transaction() as conn:
        health = conn.execute(
            "SELECT component, status, details -> 'troubles' ->> 0, last_check FROM system_health"
            " ORDER BY component"
        ).fetchall()
        alerts = conn.execute(
            "SELECT component, severity, message, occurrence_count FROM alerts ORDER BY component"
        ).fetchall()
    assert health == [
        (
            "dagster", "degraded",
            "daemon ended unexpectedly (signal SIGKILL) and was started again", NOW,
        ),
        ("database", "degraded", "postgresql ended unexpectedly and was started again", NOW),
        ("mlflow", "healthy", None, NOW),
    ]  # fmt: skip
    assert alerts == [
        (
            "dagster", "medium",
            "daemon ended unexpectedly (signal SIGKILL) and was started again", 2,
        ),
        ("database", "medium", "postgresql ended unexpectedly and was started again", 1),
    ]  # fmt: skip

    note_health(db, [], NOW + timedelta(seconds=30))
    with db.transaction() as conn:
        states = conn.execute("SELECT DISTINCT status FROM system_health").fetchall()
    assert states == [("healthy",)]
