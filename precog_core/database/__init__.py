"""PostgreSQL access: one ``Database`` gives connections, transactions and URLs.

Three databases live on one server and are never merged (Dagster and MLflow both own a table
``runs``): ``precog`` for our facts, ``dagster`` and ``mlflow`` for the tools' own records.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg_pool import ConnectionPool

from precog_core.database.server import SUPERUSER, EmbeddedServer
from precog_core.errors import PrecogError

DATABASES = ("precog", "dagster", "mlflow")
MINIMUM_SERVER_VERSION = 150000
_CONNECT_TIMEOUT_S = 10
_STATEMENT_TIMEOUT_MS = 600_000


class Database:
    """The ``precog`` database, and the addresses of its two sisters.

    ``base_url`` is a libpq URL of the ``precog`` database without a driver suffix.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._pool: ConnectionPool[psycopg.Connection] | None = None
        self._pool_lock = threading.Lock()

    @classmethod
    def from_environment(cls, home_dir: Path | None = None) -> "Database":
        """The database of ``PRECOG_DATABASE_URL``, else of the running embedded server.

        Never starts a server; raises PrecogError when none runs.
        """
        url = os.environ.get("PRECOG_DATABASE_URL")
        if url:
            return cls(_without_driver(url))
        server = EmbeddedServer(home_dir)
        address = server.address()
        if address is None:
            raise PrecogError(
                f"no PostgreSQL is running for {server.home}; start it with `precog up`, or set "
                "PRECOG_DATABASE_URL"
            )
        return cls(embedded_url(address.socket_dir, address.port))

    def url(self, database: str = "precog", driver: str | None = None) -> str:
        """A URL of one of the three databases, with a SQLAlchemy driver suffix when asked."""
        parts = urlsplit(self.base_url)
        own = parts.path.lstrip("/") or "precog"
        # An external URL may name its database freely; the sisters then share its name as prefix.
        name = (
            own if database == "precog" else (database if own == "precog" else f"{own}_{database}")
        )
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return urlunsplit((scheme, parts.netloc, "/" + name, parts.query, ""))

    def connect(self, database: str = "precog", *, autocommit: bool = False) -> psycopg.Connection:
        """A new connection of the caller's own, closed by the caller."""
        return _connect(self.url(database), autocommit=autocommit)

    @contextlib.contextmanager
    def connection(self, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
        """A pooled connection; without ``autocommit`` committed at the end or rolled back."""
        with self._open_pool().connection() as conn:
            if not autocommit:
                yield conn
                return
            conn.autocommit = True
            try:
                yield conn
            finally:
                if not conn.closed:
                    conn.autocommit = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """One transaction on a pooled connection: committed at the end, rolled back on error."""
        with self.connection() as conn, conn.transaction():
            yield conn

    def close(self) -> None:
        """Close the pool; the object may be used again and then opens a new one."""
        with self._pool_lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _open_pool(self) -> "ConnectionPool[psycopg.Connection]":
        with self._pool_lock:
            if self._pool is None:
                # Fails here, with the reason, rather than after the pool's silent retries.
                _connect(self.base_url).close()
                self._pool = ConnectionPool(
                    self.base_url,
                    kwargs=_connection_arguments(),
                    min_size=0,
                    max_size=4,
                    timeout=30,
                    open=True,
                    check=ConnectionPool.check_connection,
                )
            return self._pool


def embedded_url(socket_dir: Path, port: int) -> str:
    """The URL of ``precog`` on the embedded server."""
    return f"postgresql://{SUPERUSER}@/precog?host={quote(str(socket_dir), safe='')}&port={port}"


@contextlib.contextmanager
def open_database(home_dir: Path | None = None, *, migrate: bool = True) -> Iterator[Database]:
    """The database, ready for use: server running, three databases present, schema current.

    Starts the embedded server for the duration of the block if nobody has. Raises PrecogError for
    an unreachable ``PRECOG_DATABASE_URL``, a server older than 15, or a schema newer than the code.
    """
    from precog_core.database.migrations import migrate as apply_migrations

    with contextlib.ExitStack() as stack:
        url = os.environ.get("PRECOG_DATABASE_URL")
        if url:
            database = Database(_without_driver(url))
        else:
            address = stack.enter_context(EmbeddedServer(home_dir).lease())
            database = Database(embedded_url(address.socket_dir, address.port))
        stack.callback(database.close)
        ensure_databases(database)
        if migrate:
            apply_migrations(database)
        yield database


def ensure_databases(database: Database) -> None:
    """Create the three databases where they are absent; refuse a server older than 15."""
    maintenance = _maintenance_url(database.base_url)
    with _connect(maintenance, autocommit=True) as conn:
        if conn.info.server_version < MINIMUM_SERVER_VERSION:
            found = f"{conn.info.server_version // 10000}.{conn.info.server_version % 10000}"
            raise PrecogError(
                f"PostgreSQL {found} is too old: Precog needs 15 or newer; point "
                "PRECOG_DATABASE_URL at such a server, or unset it to use the embedded one"
            )
        # Two starts at once would both find a database absent.
        conn.execute("SELECT pg_advisory_lock(hashtext('precog.create_databases'))")
        for name in DATABASES:
            target = urlsplit(database.url(name)).path.lstrip("/")
            row = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (target,)).fetchone()
            if row is None:
                conn.execute(
                    psycopg.sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(
                        psycopg.sql.Identifier(target)
                    )
                )


def _maintenance_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    return urlunsplit((parts.scheme, parts.netloc, "/postgres", parts.query, ""))


def _without_driver(url: str) -> str:
    parts = urlsplit(url)
    scheme = parts.scheme.split("+")[0]
    if scheme not in ("postgresql", "postgres"):
        raise PrecogError(
            f"PRECOG_DATABASE_URL starts with {parts.scheme!r}; expected postgresql://user@host/name"
        )
    query = urlencode(parse_qsl(parts.query))
    return urlunsplit(("postgresql", parts.netloc, parts.path or "/precog", query, ""))


def _connection_arguments() -> dict[str, object]:
    return {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "options": f"-c timezone=UTC -c statement_timeout={_STATEMENT_TIMEOUT_MS}",
    }


def _connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    try:
        return psycopg.connect(url, autocommit=autocommit, **_connection_arguments())  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        parts = urlsplit(url)
        where = parts.hostname or dict(parse_qsl(parts.query)).get("host", "the default socket")
        reason = str(error).strip().splitlines()[0]
        raise PrecogError(
            f"cannot reach PostgreSQL database {parts.path.lstrip('/')!r} at {where}: {reason}; "
            "check that the server runs and that PRECOG_DATABASE_URL is right"
        ) from error
