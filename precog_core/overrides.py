"""Settings changed at run time: rows of ``config_overrides``, each with an author and a reason.

An old value stays as an inactive row. Decimals are stored as JSON strings and come back as
Decimal; a float is refused, because its digits are not those somebody typed.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError

_KEY = re.compile(r"^[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)+$")


@dataclass(frozen=True)
class Override:
    """An override in force: ``value`` is Decimal, int, bool, str, None, list or dict."""

    key: str
    value: Any
    reason: str
    applied_by: str
    applied_at: datetime
    expires_at: datetime | None


def active_overrides(conn: psycopg.Connection, prefix: str | None = None) -> list[Override]:
    """The overrides in force now, of one section or dotted key when ``prefix`` is given."""
    rows = load_queries("config").active_overrides(conn, prefix=prefix)
    return [Override(row[0], _decoded(row[1], row[2]), *row[3:]) for row in rows]


@dataclass(frozen=True)
class PastOverride:
    """An override ever set: ``ended_at`` is when it was replaced or reset, None while it stands."""

    override: Override
    active: bool
    ended_at: datetime | None


def override_history(
    conn: psycopg.Connection, prefix: str | None = None, maximum: int = 50
) -> list[PastOverride]:
    """Every override set, newest first, of one section or key when ``prefix`` is given."""
    rows = load_queries("config").override_history(conn, prefix=prefix, maximum=maximum)
    return [
        PastOverride(Override(row[0], _decoded(row[1], row[2]), *row[3:7]), row[7], row[8])
        for row in rows
    ]


def get_override(conn: psycopg.Connection, key: str) -> Any:
    """The value of the override in force for exactly ``key``, or None when there is none."""
    for override in active_overrides(conn, key):
        if override.key == key:
            return override.value
    return None


def set_override(
    conn: psycopg.Connection,
    key: str,
    value: Any,
    reason: str,
    applied_by: str,
    expires_at: datetime | None = None,
) -> bool:
    """Put ``value`` in force for ``key`` in the caller's transaction; False when it already is.

    Raises PrecogError for a malformed key, an empty reason or author, a float, or an expiry
    without zone or in the past.
    """
    _check(key, reason, applied_by, expires_at)
    data_type, encoded = _encoded(key, value)
    queries = load_queries("config")
    queries.lock_key(conn, key=key)
    for current in active_overrides(conn, key):
        same = _encoded(key, current.value) == (data_type, encoded)
        if same and current.key == key and current.expires_at == expires_at:
            return False
    queries.deactivate_override(conn, key=key)
    queries.insert_override(
        conn,
        key=key,
        value=encoded,
        data_type=data_type,
        reason=reason.strip(),
        applied_by=applied_by.strip(),
        expires_at=expires_at,
    )
    return True


def reset_override(conn: psycopg.Connection, key: str) -> bool:
    """Take the override of ``key`` out of force; False when there was none."""
    return bool(load_queries("config").deactivate_override(conn, key=key))


def _check(key: str, reason: str, applied_by: str, expires_at: datetime | None) -> None:
    if not _KEY.match(key):
        raise PrecogError(
            f"{key!r} is no setting; expected section.name, such as trading.edge.shrink_to_market"
        )
    if not reason.strip() or not applied_by.strip():
        raise PrecogError(f"an override of {key} needs a reason and the name of who sets it")
    if expires_at is not None:
        if expires_at.tzinfo is None:
            raise PrecogError(f"the expiry of {key}, {expires_at}, has no time zone")
        if expires_at <= datetime.now(expires_at.tzinfo):
            raise PrecogError(f"the expiry of {key}, {expires_at}, has passed")


def _encoded(key: str, value: Any) -> tuple[str, str]:
    match value:
        case bool():
            kind = "bool"
        case int():
            kind = "int"
        case Decimal():
            kind = "decimal"
        case str():
            kind = "string"
        case _:
            kind = "json"
    return kind, json.dumps(_plain(key, value), sort_keys=True)


def _plain(key: str, value: Any) -> Any:
    """``value`` in JSON's own types, decimals as strings."""
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal() if value.is_finite():
            return f"{value:f}"
        case list() | tuple():
            return [_plain(key, item) for item in value]
        case dict() if all(isinstance(name, str) for name in value):
            return {name: _plain(key, item) for name, item in value.items()}
    raise PrecogError(_refusal(key, value))


def _refusal(key: str, value: Any) -> str:
    return (
        f"{key} cannot hold {value!r} ({type(value).__name__}); give a Decimal, whole number, "
        "true or false, text, or a list or mapping of these"
    )


def _decoded(text: str, data_type: str) -> Any:
    value = json.loads(text, parse_float=Decimal)
    return Decimal(value) if data_type == "decimal" else value
