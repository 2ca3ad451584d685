"""A running Precog with everything around it on loopback, and what an operator sees of it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_platform.graphql import DagsterClient
from precog_platform.inspection.status import status
from precog_platform.launchers import range_tags
from tests.alerts.receivers import MailServer, make_certificates
from tests.kalshi import payloads
from tests.kalshi.server import FakeKalshi

REMIND_S = 30
"""How long a critical alert may wait before it is told again; shortened for the drill."""
ARTIFACT_DISK = "1536m"
"""Size of the disk mounted on the artifact folder: above the warning level while it is empty."""
_START_S = 600
_PRECOG = [sys.executable, "-c", "from precog_core.cli import main; main()"]
_AWAY = (PrecogError, psycopg.Error, httpx.HTTPError, json.JSONDecodeError, OSError)
"""What asking a server says that is being broken on purpose."""
_TICKS = """{ sensorOrError(sensorSelector: {repositoryLocationName: "LOCATION",
  repositoryName: "__repository__", sensorName: "SENSOR"}) {
  ... on Sensor { sensorState { ticks(limit: 1, beforeTimestamp: BEFORE) { timestamp } } } } }"""
_SOURCE = Path(__file__).with_name("clock_offset.c")


class NotSeen(Exception):
    """Something that had to happen did not."""


class Clock:
    """The wall clock of one process tree, moved by a preloaded library (``clock_offset.c``)."""

    def __init__(self, folder: Path) -> None:
        """Raises NotSeen without a C compiler or outside Linux."""
        compiler = shutil.which("cc")
        if compiler is None or sys.platform != "linux":
            raise NotSeen("the clock can only be moved on Linux and with a C compiler (cc)")
        self.library, self._file = folder / "clock_offset.so", folder / "clock_offset"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O2", "-o", str(self.library), str(_SOURCE), "-ldl",
             "-lpthread"],
            check=True,
        )  # fmt: skip
        self.move(0)

    def move(self, hours: float) -> None:
        """Let the clock of every process of the home be ``hours`` off the machine's from now on."""
        with self._file.open("r+b" if self._file.exists() else "w+b", buffering=0) as file:
            file.write(struct.pack("<q", int(hours * 3600 * 1e9)))

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "PRECOG_DRILL_CLOCK": str(self._file)}


class Files:
    """A download server on loopback: sends ``body`` with ``status``, cut short where told to."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        files = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(files.status)
                self.send_header("Content-Length", str(len(files.body)))
                self.end_headers()
                self.wfile.write(files.body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"


class Mail:
    """A mail server with TLS and login that can go down and come back at the same address."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._servers: list[MailServer] = []
        self.port = free_port()

    def start(self) -> None:
        server = MailServer(self._context, "alerts", "drillpassword", self.port)
        self._servers.append(server)
        server.start()

    def stop(self) -> None:
        self._servers[-1].stop()

    @property
    def messages(self) -> list[str]:
        """Everything that was ever received."""
        return [message for server in self._servers for message in server.messages]


@dataclass
class Seen:
    """What one fault did: what the operator saw, how it recovered, what happened to the rows."""

    fault: str
    saw: list[str] = field(default_factory=list)
    recovered_s: float | None = None
    by_itself: str = "yes"
    lost: dict[str, int] = field(default_factory=dict)
    doubled: dict[str, int] = field(default_factory=dict)
    new: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    skipped: str | None = None


@dataclass
class Rig:
    """One home, its servers and everything they talk to."""

    home: Path
    terminal: Path
    client: DagsterClient
    mail: Mail
    venue: FakeKalshi
    files: Files
    clock: Clock | None
    artifact_disk: Path | None
    patience: float = 1.0
    seen: Seen = field(default_factory=lambda: Seen("none"))
    _began: float = 0.0

    def begin(self, fault: str) -> None:
        self.seen = Seen(fault)

    def break_it(self, words: str) -> None:
        """From here on the time to recovery counts."""
        say(f"   > {words}")
        self._began = time.monotonic()

    def recovered(self) -> None:
        self.seen.recovered_s = round(time.monotonic() - self._began, 1)
        say(f"   recovered after {self.seen.recovered_s} s")

    def saw(self, words: str) -> None:
        say(f"   seen: {words}")
        if words not in self.seen.saw:
            self.seen.saw.append(words)

    def check(self, what: str, holds: bool) -> bool:
        """Something that must be so now."""
        say(f"   {'ok' if holds else 'NOT SO'}: {what}")
        if not holds:
            self.seen.failures.append(what)
        return holds

    def wait(self, what: str, holds: Callable[[], Any], within_s: float = 120) -> Any:
        """The first true value of ``holds``; a failure, and None, when it takes too long."""
        within_s *= self.patience
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            try:
                if found := holds():
                    say(f"   ok: {what}")
                    return found
            except _AWAY as error:
                say(f"   (not yet: {short(str(error), 100)})")
            time.sleep(1)
        self.check(f"{what}, within {within_s:.0f} s", False)
        return None

    def query(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of the home's database, on a connection of its own."""
        database = Database.from_environment(self.home)
        with contextlib.closing(database.connect(autocommit=True)) as conn:
            return conn.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def number(self, statement: str, **values: Any) -> int:
        return int(self.query(statement, **values)[0][0])

    def alert(self, alert_type: str, words: str = "", since_id: int = 0) -> tuple[Any, ...] | None:
        """(id, severity, message, count) of the newest alert of a kind that says ``words``."""
        found = self.query(
            "SELECT alert_id, severity, message, occurrence_count FROM alerts"
            " WHERE alert_type = %(kind)s AND message ILIKE %(words)s AND resolved_at IS NULL"
            " AND alert_id > %(since)s ORDER BY last_seen_at DESC LIMIT 1",
            kind=alert_type, words=f"%{words}%", since=since_id,
        )  # fmt: skip
        return found[0] if found else None

    def see_alert(self, alert_type: str, words: str = "", within_s: float = 120) -> Any:
        """Wait for an open alert of the kind and note it as seen."""
        found = self.wait(
            f"an alert {alert_type} {words}".strip(),
            lambda: self.alert(alert_type, words), within_s,
        )  # fmt: skip
        if found:
            self.saw(f"alert `{alert_type}` ({found[1]}): {short(found[2])}")
        return found

    def degraded(self, component: str) -> bool:
        found = self.query(
            "SELECT status FROM system_health WHERE component = %(component)s", component=component
        )
        return bool(found) and found[0][0] != "healthy"

    def status(self) -> dict[str, Any]:
        """What ``precog status --json`` prints, of the same functions."""
        database = Database.from_environment(self.home)
        try:
            return status(database, self.home)
        finally:
            database.close()

    def precog(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A command as a person would give it, under the home's clock."""
        done = subprocess.run(
            [*_PRECOG, *arguments], capture_output=True, text=True, check=False,
            env={**os.environ, **(self.clock.environment if self.clock else {})},
        )  # fmt: skip
        if check and done.returncode:
            raise NotSeen(f"precog {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def resolve_all(self) -> None:
        """A person takes and closes every open alert, so that the next fault starts clean."""
        for alert_id, taken in self.query(
            "SELECT alert_id, acknowledged_at IS NOT NULL FROM alerts WHERE resolved_at IS NULL"
        ):
            if not taken:
                self.precog("alerts", "ack", str(alert_id), "--by", "drill")
            self.precog(
                "alerts", "resolve", str(alert_id), "--action", "fixed", "--by", "drill", "--json"
            )

    def materialise(self, *assets: str, partition: str | None = None, location: str = "pipelines",
                    wait: bool = True) -> tuple[str, str]:  # fmt: skip
        """Run assets through Dagster: (run id, status at its end)."""
        tags = range_tags(partition, partition)
        run_id = self.client.launch_assets(location, list(assets), tags)
        return run_id, self.ended(run_id) if wait else "STARTED"

    def ended(self, run_id: str, within_s: float = 300) -> str:
        """The status a run ends with, that of its retry when Dagster retries it."""
        ends = time.monotonic() + within_s * self.patience
        while time.monotonic() < ends:
            with contextlib.suppress(*_AWAY):
                run = self.client.run(run_id)
                if run.finished:
                    if run.status == "FAILURE" and run.tags.get("dagster/will_retry") == "true":
                        tag = {"key": "dagster/parent_run_id", "value": run_id}
                        again = self.client.runs({"tags": [tag]})
                        if again:
                            return self.ended(again[0].run_id, within_s)
                    else:
                        return str(run.status)
            time.sleep(0.5)
        return "UNFINISHED"

    def move_clock(self, hours: float) -> None:
        """Set the wall clock of the home ``hours`` off. Raises NotSeen where it cannot be moved."""
        if self.clock is None:
            raise NotSeen("the clock cannot be moved here")
        self.clock.move(hours)

    def locations_loaded(self) -> bool:
        """Whether both code locations answer."""
        return self.client.require_locations({"pipelines", "trading"})

    def last_tick(self, location: str, sensor: str, before: float) -> float | None:
        """When a sensor ticked last before a moment (seconds of the home's own clock)."""
        question = _TICKS.replace("LOCATION", location).replace("SENSOR", sensor)
        answer = self.client.call(question.replace("BEFORE", str(before)))
        ticks = answer["sensorOrError"].get("sensorState", {}).get("ticks", ())
        return float(ticks[0]["timestamp"]) if ticks else None

    def settle(self, within_s: float = 120) -> None:
        """Wait until no run is under way, so that rows can be counted."""
        running = {"statuses": ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]}
        quiet = 0
        ends = time.monotonic() + within_s
        while quiet < 3 and time.monotonic() < ends:
            try:
                quiet = 0 if self.client.runs(running) else quiet + 1
            except _AWAY:
                quiet = 0
            time.sleep(1.5)

    def mails(self, words: str) -> int:
        """Mails received with ``words`` in them."""
        return sum(words in message for message in self.mail.messages)

    def servers(self, part: str) -> list[int]:
        """Process ids of this home's servers with ``part`` in their command line."""
        import psutil

        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                held = process.environ().get("PRECOG_SUPERVISED_HOME") == str(self.home)
                if held and part in " ".join(process.cmdline()):
                    found.append(process.pid)
        return found


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def short(text: str, most: int = 150) -> str:
    """On one line, without addresses and folders of this one machine."""
    words = " ".join(text.split())
    return words if len(words) <= most else words[: most - 1] + "…"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(home: Path, games: Path) -> None:
    """An undisturbed headless bootstrap."""
    book = home / "bootstrap.json"
    if book.exists() and json.loads(book.read_text()).get("complete"):
        return
    os.environ["PRECOG_HOME"] = str(home)
    done = subprocess.run([*_PRECOG, "bootstrap", "--games", str(games)], check=False)
    if done.returncode:
        raise SystemExit("the home could not be filled")


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A disk of its own under ``folder``, with its content; None where none can be mounted."""
    if os.geteuid() != 0:
        yield None
        return
    kept = Path(tempfile.mkdtemp(prefix="precog-drill-artifacts-"))
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ARTIFACT_DISK}", "tmpfs", str(folder)], check=False
    )
    if done.returncode:
        yield None
        return
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        yield folder
    finally:
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        subprocess.run(["umount", str(folder)], check=True)
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        shutil.rmtree(kept)


@contextlib.contextmanager
def running(home: Path) -> Iterator[Rig]:
    """``precog up`` on a filled home until the block ends; its terminal goes to ``up.txt``."""
    certificates = make_certificates(home)
    mail = Mail(certificates.server)
    try:
        clock: Clock | None = Clock(home)
    except NotSeen as error:
        say(str(error))
        clock = None
    files = Files()
    port, mlflow, terminal = free_port(), free_port(), home / "up.txt"
    artifacts = home / "mlflow" / "artifacts"
    with FakeKalshi() as venue, small_disk(artifacts) as disk:
        venue.series["KXNFLGAME"] = payloads.series()
        os.environ |= {
            "PRECOG_HOME": str(home),
            "SSL_CERT_FILE": str(certificates.authority),
            "PRECOG_ALERT_EMAIL_URL": f"mailtos://alerts:drillpassword@localhost:{mail.port}"
            "?from=precog@example.org&to=you@example.org",
            "PRECOG__ALERTS__REMIND_S": str(REMIND_S),
            "PRECOG__SOURCES__NFLVERSE__BASE_URL": files.url,
            "PRECOG__SOURCES__NFLVERSE__ATTEMPTS": "2",
            "PRECOG__SOURCES__NFLVERSE__WAIT_MAX_S": "1",
            "PRECOG__KALSHI__ENABLED": "true",
            "PRECOG__KALSHI__REST_URL": venue.url,
            "PRECOG__KALSHI__RETRY__RETRIES": "0",
            # The venue is asked when the drill says so, not every minute.
            "PRECOG__KALSHI__QUOTES__CRON": "0 5 * * *",
        }
        mail.start()
        with terminal.open("w") as output:
            up = subprocess.Popen(
                [*_PRECOG, "up", "--port", str(port), "--mlflow-port", str(mlflow)],
                stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, **(clock.environment if clock else {})},
            )  # fmt: skip
        client = DagsterClient(f"http://127.0.0.1:{port}", timeout_s=20)
        try:
            ends = time.monotonic() + _START_S
            while "Ctrl-C stops everything" not in terminal.read_text():
                if up.poll() is not None or time.monotonic() > ends:
                    raise SystemExit(f"precog up did not start: {terminal.read_text()[-3000:]}")
                time.sleep(1)
            yield Rig(home, terminal, client, mail, venue, files, clock, disk)
        finally:
            client.close()
            up.send_signal(signal.SIGINT)
            up.wait(timeout=120)
            mail.stop()
