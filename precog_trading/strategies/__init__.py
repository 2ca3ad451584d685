"""Strategies: small readable classes with typed configuration, found by the name of their type.

A ``strategies`` row stores a type and its configuration as JSON; :func:`build` turns them back
into the object the gate reads, through the same validation as the YAML they came from.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from precog_core.errors import PrecogError
from precog_trading.strategies.base import EntryStrategy
from precog_trading.strategies.pre_game import PreGame

__all__ = ["STRATEGY_TYPES", "EntryStrategy", "PreGame", "build"]

STRATEGY_TYPES: Mapping[str, type[PreGame]] = {"pre_game": PreGame}
"""Every strategy type by name; a new strategy adds itself here."""


def build(type_name: str, config: Mapping[str, Any]) -> EntryStrategy:
    """The strategy of a type with its configuration.

    Raises PrecogError naming the type, the key, the value and what is expected.
    """
    strategy_class = STRATEGY_TYPES.get(type_name)
    if strategy_class is None:
        raise PrecogError(
            f"{type_name!r} is no strategy type; expected one of {', '.join(STRATEGY_TYPES)}"
        )
    try:
        return strategy_class.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "its keys together"
        raise PrecogError(
            f"strategy type {type_name}: {key} is {first['input']!r}; {first['msg']}"
        ) from error
