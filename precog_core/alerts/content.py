"""What an alert carries, in JSON's types: decimals as exact text, no secret.

A value without a JSON form is refused instead of being shown as its ``repr``, which could hold
anything.
"""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from precog_core.secrets import MASK, is_secret_name, masked

WAITING = "waiting"
"""Where an alert keeps the failures that no later run has made good (``made_good``)."""


def plain(value: Any, name: str = "") -> Any:
    """``value`` in JSON's types: decimals as plain text, times in ISO 8601, secrets masked.

    Raises TypeError for a type that has no such form and ValueError for a number that is none.
    """
    if is_secret_name(name):
        return MASK
    match value:
        case None | bool() | int():
            return value
        case Decimal():
            return _number(format(value, "f"), value.is_finite(), name)
        case float():
            return _number(value, value - value == 0, name)
        case Enum():
            return plain(value.value, name)
        case str():
            return masked(value)
        case date():  # a datetime is one
            return value.isoformat()
        case UUID() | PurePath():
            return str(value)
        case Mapping():
            return {str(key): plain(item, str(key)) for key, item in value.items()}
        case list() | tuple():
            return [plain(item, name) for item in value]
        case set() | frozenset():
            return sorted((plain(item, name) for item in value), key=str)
    raise TypeError(
        f"details of an alert: {name or 'a value'} is a {type(value).__name__}; give text, a "
        "number, a time, a list or a mapping"
    )


def as_json(value: Mapping[str, Any] | None) -> str | None:
    """The text for a JSONB column; None stays NULL."""
    return None if value is None else json.dumps(plain(value), allow_nan=False)


def _number(written: Any, finite: bool, name: str) -> Any:
    if not finite:
        raise ValueError(f"details of an alert: {name or 'a value'} is {written}, no number")
    return written


def shown(details: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The facts that a person reads: without what an alert keeps for closing itself."""
    return [(key, value) for key, value in details.items() if key != WAITING]
