"""Bulk transfer: binary COPY in, data frame out.

Measured against the alternatives in the design notes: COPY into a table is an order of magnitude
faster than row inserts, and ``pandas.to_sql`` slower still.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Columns = Mapping[str, np.ndarray | str]
    Nulls = Mapping[str, np.ndarray]

Kind = Literal["i8", "i4", "f8", "bool", "date", "instant"]
# How the server sends a value, and what is added to count from 1970 instead of 2000.
_WIRE: dict[Kind, tuple[str, int]] = {
    "i8": (">i8", 0),
    "i4": (">i4", 0),
    "f8": (">f8", 0),
    "bool": ("u1", 0),
    "date": (">i4", 10_957),
    "instant": (">i8", 946_684_800_000_000),
}
_SEND: dict[Kind, str] = {
    "i8": "int8send",
    "i4": "int4send",
    "f8": "float8send",
    "bool": "boolsend",
    "date": "date_send",
    "instant": "timestamptz_send",
}
# By the OID of a column's type, which never changes.
_KINDS: dict[int, Kind] = {20: "i8", 23: "i4", 701: "f8", 16: "bool", 1082: "date", 1184: "instant"}
_TEXT_OID = 25
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_CHUNK_ROWS = 65_536


def copy_rows(
    conn: psycopg.Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> int:
    """Append ``rows`` to ``table`` by binary COPY in the caller's transaction; returns the count.

    ``table`` is ``name`` or ``schema.name``.
    Column types come from the catalog, so Python values must be of the matching kind (``int``,
    ``Decimal``, ``datetime`` with zone, ``Jsonb`` ...).
    """
    types = _column_types(conn, table, columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    count = 0
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def copy_arrays(
    conn: psycopg.Connection, table: str, columns: "Columns", nulls: "Nulls | None" = None
) -> int:
    """Append columns to ``table`` by binary COPY in the caller's transaction; returns the count.

    For many rows of numbers: encoding costs about a tenth of ``copy_rows``. A column is an array
    of numbers, all of one length, or a string that is the same in every row. Instants are int64
    microseconds since 1970 UTC, dates days since then. ``nulls`` has a boolean array for each
    column with NULLs. Rows are stored in order, except that within 65,536 rows those with the same
    columns NULL stay together. Raises ValueError for a type that no array can hold.
    """
    return copy_parts(conn, table, tuple(columns), [(columns, nulls or {})])


def copy_parts(
    conn: psycopg.Connection,
    table: str,
    names: Sequence[str],
    parts: "Iterable[tuple[Columns, Nulls]]",
) -> int:
    """As ``copy_arrays`` for a table that comes in parts, all with the columns ``names``.

    The next rows are made and encoded while the server takes the last ones.
    """
    count = 0

    def blocks() -> Iterator[bytes]:
        nonlocal count
        for columns, nulls in parts:
            count += _length(columns)
            yield from encode([columns[name] for name in names], nulls)

    encode = row_encoder(conn, table, names)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_HEADER)
        for block in _ahead(blocks()):
            copy.write(block)
        copy.write(_TRAILER)
    return count


def row_encoder(
    conn: psycopg.Connection, table: str, names: Sequence[str]
) -> "Callable[[Sequence[np.ndarray | str], Nulls], Iterator[bytes]]":
    """A function from the columns ``names`` of ``table`` to what COPY sends between its ends."""
    oids = _column_types(conn, table, names)

    def encode(columns: "Sequence[np.ndarray | str]", nulls: "Nulls") -> Iterator[bytes]:
        given = dict(zip(names, columns, strict=True))
        for (name, column), oid in zip(given.items(), oids, strict=True):
            text = isinstance(column, str)
            if (oid == _TEXT_OID) != text or not (text or oid in _KINDS):
                wanted = "text" if text else "a number, a date or an instant"
                raise ValueError(f"column {name} of {table} has type OID {oid}; expected {wanted}")
        count = _length(given)
        for start in range(0, count, _CHUNK_ROWS):
            part = slice(start, min(start + _CHUNK_ROWS, count))
            yield from _encoded(given, oids, nulls, part)

    return encode


def _length(columns: "Columns") -> int:
    return next(len(column) for column in columns.values() if not isinstance(column, str))


def _ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """``blocks``, the next one in the making while the caller uses the last."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        coming = worker.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = worker.submit(next, blocks, None)
            yield block


def _encoded(
    columns: "Columns",
    oids: Sequence[int],
    nulls: "Nulls",
    part: slice,
) -> Iterator[bytes]:
    """Rows of ``part`` on the wire; a row's size depends on which of its values are NULL."""
    import numpy as np

    names = list(columns)
    pattern = np.zeros(part.stop - part.start, dtype=np.int64)
    for name, is_null in nulls.items():
        pattern += is_null[part].astype(np.int64) << names.index(name)
    for value in np.unique(pattern):
        rows = np.flatnonzero(pattern == value)
        layout: list[tuple[str, str]] = [("fields", ">i2")]
        for n, (name, oid) in enumerate(zip(names, oids, strict=True)):
            layout.append((f"size {name}", ">i4"))
            if not value >> n & 1:
                text = columns[name]
                size = len(text.encode()) if isinstance(text, str) else 0
                layout.append((name, f"S{size}" if size else _WIRE[_KINDS[oid]][0]))
        # Lengths and constants once, then only what differs from row to row.
        row = np.zeros(1, dtype=np.dtype(layout))
        row["fields"] = len(names)
        for n, name in enumerate(names):
            row[f"size {name}"] = -1 if value >> n & 1 else row.dtype[name].itemsize
        for name, text in columns.items():
            if isinstance(text, str):
                row[name] = text.encode()
        block = np.repeat(row, len(rows))
        for n, (name, oid) in enumerate(zip(names, oids, strict=True)):
            column = columns[name]
            if isinstance(column, str) or value >> n & 1:
                continue
            epoch = _WIRE[_KINDS[oid]][1]
            # A slice instead of positions where every row has the same columns NULL.
            chosen = column[part] if len(rows) == len(pattern) else column[part][rows]
            block[name] = chosen - epoch if epoch else chosen
        yield block.tobytes()


def fetch_arrays(
    conn: psycopg.Connection, query: str, params: Mapping[str, Any], kinds: Mapping[str, Kind]
) -> "dict[str, np.ndarray]":
    """The result of ``query`` as one array per column of ``kinds``, in the order selected.

    For many rows of numbers: some ten times as fast as fetching tuples. No value may be NULL; an
    instant of ``-infinity`` comes back as the smallest int64. Integers and dates become int64,
    instants int64 microseconds since 1970 UTC, dates days since then. Raises ValueError for a
    NULL; a column of another type is an error of the server.
    """
    import numpy as np

    row = np.dtype([(name, _WIRE[kind][0]) for name, kind in kinds.items()])
    # One value with all rows in it: COPY would send, and Python would touch, every row.
    sent_as = sql.SQL(" || ").join(
        sql.SQL("{}({})").format(sql.SQL(_SEND[kind]), sql.Identifier(name))
        for name, kind in kinds.items()
    )
    statement = sql.SQL(
        "SELECT count(*), coalesce(string_agg({}, ''::BYTEA), '') FROM ({}\n) AS given ({})"
    ).format(
        sent_as,
        sql.SQL(query.strip().rstrip(";")),
        sql.SQL(", ").join(map(sql.Identifier, kinds)),
    )
    with conn.cursor(binary=True) as cursor:
        count, sent = cursor.execute(statement, params).fetchone() or (0, b"")
    if len(sent) != count * row.itemsize:
        raise ValueError(
            f"a column of the query is NULL somewhere; coalesce {', '.join(kinds)} in it"
        )
    rows = np.frombuffer(sent, row)
    return {name: _decoded(rows[name], kind) for name, kind in kinds.items()}


def _decoded(sent: "np.ndarray", kind: Kind) -> "np.ndarray":
    import numpy as np

    if kind == "f8":
        return sent.astype(np.float64)
    if kind == "bool":
        return sent.astype(np.bool_)
    numbers = sent.astype(np.int64)
    if kind == "instant":
        never = np.iinfo(np.int64).min
        return np.where(numbers == never, never, numbers + _WIRE[kind][1])
    return numbers + _WIRE[kind][1]


def fetch_frame(conn: psycopg.Connection, query: str, params: Any = None) -> "pd.DataFrame":
    """The result of ``query`` as a data frame, columns named as selected."""
    import pandas as pd

    with conn.cursor() as cursor:
        cursor.execute(query, params)
        names = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=names)


def _column_types(conn: psycopg.Connection, table: str, columns: Sequence[str]) -> list[int]:
    rows = conn.execute(
        "SELECT attname, atttypid FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        (table,),
    ).fetchall()
    oids: dict[str, int] = dict(rows)
    missing = [column for column in columns if column not in oids]
    if missing:
        raise ValueError(f"table {table} has no column {', '.join(missing)}")
    return [oids[column] for column in columns]
