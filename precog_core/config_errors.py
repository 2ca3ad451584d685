"""Turns pydantic's complaints about settings into sentences: key, place, value, what is allowed."""

import difflib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from precog_core.secrets import is_secret_name
from precog_core.yaml_text import KeyPath

_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
_TYPES = {
    "Decimal": "a number",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "text",
    "timedelta": "a duration",
}


def explain_validation(
    section: str,
    model: type[BaseModel],
    error: ValidationError,
    places: Mapping[KeyPath, str],
    file: Path,
) -> str:
    """One sentence per wrong setting.

    ``places`` says which layer set each key; ``file`` is where a missing key belongs.
    """
    sentences = []
    for problem in error.errors(include_url=False):
        path = tuple(str(part) for part in problem["loc"])
        key = ".".join((section, *_keys_only(path)))
        place = _place(path, places) or str(file)
        if problem["type"] == "missing":
            sentences.append(f"{file}: {key} is missing; expected {_allowed(model, path)}")
        elif problem["type"] == "extra_forbidden":
            sentences.append(f"{place}: {key} is no setting{_suggestion(model, path)}")
        else:
            hidden = bool(path) and is_secret_name(path[-1])
            shown = "(hidden)" if hidden else _shown(problem["input"])
            said = _reason(model, path, problem["type"], problem["msg"])
            # A rule over several keys: the mapping it stands in says nothing more.
            whole = isinstance(problem["input"], Mapping) and problem["type"] == "value_error"
            sentences.append(
                f"{place}: {key}: {said}" if whole else f"{place}: {key} is {shown}; {said}"
            )
    return "\n".join(dict.fromkeys(sentences))


def _place(path: KeyPath, places: Mapping[KeyPath, str]) -> str | None:
    """Where the value at ``path`` came from: its own entry, a parent's, or a child's."""
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]]
    below = [place for other, place in places.items() if other[: len(path)] == path]
    return below[-1] if below else None


def _reason(model: type[BaseModel], path: KeyPath, kind: str, message: str) -> str:
    if kind in ("value_error", "assertion_error"):
        return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in ("literal_error", "enum"):
        return "expected" + message.removeprefix("Input should be")
    allowed = _allowed(model, path)
    if allowed == "a value" or "too_" in kind or "pattern" in kind:
        return message[0].lower() + message[1:]
    return f"expected {allowed}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _suggestion(model: type[BaseModel], path: KeyPath) -> str:
    owner = _owner(model, path[:-1])
    if owner is None:
        return ""
    known = list(owner.model_fields)
    near = difflib.get_close_matches(path[-1], known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; settings there are {', '.join(known)}" if known else ""


def _allowed(model: type[BaseModel], path: KeyPath) -> str:
    """What a value at ``path`` may be, from the annotations: type and bounds."""
    owner = _owner(model, path[:-1])
    if owner is None or path[-1] not in owner.model_fields:
        annotation, metadata = _walk(model, path)
    else:
        field = owner.model_fields[path[-1]]
        annotation, metadata = field.annotation, tuple(field.metadata)
    kind, more = _unwrapped(annotation)
    bounds = [
        f"{words} {getattr(item, name)}"
        for item in (*metadata, *more)
        for name, words in _BOUNDS.items()
        if getattr(item, name, None) is not None
    ]
    noun = _TYPES.get(getattr(kind, "__name__", ""), "a value")
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        noun = f"a mapping with {', '.join(kind.model_fields)}"
    elif get_origin(kind) in (list, tuple, set, frozenset):
        noun = "a list"
    elif get_origin(kind) is dict:
        noun = "a mapping"
    return f"{noun} {' and '.join(bounds)}".strip()


def _owner(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model whose field is at the end of ``path``; None where the way leaves models."""
    kind, _ = _unwrapped(_walk(model, path)[0])
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _walk(model: type[BaseModel], path: KeyPath) -> tuple[Any, tuple[Any, ...]]:
    """Annotation and metadata at ``path``, through sub-models, mappings and lists."""
    annotation: Any = model
    metadata: tuple[Any, ...] = ()
    for part in path:
        kind, _ = _unwrapped(annotation)
        annotation, metadata = _step(kind, part)
    return annotation, metadata


def _step(kind: Any, part: str) -> tuple[Any, tuple[Any, ...]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field: FieldInfo | None = kind.model_fields.get(part)
        return (field.annotation, tuple(field.metadata)) if field else (None, ())
    arguments = get_args(kind)
    if get_origin(kind) in (dict, Mapping) and len(arguments) == 2:
        return arguments[1], ()
    if get_origin(kind) in (list, tuple, set, frozenset, Sequence) and arguments:
        return arguments[0], ()
    return None, ()


def _unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """The annotation without Annotated and ``| None``, and the metadata met on the way."""
    metadata: tuple[Any, ...] = ()
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            for item in more:
                metadata += tuple(item.metadata) if isinstance(item, FieldInfo) else (item,)
        elif origin in (Union, types.UnionType):
            members = [item for item in get_args(annotation) if item is not type(None)]
            if len(members) != 1:
                return annotation, metadata
            annotation = members[0]
        else:
            return annotation, metadata


def _keys_only(path: KeyPath) -> KeyPath:
    """``path`` without the names pydantic adds for union members and validators."""
    return tuple(part for part in path if "[" not in part and "(" not in part)
