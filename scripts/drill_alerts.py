"""Faults that concern alerts, made on purpose while ``precog up`` runs, and what an operator sees.

The mail server is down, a critical alert is left unacknowledged, the venue gives no answer. Run it
from a checkout (it takes the receivers of the tests, all on loopback):

    python -m scripts.drill_alerts [--home FOLDER]

Without ``--home`` it fills an empty temporary one first. It prints what it did and saw, ends with 1
when something was lost, doubled or not recovered, and leaves the home for inspection.
"""

import argparse
import contextlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from precog_core.database import Database
from precog_platform.graphql import DagsterClient
from tests.alerts.receivers import MailServer, make_certificates
from tests.kalshi import payloads
from tests.kalshi.server import UNAVAILABLE, FakeKalshi

REMIND_S = 30
_START_S = 1200
_PRECOG = [sys.executable, "-c", "from precog_core.cli import main; main()"]
_DELIVERIES = """
SELECT a.alert_id, a.alert_type, a.severity, a.occurrence_count, a.acknowledged_by,
       d.channel, d.attempt, d.status, d.error
FROM alerts AS a
LEFT JOIN notification_deliveries AS d USING (alert_id)
WHERE a.alert_type = %s
ORDER BY d.delivery_id
"""


class Drill:
    """A running Precog, its database and what was found wrong."""

    def __init__(self, database: Database, client: DagsterClient, mail: MailServer) -> None:
        self.database = database
        self.client = client
        self.mail = mail
        self.failures: list[str] = []

    def rows(self, alert_type: str) -> list[tuple[Any, ...]]:
        """Alerts of a kind with their deliveries."""
        with self.database.transaction() as conn:
            return conn.execute(_DELIVERIES, (alert_type,)).fetchall()

    def deliveries(self, alert_type: str, channel: str, status: str) -> list[str | None]:
        """Errors (None for those sent) of the deliveries of a kind on a channel."""
        return [row[8] for row in self.rows(alert_type) if (row[5], row[7]) == (channel, status)]

    def mails(self, words: str) -> int:
        """Mails received with ``words`` in the subject."""
        return sum(words in message for message in self.mail.messages)

    def expect(self, what: str, holds: Callable[[], bool], within_s: float = 90) -> None:
        """Wait until it holds and say how long that took."""
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > within_s:
                self.failures.append(what)
                say(f"NOT SEEN within {within_s:.0f} s: {what}")
                return
            time.sleep(1)
        say(f"seen after {time.monotonic() - began:3.0f} s: {what}")

    def run(self, *assets: str) -> str:
        """Materialise assets through Dagster; the status the run ends with."""
        run_id = self.client.launch_assets("pipelines", list(assets), {})
        while (run := self.client.run(run_id)).status not in ("SUCCESS", "FAILURE", "CANCELED"):
            time.sleep(1)
        return str(run.status)


def mail_server_down(drill: Drill) -> None:
    """A person halts trading while the mail server is away."""
    say("\n1. The mail server is down; somebody halts trading")
    precog("halt", "--reason", "drill")
    drill.expect("the alert row", lambda: bool(drill.rows("kill_switch")))
    drill.expect("the file has it", lambda: bool(drill.deliveries("kill_switch", "file", "sent")))
    drill.expect(
        "the terminal has it", lambda: bool(drill.deliveries("kill_switch", "console", "sent"))
    )
    drill.expect(
        "two failed mails, repeated with a pause",
        lambda: len(drill.deliveries("kill_switch", "email", "failed")) >= 2,
    )
    say(f"   the log says: {drill.deliveries('kill_switch', 'email', 'failed')[-1]}")
    drill.mail.start()
    say("   the mail server is back")
    drill.expect("the mail arrived", lambda: drill.mails("kill_switch") >= 1, within_s=300)


def nobody_answers(drill: Drill) -> None:
    """The critical alert of before stays unacknowledged, then somebody takes it."""
    say(f"\n2. Nobody acknowledges it (reminders after {REMIND_S} s)")
    before = drill.mails("kill_switch")
    drill.expect("two reminders", lambda: drill.mails("kill_switch") >= before + 2, within_s=180)
    alert_id = str(drill.rows("kill_switch")[0][0])
    precog("alerts", "ack", alert_id, "--by", "drill", "--notes", "seen")
    time.sleep(20)
    taken = drill.mails("kill_switch")
    time.sleep(2 * REMIND_S)
    check(drill, "no reminder after it was taken", drill.mails("kill_switch") == taken)
    check(drill, "one row all along", len({row[0] for row in drill.rows("kill_switch")}) == 1)
    sent = len(drill.deliveries("kill_switch", "email", "sent"))
    check(drill, f"{sent} mails in the log, {taken} received", sent == taken)
    precog("resume", "--reason", "drill over")
    precog("alerts", "resolve", alert_id, "--action", "fixed", "--by", "drill")


def venue_down(drill: Drill, venue: FakeKalshi) -> None:
    """The venue answers 503, then answers again."""
    say("\n3. The venue gives no answer")
    venue.script("/series/KXNFLGAME", UNAVAILABLE, UNAVAILABLE)
    for _ in range(2):
        check(drill, "the run fails", drill.run("kalshi_markets") == "FAILURE")
    drill.expect("venue_outage by mail", lambda: drill.mails("venue_outage") == 1)
    drill.expect("run_failed by mail", lambda: drill.mails("run_failed") == 1)
    counts = {row[0]: row[3] for row in drill.rows("venue_outage")}
    check(drill, "the second outage is counted, not told", list(counts.values()) == [2])
    check(drill, "the venue is back, the run succeeds", drill.run("kalshi_markets") == "SUCCESS")
    check(drill, "no further mail", drill.mails("venue_outage") == 1)


def check(drill: Drill, what: str, holds: bool) -> None:
    """Something that must be so now."""
    say(f"{'so it is' if holds else 'NOT SO'}: {what}")
    if not holds:
        drill.failures.append(what)


def precog(*arguments: str) -> None:
    """A command as a person would give it."""
    say(f"   $ precog {' '.join(arguments)}")
    done = subprocess.run([*_PRECOG, *arguments], capture_output=True, text=True, check=False)
    say(f"     {(done.stdout + done.stderr).strip()}")
    if done.returncode:
        raise SystemExit(f"precog {arguments[0]} ended with {done.returncode}")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(home: Path, environment: dict[str, str]) -> Iterator[DagsterClient]:
    """``precog up`` on this home until the block ends; its terminal goes to ``up.txt``."""
    os.environ |= {"PRECOG_HOME": str(home), **environment}
    port, mlflow = free_port(), free_port()
    terminal = home / "up.txt"
    with terminal.open("w") as output:
        up = subprocess.Popen(
            [*_PRECOG, "up", "--port", str(port), "--mlflow-port", str(mlflow)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            ends = time.monotonic() + _START_S
            while "Ctrl-C stops everything" not in terminal.read_text():
                if up.poll() is not None or time.monotonic() > ends:
                    raise SystemExit(f"precog up did not start: {terminal.read_text()[-3000:]}")
                time.sleep(1)
            client = DagsterClient(f"http://127.0.0.1:{port}")
            yield client
            client.close()
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(timeout=120)
    alerts = [line for line in terminal.read_text().splitlines() if re.search(r"#\d+:", line)]
    say("\nThe terminal of precog up showed:\n" + "\n".join(f"   {line}" for line in alerts))


def main() -> None:
    parser = argparse.ArgumentParser(description="Faults that concern alerts.")
    parser.add_argument("--home", type=Path, help="a home that precog up has filled before")
    home = parser.parse_args().home or Path(tempfile.mkdtemp(prefix="precog-drill-"))
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's note about its own future
    certificates = make_certificates(home)
    mail = MailServer(certificates.server, "alerts", "drillpassword")
    with FakeKalshi() as venue:
        venue.series["KXNFLGAME"] = payloads.series()
        environment = {
            "SSL_CERT_FILE": str(certificates.authority),
            "PRECOG_ALERT_EMAIL_URL": f"mailtos://alerts:drillpassword@localhost:{mail.port}"
            "?from=precog@example.org&to=you@example.org",
            "PRECOG__ALERTS__REMIND_S": str(REMIND_S),
            "PRECOG__KALSHI__ENABLED": "true",
            "PRECOG__KALSHI__REST_URL": venue.url,
            "PRECOG__KALSHI__RETRY__RETRIES": "0",
        }
        say(f"home {home}; precog up starts (a new home is filled first)")
        with running(home, environment) as client:
            drill = Drill(Database.from_environment(), client, mail)
            mail_server_down(drill)
            nobody_answers(drill)
            venue_down(drill, venue)
            drill.database.close()
        mail.stop()
    say("\n" + json.dumps({"home": str(home), "failures": drill.failures}))
    if drill.failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
