"""PostgreSQL access: one ``Database`` gives connections, transactions and URLs.

Three databases live on one server and are never merged (Dagster and MLflow both own a table
``runs``): ``precog`` for our facts, ``dagster`` and ``mlflow`` for the tools' own records.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql
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
                    kwargs=_connection_arguments(self.base_url),
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
    """Create the three databases where they are absent.

    Raises PrecogError for a server older than 15, or a role that may not create them.
    """
    with _maintenance_connection(database) as conn:
        if conn.info.server_version < MINIMUM_SERVER_VERSION:
            found = conn.info.parameter_status("server_version")
            raise PrecogError(
                f"PostgreSQL {found} is too old: Precog needs {MINIMUM_SERVER_VERSION // 10000} or "
                "newer; point PRECOG_DATABASE_URL at such a server, or unset it to use the "
                "embedded one"
            )
        # Two starts at once would both find a database absent.
        conn.execute("SELECT pg_advisory_lock(hashtext('precog.create_databases'))")
        for name in DATABASES:
            target = _name(database.url(name))
            row = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (target,)).fetchone()
            if row is None:
                _create(conn, target)


def _create(conn: psycopg.Connection, name: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0")
    try:
        conn.execute(statement.format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise PrecogError(
            f"the role {conn.info.user!r} may not create database {name!r}; create it, owned by "
            f"{conn.info.user!r}, or give the role CREATEDB"
        ) from error


def _maintenance_connection(database: Database) -> psycopg.Connection:
    """A connection from which databases can be created: to ``postgres``, else to our own."""
    parts = urlsplit(database.base_url)
    maintenance = urlunsplit((parts.scheme, parts.netloc, "/postgres", parts.query, ""))
    try:
        return _connect(maintenance, autocommit=True)
    except PrecogError as refused:
        # A hosted server may have no such database, or not let us in.
        try:
            return _connect(database.base_url, autocommit=True)
        except PrecogError:
            raise refused from None


def _name(url: str) -> str:
    return unquote(urlsplit(url).path.lstrip("/"))


def _without_driver(url: str) -> str:
    parts = urlsplit(url)
    scheme = parts.scheme.split("+")[0]
    if scheme not in ("postgresql", "postgres"):
        raise PrecogError(
            f"PRECOG_DATABASE_URL starts with {parts.scheme!r}; expected postgresql://user@host/name"
        )
    # libpq reads %20 but not "+" as a space.
    query = urlencode(parse_qsl(parts.query), quote_via=quote)
    path = parts.path if parts.path.strip("/") else "/precog"
    return urlunsplit(("postgresql", parts.netloc, path, query, ""))


def _connection_arguments(url: str) -> dict[str, Any]:
    options = f"-c timezone=UTC -c statement_timeout={_STATEMENT_TIMEOUT_MS}"
    given = dict(parse_qsl(urlsplit(url).query)).get("options")
    return {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        # A peer that vanished is noticed within a minute instead of never.
        "keepalives_idle": 20,
        "keepalives_interval": 10,
        "keepalives_count": 4,
        "options": f"{options} {given}" if given else options,
    }


def _connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    try:
        return psycopg.connect(url, autocommit=autocommit, **_connection_arguments(url))
    except psycopg.Error as error:
        parts = urlsplit(url)
        where = parts.hostname or dict(parse_qsl(parts.query)).get("host", "the default socket")
        reason = str(error).strip().splitlines()[0]
        raise PrecogError(
            f"cannot reach PostgreSQL database {_name(url)!r} at {where}: {reason}; "
            "check that the server runs and that PRECOG_DATABASE_URL is right"
        ) from error
