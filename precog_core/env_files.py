"""``.env`` files: variables for those who do not want to export them, read strictly.

A line is ``NAME=value``; anything else stops the start with file and line instead of being skipped,
because a setting that silently does not apply is worse than none. What a line says is never shown:
it may hold a secret. The environment of the process wins over the file.
"""

import os
import re
from pathlib import Path

from precog_core.errors import PrecogError
from precog_core.paths import home

_LINE = re.compile(r"^(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)$")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def load_env_files() -> list[Path]:
    """Take over ``./.env`` and ``$PRECOG_HOME/.env`` where they exist; returns those read.

    The first one wins over the second, the process's own environment over both. Raises PrecogError
    naming file and line of anything that is no ``NAME=value``.
    """
    read: list[Path] = []
    for path in (Path.cwd() / ".env", home() / ".env"):
        if path in read or not path.is_file():
            continue
        for name, value in read_env_file(path).items():
            os.environ.setdefault(name, value)
        read.append(path)
    return read


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of one file. Raises PrecogError as :func:`parse_env` does."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PrecogError(f"{path} cannot be read: {error}") from error
    return parse_env(text, str(path))


def parse_env(text: str, where: str) -> dict[str, str]:
    """Variables by name.

    Blank lines and lines that begin with ``#`` are skipped, ``export`` is allowed. ``'…'`` is taken
    as it stands, ``"…"`` knows ``\\n``, ``\\t``, ``\\"``, ``\\\\`` and ``\\$``; without quotes the
    value ends before `` #``. Raises PrecogError naming the line for anything else and for a name
    given twice.
    """
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        place = f"{where}, line {number}"
        match = _LINE.match(line)
        if match is None:
            raise PrecogError(
                f"{place}: expected NAME=value (letters, digits and _ in the name), or # and a "
                "comment"
            )
        name = match["name"]
        if name in found:
            raise PrecogError(
                f"{place}: {name} stands twice, first on line {lines[name]}; keep one"
            )
        found[name] = _value(match["value"], f"{place}: {name}")
        lines[name] = number
    return found


def _value(text: str, place: str) -> str:
    quote = text[:1]
    if quote not in ("'", '"'):
        return re.split(r"\s#", f" {text}", maxsplit=1)[0].strip()
    value, rest = _quoted(text[1:], quote, place)
    if rest.strip() and not rest.strip().startswith("#"):
        raise PrecogError(f"{place}: there is text after the closing {quote}; quote all of it")
    return value


def _quoted(text: str, quote: str, place: str) -> tuple[str, str]:
    """What stands before the closing quote, and what after it."""
    value: list[str] = []
    characters = iter(enumerate(text))
    for index, character in characters:
        if character == quote:
            return "".join(value), text[index + 1 :]
        if character == "\\" and quote == '"':
            _, escaped = next(characters, (0, ""))
            if escaped not in _ESCAPES:
                raise PrecogError(
                    f'{place}: \\{escaped} means nothing between "; write \\\\ for a backslash, or '
                    "use '"
                )
            character = _ESCAPES[escaped]
        value.append(character)
    raise PrecogError(f"{place}: the {quote} is never closed on this line")
