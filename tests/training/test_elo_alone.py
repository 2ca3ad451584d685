"""The exception for leagues with Elo alone: named in the configuration, never over an alarm."""

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from precog_pipelines.training.approval import _elo_alone
from precog_pipelines.training.config import ModelsConfig, load_models_config

REASON = {"nba": "one spring and one autumn of games"}


def judgement(league: str = "nba", *candidates: tuple[str, bool]) -> Any:
    return SimpleNamespace(
        league=league,
        config=ModelsConfig(elo_alone=REASON),
        candidates=[
            SimpleNamespace(name=f"{league}-{family}", family=family, has_alarm=alarm)
            for family, alarm in candidates
        ],
    )


def test_only_a_named_league_and_only_without_an_alarm() -> None:
    assert _elo_alone(judgement("nba", ("xgboost", False), ("elo", False))) == "nba-elo"
    assert _elo_alone(judgement("nba", ("elo", True))) is None
    assert _elo_alone(judgement("nba", ("xgboost", False))) is None
    assert _elo_alone(judgement("nfl", ("elo", False))) is None


def test_its_elo_is_judged_from_the_first_season_and_a_reason_is_demanded() -> None:
    config = load_models_config()
    assert "fewer than the gate asks for" in config.elo_alone["nba"]
    assert (config.first_judged("nba"), config.first_judged("nfl")) == (0, 3)
    with pytest.raises(ValidationError):
        ModelsConfig(elo_alone={"nba": "because"})
