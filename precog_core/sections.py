"""Which typed model each section of the settings has.

The packages above declare theirs by name when they register their commands, so that ``precog
config`` can validate and explain all sections while the core imports none of them.
"""

import importlib
from collections.abc import Callable
from typing import Any, cast

from pydantic import BaseModel

from precog_core.errors import PrecogError

Check = Callable[[Any], None]

_declared: dict[str, str] = {}
_checks: dict[str, str] = {}


def declare_section(name: str, model: str) -> None:
    """Say that ``config/<name>.yaml`` is read as ``model``, written ``package.module:Class``."""
    _declared[name] = model


def section_model(name: str) -> type[BaseModel] | None:
    """The model of a section, None when no installed package declared one.

    Raises PrecogError when what was declared is no model: a defect of the package that did.
    """
    path = _declared.get(name)
    if path is None:
        return None
    module, _, attribute = path.partition(":")
    model = getattr(importlib.import_module(module), attribute)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise PrecogError(f"section {name} is declared as {path}, which is no pydantic model")
    return model


def declare_check(name: str, function: str) -> None:
    """Say that ``function``, written ``package.module:name``, knows what a model cannot.

    It takes a connection or None and raises PrecogError, such as for a name that another section
    lacks.
    """
    _checks[name] = function


def section_check(name: str) -> Check | None:
    """The declared check of a section, None when it needs none."""
    path = _checks.get(name)
    if path is None:
        return None
    module, _, attribute = path.partition(":")
    return cast(Check, getattr(importlib.import_module(module), attribute))
