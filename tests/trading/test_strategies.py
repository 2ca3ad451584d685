"""Strategies: found by their file, refused with a reason, and the guide's example works."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from precog_core.config import load_section
from precog_core.errors import PrecogError
from precog_trading import strategies
from precog_trading.engine.plans import plan_for
from precog_trading.engine.state import Arm
from precog_trading.registry import method_from_row
from precog_trading.rules.conditions import ExitCondition
from precog_trading.strategies import build, strategy_types
from precog_trading.versions import MethodsConfig, StrategiesConfig, stored_strategy_config
from tests.trading.worlds import CONFIG, METHOD, STRATEGY, d, quote, world

GUIDE = Path(__file__).parents[2] / "docs" / "add-a-strategy.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are strategies, as if they lay beside the shipped ones."""
    monkeypatch.setattr(strategies, "__path__", [*strategies.__path__, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    strategies._strategy_class.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith("precog_trading.strategies."):
            del sys.modules[name]


def guide_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)


def test_the_shipped_types() -> None:
    assert strategy_types() == ["pre_game", "pre_game_managed", "settlement_arbitrage"]
    for name, spec in load_section("strategies", StrategiesConfig).strategies.items():
        assert spec.type == name
        stored = stored_strategy_config(spec)
        assert stored.pop("type") == name
        assert build(name, stored) == build(name, spec.config)


def test_the_shipped_methods_hold_in_nfl_and_draft_the_others() -> None:
    """Nothing new trades by itself: what was added beside the first methods waits for a person."""
    methods = load_section("methods", MethodsConfig).methods
    assert {name: (m.strategy, m.release) for name, m in methods.items()} == {
        "nfl_pre_game": ("pre_game", "testing"),
        "nba_pre_game": ("pre_game", "testing"),
        "nba_pre_game_managed": ("pre_game_managed", "draft"),
        "nba_pre_game_patient": ("pre_game_managed", "draft"),
        "nba_settlement_arbitrage": ("settlement_arbitrage", "draft"),
    }


def test_a_managed_strategy_keeps_its_stop_and_its_breaker() -> None:
    rules = build("pre_game_managed", {"without": ["rebalance", "trailing_stop"]})
    assert set(ExitCondition) - rules.exits == {"rebalance", "trailing_stop"}
    for never in ("stop_loss", "circuit_breaker"):
        with pytest.raises(PrecogError, match=f"{never}, which a managed position keeps"):
            build("pre_game_managed", {"without": [never]})
    with pytest.raises(PrecogError, match=r"without\.0 is 'panic'"):
        build("pre_game_managed", {"without": ["panic"]})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"certainty": "0.5"}, "certainty"),
        ({"until_h": "25"}, "until_h"),
        ({"x": 1}, "no setting x; expected some of certainty"),
    ],
)
def test_an_invalid_settlement_arbitrage_is_refused(
    config: dict[str, object], message: str
) -> None:
    with pytest.raises(PrecogError, match=message):
        build("settlement_arbitrage", config)


@pytest.mark.parametrize("name", ["base", "martingale", "__init__", "../evil", "Pre_Game"])
def test_what_is_no_strategy_type_is_refused(name: str) -> None:
    with pytest.raises(PrecogError, match="is no strategy type; expected one of pre_game, "):
        build(name, {})


def test_a_file_that_is_no_strategy_says_what_it_lacks(folder: Path) -> None:
    (folder / "empty_one.py").write_text("x = 1\n")
    with pytest.raises(PrecogError, match=r"empty_one\.py: expected a class EmptyOne"):
        build("empty_one", {})
    source = (
        "from precog_trading.strategies.base import Strategy\n"
        "class HalfOne(Strategy):\n    phase: str = 'pre_game'\n"
    )
    (folder / "half_one.py").write_text(source)
    with pytest.raises(PrecogError, match="HalfOne has no certainty, earliest, exits, hold_to_"):
        build("half_one", {})


def test_the_guides_strategy_is_a_file_and_an_entry(folder: Path) -> None:
    (source,) = guide_blocks("python")
    strategy_yaml, method_yaml, arm_yaml = guide_blocks("yaml")
    (folder / "late_underdogs.py").write_text(source)
    templates = (
        "templates: {conservative: {description: x, position_mgmt: {profit_target: 0.15}}}\n"
    )
    (folder / "strategies.yaml").write_text(strategy_yaml)
    (folder / "methods.yaml").write_text(templates + method_yaml + arm_yaml)
    spec = load_section("strategies", StrategiesConfig, config_dir=folder).strategies[
        "late_underdogs"
    ]
    methods = load_section("methods", MethodsConfig, config_dir=folder)
    configs = methods.configs("nfl_late_underdogs")
    method = method_from_row(
        {
            "strategy_id": 7, "strategy_name": "late_underdogs", "strategy_version": "v1.0",
            "strategy_status": "testing", "strategy_config": stored_strategy_config(spec),
            "strategy_league": None, "model_id": 1, "model_name": "nfl-elo",
            "model_version": "v1.0", "model_status": "testing", "model_league": "nfl",
            "method_id": 7, "method_name": "nfl_late_underdogs", "method_version": "v1.0",
            "status": "testing", **configs,
        }
    )  # fmt: skip
    assert method.arm == Arm("nba-exits", "managed", ("hold", "managed"))
    plan = plan_for(replace(method, arm=None), CONFIG)
    assert plan.profit_target == d("0.15")
    assert set(ExitCondition) - plan.conditions == {ExitCondition.TRAILING_STOP}
    w = replace(
        world(quotes=[quote(1, "0.69", "0.70")]).with_prediction(p_home=d("0.58")),
        methods=(replace(method, arm=None),),
    )
    home, visitor = w.decide()
    assert (home.price, home.skip_reason) == (d("0.70"), "strategy_declines")
    assert (visitor.price, visitor.skip_reason) == (d("0.31"), None)
    dearer = replace(w, quotes=(quote(1, "0.59", "0.60"),)).with_prediction(p_home=d("0.48"))
    assert [x.skip_reason for x in dearer.decide()] == ["strategy_declines"] * 2


def test_a_strategy_without_a_taste_of_its_own_accepts_every_side() -> None:
    w = replace(world(), methods=(replace(METHOD, strategy=STRATEGY),))
    assert "strategy_declines" not in [x.skip_reason for x in w.decide()]


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ("{experiment: x, name: c, arms: [a, b]}", "expected one of a, b"),
        ("{experiment: x, name: a, arms: [a, a]}", "repeat a name"),
        ("{experiment: x, name: a, arms: [a]}", "arms"),
    ],
)
def test_an_impossible_arm_is_refused(arm: str, message: str, tmp_path: Path) -> None:
    text = (
        "methods: {m: {version: v1.0, league: nfl, strategy: pre_game, "
        f"execution: {{arm: {arm}}}}}}}\n"
    )
    (tmp_path / "methods.yaml").write_text(text)
    with pytest.raises(PrecogError, match=message):
        load_section("methods", MethodsConfig, config_dir=tmp_path)
