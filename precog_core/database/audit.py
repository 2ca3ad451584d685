"""Compares the live schema with the one the migrations describe, and names every difference.

The expected schema is not a list kept by hand: an empty scratch database on the same server gets
all migrations, and both catalogs are read by the same query. Rights and owners are left out; they
are the business of the installation.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from precog_core.database import Database
from precog_core.database.migrations import migrate
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError

# Monthly partitions appear with time: each is compared with one of the scratch database.
_MONTH = re.compile(r"\d{4}([-_])\d{2}")

Catalog = dict[tuple[str, str], str]


@dataclass(frozen=True, order=True)
class Difference:
    """One object that is not as the migrations say. None means that it does not exist there."""

    kind: str
    name: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.kind} {self.name} is missing; expected: {self.expected}"
        if self.expected is None:
            return f"{self.kind} {self.name} is in no migration; found: {self.found}"
        return f"{self.kind} {self.name} differs; expected: {self.expected}; found: {self.found}"


@dataclass(frozen=True)
class Schema:
    """A catalog: definitions by kind and name, those of each monthly partition apart."""

    objects: Catalog
    partitions: dict[str, Catalog]


def audit(database: Database) -> list[Difference]:
    """Every difference between the live schema and the migrations, none when they agree.

    Compares tables, columns, types, nullability, defaults, constraints, indexes, triggers (also
    disabled ones), functions, views, comments, and which migrations are recorded as applied.
    Raises PrecogError when the scratch database cannot be made.
    """
    with _scratch(database) as expected_database:
        with expected_database.connection() as conn:
            expected = read_schema(conn)
        expected_database.close()
    with database.connection() as conn:
        found = read_schema(conn)
    return compare(expected, found)


def read_schema(conn: psycopg.Connection) -> Schema:
    """The schema of a database, as texts that are alike on servers of one version."""
    queries = load_queries("audit")
    objects: Catalog = {}
    partitions: dict[str, Catalog] = {}
    with conn.transaction():
        row = conn.execute("SELECT current_setting('search_path')").fetchone()
        conn.execute("SET LOCAL search_path = pg_catalog")
        for kind, partition, name, definition in queries.read_catalog(conn):
            if partition is None:
                objects[kind, name] = definition
            else:
                month = partitions.setdefault(partition, {})
                month[kind, _without_month(name)] = _without_month(definition)
        if conn.execute(
            "SELECT to_regclass('precog_meta.schema_migrations') IS NOT NULL"
        ).fetchone() == (True,):
            for number, name, sha256 in queries.applied_migrations(conn):
                objects["migration", f"{number:03d}_{name}"] = f"sha256 {sha256}"
        # Within a longer transaction of the caller SET LOCAL would outlive this block.
        conn.execute("SELECT set_config('search_path', %s, true)", row)
    return Schema(objects, partitions)


def compare(expected: Schema, found: Schema) -> list[Difference]:
    """The differences of two schemas, in order of kind and name."""
    differences = _compare(expected.objects, found.objects)
    model = next(iter(expected.partitions.values()), {})
    for partition, month in found.partitions.items():
        differences += [
            Difference(d.kind, f"{d.name} of {partition}", d.expected, d.found)
            for d in _compare(model, month)
        ]
    if expected.partitions and not found.partitions:
        differences.append(
            Difference("table", "monthly partitions", "at least one", None),
        )
    return sorted(differences, key=lambda d: (d.kind, d.name))


def _compare(expected: Catalog, found: Catalog) -> list[Difference]:
    return [
        Difference(kind, name, expected.get((kind, name)), found.get((kind, name)))
        for kind, name in expected.keys() | found.keys()
        if expected.get((kind, name)) != found.get((kind, name))
    ]


def _without_month(text: str) -> str:
    return _MONTH.sub(r"YYYY\1MM", text)


@contextlib.contextmanager
def _scratch(database: Database) -> Iterator[Database]:
    """An empty database with all migrations applied, on the same server, dropped at the end."""
    name = f"precog_audit_{os.getpid()}_{secrets.token_hex(4)}"
    parts = urlsplit(database.base_url)
    scratch = Database(urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, "")))
    with database.connect() as conn:
        conn.autocommit = True
        try:
            conn.execute(
                sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(
                    sql.Identifier(name)
                )
            )
        except psycopg.errors.InsufficientPrivilege as error:
            raise PrecogError(
                "the schema audit needs a scratch database and this user may not create one; "
                f"let an administrator run: ALTER ROLE {conn.info.user} CREATEDB"
            ) from error
        try:
            migrate(scratch)
            yield scratch
        finally:
            scratch.close()
            conn.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
