"""Starts, watches and stops the servers of one home; nothing outlives its supervisor.

Each server leads a process group of its own, is asked by the kernel to stop when the supervisor
dies, and carries a mark in its environment. The mark is what a later start looks for: after
``kill -9`` of everything, run workers may still be writing, and they must go first.
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from precog_core.database.server import EmbeddedServer
from precog_core.errors import PrecogError

MARK = "PRECOG_SUPERVISED_HOME"
_PR_SET_PDEATHSIG = 1
_STOP_TIMEOUT_S = 15.0


@contextmanager
def sole_user(home: Path) -> Iterator[None]:
    """Hold the home for one supervisor; PrecogError when another has it."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise PrecogError(
                f"another Precog (process {owner}) already runs on {home}; stop it, or set "
                "PRECOG_HOME to another folder"
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def require_free_port(port: int, purpose: str, option: str) -> None:
    """Raise PrecogError when a loopback port cannot be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PrecogError(
                f"port {port} for {purpose} is in use ({error.strerror}); stop what uses it, or "
                f"choose another with {option}"
            ) from None


def require_postgresql(home: Path) -> None:
    """Raise PrecogError when the embedded server of this home has gone."""
    server = EmbeddedServer(home)
    if not os.environ.get("PRECOG_DATABASE_URL") and server.address() is None:
        raise PrecogError(
            "PostgreSQL ended unexpectedly; run the same command again to continue where it "
            f"stopped. Its log is {server.log}"
        )


@contextmanager
def naming_a_lost_server(home: Path) -> Iterator[None]:
    """Whatever fails inside because PostgreSQL has gone is reported as just that."""
    try:
        yield
    except Exception:
        require_postgresql(home)
        raise


def kill_leftovers(home: Path) -> int:
    """End what an earlier, killed supervisor of this home left behind; returns how many."""
    doomed = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == str(home):
                process.kill()
                doomed.append(process)
    psutil.wait_procs(doomed, timeout=_STOP_TIMEOUT_S)
    return len(doomed)


@dataclass
class Server:
    """One running server process, its log file and how to stop it."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    arguments: tuple[str, ...]

    def last_lines(self, count: int = 15) -> str:
        """The end of its log, for a person who asks why it died."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


@dataclass
class Supervisor:
    """The servers of one home, started in order and stopped in reverse."""

    home: Path
    environment: Mapping[str, str]
    servers: list[Server] = field(default_factory=list)

    def start(self, name: str, arguments: list[str]) -> Server:
        """Start ``python -m``-style arguments as a server named ``name``."""
        log = self.home / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        server = Server(name, self._spawn(log, arguments), log, tuple(arguments))
        self.servers.append(server)
        return server

    def restart(self, server: Server) -> None:
        """Start a server once more, as it was, without what it left behind; it is ended first."""
        _signal(server.process, signal.SIGKILL)
        server.process.wait()
        server.process = self._spawn(server.log, server.arguments)

    def _spawn(self, log: Path, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        with log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**self.environment, MARK: str(self.home)},
                cwd=self.home,
                start_new_session=True,
                preexec_fn=_stop_with_parent if sys.platform == "linux" else None,
            )

    def server(self, name: str) -> Server:
        """The server started under that name."""
        return next(server for server in self.servers if server.name == name)

    def wait_until(self, server: Server, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait for ``ready``; PrecogError with the log's end when it dies or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            self.require_alive()
            if time.monotonic() > deadline:
                raise PrecogError(
                    f"{server.name} did not answer within {timeout_s:.0f} s; the end of "
                    f"{server.log}:\n{server.last_lines()}"
                )
            time.sleep(0.1)

    def require_alive(self) -> None:
        """Raise PrecogError naming the first server that has died."""
        for server in self.servers:
            code = server.process.poll()
            if code is not None:
                raise PrecogError(
                    f"{server.name} ended unexpectedly ({ending(code)}); run the same command "
                    f"again to continue where it stopped. The end of {server.log}:\n"
                    f"{server.last_lines()}"
                )

    def stop(self) -> None:
        """Stop every server and all its descendants, newest first.

        Takes some seconds at most, and a second Ctrl-C must not leave it half done.
        """
        with _undisturbed():
            self._stop()

    def _stop(self) -> None:
        families = []
        for server in reversed(self.servers):
            with suppress(psutil.Error):
                families.extend(psutil.Process(server.process.pid).children(recursive=True))
            _signal(server.process, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for server in self.servers:
            try:
                server.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(server.process, signal.SIGKILL)
                server.process.wait()
        for descendant in families:
            with suppress(psutil.Error):
                descendant.kill()
        psutil.wait_procs(families, timeout=5)
        self.servers.clear()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore requests to stop, because that is what is being done. Main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def ending(code: int) -> str:
    """How a process ended, in words, from its return code."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _stop_with_parent() -> None:
    """In the child, before it starts: be sent SIGTERM when the supervisor dies, even by SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
