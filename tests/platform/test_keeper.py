"""What dies after the bootstrap is started again; what keeps dying is given up, with the reason."""

import os
import signal
import time
from pathlib import Path

import psycopg
import pytest

from precog_core.database import embedded_url
from precog_core.database.server import EmbeddedServer
from precog_core.errors import PrecogError
from precog_platform.keeper import POSTGRESQL, RESTARTS, WINDOW, Keeper, Restart
from precog_platform.processes import Server, Supervisor


def _killed(server: Server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(20)


def test_a_dead_server_runs_again_with_its_own_arguments(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, dict(os.environ))
    keeper = Keeper(supervisor, embedded=None)
    lively = supervisor.start("lively", ["-c", "import time; time.sleep(600)"])
    fragile = supervisor.start("fragile", ["-c", "import time; time.sleep(601)"])
    try:
        assert keeper.look() == []
        first = fragile.process.pid
        _killed(fragile)
        assert keeper.look() == [Restart("fragile", "ended unexpectedly (signal SIGKILL)", 1)]
        assert fragile.process.pid != first
        command = Path(f"/proc/{fragile.process.pid}/cmdline")
        deadline = time.monotonic() + 10
        while b"sleep(601)" not in command.read_bytes() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert b"sleep(601)" in command.read_bytes()
        assert lively.process.poll() is None
        assert keeper.look() == []
    finally:
        supervisor.stop()


def test_what_keeps_dying_is_given_up_but_an_old_death_is_forgotten(tmp_path: Path) -> None:
    now = [0.0]
    supervisor = Supervisor(tmp_path, dict(os.environ))
    keeper = Keeper(supervisor, embedded=None, clock=lambda: now[0])
    server = supervisor.start("doomed", ["-c", "raise SystemExit(3)"])
    try:
        for number in range(1, RESTARTS + 1):
            server.process.wait(20)
            assert [restart.number for restart in keeper.look()] == [number]
        server.process.wait(20)
        with pytest.raises(PrecogError, match=rf"doomed ended {RESTARTS + 1} times within 10 min"):
            keeper.look()
        now[0] += WINDOW.total_seconds() + 1
        assert [restart.number for restart in keeper.look()] == [1]
    finally:
        supervisor.stop()


def test_a_killed_postgresql_answers_again_at_the_same_address(tmp_path: Path) -> None:
    embedded = EmbeddedServer(tmp_path / "home")
    with embedded.lease() as address:
        url = embedded_url(address.socket_dir, address.port).replace("/precog?", "/postgres?")
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(address.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while embedded.address() is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        keeper = Keeper(Supervisor(tmp_path, {}), embedded)
        assert keeper.look() == [Restart(POSTGRESQL, "ended unexpectedly", 1)]
        with psycopg.connect(url) as conn:
            assert conn.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert keeper.look() == []
