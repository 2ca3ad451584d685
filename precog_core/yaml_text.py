"""YAML whose numbers stay text, so that ``0.05`` reaches a Decimal without passing a float.

Plain YAML 1.1 also reads ``NO`` (New Orleans) as false, ``12:30`` as 750 and ``010`` as 8. Here
only ``true``, ``false`` and ``null`` mean something; every other scalar is the text that was
written, and the typed model of the section says what it is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from precog_core.errors import PrecogError

KeyPath = tuple[str, ...]
_WORDS = {"true": True, "True": True, "false": False, "False": False}
# The parser in C, ten times as fast, where the library was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = ("", "~", "null", "Null")


@dataclass(frozen=True)
class Document:
    """A mapping read from a file, and the line (from 1) on which each of its keys stands."""

    values: dict[str, Any]
    lines: dict[KeyPath, int]


def read_document(path: Path) -> Document:
    """The mapping in ``path``; an empty file is an empty mapping.

    Raises PrecogError naming file and line for bad syntax, a duplicate key or a non-mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PrecogError(f"{path} cannot be read: {error}") from error
    node = _compose(text, str(path))
    if node is None:
        return Document({}, {})
    lines: dict[KeyPath, int] = {}
    values = _value(node, (), lines, str(path))
    if not isinstance(values, dict):
        raise PrecogError(
            f"{path}: expected a mapping of settings at the top, found a list or text"
        )
    return Document(values, lines)


def read_value(text: str, where: str) -> Any:
    """One value, such as ``[a, b]`` or ``{k: 20}``, by the same rules."""
    node = _compose(text, where)
    return None if node is None else _value(node, (), {}, where)


def _compose(text: str, where: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise PrecogError(f"{where}{line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise PrecogError(f"{where}: not valid YAML: {error}") from error


def _value(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], where: str) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, where)
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(item, (*path, str(index)), lines, where) for index, item in enumerate(node.value)
        ]
    text: str = node.value
    if node.style:  # quoted or a block: text by the author's own word
        return text
    if text in _NULLS:
        return None
    return _WORDS.get(text, text)


def _mapping(
    node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int], where: str
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise PrecogError(
                f"{where}, line {line}: a key must be one word, not a list or mapping"
            )
        key: str = key_node.value
        if key in values:
            first = lines[(*path, key)]
            raise PrecogError(
                f"{where}, line {line}: {'.'.join((*path, key))} stands twice, first on line "
                f"{first}; keep one"
            )
        values[key] = _value(value_node, (*path, key), lines, where)
        lines[(*path, key)] = line
    return values
