"""Running the named statements: rows as dictionaries, JSON with exact decimals.

The tick runs some thirty statements eighteen hundred times a replay, so they go straight to
psycopg, which prepares each on its fifth use, instead of through a layer of generators.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import psycopg
from psycopg.rows import dict_row

from precog_core.database.queries import load_queries
from precog_core.prices import decimal_text

Row = dict[str, Any]


@cache
def statement(subject: str, name: str) -> str:
    """The text of statement ``name`` in ``sql/queries/<subject>.sql``."""
    return str(getattr(load_queries(subject), name).sql)


def rows(conn: psycopg.Connection, subject: str, name: str, /, **params: Any) -> list[Row]:
    """All rows of a query."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement(subject, name), params)
        return cursor.fetchall()


def rows_of_all(
    conn: psycopg.Connection, *queries: tuple[str, str, Mapping[str, Any]]
) -> list[list[Row]]:
    """The rows of several (subject, name, parameters) queries, sent in one round trip.

    For queries that do not need each other's answers; statements that return nothing give no rows.
    """
    with conn.pipeline():
        cursors = [conn.cursor(row_factory=dict_row) for _ in queries]
        for cursor, (subject, name, params) in zip(cursors, queries, strict=True):
            cursor.execute(statement(subject, name), params)
    found: list[list[Row]] = []
    for cursor in cursors:
        found.append(cursor.fetchall() if cursor.description else [])
        cursor.close()
    return found


def one(conn: psycopg.Connection, subject: str, name: str, /, **params: Any) -> Row | None:
    """The first row of a query, None when there is none."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement(subject, name), params)
        return cursor.fetchone()


def value(conn: psycopg.Connection, subject: str, name: str, /, **params: Any) -> Any:
    """The first column of the first row, None when there is no row."""
    with conn.cursor() as cursor:
        cursor.execute(statement(subject, name), params)
        row = cursor.fetchone()
        return None if row is None else row[0]


def change(conn: psycopg.Connection, subject: str, name: str, /, **params: Any) -> int:
    """Run a statement that returns nothing; the number of rows it changed."""
    with conn.cursor() as cursor:
        cursor.execute(statement(subject, name), params)
        return cursor.rowcount


def as_json(content: Any) -> str:
    """JSON text for ``jsonb_to_recordset`` and JSONB columns: decimals as plain strings."""
    return _ENCODER.encode(content)


def _plain(item: Any) -> Any:
    if isinstance(item, Decimal):
        return decimal_text(item)
    if isinstance(item, datetime):
        return item.isoformat()
    if isinstance(item, Enum):
        return item.value
    if isinstance(item, Mapping):
        return dict(item)
    raise TypeError(f"{item!r} of type {type(item).__name__} has no JSON form in our tables")


_ENCODER = json.JSONEncoder(default=_plain, separators=(",", ":"), allow_nan=False)
