"""The terminal of `precog up` is the console channel."""

import io

import pytest
from rich.console import Console

from precog_core.alerts import report
from precog_core.database import Database
from precog_platform.alert_console import tell_alerts


@pytest.mark.requirement("ALERT-005")
def test_the_terminal_shows_medium_and_above_once_and_brackets_as_they_are(db: Database) -> None:
    with db.transaction() as conn:
        report(conn, "run_summary", "nothing to see")
        medium = report(conn, "fee_mismatch", "fee of [bold]KX-1[/bold]")
    console = Console(file=io.StringIO(), width=200)
    assert tell_alerts(db, console).sent == [(medium, "console")]
    assert not tell_alerts(db, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert printed.count("\n") == 1
    assert f"MEDIUM fee_mismatch (paper) #{medium}: fee of [bold]KX-1[/bold]" in printed
