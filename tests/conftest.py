"""Fixtures: one real PostgreSQL per session, one freshly migrated database per test."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from precog_core.database import Database, embedded_url, ensure_databases
from precog_core.database.migrations import migrate
from precog_core.database.server import EmbeddedServer, ServerAddress

REPOSITORY = Path(__file__).resolve().parent.parent
_TEMPLATE = "precog_template"
_MEMORY_BYTES = 8 << 30

# A test asserts no time, and no example of one either: the first may load a library.
settings.register_profile("precog", deadline=None)
settings.load_profile("precog")


def pytest_configure(config: pytest.Config) -> None:
    """Give this session a temporary root of its own, in memory where there is plenty.

    As root the server runs as another user and must be able to pass through the folder, but pytest
    closes the one it shares between sessions whenever a second session starts. And a test clones a
    database of 800 files: in memory that takes a fifth of the time.
    """
    # In the background of a script Ctrl-C is ignored, Dagster takes that over for SIGTERM, and
    # every process that a test starts would inherit it and not end when told.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_DEBUG_TEMPROOT" in os.environ:
        return
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _MEMORY_BYTES
    parent = memory if roomy else Path(tempfile.gettempdir())
    for abandoned in parent.glob("precog-tests-*-*"):
        if not Path(f"/proc/{abandoned.name.split('-')[2]}").exists():
            shutil.rmtree(abandoned, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"precog-tests-{os.getpid()}-", dir=parent)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@dataclass(frozen=True)
class Server:
    """The embedded server of this test session: its home folder, address and maintenance URL."""

    home: Path
    address: ServerAddress

    def database(self, name: str) -> Database:
        """A ``Database`` by name; creates nothing."""
        return Database(self.url(name))

    def url(self, name: str) -> str:
        return embedded_url(self.address.socket_dir, self.address.port).replace(
            "/precog?", f"/{name}?"
        )

    def admin(self) -> psycopg.Connection:
        """A connection for CREATE and DROP DATABASE."""
        return psycopg.connect(self.url("postgres"), autocommit=True)

    def create(self, name: str, template: str = "template0") -> Database:
        # Copied file by file: in memory that takes half the time of the way through the log.
        with self.admin() as conn:
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return self.database(name)

    def disconnect(self, name: str) -> None:
        """Cut whoever is connected: a template may have no connection."""
        with self.admin() as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )

    def drop(self, prefix: str) -> None:
        """Drop the database ``prefix`` and its sisters, cutting whoever is connected."""
        with self.admin() as conn:
            names = conn.execute(
                "SELECT datname FROM pg_database WHERE datname IN (%s, %s, %s)",
                (prefix, f"{prefix}_dagster", f"{prefix}_mlflow"),
            ).fetchall()
            for (name,) in names:
                conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


# Folders whose tests share something that takes long to make (a filled home, a trained league): one
# worker makes it, once. The longest group begins first.
_TOGETHER = {"end_to_end": "homes", "training": "models", "predictions": "models"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest groups begin first, so that no worker ends with one while the other idles."""
    long = {folder: place for place, folder in enumerate(_TOGETHER)}
    folder = {item: item.path.relative_to(REPOSITORY / "tests").parts[0] for item in items}
    items.sort(key=lambda item: long.get(folder[item], len(long)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Whole files go to a worker, and some whole folders."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFileOrFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            folder = file.split("/")[1]
            return _TOGETHER.get(folder, file)

    return ByFileOrFolder(config, log)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the developer's home, database or settings."""
    for name in list(os.environ):
        if name.startswith("PRECOG_") and name != "PRECOG_DATA_DIR":
            monkeypatch.delenv(name)
    for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PRECOG_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An embedded PostgreSQL for the whole session, without durability: a crash may lose it."""
    home = tmp_path_factory.mktemp("server")
    with EmbeddedServer(home).lease() as address:
        running = Server(home, address)
        with running.admin() as conn:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                conn.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            conn.execute("ALTER SYSTEM SET max_wal_size = '256MB'")
            conn.execute("SELECT pg_reload_conf()")
        yield running


class Clones:
    """Databases cloned from a migrated template, each made while the test before it runs."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._numbers = count(1)
        template = server.create(_TEMPLATE)
        migrate(template)
        template.close()
        self._next = self._worker.submit(self._clone)

    def take(self) -> Database:
        """A migrated database of the caller's own."""
        ready = self._next
        self._next = self._worker.submit(self._clone)
        return ready.result()

    def give_back(self, database: Database) -> None:
        """Drop it, later."""
        database.close()
        name = str(conninfo_to_dict(database.base_url)["dbname"])
        self._worker.submit(self._server.drop, name)

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)

    def _clone(self) -> Database:
        return self._server.create(f"precog_test_{next(self._numbers)}", _TEMPLATE)


@pytest.fixture(scope="session")
def _clones(server: Server) -> Iterator[Clones]:
    clones = Clones(server)
    yield clones
    clones.close()


@pytest.fixture
def db(_clones: Clones, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A migrated database of this test's own; code and subprocesses find it as theirs.

    ``PRECOG_DATABASE_URL`` names it, so ``Database.from_environment()`` and the command line work
    on it. The sisters for Dagster and MLflow appear with the first ``open_database()`` or
    ``ensure_databases(db)``.
    """
    database = _clones.take()
    monkeypatch.setenv("PRECOG_DATABASE_URL", database.base_url)
    yield database
    _clones.give_back(database)


@pytest.fixture
def all_databases(db: Database) -> Database:
    """As ``db``, with the empty ``dagster`` and ``mlflow`` databases beside it."""
    ensure_databases(db)
    return db


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Development data that may not ship: ``PRECOG_DATA_DIR``, default ``../shared/data``."""
    folder = Path(os.environ.get("PRECOG_DATA_DIR") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "README.md").exists():
        pytest.skip(f"no development data in {folder}; set PRECOG_DATA_DIR to a folder that has it")
    return folder
