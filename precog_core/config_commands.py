"""``precog config``: show, validate, set, reset, explain, history.

An override is checked by the section's own model, in the transaction that stores it, so none can
be stored that the next start would refuse. Secrets are neither shown nor stored: they belong in
the environment.
"""

import getpass
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from precog_core import config as configuration
from precog_core.database import open_database
from precog_core.database.server import EmbeddedServer
from precog_core.env_files import read_env_file
from precog_core.errors import PrecogError
from precog_core.overrides import override_history
from precog_core.paths import home, resource
from precog_core.secrets import MASK, is_secret_name
from precog_core.sections import section_check, section_model
from precog_core.yaml_text import read_value

_LOG = logging.getLogger(__name__)
_WIDEST_VALUE = 60
_WHOLE = re.compile(r"^[+-]?\d+$")
_DECIMAL = re.compile(r"^[+-]?(\d+\.\d*|\.\d+)$")
_DURATION = re.compile(r"^(\d+)([mhdw])$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WORDS = {"true": True, "false": False, "null": None}

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
By = Annotated[str | None, typer.Option("--by", help="Who; default: the user of this session.")]
Key = Annotated[str, typer.Argument(help="A dotted setting, such as trading.gate.spread_max.")]

config = typer.Typer(no_args_is_help=True, help="Settings and where each comes from.")


@config.command("show")
def show(
    section: Annotated[
        str | None, typer.Argument(help="A section such as trading; without it, all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every setting in force, and which file, variable, override or default says it."""
    names = configuration.section_names()
    if section is not None and section not in names:
        raise PrecogError(f"there is no section {section!r}; sections are {', '.join(names)}")
    with _overrides() as conn:
        found = [
            setting
            for name in ([section] if section else names)
            for setting in configuration.settings(name, conn, model=section_model(name))
        ]
    if as_json:
        content = {s.key: {"value": _value(s), "from": s.winner.where} for s in found}
        typer.echo(json.dumps(content, default=str))
        return
    for setting in found:
        typer.echo(f"{setting.key} = {_short(_value(setting))}  # {_place(setting.winner.where)}")


@config.command("validate")
def validate(as_json: AsJson = False) -> None:
    """Read every section and .env file as a start would; exit 1 and name every wrong key."""
    problems: list[str] = []
    checked: list[str] = []
    for path in (Path.cwd() / ".env", home() / ".env"):
        if path.is_file():
            problems += _problem(lambda path=path: read_env_file(path))
            checked.append(str(path))
    with _overrides() as conn:
        for name in configuration.section_names():
            model = section_model(name)
            if model is None:
                problems.append(f"section {name}: no installed package reads config/{name}.yaml")
                continue
            wrong = _problem(
                lambda name=name, model=model: configuration.load_section(name, model, conn)
            )
            check = section_check(name)
            if check is not None and not wrong:
                wrong = _problem(lambda check=check: check(conn))
            problems += wrong
            checked.append(name)
    # A section that others look into is read again with them.
    problems = list(dict.fromkeys(problems))
    if as_json:
        typer.echo(json.dumps({"valid": not problems, "checked": checked, "problems": problems}))
    else:
        for problem in problems:
            typer.echo(problem)
        if not problems:
            typer.echo(f"all valid: {', '.join(checked)}")
    if problems:
        raise typer.Exit(1)


@config.command("set")
def set_(
    key: Key,
    value: Annotated[str, typer.Argument(help="0.2, 20, true, null, text, [a, b] or {a: 1}.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the change.")],
    expires: Annotated[
        str | None,
        typer.Option(help="When it ends: 30m, 12h, 7d, 2w, or 2026-11-29T18:00:00Z."),
    ] = None,
    by: By = None,
) -> None:
    """Override a setting from now on; it beats files and environment until it ends or is reset."""
    section, _, last = key.partition(".")
    _refuse_secrets(key, last)
    model = section_model(section)
    if model is None:
        raise PrecogError(
            f"{key}: there is no section {section!r}; sections are "
            f"{', '.join(configuration.section_names())}"
        )
    until = None if expires is None else _expiry(expires)
    author = by or getpass.getuser()
    with open_database() as database:
        typed, error = typed_value(value), None
        for attempt in (typed, value) if typed != value else (typed,):
            try:
                with database.transaction() as conn:
                    changed = configuration.set_override(conn, key, attempt, reason, author, until)
                    configuration.load_section(section, model, conn)
            except PrecogError as refused:
                # Text that looks like a number: a setting that wants text takes it as it stands.
                error = error or refused
                continue
            break
        else:
            assert error is not None  # noqa: S101 - every attempt was refused
            raise error
    _LOG.info("setting overridden", extra={"key": key, "by": author, "changed": changed})
    end = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    typer.echo(f"{key} = {_short(attempt)}{end}" if changed else f"{key}: nothing changed")


@config.command("reset")
def reset(key: Key, by: By = None) -> None:
    """End the override of a setting; what files and environment say holds again."""
    author = by or getpass.getuser()
    with open_database() as database, database.transaction() as conn:
        changed = configuration.reset_override(conn, key)
    _LOG.info("setting reset", extra={"key": key, "by": author, "changed": changed})
    typer.echo(f"{key}: no longer overridden" if changed else f"{key}: was not overridden")


@config.command("explain")
def explain(key: Key, as_json: AsJson = False) -> None:
    """Show every layer that sets a setting, the one in force first."""
    section = key.partition(".")[0]
    with _overrides() as conn:
        setting = configuration.explain(key, conn, model=section_model(section))
        changes = [] if conn is None else override_history(conn, key)
    hidden = is_secret_name(key.rpartition(".")[2])
    layers = [
        {
            "layer": layer.layer,
            "value": MASK if hidden else layer.value,
            "where": layer.where,
            "in_force": layer is setting.winner,
        }
        for layer in reversed(setting.layers)
    ]
    if as_json:
        content = {
            "key": key,
            "value": _value(setting),
            "won_by": setting.winner.layer,
            "layers": layers,
            "overrides_ever": len(changes),
        }
        typer.echo(json.dumps(content, default=str))
        return
    for layer in layers:
        mark = "in force" if layer["in_force"] else "beaten"
        place = _place(str(layer["where"]))
        typer.echo(f"{mark:<9} {layer['layer']:<12} {_short(layer['value'])}  # {place}")


@config.command("history")
def history(
    key: Annotated[
        str | None, typer.Argument(help="A setting or section; without it, all.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show every override ever set: who, when, why, until when."""
    with _overrides() as conn:
        found = [] if conn is None else override_history(conn, key, limit)
    rows = [
        {
            "key": past.override.key,
            "value": past.override.value,
            "applied_by": past.override.applied_by,
            "applied_at": past.override.applied_at,
            "reason": past.override.reason,
            "expires_at": past.override.expires_at,
            "state": _state(past.active, past.override.expires_at),
            "ended_at": past.ended_at,
        }
        for past in found
    ]
    if as_json:
        typer.echo(json.dumps({"overrides": rows}, default=str))
        return
    for row in rows:
        end = row["ended_at"] or row["expires_at"]
        typer.echo(
            f"{row['applied_at']:%Y-%m-%d %H:%M} {row['key']} = {_short(row['value'])} "
            f"by {row['applied_by']}: {row['reason']} ({row['state']}"
            + (f", {end:%Y-%m-%d %H:%M})" if end else ")")
        )
    if not rows:
        typer.echo("none")


def typed_value(text: str) -> Any:
    """What a value given on the command line means: exact decimals, never a float."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.match(text):
        return int(text)
    if _DECIMAL.match(text):
        return Decimal(text)
    if text.lstrip().startswith(("[", "{")):
        return read_value(text, "the value")
    return text


def _problem(read: Any) -> list[str]:
    try:
        read()
    except PrecogError as error:
        return str(error).splitlines()
    return []


def _refuse_secrets(key: str, last: str) -> None:
    if any(is_secret_name(part) for part in last.split(".")):
        raise PrecogError(
            f"{key} is a secret; it is not stored in the database: set it in the environment or "
            "in a .env file"
        )


def _expiry(text: str) -> datetime:
    match = _DURATION.match(text)
    if match:
        return datetime.now(UTC) + timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise PrecogError(
            f"--expires {text!r} is neither a duration such as 12h nor a time such as "
            "2026-11-29T18:00:00Z"
        ) from None
    if instant.tzinfo is None:
        raise PrecogError(f"--expires {text!r} has no zone; end it with Z for UTC")
    return instant.astimezone(UTC)


def _state(active: bool, expires_at: datetime | None) -> str:
    if not active:
        return "ended"
    return "expired" if expires_at and expires_at <= datetime.now(UTC) else "in force"


def _value(setting: configuration.Setting) -> Any:
    return MASK if is_secret_name(setting.key.rpartition(".")[2]) else setting.winner.value


def _short(value: Any) -> str:
    plain = isinstance(value, list | dict | bool | None)
    text = json.dumps(value, default=str) if plain else str(value)
    return text if len(text) <= _WIDEST_VALUE else text[: _WIDEST_VALUE - 1] + "…"


def _place(where: str) -> str:
    return where.replace(f"{resource('config')}{os.sep}", "config/").replace(
        str(home()), "$PRECOG_HOME"
    )


@contextmanager
def _overrides() -> Iterator[psycopg.Connection | None]:
    """A connection to read overrides with, or None where no database exists yet."""
    if not os.environ.get("PRECOG_DATABASE_URL") and not EmbeddedServer().data.exists():
        yield None
        return
    with open_database() as database, database.connection() as conn:
        yield conn
