"""Applies ``sql/migrations/NNN_name.sql`` in order, each file one transaction.

Our own ninety lines instead of a migration library: those split a file into statements, which
breaks on PL/pgSQL bodies, and keep a lock row that ``kill -9`` leaves behind. Here PostgreSQL
parses the file, and the lock is an advisory lock that dies with its connection.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.paths import resource

_NAME = re.compile(r"^(\d{3})_([a-z0-9_]+)\.sql$")
_LOCK = "precog.migrations"
_BOOK = """
CREATE SCHEMA IF NOT EXISTS precog_meta;
CREATE TABLE IF NOT EXISTS precog_meta.schema_migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
"""


@dataclass(frozen=True)
class Migration:
    """One forward file: its number, name, text and SHA-256."""

    number: int
    name: str
    path: Path
    sql: str
    sha256: str


@dataclass(frozen=True)
class MigrationState:
    """A migration and whether this database has it."""

    migration: Migration
    applied: bool


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """All forward files in order. Raises PrecogError on a gap, a duplicate or a bad name."""
    folder = folder or resource("sql/migrations")
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        if path.name.endswith(".rollback.sql"):
            continue
        match = _NAME.match(path.name)
        if match is None:
            raise PrecogError(f"{path}: expected a name such as 042_subject.sql")
        sql = path.read_text(encoding="utf-8")
        digest = hashlib.sha256(sql.encode()).hexdigest()
        found.append(Migration(int(match[1]), match[2], path, sql, digest))
    for expected, migration in enumerate(found):
        if migration.number != expected:
            raise PrecogError(
                f"{folder}: expected migration {expected:03d} but found {migration.path.name}; "
                "numbers must run without gap or duplicate"
            )
    return found


def migrate(database: Database, folder: Path | None = None) -> list[Migration]:
    """Bring the database to the code's schema; returns what was applied (none when current).

    Safe under two processes at once: the second waits and then finds nothing to do. Raises
    PrecogError when the database is newer than the code or an applied file was edited.
    """
    migrations = read_migrations(folder)
    applied: list[Migration] = []
    with database.connect() as conn:
        conn.autocommit = True
        conn.execute("SELECT pg_advisory_lock(hashtext(%s))", (_LOCK,))
        conn.execute(_BOOK)
        for migration in _pending(conn, migrations):
            _apply(conn, migration)
            applied.append(migration)
    return applied


def rollback(database: Database, to_number: int, folder: Path | None = None) -> list[str]:
    """Undo migrations above ``to_number``, newest first, by their ``.rollback.sql`` files.

    Raises PrecogError at the first that has none: those hold money or audit rows.
    """
    folder = folder or resource("sql/migrations")
    undone: list[str] = []
    with database.connect() as conn:
        conn.autocommit = True
        conn.execute("SELECT pg_advisory_lock(hashtext(%s))", (_LOCK,))
        rows = conn.execute(
            "SELECT number, name FROM precog_meta.schema_migrations "
            "WHERE number > %s ORDER BY number DESC",
            (to_number,),
        ).fetchall()
        for number, name in rows:
            path = folder / f"{number:03d}_{name}.rollback.sql"
            if not path.exists():
                raise PrecogError(f"migration {number:03d}_{name} is forward-only: no {path.name}")
            with conn.transaction():
                conn.execute(path.read_text(encoding="utf-8"))
                conn.execute(
                    "DELETE FROM precog_meta.schema_migrations WHERE number = %s", (number,)
                )
            undone.append(path.name)
    return undone


def status(database: Database) -> list[MigrationState]:
    """Every migration of the code, and whether the database has it."""
    with database.connect() as conn:
        conn.autocommit = True
        conn.execute(_BOOK)
        migrations = read_migrations()
        pending = {m.number for m in _pending(conn, migrations)}
    return [MigrationState(m, m.number not in pending) for m in migrations]


def _pending(conn: psycopg.Connection, migrations: list[Migration]) -> list[Migration]:
    rows = conn.execute(
        "SELECT number, name, sha256 FROM precog_meta.schema_migrations ORDER BY number"
    ).fetchall()
    known = {m.number: m for m in migrations}
    for number, name, sha256 in rows:
        migration = known.get(number)
        if migration is None:
            raise PrecogError(
                f"the database has migration {number:03d}_{name}, which this version of Precog "
                "does not know: it is newer than the code; upgrade Precog"
            )
        if migration.sha256 != sha256:
            raise PrecogError(
                f"{migration.path.name} was edited after it was applied; restore it and put the "
                "change into a new migration"
            )
    done = {row[0] for row in rows}
    return [m for m in migrations if m.number not in done]


def _apply(conn: psycopg.Connection, migration: Migration) -> None:
    try:
        with conn.transaction():
            conn.execute(migration.sql)
            conn.execute(
                "INSERT INTO precog_meta.schema_migrations (number, name, sha256) "
                "VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.sha256),
            )
    except psycopg.Error as error:
        raise PrecogError(
            f"migration {migration.path.name} failed and was rolled back: {error}"
        ) from error
