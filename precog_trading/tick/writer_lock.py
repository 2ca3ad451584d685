"""One writer per account: a PostgreSQL advisory lock per platform and environment.

It is held for one tick, on the connection that commits the intents, so whoever loses the
connection loses the right to write in the same moment; ``kill -9`` leaves nothing to clean up.
"""

import contextlib
import logging
from collections.abc import Iterator, Sequence

import psycopg

from precog_core.errors import PrecogError
from precog_trading.ledger.statements import one, rows, value

LOGGER = logging.getLogger(__name__)
PATIENCE_S = 120


def trading_platforms(conn: psycopg.Connection) -> list[str]:
    """Every platform that takes orders, in the one order in which their locks are taken."""
    return [row["platform_id"] for row in rows(conn, "trading", "trading_platforms")]


def process_name(conn: psycopg.Connection) -> str:
    """Who writes on this connection, for a person: its application name and database process."""
    name = conn.info.parameter_status("application_name") or "a process"
    return f"{name} (database process {conn.info.backend_pid})"


@contextlib.contextmanager
def writer_lock(
    conn: psycopg.Connection,
    platforms: Sequence[str],
    environment: str,
    patience_s: float = PATIENCE_S,
) -> Iterator[None]:
    """Hold the right to write in all ``platforms``; ``conn`` must be in autocommit mode.

    Waits for another writer up to ``patience_s`` and says so; then raises PrecogError naming it.
    """
    names = [f"precog.trading:{platform}:{environment}" for platform in sorted(platforms)]
    if not value(conn, "trading", "try_writer_locks", names=names):
        _wait(conn, names, patience_s)
    try:
        yield
    finally:
        if not conn.closed and not conn.broken:
            value(conn, "trading", "release_writer_locks")


def _wait(conn: psycopg.Connection, names: list[str], patience_s: float) -> None:
    # All or nothing: what the attempt got is returned before waiting, so two waiters never block
    # each other.
    value(conn, "trading", "release_writer_locks")
    holder = _holder(conn, names)
    LOGGER.info("waiting: %s is trading on the same account; only one may write at a time", holder)
    conn.execute("SELECT set_config('lock_timeout', %s, false)", (f"{int(patience_s * 1000)}ms",))
    try:
        value(conn, "trading", "wait_for_writer_locks", names=names)
    except psycopg.errors.LockNotAvailable as error:
        value(conn, "trading", "release_writer_locks")
        raise PrecogError(
            f"{_holder(conn, names)} has been trading on the same account for over "
            f"{patience_s:.0f} s; wait for it to finish, or stop it, and try again"
        ) from error
    finally:
        if not conn.closed:
            conn.execute("SELECT set_config('lock_timeout', '0', false)")


def _holder(conn: psycopg.Connection, names: list[str]) -> str:
    row = one(conn, "trading", "writer_lock_holder", names=names)
    if row is None:
        return "another process"
    return f"{row['application_name'] or 'a process'} (database process {row['pid']})"
