"""Strategies and methods as rows: created once from the configuration, read by every tick.

A row never changes: a configuration that differs from the row of its version is refused, because
trades already name that version. The one thing that moves by itself is a method bound to the
league's champion: another champion gets the next minor version of the method.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from precog_core.config import load_section
from precog_core.errors import PrecogError
from precog_trading.config import TradingConfig
from precog_trading.config_exits import PositionManagementConfig
from precog_trading.engine.plans import plan_for
from precog_trading.engine.state import Arm, Method, ModelVersion, StrategyVersion
from precog_trading.ledger.statements import Row, one, rows, value
from precog_trading.versions import (
    ExecutionConfig,
    MethodsConfig,
    RiskConfig,
    StrategiesConfig,
    StrategySpec,
    method_config_hash,
    stored_strategy_config,
    strategy_from_row,
)

CREATED_BY = "configuration"
APPROVED_BY = "bootstrap"
CHAMPION = "champion"


def register_configured(conn: psycopg.Connection) -> list[str]:
    """Create the strategies and methods of the configuration that do not exist yet.

    Returns what was created, as ``name version``. A method waits until its model exists; repeating
    this writes nothing. Raises PrecogError when a configured version exists with other content.
    """
    created: list[str] = []
    strategies = load_section("strategies", StrategiesConfig, conn=conn).strategies
    for name, spec in strategies.items():
        created += _register_strategy(conn, name, spec)
    methods = load_section("methods", MethodsConfig, conn=conn)
    for name in methods.methods:
        created += _register_method(conn, name, methods, strategies)
    return created


def check_methods(conn: psycopg.Connection | None) -> None:
    """Raises PrecogError for a configured method whose strategy is not configured."""
    strategies = load_section("strategies", StrategiesConfig, conn=conn).strategies
    for name, spec in load_section("methods", MethodsConfig, conn=conn).methods.items():
        _require_strategy(name, spec.strategy, strategies)


def methods_in_force(conn: psycopg.Connection) -> list[Method]:
    """Methods that may act (testing or active), with their strategy and model, by name.

    A method whose model is no longer the champion issues no predictions and so has no candidates.
    """
    return [method_from_row(row) for row in rows(conn, "registry", "methods_in_force")]


def method_from_row(row: Row) -> Method:
    """A method with its strategy's rules built, from a row of ``methods_in_force``."""
    risk = RiskConfig.model_validate(row["risk_config"])
    exits = PositionManagementConfig.model_validate(row["position_mgmt_config"])
    arm = ExecutionConfig.model_validate(row["execution_config"]).arm
    return Method(
        strategy=StrategyVersion(
            strategy_id=row["strategy_id"],
            name=row["strategy_name"],
            version=row["strategy_version"],
            status=row["strategy_status"],
            rules=strategy_from_row(row["strategy_config"]),
            league=row["strategy_league"],
        ),
        model=ModelVersion(
            model_id=row["model_id"],
            name=row["model_name"],
            version=row["model_version"],
            status=row["model_status"],
            league=row["model_league"],
        ),
        method_id=row["method_id"],
        name=row["method_name"],
        version=row["method_version"],
        status=row["status"],
        kelly_fraction=risk.kelly,
        position_usd=risk.position_usd,
        profit_target=exits.profit_target,
        exits=exits if exits.exit or exits.trailing else None,
        arm=None if arm is None else Arm(arm.experiment, arm.name, arm.arms),
    )


def require_exits_fit(methods: Sequence[Method], config: TradingConfig) -> None:
    """The exits of every method together with today's settings must be possible ones.

    Raises PrecogError naming the method, the value and what it contradicts.
    """
    for method in methods:
        try:
            config.require_wider(plan_for(method, config).exit)
        except ValueError as error:
            raise PrecogError(
                f"method {method.name} {method.version}: its own exits do not fit the settings: "
                f"{error}"
            ) from error


def _register_strategy(conn: psycopg.Connection, name: str, spec: StrategySpec) -> list[str]:
    config = stored_strategy_config(spec)
    existing = one(conn, "registry", "strategy", name=name, version=spec.version)
    if existing is None:
        strategy_id = value(
            conn, "registry", "insert_strategy",
            name=name, version=spec.version, category=spec.category, league=spec.league,
            config=Jsonb(config), created_by=CREATED_BY,
        )  # fmt: skip
        if strategy_id is not None:
            value(conn, "registry", "release_strategy", strategy_id=strategy_id, who=APPROVED_BY)
            return [f"{name} {spec.version}"]
        existing = one(conn, "registry", "strategy", name=name, version=spec.version)
    _require_equal(
        f"strategy {name} {spec.version}", "config/strategies.yaml",
        existing and existing["config"], config,
    )  # fmt: skip
    return []


def _register_method(
    conn: psycopg.Connection,
    name: str,
    methods: MethodsConfig,
    strategies: dict[str, StrategySpec],
) -> list[str]:
    spec = methods.methods[name]
    _require_strategy(name, spec.strategy, strategies)
    strategy = one(
        conn, "registry", "strategy", name=spec.strategy, version=strategies[spec.strategy].version
    )
    model = one(
        conn, "registry", "model_for_method",
        league=spec.league, name=None if spec.model == CHAMPION else spec.model,
    )  # fmt: skip
    if strategy is None or model is None:
        return []
    configs = methods.configs(name)
    config_hash = method_config_hash(
        strategy=(spec.strategy, strategy["strategy_version"]),
        model=(model["model_name"], model["model_version"]),
        configs=configs,
    )
    versions = rows(conn, "registry", "method_versions", name=name)
    if any(row["config_hash"] == config_hash for row in versions):
        return []
    taken = {row["method_version"]: row for row in versions}
    version = spec.version
    if version in taken:
        # Only the champion may differ from the configured version's row.
        same = taken[version]
        _require_equal(
            f"method {name} {version}", "config/methods.yaml",
            {"strategy_id": same["strategy_id"], **{key: same[key] for key in configs}},
            {"strategy_id": strategy["strategy_id"], **configs},
        )  # fmt: skip
        if spec.model != CHAMPION:
            raise PrecogError(
                f"config/methods.yaml: method {name} {version} exists with another model; a "
                "version never changes, so raise its version"
            )
        version = _next_minor(list(taken))
    method_id = value(
        conn, "registry", "insert_method",
        name=name, version=version, description=spec.description or None,
        strategy_id=strategy["strategy_id"], model_id=model["model_id"], template=spec.template,
        config_hash=config_hash, created_by=CREATED_BY,
        **{key: Jsonb(config) for key, config in configs.items()},
    )  # fmt: skip
    if method_id is None:
        return []
    if spec.release == "testing":
        value(conn, "registry", "release_method", method_id=method_id, who=APPROVED_BY)
    return [f"{name} {version}"]


def _require_strategy(method: str, strategy: str, known: dict[str, StrategySpec]) -> None:
    if strategy not in known:
        raise PrecogError(
            f"config/methods.yaml: methods.{method}.strategy is {strategy!r}; expected one of "
            f"{', '.join(known)} (config/strategies.yaml)"
        )


def _next_minor(versions: list[str]) -> str:
    major, minor = max(tuple(map(int, version[1:].split("."))) for version in versions)
    return f"v{major}.{minor + 1}"


def _require_equal(what: str, file: str, stored: Any, configured: Any) -> None:
    if stored != configured:
        raise PrecogError(
            f"{file}: {what} is {configured!r} but the database has {stored!r}; trades name that "
            "version, so it never changes: raise the version"
        )
