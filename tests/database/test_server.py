"""The embedded server: started by the first user, stopped by the last, whole after any kill."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from precog_core.database import Database, embedded_url, ensure_databases, open_database
from precog_core.database.server import EmbeddedServer, ServerAddress, psql_path
from precog_core.errors import PrecogError


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of this test's own; a server that a failed test left behind is stopped."""
    folder = tmp_path / "home"
    yield folder
    server = EmbeddedServer(folder)
    if server.address() is not None:
        server.stop()


def connect(address: ServerAddress, name: str = "postgres") -> psycopg.Connection:
    url = embedded_url(address.socket_dir, address.port).replace("/precog?", f"/{name}?")
    return psycopg.connect(url, autocommit=True)


def in_another_process(code: str, home: Path) -> subprocess.Popen[str]:
    """Run ``code`` with ``server`` bound to an EmbeddedServer of ``home``."""
    program = (
        "from pathlib import Path; import sys, time\n"
        "from precog_core.database.server import EmbeddedServer\n"
        "server = EmbeddedServer(Path(sys.argv[1]))\n"
    ) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(home)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}/cwd").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_the_first_user_starts_the_server_and_the_last_one_stops_it(home: Path) -> None:
    server = EmbeddedServer(home)
    assert server.address() is None
    with server.lease() as first:
        with EmbeddedServer(home).lease() as second:
            assert second == first
        assert server.address() == first
        with connect(first) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    assert server.address() is None
    assert not (home / "postgres" / "postmaster.pid").exists()


def test_it_listens_on_no_network(home: Path) -> None:
    with EmbeddedServer(home).lease() as address, connect(address) as conn:
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
        assert conn.execute("SHOW timezone").fetchone() == ("UTC",)
    assert (home / "postgres").stat().st_mode & 0o077 == 0


def test_another_process_keeps_the_server_alive_and_stops_it_when_it_leaves(home: Path) -> None:
    with EmbeddedServer(home).lease() as address:
        other = in_another_process(
            """
            with server.lease() as address:
                print(address.pid, flush=True)
                sys.stdin.readline()
            """,
            home,
        )
        assert line_of(other) == str(address.pid)
    assert EmbeddedServer(home).address() == address
    other.communicate("\n", timeout=60)
    assert EmbeddedServer(home).address() is None


def test_a_user_that_was_killed_does_not_count(home: Path) -> None:
    other = in_another_process(
        """
        with server.lease() as address:
            print(address.pid, flush=True)
            time.sleep(600)
        """,
        home,
    )
    pid = int(line_of(other))
    other.kill()
    other.communicate(timeout=60)
    server = EmbeddedServer(home)
    address = server.address()
    assert address is not None, "the server itself survives its user"
    assert address.pid == pid
    with server.lease() as adopted:
        assert adopted == address
    assert server.address() is None


def test_committed_rows_survive_the_kill_of_the_server(home: Path) -> None:
    server = EmbeddedServer(home)
    with server.lease() as address:
        with connect(address) as conn:
            conn.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
            busy = connect(address)
            busy.execute("BEGIN")
            busy.execute("INSERT INTO t VALUES (0)")
            os.kill(address.pid, signal.SIGKILL)
        wait_until_gone(address.pid)
        assert server.address() is None
        with EmbeddedServer(home).lease() as again:
            assert again.pid != address.pid
            with connect(again) as conn:
                assert conn.execute("SELECT count(*), min(n) FROM t").fetchone() == (1000, 1)
        busy.close()


def test_a_crash_in_the_middle_of_the_first_start_leaves_nothing_half_made(home: Path) -> None:
    other = in_another_process(
        """
        print("starting", flush=True)
        with server.lease():
            pass
        """,
        home,
    )
    line_of(other)
    deadline = time.monotonic() + 30
    while not list(home.glob("postgres.new.*/base")) and time.monotonic() < deadline:
        time.sleep(0.002)
    other.kill()  # its initdb goes on for a while, and must not disturb the next one
    other.communicate(timeout=60)
    assert list(home.glob("postgres.new.*"))
    assert not (home / "postgres").exists()
    with EmbeddedServer(home).lease() as address, connect(address) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    with EmbeddedServer(home).lease():
        assert len(list(home.glob("postgres*/PG_VERSION"))) == 1


@pytest.mark.parametrize("pid", ["this process", "a dead one", "no number"])
def test_a_stale_pid_file_does_not_stop_the_start(home: Path, pid: str) -> None:
    server = EmbeddedServer(home)
    with server.lease():
        text = (home / "postgres" / "postmaster.pid").read_text().splitlines()
    dead = subprocess.Popen(["true"])
    dead.wait()
    text[0] = {"this process": str(os.getpid()), "a dead one": str(dead.pid)}.get(pid, "")
    content = "\n".join(text) + "\n" if pid != "no number" else ""
    (home / "postgres" / "postmaster.pid").write_text(content)
    assert server.address() is None
    if pid == "no number":  # PostgreSQL itself wants an empty file removed by hand
        with pytest.raises(PrecogError, match="postmaster.pid"), server.lease():
            pass
        return
    with server.lease() as address, connect(address) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_server_still_starting_is_waited_for(home: Path) -> None:
    server = EmbeddedServer(home)
    with server.lease() as address:
        pid_file = home / "postgres" / "postmaster.pid"
        ready = pid_file.read_text()
        starting = ready.replace("ready", "starting")
        pid_file.write_text(starting)
        assert server.address() is None
        other = in_another_process(
            """
            print("asking", flush=True)
            with server.lease() as address:
                print(address.pid, flush=True)
            """,
            home,
        )
        line_of(other)
        time.sleep(1.0)
        assert other.poll() is None
        pid_file.write_text(ready)
        assert line_of(other) == str(address.pid)
        other.communicate(timeout=60)


def test_a_home_with_a_long_path_listens_in_the_runtime_folder(tmp_path: Path) -> None:
    home = tmp_path / ("long " * 25) / "home"
    with EmbeddedServer(home).lease() as address:
        assert address.socket_dir != home / "postgres"
        assert address.socket_dir.stat().st_mode & 0o077 == 0
        ensure_databases(Database(embedded_url(address.socket_dir, address.port)))
    assert not address.socket_dir.exists()


def test_a_home_may_have_characters_that_shells_expand() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "it's a $HOME"
        with EmbeddedServer(home).lease() as address, connect(address) as conn:
            assert address.socket_dir == home / "postgres"
            assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_folder_that_is_no_data_folder_is_not_touched(home: Path) -> None:
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "letter.txt").write_text("mine")
    with (
        pytest.raises(PrecogError, match="exists but is no PostgreSQL data folder"),
        EmbeddedServer(home).lease(),
    ):
        pass
    assert [path.name for path in (home / "postgres").iterdir()] == ["letter.txt"]


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PrecogError, match="home folder .*/file/home cannot be written"),
        EmbeddedServer(tmp_path / "file" / "home").lease(),
    ):
        pass


def test_a_setting_that_stops_postgres_is_reported_with_its_reason(home: Path) -> None:
    with EmbeddedServer(home).lease():
        pass
    with (home / "postgres" / "postgresql.conf").open("a") as conf:
        conf.write("shared_buffers = 'a lot'\n")
    started = time.monotonic()
    with pytest.raises(PrecogError, match="shared_buffers") as caught, EmbeddedServer(home).lease():
        pass
    assert str(home / "logs" / "postgres.log") in str(caught.value)
    assert time.monotonic() - started < 30


def test_a_large_log_is_moved_aside_at_the_next_start(home: Path) -> None:
    with EmbeddedServer(home).lease():
        pass
    log = home / "logs" / "postgres.log"
    with log.open("ab") as file:
        file.truncate(10_000_001)
    with EmbeddedServer(home).lease():
        assert log.stat().st_size < 100_000
    assert (home / "logs" / "postgres.log.1").stat().st_size == 10_000_001


def test_open_database_starts_creates_migrates_and_stops(home: Path) -> None:
    with open_database(home) as database:
        with database.transaction() as conn:
            conn.execute("INSERT INTO components (code, description) VALUES ('x', 'x')")
        inside = EmbeddedServer(home).address()
        assert inside is not None
        with open_database(home, migrate=False) as second, second.connection() as conn:
            assert conn.execute("SELECT 1 FROM components WHERE code = 'x'").fetchone() == (1,)
    assert EmbeddedServer(home).address() is None
    with open_database(home) as database, database.connection() as conn:
        assert conn.execute("SELECT 1 FROM components WHERE code = 'x'").fetchone() == (1,)


def test_psql_of_the_embedded_server_runs() -> None:
    done = subprocess.run([psql_path(), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("psql (PostgreSQL) 18")
