"""The settings of trading: the shipped file says what the code does, and wrong values stop it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from precog_core.config import load_section
from precog_core.errors import PrecogError
from precog_trading.config import TradingConfig
from precog_trading.settings import for_league


def test_the_shipped_file_is_the_rule_book() -> None:
    """Every default is written in the file and every line of the file is a default."""
    shipped = load_section("trading", TradingConfig)
    assert shipped == TradingConfig()
    assert shipped.fingerprint == TradingConfig().fingerprint


@pytest.mark.requirement("RISK-003", "KELLY-003")
@pytest.mark.parametrize(
    ("key", "paper", "live"),
    [
        ("position_usd", "500", "100"),
        ("game_usd", "1500", "200"),
        ("team_usd", "2000", "300"),
        ("day_usd", "3000", "300"),
        ("total_usd", "10000", "1000"),
        ("open", "20", "10"),
        ("open_game", "3", "1"),
        ("cash_reserve_usd", "1000", "100"),
    ],
)
def test_4_caps_by_profile(key: str, paper: str, live: str) -> None:
    cap = getattr(TradingConfig().caps, key)
    assert (cap.of("paper"), cap.of("backtest")) == (Decimal(paper), Decimal(paper))
    assert (cap.of("live"), cap.of("demo")) == (Decimal(live), Decimal(live))


@pytest.mark.requirement("KELLY-002")
def test_3_4_values_by_league() -> None:
    config = TradingConfig()
    minimum = {x: str(for_league(config.edge.min, x)) for x in ("nfl", "nba", "mlb", "wnba")}
    assert minimum == {"nfl": "0.05", "nba": "0.05", "mlb": "0.06", "wnba": "0.07"}
    kelly = {x: str(for_league(config.sizing.kelly, x)) for x in ("nfl", "nba", "tennis", "nhl")}
    assert kelly == {"nfl": "0.25", "nba": "0.22", "tennis": "0.18", "nhl": "0.20"}
    assert for_league(config.caps.league_pct, "nhl") == Decimal("0.20")
    assert for_league(config.caps.league_pct, None) == Decimal("0.20")


def write(folder: Path, text: str) -> Path:
    (folder / "trading.yaml").write_text(text)
    return folder


def test_a_file_changes_one_value_and_keeps_the_others(tmp_path: Path) -> None:
    text = (
        "edge: {min: {nfl: 0.055}}\ncaps: {position_usd: 250, game_usd: {paper: 700, live: 90}}\n"
    )
    config = load_section("trading", TradingConfig, config_dir=write(tmp_path, text))
    assert config.edge.min["nfl"] == Decimal("0.055")
    assert config.edge.min["tennis"] == Decimal("0.07")
    assert config.caps.position_usd.of("live") == Decimal("250")
    assert config.caps.game_usd.of("live") == Decimal("90")
    assert config.fingerprint != TradingConfig().fingerprint


def test_numbers_reach_the_rules_as_they_are_typed(tmp_path: Path) -> None:
    text = "edge: {shrink_to_market: 0.1000000000000000055}\n"
    config = load_section("trading", TradingConfig, config_dir=write(tmp_path, text))
    assert config.edge.shrink_to_market == Decimal("0.1000000000000000055")


def test_the_environment_overrules_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECOG__TRADING__GATE__SPREAD_WIDE", "0.015")
    config = load_section("trading", TradingConfig, config_dir=write(tmp_path, "gate: {}\n"))
    assert config.gate.spread_wide == Decimal("0.015")


@pytest.mark.requirement("SYS-002")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sizing: {kelly: {nfl: 0.51}}", r"trading.sizing.kelly.nfl is '0.51'.*at most 0.5"),
        ("sizing: {kelly: {nfl: 0}}", r"trading.sizing.kelly.nfl is '0'.*above 0"),
        ("edge: {min: {nlf: 0.05}}", "nlf is no league"),
        ("edge: {shrink_live: {nfl: 0.05}}", r"trading.edge.shrink_live.nfl is '0.05'.*0.10"),
        ("edge: {auto: {overtime: 0.05}}", "expected exactly pre_game"),
        (
            "gate: {spred_wide: 0.02}",
            "trading.gate.spred_wide is no setting; did you mean spread_wide",
        ),
        ("caps: {game_usd: -1}", "trading.caps.game_usd.*'-1'"),
        ("gate: {spread_wide: 0.04}", "entries would be sold at once"),
        ("exit: {liquidity_dried_up: {volume: 101}}", "entries would be sold at once"),
        ("exit: {early_exit: 0.06}", "entries would be sold at once"),
        ("exit: {edge_disappeared: 0.03}", "edge_disappeared at most early_exit"),
        ("exit: {partial_exit_target: {stage_1_gain: 0.30}}", "stage_1_gain below stage_2_gain"),
        ("exit: {partial_exit_target: {stage_1_share: 0.80}}", "at most 1"),
        ("trailing: {floor: 0.06}", "floor at most distance"),
        ("confidence: {bounds: {high: 0.09}}", "high < medium < low"),
        ("gate: {price_range: {low: 0.95}}", "low below high"),
        ("gate: {outside_window: {from_h: 0.5}}", "until_h below from_h"),
        ('gate: {outside_hours: {start: "23:30", until: "23:00"}}', "start before until"),
        ("fees: {account_precision: 0.02}", "trading.fees.account_precision.*at most 0.01"),
    ],
)
def test_a_wrong_value_stops_the_start_and_names_its_key(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(PrecogError, match=message):
        load_section("trading", TradingConfig, config_dir=write(tmp_path, text + "\n"))


@pytest.mark.parametrize(
    "values", [{"edge": {"shrink_to_market": 0.1}}, {"caps": {"min_usd": 10.0}}]
)
def test_a_binary_float_is_no_setting_of_money(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="binary float"):
        TradingConfig.model_validate(values)


def test_settings_cannot_be_changed_behind_the_rules_back() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TradingConfig().gate.spread_wide = Decimal("0.5")  # type: ignore[misc]
