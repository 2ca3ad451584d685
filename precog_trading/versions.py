"""Strategies and methods as configured, and the immutable rows they become.

The YAML describes what a new home gets; the database rows decide from then on. Both pass through
the same typed models, so a row that was valid when written still is when it is read.
"""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from precog_core.errors import PrecogError
from precog_trading.config_exits import PositionManagementConfig
from precog_trading.settings import Exact, Section, Usd
from precog_trading.strategies import EntryStrategy, build

Version = Annotated[str, Field(pattern=r"^v[0-9]+\.[0-9]+$")]
KellyFraction = Annotated[Exact, Field(gt=0, le=Decimal("0.5"))]


class StrategySpec(Section):
    """One entry of ``config/strategies.yaml``."""

    version: Version
    type: str
    category: str = "sports"
    league: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _config_fits_its_type(self) -> Self:
        try:
            build(self.type, self.config)
        except PrecogError as error:
            raise ValueError(str(error)) from error
        return self


class StrategiesConfig(Section):
    """``config/strategies.yaml``: strategies by name."""

    strategies: dict[str, StrategySpec] = Field(default_factory=dict)


class RiskConfig(Section):
    """``risk_config`` of a method: what it replaces of the league's sizing. Global caps bind."""

    kelly: KellyFraction | None = None
    position_usd: Usd | None = None


class ArmConfig(Section):
    """The part of the games that a method trades, for comparing methods on equal terms.

    ``arms`` are all arms of the experiment in a fixed order, ``name`` is this method's.
    """

    experiment: str = Field(min_length=1)
    name: str
    arms: tuple[str, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _name_is_an_arm(self) -> Self:
        if len(set(self.arms)) != len(self.arms):
            raise ValueError(f"arms {', '.join(self.arms)} repeat a name")
        if self.name not in self.arms:
            raise ValueError(f"name is {self.name!r}; expected one of {', '.join(self.arms)}")
        return self


class ExecutionConfig(Section):
    """``execution_config`` of a method: ``arm``, where it trades only a part of the games."""

    arm: ArmConfig | None = None


class MethodTemplate(Section):
    """A preset of a method's configurations."""

    description: str
    risk: RiskConfig = RiskConfig()
    position_mgmt: PositionManagementConfig = PositionManagementConfig()
    execution: ExecutionConfig = ExecutionConfig()
    sport: dict[str, str] = Field(default_factory=dict)


class MethodSpec(Section):
    """One entry of ``config/methods.yaml``; its own values replace those of its template."""

    version: Version
    description: str = ""
    league: str
    strategy: str
    model: str = "champion"
    release: Literal["testing", "draft"] = "testing"
    """testing trades in paper as soon as it exists; a draft waits for a person, and backtests"""
    template: str | None = None
    risk: RiskConfig = RiskConfig()
    position_mgmt: PositionManagementConfig = PositionManagementConfig()
    execution: ExecutionConfig = ExecutionConfig()
    sport: dict[str, str] = Field(default_factory=dict)


class MethodsConfig(Section):
    """``config/methods.yaml``: templates and methods by name."""

    templates: dict[str, MethodTemplate] = Field(default_factory=dict)
    methods: dict[str, MethodSpec] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _templates_exist(self) -> Self:
        for name, method in self.methods.items():
            if method.template is not None and method.template not in self.templates:
                raise ValueError(
                    f"methods.{name}.template is {method.template!r}; expected one of "
                    f"{', '.join(self.templates)} or null"
                )
        return self

    def configs(self, name: str) -> dict[str, dict[str, Any]]:
        """The four configurations of a method as JSON with decimals as strings, template applied.

        Keys: position_mgmt_config, risk_config, execution_config, sport_config.
        """
        method = self.methods[name]
        template = self.templates[method.template] if method.template else None
        merged: dict[str, dict[str, Any]] = {}
        for part in ("position_mgmt", "risk", "execution", "sport"):
            preset = _stored(getattr(template, part)) if template else {}
            merged[f"{part}_config"] = {**preset, **_stored(getattr(method, part))}
        return merged


def stored_strategy_config(spec: StrategySpec) -> dict[str, Any]:
    """``strategies.config`` of a spec: its type and every value, defaults included."""
    rules = build(spec.type, spec.config)
    values = rules.model_dump(mode="json") if isinstance(rules, Section) else {}
    return {"type": spec.type, **values}


def strategy_from_row(config: Mapping[str, Any]) -> EntryStrategy:
    """The strategy described by a ``strategies.config``. Raises PrecogError when it is invalid."""
    values = dict(config)
    type_name = values.pop("type", None)
    if not isinstance(type_name, str):
        raise PrecogError(
            f"strategies.config {dict(config)!r} has no type; expected its class name"
        )
    return build(type_name, values)


def method_config_hash(
    *,
    strategy: tuple[str, str],
    model: tuple[str, str],
    configs: Mapping[str, Mapping[str, Any]],
) -> str:
    """``methods.config_hash``: MD5 of canonical JSON of names, versions and configurations.

    The same method exported and imported elsewhere has the same hash; ids take no part.
    """
    content = {"strategy": list(strategy), "model": list(model), **configs}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _stored(part: Section | Mapping[str, str]) -> dict[str, Any]:
    if isinstance(part, Section):
        return part.model_dump(mode="json", exclude_none=True)
    return dict(part)
