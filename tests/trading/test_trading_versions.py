"""Strategies and methods: from YAML to immutable rows and back."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from precog_core.config import load_section
from precog_core.errors import PrecogError
from precog_trading.config import TradingConfig
from precog_trading.config_exits import PositionManagementConfig
from precog_trading.registry import require_exits_fit
from precog_trading.strategies import PreGame, build
from precog_trading.versions import (
    MethodsConfig,
    StrategiesConfig,
    method_config_hash,
    stored_strategy_config,
    strategy_from_row,
)
from tests.trading.worlds import METHOD


def methods(tmp_path: Path, text: str) -> MethodsConfig:
    (tmp_path / "methods.yaml").write_text(text)
    return load_section("methods", MethodsConfig, config_dir=tmp_path)


def test_the_shipped_strategy_looks_from_a_day_to_half_an_hour_before_and_holds() -> None:
    spec = load_section("strategies", StrategiesConfig).strategies["pre_game"]
    rules = build(spec.type, spec.config)
    assert (rules.earliest, rules.latest) == (timedelta(hours=24), timedelta(minutes=30))
    assert (rules.phase, rules.in_play, rules.hold_to_settlement) == ("pre_game", False, True)


def test_a_strategy_survives_its_row() -> None:
    spec = load_section("strategies", StrategiesConfig).strategies["pre_game"]
    row = stored_strategy_config(spec)
    assert row == {
        "type": "pre_game",
        "earliest_h": "24",
        "latest_h": "0.5",
        "hold_to_settlement": True,
    }
    assert strategy_from_row(row) == PreGame()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"earliest_h": "25"}, "earliest_h"),
        ({"latest_h": "0.4"}, "latest_h"),
        ({"latest_h": "24"}, "latest_h below earliest_h"),
        ({"hold_to_settlement": False}, "hold_to_settlement"),
        ({"stop_loss": "0.1"}, "stop_loss"),
    ],
)
def test_an_invalid_strategy_is_refused_by_name(config: dict[str, object], message: str) -> None:
    with pytest.raises(PrecogError, match=message):
        build("pre_game", config)


def test_an_unknown_type_or_a_row_without_one_is_refused() -> None:
    with pytest.raises(PrecogError, match="'martingale' is no strategy type.*pre_game"):
        build("martingale", {})
    with pytest.raises(PrecogError, match="has no type"):
        strategy_from_row({"earliest_h": "24"})


def test_the_yaml_refuses_what_the_strategy_refuses(tmp_path: Path) -> None:
    text = "strategies: {late: {version: v1.0, type: pre_game, config: {latest_h: 0.1}}}\n"
    (tmp_path / "strategies.yaml").write_text(text)
    with pytest.raises(PrecogError, match="latest_h"):
        load_section("strategies", StrategiesConfig, config_dir=tmp_path)


@pytest.mark.requirement("METH-014")
def test_the_shipped_templates_are_the_printed_ones() -> None:
    """Kelly .15/.20/.25, cap 500/750/1,000, target 15/20/30 %."""
    templates = load_section("methods", MethodsConfig).templates
    assert {
        name: (t.risk.kelly, t.risk.position_usd, t.position_mgmt.profit_target)
        for name, t in templates.items()
    } == {
        "conservative": (Decimal("0.15"), Decimal(500), Decimal("0.15")),
        "moderate": (Decimal("0.20"), Decimal(750), Decimal("0.20")),
        "aggressive": (Decimal("0.25"), Decimal(1000), Decimal("0.30")),
    }


TEMPLATED = """
templates: {careful: {description: x, risk: {kelly: 0.10, position_usd: 200}}}
methods:
  m: {version: v1.0, league: nfl, strategy: pre_game, template: careful, risk: {kelly: 0.12}}
"""


def test_a_methods_own_values_replace_its_templates(tmp_path: Path) -> None:
    configs = methods(tmp_path, TEMPLATED).configs("m")
    assert configs == {
        "position_mgmt_config": {},
        "risk_config": {"kelly": "0.12", "position_usd": "200"},
        "execution_config": {},
        "sport_config": {},
    }


@pytest.mark.requirement("KELLY-002")
def test_a_missing_template_or_a_kelly_above_one_half_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrecogError, match="'careless'"):
        methods(tmp_path, TEMPLATED.replace("template: careful", "template: careless"))
    with pytest.raises(PrecogError, match=r"risk\.kelly.*at most 0\.5"):
        methods(tmp_path, TEMPLATED.replace("0.12", "0.6"))


@pytest.mark.requirement("METH-004")
def test_the_config_hash_names_content_and_nothing_else(tmp_path: Path) -> None:
    configs = methods(tmp_path, TEMPLATED).configs("m")
    versions = {"strategy": ("pre_game", "v1.0"), "model": ("nfl-elo", "v1.0")}
    first = method_config_hash(**versions, configs=configs)
    reordered = dict(reversed(list(configs.items())))
    assert method_config_hash(**versions, configs=reordered) == first
    assert len(first) == 32
    other_model = {**versions, "model": ("nfl-elo", "v1.1")}
    assert method_config_hash(**other_model, configs=configs) != first
    riskier = {**configs, "risk_config": {"kelly": "0.13", "position_usd": "200"}}
    assert method_config_hash(**versions, configs=riskier) != first


OWN_EXITS = """
methods:
  m:
    version: v1.0
    league: nba
    strategy: pre_game_managed
    position_mgmt: {exit: {stop_loss: {high: 0.45}}, trailing: {distance: 0.15}}
"""


def test_a_method_replaces_single_exit_settings_and_keeps_the_others(tmp_path: Path) -> None:
    config = TradingConfig()
    own = methods(tmp_path, OWN_EXITS).methods["m"].position_mgmt
    exits, trailing = own.exit_settings(config.exit), own.trailing_settings(config.trailing)
    assert exits.stop_loss.high == Decimal("0.45")
    assert exits.stop_loss.low == config.exit.stop_loss.low
    assert exits.model_copy(update={"stop_loss": config.exit.stop_loss}) == config.exit
    assert (trailing.distance, trailing.activation) == (Decimal("0.15"), Decimal("0.10"))
    assert methods(tmp_path, OWN_EXITS).configs("m")["position_mgmt_config"] == {
        "exit": {"stop_loss": {"high": "0.45"}},
        "trailing": {"distance": "0.15"},
    }
    for wrong, message in (
        ("stop_los: {high: 0.45}", r"exit\.stop_los is"),
        ("stop_loss: {high: 1.45}", r"exit\.stop_loss\.high is '1\.45'"),
        ("partial_exit_target: {stage_1_gain: 0.3}", "stage_1_gain below stage_2_gain"),
    ):
        with pytest.raises(PrecogError, match=message):
            methods(tmp_path, OWN_EXITS.replace("stop_loss: {high: 0.45}", wrong))


def test_a_methods_own_exits_may_not_be_tighter_than_the_entry() -> None:
    tight = PositionManagementConfig(exit={"liquidity_dried_up": {"spread": "0.01"}})
    method = replace(METHOD, name="m", version="v1.0", exits=tight)
    require_exits_fit([replace(method, exits=None)], TradingConfig())
    with pytest.raises(PrecogError, match=r"method m v1\.0.*tighter than gate\.spread_wide"):
        require_exits_fit([method], TradingConfig())
    contradiction = PositionManagementConfig(exit={"early_exit": "0.01"})
    config = TradingConfig.model_validate({"exit": {"edge_disappeared": "0.02"}})
    with pytest.raises(PrecogError, match="edge_disappeared at most early_exit"):
        require_exits_fit([replace(method, exits=contradiction)], config)


def test_the_patient_method_is_three_times_as_far_from_the_entry() -> None:
    """The factor of config/methods.yaml; the highest target is cut to a doubling."""
    exits, trailing = TradingConfig().exit, TradingConfig().trailing
    own = load_section("methods", MethodsConfig).methods["nba_pre_game_patient"].position_mgmt
    patient, trail = own.exit_settings(exits), own.trailing_settings(trailing)
    for level in ("high", "medium", "low"):
        assert getattr(patient.stop_loss, level) == 3 * getattr(exits.stop_loss, level)
        target = min(3 * getattr(exits.profit_target, level), Decimal(1))
        assert getattr(patient.profit_target, level) == target
    for stage in ("stage_1_gain", "stage_2_gain"):
        gain = getattr(exits.partial_exit_target, stage)
        assert getattr(patient.partial_exit_target, stage) == 3 * gain
    for name in ("activation", "distance", "step_gain", "step", "floor"):
        assert getattr(trail, name) == 3 * getattr(trailing, name)
