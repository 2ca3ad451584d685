"""``precog alerts``: list, show, take, close, test, deliver."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from precog_core.alerts import report
from precog_core.cli import build_app
from precog_core.database import Database
from precog_core.errors import PrecogError
from tests.alerts.receivers import HttpReceiver, MailServer


def _run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(build_app(), ["alerts", *arguments])
    if isinstance(result.exception, PrecogError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.stdout


def _json(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_run(*arguments, "--json", exit_code=exit_code))
    return answer


@pytest.mark.requirement("ALERT-003", "ALERT-004")
def test_an_alert_is_listed_taken_and_closed_in_this_order(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "ann")
    with all_databases.transaction() as conn:
        low = report(conn, "run_summary", "[nfl] ended")
        high = report(conn, "run_failed", "training failed", details={"job": "training"})
    listed = _json("list")["alerts"]
    assert [row["alert_id"] for row in listed] == [high, low]
    assert "[nfl] ended" in _run("list")
    with pytest.raises(PrecogError, match=f"precog alerts ack {high}"):
        _run("resolve", str(high), "--action", "fixed")
    taken = _json("ack", str(high), "--notes", "looking")
    assert (taken["alert_id"], taken["acknowledged_by"]) == (high, "ann")
    with pytest.raises(PrecogError, match="acknowledged already, by ann"):
        _run("ack", str(high))
    assert [row["alert_id"] for row in _json("list", "--state", "unacknowledged")["alerts"]] == [
        low
    ]
    _run("resolve", str(high), "--action", "fixed", "--notes", "disk was full", "--by", "bob")
    with pytest.raises(PrecogError, match="resolved already, by bob"):
        _run("resolve", str(high), "--action", "ignored")
    _run("ack", str(low))
    closed = _json("resolve", str(low), "--action", "ignored")
    assert (closed["alert_id"], closed["resolution_action"]) == (low, "ignored")
    with pytest.raises(PrecogError, match="resolved already, by bob"):
        _run("ack", str(high))
    with pytest.raises(PrecogError, match="no alert 999"):
        _run("show", "999")
    shown = _json("show", str(high))
    wanted = {
        "acknowledged_by": "ann",
        "acknowledged_notes": "looking",
        "resolved_by": "bob",
        "resolved_notes": "disk was full",
        "resolution_action": "fixed",
    }
    assert {key: shown[key] for key in wanted} == wanted
    assert shown["acknowledged_at"] <= shown["resolved_at"]
    text = _run("show", str(high))
    assert "by bob (fixed): disk was full" in text
    assert "do           Open the run" in text
    assert _json("list", "--type", "run_failed")["alerts"] == []
    assert len(_json("list", "--state", "all", "--severity", "high")["alerts"]) == 1


@pytest.mark.requirement("ALERT-005")
def test_the_test_command_tries_every_channel_and_leaves_nothing_open(
    all_databases: Database, mail: MailServer, receiver: HttpReceiver
) -> None:
    done = _json("test")
    assert done["channels"] == dict.fromkeys(
        ("database", "file", "console", "email", "slack", "sms", "webhook"), "sent"
    )
    assert len(mail.messages) == 1
    assert len(receiver.requests) == 3
    receiver.status = 500
    with all_databases.transaction() as conn:
        report(conn, "unknown_order", "another alert waits")
    again = _json("test", exit_code=1)
    assert again["failed"] == ["slack", "webhook"]
    assert again["channels"]["sms"] == "rate_limited"
    assert [row["alert_type"] for row in _json("list")["alerts"]] == ["unknown_order"]
    delivered = _json("deliver")
    assert {row["channel"] for row in delivered["sent"]} == {"file", "console", "email"}
    assert {row["channel"] for row in delivered["skipped"]} == {"sms"}
    assert "off: set PRECOG_ALERT_SMS_URL" not in _run("test", "--severity", "medium")
