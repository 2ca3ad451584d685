"""Faults of the machine: the database, the disk, a process, a settings file, the clock."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from scripts.drill.bets import Fixture, decided_once, decisions, quote
from scripts.drill.rig import Rig

SEASON = "nfl|2017"
_INGEST = ("games", "markets", "market_snapshots")


def database_restarted(rig: Rig, fixture: Fixture) -> None:
    """``kill -9`` of PostgreSQL while an ingest runs and a quote waits for its decision."""
    quote(rig, fixture)
    run_id, _ = rig.materialise(*_INGEST, partition=SEASON, wait=False)
    time.sleep(3)
    postmaster = int((rig.home / "postgres" / "postmaster.pid").read_text().split()[0])
    rig.break_it(f"kill -9 {postmaster} (PostgreSQL), an ingest and a quote are under way")
    os.kill(postmaster, signal.SIGKILL)
    rig.wait("the terminal says so", lambda: "postgresql ended" in rig.terminal.read_text())
    rig.saw("terminal: `postgresql ended unexpectedly; started again`")
    rig.see_alert("server_restarted", "postgresql")
    decided_once(rig, fixture)
    rig.wait("both code locations answer", lambda: rig.locations_loaded())
    rig.recovered()
    status = rig.ended(run_id)
    if status != "SUCCESS":
        rig.see_alert("run_failed", "", 60)
        rig.seen.by_itself = "servers and trading yes; the interrupted ingest is started again"
        status = rig.materialise(*_INGEST, partition=SEASON)[1]
    rig.check(f"the interrupted ingest ended with {status}", status == "SUCCESS")
    rig.wait("every component is healthy again", lambda: not rig.degraded("database"), 90)


def disk_full(rig: Rig) -> None:
    """Nothing can be written to the artifact folder while a backtest logs its plots."""
    if rig.artifact_disk is None:
        rig.seen.skipped = "needs root: a small disk is mounted on the artifact folder"
        return
    ballast = rig.artifact_disk / "ballast"
    disk = os.statvfs(rig.artifact_disk)
    rig.break_it("the disk of mlflow/artifacts is filled to the last byte")
    with ballast.open("wb") as out:
        os.posix_fallocate(out.fileno(), 0, disk.f_bavail * disk.f_frsize)
    status = rig.materialise("backtest", partition=SEASON, location="trading")[1]
    rig.check(f"the backtest failed ({status})", status == "FAILURE")
    rig.see_alert("run_failed", "space")
    rig.see_alert("disk_low", "artifacts")
    runs = "SELECT count(*) FROM backtest_runs WHERE status = 'completed'"
    stored = rig.number(runs)
    ballast.unlink()
    rig.seen.by_itself = "after room was made, the run is started again"
    rig._began = time.monotonic()
    status = rig.materialise("backtest", partition=SEASON, location="trading")[1]
    rig.check(f"the backtest succeeds ({status})", status == "SUCCESS")
    rig.recovered()
    again = rig.number(runs)
    rig.check(f"{stored} results before, {again} after: none twice", stored in (0, again))
    status = rig.materialise("backtest", partition=SEASON, location="trading")[1]
    rig.check("a third time changes nothing", rig.number(runs) == again and status == "SUCCESS")


def location_crash(rig: Rig, fixture: Fixture) -> None:
    """``kill -9`` of the code location of trading just when a quote wants a decision."""
    quote(rig, fixture)
    [process] = rig.servers("--module-name precog_trading.definitions")
    rig.break_it(f"kill -9 {process} (code location trading), a quote waits")
    os.kill(process, signal.SIGKILL)
    rig.check("the other location is served", bool(rig.servers("precog_pipelines.definitions")))
    rig.wait("the terminal says so", lambda: "trading ended" in rig.terminal.read_text())
    rig.saw("terminal: `trading ended unexpectedly (signal SIGKILL); started again`")
    rig.see_alert("server_restarted", "trading")
    rig.wait("both code locations answer", lambda: rig.locations_loaded())
    decided_once(rig, fixture)
    rig.recovered()


def bad_yaml(rig: Rig, fixture: Fixture) -> None:
    """A settings file with a wrong value, saved while everything runs; then corrected."""
    settings = rig.home / "config" / "trading.yaml"
    settings.parent.mkdir(exist_ok=True)
    rig.break_it("config/trading.yaml gets `edge: {min: {nfl: lots}}`")
    settings.write_text("edge:\n  min:\n    nfl: lots\n")
    try:
        quote(rig, fixture)
        found = rig.see_alert("tick_failed", "edge.min.nfl")
        if found:
            rig.check("it names the file", "trading.yaml" in found[2])
        said = rig.precog("config", "validate", check=False)
        rig.check("`precog config validate` refuses it", said.returncode != 0)
        rig.saw("`precog config validate` exits 1, same words")
        rig.check("nothing was decided meanwhile", not decisions(rig, fixture))
        health = rig.wait("health", lambda: rig.degraded("dagster"), 60)
        if health:
            rig.saw("`precog status`: dagster degraded")
    finally:
        settings.unlink()
    rig.seen.by_itself = "after the file was corrected, without a restart"
    rig._began = time.monotonic()
    decided_once(rig, fixture)
    rig.recovered()


def clock_jump(rig: Rig, first: Fixture, before: Fixture, after: Fixture) -> None:
    """Two hours back, forward again; forty minutes ahead, and back."""
    if rig.clock is None:
        rig.seen.skipped = "needs Linux and a C compiler"
        return
    quote(rig, first)
    decided_once(rig, first)  # so that trading has decided today
    with jumped(rig, -2):
        rig.see_alert("clock_jump", "back")
        rig.wait("sensors go on ticking", lambda: _fresh_tick(rig, -2), 90)
        quote(rig, before)
        rig.see_alert("clock_jump", "decided")
        rig.check("no decision before the last one's time", not decisions(rig, before))
    rig.see_alert("clock_jump", "forward")
    rig.wait("sensors go on ticking", lambda: _fresh_tick(rig, 0), 90)
    with jumped(rig, 40 / 60):
        rig.wait("sensors go on ticking", lambda: _fresh_tick(rig, 40 / 60), 120)
    rig.wait("sensors go on ticking", lambda: _fresh_tick(rig, 0), 120)
    known = rig.number("SELECT count(*) FROM market_snapshots WHERE known_at > now()")
    rig.check("no quote is known before its time", known == 0)
    quote(rig, after)
    decided_once(rig, after)
    rig.recovered()


@contextmanager
def jumped(rig: Rig, hours: float) -> Iterator[None]:
    """The wall clock of the whole home is off by ``hours`` meanwhile."""
    rig.break_it(f"the wall clock jumps by {hours:+.2f} h")
    rig.move_clock(hours)
    try:
        yield
    finally:
        rig.move_clock(0)
        rig.break_it("the wall clock is set right")


def _fresh_tick(rig: Rig, hours: float) -> bool:
    """Whether the trading sensor ticked within the last half minute of the home's own clock."""
    now = datetime.now(UTC).timestamp() + hours * 3600
    at = rig.last_tick("trading", "trading_sensor", now + 5)
    return at is not None and abs(now - at) < 30
