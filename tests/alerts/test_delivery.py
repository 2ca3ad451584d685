"""Delivery to real servers on loopback: routes, the log of attempts, retries, limits, reminders."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import psycopg
import pytest

from precog_core.alerts import report
from precog_core.alerts.channels import alert_file, open_channels
from precog_core.alerts.config import AlertsConfig, alerts_config
from precog_core.alerts.delivery import Delivered, deliver
from precog_core.database import Database
from precog_core.database.queries import load_queries
from tests.alerts.conftest import MAIL_PASSWORD, TWILIO_SID, TWILIO_TOKEN
from tests.alerts.receivers import HttpReceiver, MailServer

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Clock:
    """A wall clock that a test turns."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def go(self, **step: float) -> datetime:
        self.now += timedelta(**step)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[str]:
    """Lines of the console channel."""
    return []


@pytest.fixture
def run(db: Database, clock: Clock, told: list[str]) -> Callable[..., Delivered]:
    def one_pass(config: AlertsConfig | None = None) -> Delivered:
        config = config or alerts_config()
        return deliver(db, open_channels(told.append, 2), config, clock=clock)

    return one_pass


def _alert(db: Database, alert_type: str, at: datetime, **more: Any) -> int:
    with db.transaction() as conn:
        return report(conn, alert_type, f"{alert_type} happened", now=at, **more)


def _log(db: Database, alert_id: int) -> list[tuple[Any, ...]]:
    with db.transaction() as conn:
        return conn.execute(
            "SELECT channel, attempt, status, error FROM notification_deliveries "
            "WHERE alert_id = %s ORDER BY delivery_id",
            (alert_id,),
        ).fetchall()


def _summary_matches(conn: psycopg.Connection) -> bool:
    row = conn.execute(
        """
        SELECT bool_and(
            a.notification_attempts = d.attempts
            AND a.notification_sent = d.any_sent
            AND a.notification_sent_at IS NOT DISTINCT FROM d.sent_at
            AND (SELECT array_agg(c ORDER BY c)
                 FROM jsonb_array_elements_text(a.notification_channels) AS c)
                IS NOT DISTINCT FROM d.channels
            AND COALESCE(jsonb_array_length(a.notification_errors), 0) = d.failures
        )
        FROM alerts AS a
        INNER JOIN (
            SELECT
                alert_id,
                count(*) AS attempts,
                bool_or(status = 'sent') AS any_sent,
                max(attempted_at) FILTER (WHERE status = 'sent') AS sent_at,
                array_agg(DISTINCT channel ORDER BY channel) FILTER (WHERE status = 'sent')
                    AS channels,
                count(*) FILTER (WHERE status = 'failed') AS failures
            FROM notification_deliveries
            GROUP BY alert_id
        ) AS d USING (alert_id)
        """
    ).fetchone()
    return row is not None and bool(row[0])


@pytest.mark.requirement("ALERT-006", "ALERT-009", "ALERT-010", "ALERT-011")
def test_s15_each_severity_reaches_its_channels(
    db: Database,
    run: Callable[..., Delivered],
    mail: MailServer,
    receiver: HttpReceiver,
    told: list[str],
) -> None:
    details = {"gap": Decimal("0.1500"), "ticker": "KX-1"}
    critical = _alert(db, "exit_blocked", NOW, details=details)
    high, medium, low = (
        _alert(db, kind, NOW) for kind in ("settlement_mismatch", "fee_mismatch", "run_summary")
    )
    assert run(), "the pass found nothing to do"
    channels = {
        alert_id: {row[0] for row in _log(db, alert_id) if row[2] == "sent"}
        for alert_id in (critical, high, medium, low)
    }
    always = {"database", "file"}
    assert channels == {
        critical: always | {"console", "email", "slack", "sms", "webhook"},
        high: always | {"console", "email", "slack"},
        medium: always | {"console"},
        low: always,
    }
    assert not run(), "told once is told"

    assert mail.secured == [True, True]
    assert "Subject: CRITICAL exit_blocked (paper)" in mail.messages[0]
    text = str(message_from_string(mail.messages[0], policy=default).get_body())
    assert "gap: 0.1500" in text
    assert f"precog alerts show {critical}" in text

    by_host = {request.host: request for request in receiver.requests}
    sms = by_host["api.twilio.com"]
    assert sms.path == f"/2010-04-01/Accounts/{TWILIO_SID}/Messages.json"
    assert (
        sms.headers["Authorization"]
        == "Basic " + base64.b64encode(f"{TWILIO_SID}:{TWILIO_TOKEN}".encode()).decode()
    )
    assert parse_qs(sms.body)["To"] == ["+15557654321"]
    assert parse_qs(sms.body)["Body"][0].startswith("CRITICAL exit_blocked (paper)")
    assert (
        by_host["hooks.slack.com"].path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    )
    assert "settlement_mismatch happened" in by_host["hooks.slack.com"].body
    hook = json.loads(by_host["receiver.example.org"].body)
    assert hook["title"] == f"CRITICAL exit_blocked (paper) #{critical}"
    assert len(told) == 3

    lines = [json.loads(line) for line in alert_file(datetime.now(UTC)).read_text().splitlines()]
    assert [line["alert_id"] for line in lines] == [critical, high, medium, low]
    assert lines[0]["details"] == {"gap": "0.1500", "ticker": "KX-1"}
    with db.transaction() as conn:
        assert _summary_matches(conn)


@pytest.mark.requirement("ALERT-001", "ALERT-011")
def test_with_every_channel_down_the_row_stands_and_retries_back_off(
    db: Database,
    run: Callable[..., Delivered],
    clock: Clock,
    mail: MailServer,
    receiver: HttpReceiver,
    tmp_path: Path,
) -> None:
    mail.stop()
    receiver.status = 503
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "logs").write_text("a file where the folder should be")
    alert_id = _alert(db, "auth_error", NOW)
    run()
    assert {row[:3] for row in _log(db, alert_id)} == {
        ("database", 1, "sent"),
        ("console", 1, "sent"),
        *((channel, 1, "failed") for channel in ("email", "file", "slack", "sms", "webhook")),
    }
    reasons = " ".join(row[3] or "" for row in _log(db, alert_id))
    assert "Connection refused" in reasons
    assert "503" in reasons
    for secret in (
        TWILIO_TOKEN,
        TWILIO_SID,
        MAIL_PASSWORD,
        "secretpath",
        "TIiajkdnlazkcOXrIdevi7FQ",
    ):
        assert secret not in reasons
    assert not run(), "too early for another try"
    for seconds in (15, 30, 60):
        clock.go(seconds=seconds)
        assert len(run().failed) == 5
        assert not run()
    (tmp_path / "home" / "logs").unlink()
    receiver.status = 200
    clock.go(seconds=120)
    last = run()
    assert sorted(name for _, name in last.sent if _ == alert_id) == [
        "file",
        "slack",
        "sms",
        "webhook",
    ]
    assert last.failed == [(alert_id, "email")]
    with db.transaction() as conn:
        assert _summary_matches(conn)
        down = conn.execute(
            "SELECT message, details->>'channel' FROM alerts WHERE alert_type = 'channel_down'"
        ).fetchone()
    assert down is not None
    assert down[1] == "email"
    clock.go(hours=1)
    assert (alert_id, "email") not in run(AlertsConfig(remind_s=0)).failed, "it gave up"


@pytest.mark.requirement("ALERT-008")
def test_s15_a_suppressed_sms_is_a_skipped_delivery_and_is_not_tried_again(
    db: Database, run: Callable[..., Delivered], clock: Clock, receiver: HttpReceiver
) -> None:
    only_sms = AlertsConfig(
        routes={"critical": ("sms",), "high": (), "medium": (), "low": ()}, remind_s=0
    )
    outcomes: list[str | None] = []
    for number in range(8):  # one critical alert every 200 seconds
        alert_id = _alert(db, "unknown_order", clock(), stable_keys={"order": number})
        run(only_sms)
        outcomes += [row[3] or row[2] for row in _log(db, alert_id) if row[0] == "sms"]
        clock.go(seconds=200)
    assert outcomes == ["sent", "rate_limited"] * 4
    assert not run(only_sms)
    assert len(receiver.requests) == 4
    with db.transaction() as conn:
        assert _summary_matches(conn)


def test_an_unacknowledged_critical_alert_is_told_again_until_somebody_takes_it(
    db: Database, run: Callable[..., Delivered], clock: Clock, told: list[str]
) -> None:
    alert_id = _alert(db, "kill_switch", NOW)
    _alert(db, "edge_anomaly", NOW)
    assert len(run().sent) == 4
    clock.go(seconds=899)
    assert not run()
    clock.go(seconds=1)
    assert run().sent == [(alert_id, "file"), (alert_id, "console")]
    with db.transaction() as conn:
        conn.execute(
            "UPDATE alerts SET acknowledged_at = %s, acknowledged_by = 'ann' WHERE alert_id = %s",
            (clock(), alert_id),
        )
    clock.go(hours=5)
    assert not run()
    assert len(told) == 3


def test_two_workers_remind_once_and_a_raiser_is_not_waited_for(db: Database) -> None:
    alert_id = _alert(db, "kill_switch", NOW)
    remind = {"now": NOW + timedelta(hours=1), "told_before": NOW + timedelta(minutes=45)}
    begin_reminders = load_queries("alerts").begin_reminders
    with db.connect() as one, db.connect() as other:
        other.execute("SET statement_timeout = 2000")
        assert begin_reminders(one, **remind) == 1
        assert begin_reminders(other, **remind) == 0
        one.commit()
        assert begin_reminders(other, **remind) == 0
    assert [row[:3] for row in _log(db, alert_id)] == [
        ("database", 1, "sent"),
        ("database", 2, "sent"),
    ]


def test_two_workers_tell_once_and_a_recurrence_is_a_new_round(
    db: Database, run: Callable[..., Delivered], clock: Clock, told: list[str]
) -> None:
    alert_id = _alert(db, "fee_mismatch", NOW)
    with db.connect(autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('alerts.delivery'), hashtext('console'))")
        assert run().sent == [(alert_id, "file")]
        assert told == []
    assert run().sent == [(alert_id, "console")]
    _alert(db, "fee_mismatch", clock.go(seconds=60))
    assert not run()
    _alert(db, "fee_mismatch", clock.go(seconds=900))
    assert len(run().sent) == 2
    # Taken by a person: nothing is owed until it happens again.
    _alert(db, "fee_mismatch", clock.go(seconds=901))
    with db.transaction() as conn:
        conn.execute(
            "UPDATE alerts SET acknowledged_at = %s WHERE alert_id = %s", (clock(), alert_id)
        )
    assert not run()
    _alert(db, "fee_mismatch", clock.go(seconds=901))
    assert len(run().sent) == 2


@pytest.mark.requirement("ALERT-005")
def test_remote_channels_are_off_until_configured_and_a_bad_address_is_logged(
    db: Database, run: Callable[..., Delivered], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _alert(db, "kill_switch", NOW)
    run()
    assert {row[0] for row in _log(db, first)} == {"database", "file", "console"}
    monkeypatch.setenv("PRECOG_ALERT_EMAIL_URL", "mailto://user:hunter22@mail.example.org")
    monkeypatch.setenv("PRECOG_ALERT_SMS_URL", "nonsense://hunter22")
    run()
    failed = {row[0]: row[3] for row in _log(db, first) if row[2] == "failed"}
    assert set(failed) == {"email", "sms"}
    assert "PRECOG_ALERT_EMAIL_URL would send unencrypted" in failed["email"]
    assert "PRECOG_ALERT_SMS_URL is no address Apprise can use" in failed["sms"]
    assert "hunter22" not in str(failed)
