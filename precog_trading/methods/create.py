"""New versions of methods: from a template with own values, or from another home's export.

A method is immutable, so everything here inserts. A method with the content of an existing one is
allowed (it gets its own record) but named, because two records of one thing tell less than one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ValidationError

from precog_core.errors import PrecogError
from precog_trading.config_exits import PositionManagementConfig
from precog_trading.ledger.statements import Row, one, rows, value
from precog_trading.versions import (
    ExecutionConfig,
    MethodsConfig,
    MethodSpec,
    RiskConfig,
    method_config_hash,
)

FORMAT = "precog-method/1"
_PARTS = ("position_mgmt", "risk", "execution", "sport")
_MODELS: dict[str, type[BaseModel]] = {
    "position_mgmt": PositionManagementConfig,
    "risk": RiskConfig,
    "execution": ExecutionConfig,
}


@dataclass(frozen=True, slots=True)
class Created:
    """A new version, and the versions that hold the same (``name version``)."""

    method_id: int
    name: str
    version: str
    config_hash: str
    duplicates: tuple[str, ...]


def create_method(
    conn: psycopg.Connection,
    methods: MethodsConfig,
    *,
    name: str,
    strategy: str,
    model: str,
    template: str | None,
    overrides: Mapping[str, Any],
    major: bool = False,
    description: str = "",
    who: str,
) -> Created:
    """A draft from a template of ``config/methods.yaml`` with single values replaced.

    ``strategy`` and ``model`` are ``name`` (its newest version) or ``name@version``; ``overrides``
    maps dotted keys such as ``risk.kelly`` to values. The version is v1.0 for a new name, else the
    next minor, or the next major with ``major``. Raises PrecogError for what does not exist or is
    out of range.
    """
    parts: dict[str, dict[str, Any]] = {part: {} for part in _PARTS}
    for key, replacement in overrides.items():
        part, _, setting = key.partition(".")
        if part not in parts or not setting:
            raise PrecogError(
                f"{key!r} is no setting of a method; expected one such as risk.kelly, in "
                f"{', '.join(_PARTS)}"
            )
        place = parts[part]
        *path, last = setting.split(".")
        for step in path:
            place = place.setdefault(step, {})
        place[last] = replacement
    try:
        spec = MethodSpec.model_validate(
            {"version": "v1.0", "league": "", "strategy": "", "template": template, **parts}
        )
        whole = MethodsConfig.model_validate(
            {"templates": methods.templates, "methods": {name: spec}}
        )
    except ValidationError as error:
        raise PrecogError(_complaint(name, error)) from error
    return _insert(
        conn,
        name=name,
        version=_next_version(conn, name, major),
        description=description,
        strategy=_part(conn, "newest_strategy", "strategy", strategy),
        model=_part(conn, "newest_model", "model", model),
        template=template,
        configs=whole.configs(name),
        who=who,
    )


def export_method(conn: psycopg.Connection, name: str, version: str) -> dict[str, Any]:
    """A method as JSON that another home can import: names and values, no ids."""
    method = find_method(conn, name, version)
    return {
        "format": FORMAT,
        "name": name,
        "version": version,
        "description": method["description"],
        "strategy": [method["strategy_name"], method["strategy_version"]],
        "model": [method["model_name"], method["model_version"]],
        "template": method["template_name"],
        **{f"{part}_config": method[f"{part}_config"] for part in _PARTS},
        "config_hash": method["config_hash"],
    }


def import_method(conn: psycopg.Connection, content: Mapping[str, Any], who: str) -> Created | None:
    """A draft from an export; None when this home has that version with the same content.

    Raises PrecogError when the file is no export, its hash is not that of its content, a value is
    out of range, its strategy or model version is not here, or the version exists otherwise.
    """
    try:
        if content["format"] != FORMAT:
            raise PrecogError(f"this is {content['format']!r}; expected {FORMAT!r}")
        strategy, model = tuple(content["strategy"]), tuple(content["model"])
        configs = {f"{part}_config": dict(content[f"{part}_config"]) for part in _PARTS}
        name, version, stated = content["name"], content["version"], content["config_hash"]
    except (KeyError, TypeError, ValueError) as error:
        raise PrecogError(f"this is no exported method: {error} is missing or wrong") from error
    for part, model_class in _MODELS.items():
        try:
            model_class.model_validate(configs[f"{part}_config"])
        except ValidationError as error:
            raise PrecogError(_complaint(name, error)) from error
    found = method_config_hash(strategy=strategy, model=model, configs=configs)
    if found != stated:
        raise PrecogError(
            f"method {name} {version}: its content has the hash {found}, the file says {stated}; "
            "the file was changed after its export"
        )
    existing = one(conn, "methods", "method", name=name, version=version)
    if existing is not None:
        if existing["config_hash"] == stated:
            return None
        raise PrecogError(
            f"method {name} {version} exists here with other content; import it under another name"
        )
    return _insert(
        conn,
        name=name,
        version=version,
        description=content.get("description") or "",
        strategy=_part(conn, "newest_strategy", "strategy", "@".join(strategy)),
        model=_part(conn, "newest_model", "model", "@".join(model)),
        template=content.get("template"),
        configs=configs,
        who=who,
    )


def find_method(conn: psycopg.Connection, name: str, version: str) -> Row:
    """A stored method. Raises PrecogError naming the versions there are."""
    found = one(conn, "methods", "method", name=name, version=version)
    if found is None:
        versions = [
            row["method_version"] for row in rows(conn, "methods", "versions_of", name=name)
        ]
        there = f"it has {', '.join(versions)}" if versions else "`precog methods list` lists them"
        raise PrecogError(f"there is no method {name} {version}; {there}")
    return found


def _insert(
    conn: psycopg.Connection,
    *,
    name: str,
    version: str,
    description: str,
    strategy: Row,
    model: Row,
    template: str | None,
    configs: dict[str, dict[str, Any]],
    who: str,
) -> Created:
    config_hash = method_config_hash(
        strategy=(strategy["strategy_name"], strategy["strategy_version"]),
        model=(model["model_name"], model["model_version"]),
        configs=configs,
    )
    same = rows(conn, "methods", "same_content", config_hash=config_hash)
    method_id = value(
        conn, "registry", "insert_method",
        name=name, version=version, description=description or None,
        strategy_id=strategy["strategy_id"], model_id=model["model_id"], template=template,
        config_hash=config_hash, created_by=who,
        **{key: Jsonb(config) for key, config in configs.items()},
    )  # fmt: skip
    if method_id is None:
        raise PrecogError(f"method {name} {version} was created by somebody else just now")
    duplicates = tuple(f"{row['method_name']} {row['method_version']}" for row in same)
    return Created(method_id, name, version, config_hash, duplicates)


def _versions_of(conn: psycopg.Connection, name: str) -> list[str]:
    return [row["method_version"] for row in rows(conn, "methods", "versions_of", name=name)]


def _next_version(conn: psycopg.Connection, name: str, major: bool) -> str:
    versions = _versions_of(conn, name)
    if not versions:
        return "v1.0"
    newest = max(tuple(int(part) for part in version[1:].split(".")) for version in versions)
    return f"v{newest[0] + 1}.0" if major else f"v{newest[0]}.{newest[1] + 1}"


def _part(conn: psycopg.Connection, statement: str, what: str, named: str) -> Row:
    name, _, version = named.partition("@")
    found = one(conn, "methods", statement, name=name, version=version or None)
    if found is None:
        wanted = f"{what} {name} {version}".rstrip()
        raise PrecogError(f"there is no {wanted} here (or it is deprecated)")
    return found


def _complaint(name: str, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part != name)
    return f"method {name}: {key} is {first['input']!r}; {first['msg']}"
