"""Typed settings: database override > environment > YAML > default.

A section is one file of ``config/`` and one pydantic model of the package that uses it. All layers
are merged key by key before the model sees them, so a rule of the model holds whatever layer broke
it, and the error names that layer. Numbers stay text until the model reads them: a Decimal is
exactly what somebody typed.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import psycopg
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from precog_core.config_errors import explain_validation
from precog_core.errors import PrecogError
from precog_core.overrides import active_overrides, get_override, reset_override, set_override
from precog_core.paths import home, resource
from precog_core.yaml_text import KeyPath, read_document, read_value

__all__ = [
    "LayerValue",
    "Setting",
    "explain",
    "get_override",
    "load_section",
    "reset_override",
    "section_names",
    "set_override",
    "settings",
]

Layer = Literal["default", "yaml", "environment", "override"]
Section = TypeVar("Section", bound=BaseModel)
_ENVIRONMENT_PREFIX = "PRECOG__"


@dataclass(frozen=True)
class LayerValue:
    """What one layer says about a key, and where it says it."""

    layer: Layer
    value: Any
    where: str
    # Of a list in a file: the place of each item and key in it.
    inner: Mapping[KeyPath, str] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Setting:
    """A dotted key with all layers that set it, weakest first; the last one wins."""

    key: str
    layers: tuple[LayerValue, ...]

    @property
    def winner(self) -> LayerValue:
        """The layer in force."""
        return self.layers[-1]


def load_section(
    name: str,
    model: type[Section],
    conn: psycopg.Connection | None = None,
    config_dir: Path | None = None,
) -> Section:
    """The settings of ``config/<name>.yaml`` as ``model``, which should forbid extra keys.

    ``config_dir`` replaces both the shipped folder and ``$PRECOG_HOME/config``. Without ``conn``
    the overrides kept in the database are not asked. Raises PrecogError naming each wrong key, the
    file and line (or variable, or override) that set it, and what is allowed.
    """
    values: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    for path, layer_value in _layers(name, conn, config_dir):
        _merge(values, path, layer_value)
        for weaker in [known for known in places if known[: len(path)] == path]:
            del places[weaker]
        places[path] = layer_value.where
        places |= {(*path, *tail): where for tail, where in layer_value.inner.items()}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        home_file = _files(name, config_dir)[0]
        raise PrecogError(explain_validation(name, model, error, places, home_file)) from error


def settings(
    name: str,
    conn: psycopg.Connection | None = None,
    config_dir: Path | None = None,
    model: type[BaseModel] | None = None,
) -> list[Setting]:
    """Every setting of a section with the layers that set it, defaults included with ``model``."""
    found: dict[KeyPath, list[LayerValue]] = {}
    if model is not None:
        for path, value in _leaves(_defaults(model)):
            found[path] = [LayerValue("default", value, f"default of {model.__name__}")]
    for path, layer_value in _layers(name, conn, config_dir):
        if layer_value.value == {} and any(o[: len(path)] == path for o in found if o != path):
            continue  # an empty mapping sets no key
        _supersede(found, path)
        found.setdefault(path, []).append(layer_value)
    return [Setting(".".join((name, *path)), tuple(found[path])) for path in sorted(found)]


def explain(
    key: str,
    conn: psycopg.Connection | None = None,
    config_dir: Path | None = None,
    model: type[BaseModel] | None = None,
) -> Setting:
    """Which layers set ``section.name``, weakest first. Raises PrecogError when none does."""
    section = key.partition(".")[0]
    if section not in section_names(config_dir):
        raise PrecogError(_unknown_section(section, f"the key {key!r}", config_dir))
    known = settings(section, conn, config_dir, model)
    for setting in known:
        if setting.key == key:
            return setting
    near = [setting.key for setting in known if setting.key.startswith(key + ".")]
    hint = f"; it has {', '.join(near)}" if near else f"; see `precog config show {section}`"
    raise PrecogError(f"{key} is not set by any layer{hint}")


def section_names(config_dir: Path | None = None) -> list[str]:
    """The sections: those with a file. A section without one does not exist."""
    folders = [config_dir] if config_dir else [resource("config"), home() / "config"]
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def _layers(
    name: str, conn: psycopg.Connection | None, config_dir: Path | None
) -> Iterator[tuple[KeyPath, LayerValue]]:
    """Leaves of all layers except defaults, weakest layer first."""
    written: list[KeyPath] = []
    for file in _files(name, config_dir):
        if file.exists():
            document = read_document(file)
            places = {path: f"{file}, line {line}" for path, line in document.lines.items()}
            for path, value in _leaves(document.values):
                written.append(path)
                size = len(path)
                inner = {
                    place[size:]: where
                    for place, where in places.items()
                    if isinstance(value, list) and len(place) > size and place[:size] == path
                }
                yield path, LayerValue("yaml", value, places[path], inner)
    yield from _from_environment(name, written, config_dir)
    if conn is not None:
        yield from _from_database(name, conn)


def _files(name: str, config_dir: Path | None) -> list[Path]:
    """The file to edit first, then the one in the home folder, which replaces single keys."""
    if config_dir is not None:
        return [config_dir / f"{name}.yaml"]
    return [resource("config") / f"{name}.yaml", home() / "config" / f"{name}.yaml"]


def _from_environment(
    name: str, written: list[KeyPath], config_dir: Path | None
) -> Iterator[tuple[KeyPath, LayerValue]]:
    # Variables are upper case by habit; a key of the file that is not keeps its own spelling.
    spelling = {part.lower(): part for path in written for part in path}
    sections = {name, *section_names(config_dir)}
    for variable, text in sorted(os.environ.items()):
        if not variable.startswith(_ENVIRONMENT_PREFIX) or text == "":
            continue
        section, *parts = variable.removeprefix(_ENVIRONMENT_PREFIX).lower().split("__")
        where = f"environment variable {variable}"
        if section not in sections:
            raise PrecogError(_unknown_section(section, where, config_dir))
        if not parts or "" in parts:
            raise PrecogError(f"{where} names no setting; expected PRECOG__SECTION__NAME")
        if section == name:
            path = tuple(spelling.get(part, part) for part in parts)
            yield from _expanded(path, _environment_value(text, where), "environment", where)


def _environment_value(text: str, where: str) -> Any:
    """Text, except lists and mappings in YAML's flow form and the word ``null``."""
    if text.lstrip().startswith(("[", "{")):
        return read_value(text, where)
    return None if text == "null" else text


def _from_database(name: str, conn: psycopg.Connection) -> Iterator[tuple[KeyPath, LayerValue]]:
    for override in active_overrides(conn, name):  # sorted: a longer key comes later and wins
        where = f"override {override.key} by {override.applied_by}"
        path = tuple(override.key.split(".")[1:])
        if path:
            yield from _expanded(path, override.value, "override", where)


def _expanded(
    path: KeyPath, value: Any, layer: Layer, where: str
) -> Iterator[tuple[KeyPath, LayerValue]]:
    if isinstance(value, Mapping) and value:
        for tail, leaf in _leaves(value):
            yield (*path, *tail), LayerValue(layer, leaf, where)
    else:
        yield path, LayerValue(layer, value, where)


def _leaves(values: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Everything that is not a non-empty mapping; a list is one value."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _merge(values: dict[str, Any], path: KeyPath, layer_value: LayerValue) -> None:
    for part in path[:-1]:
        below = values.get(part)
        if not isinstance(below, dict):
            below = values[part] = {}
        values = below
    if layer_value.value == {} and isinstance(values.get(path[-1]), dict):
        return  # an empty mapping sets no key
    values[path[-1]] = layer_value.value


def _supersede(found: dict[KeyPath, list[LayerValue]], path: KeyPath) -> None:
    """Forget what a stronger layer replaced as a whole: a parent's value, or a mapping's keys."""
    for other in [o for o in found if o != path]:
        shorter = min(len(other), len(path))
        if other[:shorter] == path[:shorter]:
            del found[other]


def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """The defaults of a model that can be known without input, sub-models included."""
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        default = info.get_default(call_default_factory=False)
        if isinstance(default, BaseModel):
            values[name] = default.model_dump()
        elif default is not PydanticUndefined:
            values[name] = default
    return values


def _unknown_section(section: str, where: str, config_dir: Path | None) -> str:
    known = ", ".join(section_names(config_dir))
    return f"{where}: there is no section {section!r}; sections are {known}"
