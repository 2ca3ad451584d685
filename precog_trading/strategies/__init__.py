"""Strategies: small readable classes with typed configuration, found by the name of their file.

A type ``pre_game`` is the class ``PreGame`` in ``pre_game.py`` beside this file, so a new strategy
is a file and nothing to register. A ``strategies`` row stores a type and its configuration as
JSON; :func:`build` turns them back into the object the gate reads, through the same validation as
the YAML they came from.
"""

import importlib
import pkgutil
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from pydantic import ValidationError

from precog_core.errors import PrecogError
from precog_trading.strategies.base import EntryStrategy, Strategy
from precog_trading.strategies.pre_game import PreGame

__all__ = ["EntryStrategy", "PreGame", "build", "strategy_types"]

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_BASE = "base"


def strategy_types() -> list[str]:
    """The names of all strategy types: the modules of this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != _BASE)


def build(type_name: str, config: Mapping[str, Any]) -> EntryStrategy:
    """The strategy of a type with its configuration.

    Raises PrecogError naming the type, the key, the value and what is expected.
    """
    strategy_class = _strategy_class(type_name)
    try:
        return cast(EntryStrategy, strategy_class.model_validate(dict(config)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "its keys together"
        if first["type"] == "extra_forbidden":
            known = ", ".join(strategy_class.model_fields)
            raise PrecogError(
                f"strategy type {type_name} has no setting {key}; expected some of {known}"
            ) from error
        raise PrecogError(
            f"strategy type {type_name}: {key} is {first['input']!r}; {first['msg']}"
        ) from error


@lru_cache(maxsize=64)
def _strategy_class(type_name: str) -> type[Strategy]:
    """The class of a type. Raises PrecogError when there is none, or it is not a strategy."""
    if not _NAME.fullmatch(type_name) or type_name not in strategy_types():
        raise PrecogError(
            f"{type_name!r} is no strategy type; expected one of {', '.join(strategy_types())}"
        )
    module = importlib.import_module(f"{__name__}.{type_name}")
    class_name = "".join(part.capitalize() for part in type_name.split("_"))
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise PrecogError(
            f"{module.__file__}: expected a class {class_name} that is a Strategy "
            "(docs/add-a-strategy.md)"
        )
    missing = sorted(name for name in _read_by_the_engine() if not _declares(found, name))
    if missing:
        raise PrecogError(
            f"{module.__file__}: {class_name} has no {', '.join(missing)}; a strategy says all of "
            f"{', '.join(sorted(_read_by_the_engine()))} (docs/add-a-strategy.md)"
        )
    return found


def _read_by_the_engine() -> set[str]:
    return {name for name, value in vars(EntryStrategy).items() if isinstance(value, property)}


def _declares(found: type[Strategy], name: str) -> bool:
    return name in found.model_fields or hasattr(found, name)
