"""The supervisor: nothing it started outlives it, and what a killed one left is found."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from precog_core.errors import PrecogError
from precog_platform.processes import (
    Supervisor,
    kill_leftovers,
    require_free_port,
    sole_user,
)

_PARENT_WITH_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def _wait_for_line(path: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text().strip()
        time.sleep(0.05)
    raise AssertionError(f"{path} stayed empty")


def _gone(pid: int, timeout_s: float = 10) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_stopping_the_supervisor_ends_a_server_and_its_children(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, dict(os.environ))
    server = supervisor.start("parent", ["-c", _PARENT_WITH_CHILD])
    child = int(_wait_for_line(server.log))
    supervisor.stop()
    assert _gone(server.process.pid)
    assert _gone(child)
    assert supervisor.servers == []


def test_a_second_ctrl_c_does_not_interrupt_the_stopping(tmp_path: Path) -> None:
    slow = (
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: time.sleep(1) or exit()); "
    )
    supervisor = Supervisor(tmp_path, dict(os.environ))
    server = supervisor.start("slow", ["-c", slow + "print('ready', flush=True); time.sleep(600)"])
    _wait_for_line(server.log)
    again = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    again.start()
    supervisor.stop()
    again.join()
    assert _gone(server.process.pid)
    assert supervisor.servers == []


def test_a_server_that_dies_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, dict(os.environ))
    server = supervisor.start("fragile", ["-c", "print('the disk is full'); raise SystemExit(3)"])
    server.process.wait(20)
    with pytest.raises(PrecogError, match=r"fragile ended unexpectedly \(exit code 3\)") as caught:
        supervisor.require_alive()
    assert "the disk is full" in str(caught.value)


def test_a_server_that_never_answers_is_reported_by_name_and_time(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, dict(os.environ))
    server = supervisor.start("mute", ["-c", "import time; time.sleep(600)"])
    try:
        with pytest.raises(PrecogError, match="mute did not answer within 0 s"):
            supervisor.wait_until(server, lambda: False, 0.2)
    finally:
        supervisor.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_a_killed_supervisor_takes_its_servers_along(tmp_path: Path) -> None:
    script = f"""
import os, pathlib, time
from precog_platform.processes import Supervisor
home = pathlib.Path({str(tmp_path)!r})
server = Supervisor(home, dict(os.environ)).start("child", ["-c", "import time; time.sleep(600)"])
print(server.process.pid, flush=True)
time.sleep(600)
"""
    out = tmp_path / "pid"
    with out.open("w") as stream:
        supervisor = subprocess.Popen([sys.executable, "-c", script], stdout=stream)
    child = int(_wait_for_line(out))
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait(20)
    assert _gone(child)


def test_leftovers_of_this_home_are_killed_and_those_of_another_are_not(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    mine = subprocess.Popen(sleeper, env={**os.environ, "PRECOG_SUPERVISED_HOME": str(ours)})
    other = subprocess.Popen(sleeper, env={**os.environ, "PRECOG_SUPERVISED_HOME": str(theirs)})
    try:
        time.sleep(0.3)
        assert kill_leftovers(ours) == 1
        assert _gone(mine.pid)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_second_supervisor_on_the_same_home_is_told_who_has_it(tmp_path: Path) -> None:
    with (
        sole_user(tmp_path),
        pytest.raises(PrecogError, match=rf"another Precog \(process {os.getpid()}\)"),
        sole_user(tmp_path),
    ):
        pass
    with sole_user(tmp_path):
        pass  # free again


def test_a_port_in_use_is_named_with_the_option_that_changes_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PrecogError, match=rf"port {port} for the page is in use.*--port"):
            require_free_port(port, "the page", "--port")
    require_free_port(port, "the page", "--port")
