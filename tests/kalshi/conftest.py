"""The venue on loopback, a client of it that never really waits, and the clock they share."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from precog_core.database import Database
from precog_core.kalshi.client import KalshiClient
from precog_core.kalshi.config import KalshiConfig
from precog_core.kalshi.credentials import Credentials
from precog_core.kalshi.limits import HostLimits
from precog_core.kalshi.transport import Transport
from tests.kalshi.server import FakeKalshi


class Clock:
    """Seconds that pass only by sleeping; remembers each sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


@pytest.fixture(autouse=True)
def _no_key_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("KALSHI_"):
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def _server() -> Iterator[FakeKalshi]:
    with FakeKalshi() as running:
        yield running


@pytest.fixture
def venue(_server: FakeKalshi) -> Iterator[FakeKalshi]:
    """An empty venue on loopback."""
    _server.reset()
    yield _server
    _server.reset()


Connect = Callable[..., KalshiClient]


@pytest.fixture
def connect(venue: FakeKalshi, clock: Clock) -> Iterator[Connect]:
    """``connect(credentials=None, **settings)``: a client of ``venue`` under those settings."""
    clients: list[KalshiClient] = []

    def make(credentials: Credentials | None = None, **settings: Any) -> KalshiClient:
        config = KalshiConfig.model_validate({"rest_url": venue.url, "timeout_s": 2} | settings)
        limits = HostLimits("test", config, clock, clock.sleep)
        transport = Transport(
            config, credentials, limits=limits, sleep=clock.sleep, now_ms=lambda: 1703123456789
        )
        clients.append(KalshiClient(config, transport))
        return clients[-1]

    yield make
    for client in clients:
        client.transport.close()


@pytest.fixture
def client(connect: Connect) -> KalshiClient:
    return connect()


class RolledBack(Database):
    """A real database whose transactions are savepoints of one that never commits."""

    def __init__(self, base_url: str, conn: psycopg.Connection) -> None:
        super().__init__(base_url)
        self._only = conn

    @contextmanager
    def connection(self, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
        yield self._only


@pytest.fixture(scope="module")
def _shared_database(_clones: Any) -> Iterator[Database]:
    database = _clones.take()
    yield database
    _clones.give_back(database)


@pytest.fixture
def store(_shared_database: Database) -> Iterator[Database]:
    """A migrated database, as empty after the test as before it: cloning one takes longer."""
    conn = _shared_database.connect()
    conn.execute("SELECT 1")  # from here on a transaction is open, and inner ones are savepoints
    yield RolledBack(_shared_database.base_url, conn)
    conn.rollback()
    conn.close()
