"""What the supervisor tells is written as soon as the database answers, and holds nobody up."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from precog_core.database import Database
from precog_platform.graphql import DagsterClient
from precog_platform.keeper import Restart
from precog_platform.reporter import Reporter

NOBODY = "http://127.0.0.1:9"


def test_what_cannot_be_written_is_written_once_the_database_is_back(
    db: Database, tmp_path: Path
) -> None:
    away = Database(f"postgresql://nobody@/precog?host={tmp_path}")
    terminal = io.StringIO()
    reporter = Reporter(away, DagsterClient(NOBODY), tmp_path, Console(file=terminal))
    reporter.hear([Restart("postgresql", "ended unexpectedly", 1)], jump_s=3600)
    reporter.turn()
    reporter.database = db
    reporter.hear([Restart("mlflow", "ended unexpectedly", 1)])
    reporter.turn()
    reporter.hear([Restart("webserver", "ended unexpectedly", 1)])
    reporter.turn()
    with db.transaction() as conn:
        told = conn.execute(
            "SELECT alert_type, occurrence_count, message FROM alerts ORDER BY alert_id"
        ).fetchall()
    assert [row[:2] for row in told if row[0] != "disk_low"] == [
        ("server_restarted", 1), ("server_restarted", 1), ("clock_jump", 1),
        ("server_restarted", 1),
    ]  # fmt: skip
    assert "forward by 1:00:00" in terminal.getvalue() or "forward by 1:00:00" in told[2][2]


def test_a_reporter_that_failed_ends_the_command(db: Database, tmp_path: Path) -> None:
    class Broken(DagsterClient):
        def call(self, query: str, **variables: object) -> dict[str, object]:
            raise ZeroDivisionError

    reporter = Reporter(db, Broken(NOBODY), tmp_path, Console(file=io.StringIO()))
    reporter._run()
    with pytest.raises(ZeroDivisionError):
        reporter.hear([])
