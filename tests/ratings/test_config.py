"""``config/elo.yaml`` and ``config/features.yaml`` refuse what cannot be meant."""

import pytest
from pydantic import ValidationError

from precog_core.errors import PrecogError
from precog_pipelines.features.config import FeaturesConfig
from precog_pipelines.ratings.config import LeagueElo, elo_config

GOOD = {
    "k": 20,
    "home_advantage": [{"points": 48}, {"from_season": 2020, "points": 30}],
    "reversion": "1/3",
    "margin": "football",
}


def test_a_third_is_exact() -> None:
    assert LeagueElo(**GOOD).reversion == 1 / 3
    assert LeagueElo(**GOOD | {"reversion": 0.3}).reversion == 0.3


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0.5}, {"k": 51}, {"reversion": 1.5}, {"reversion": "one third"},
        {"margin": "curling"}, {"version": "2"}, {"home_advantage": []},
        {"home_advantage": [{"points": 151}]}, {"home_advantage": [{"points": 1}, {"points": 2}]},
        {"home_edge": 3},
    ],
)  # fmt: skip
def test_values_out_of_range_and_unknown_keys_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        LeagueElo(**GOOD | wrong)


def test_an_unknown_league_names_the_file_and_the_leagues() -> None:
    with pytest.raises(
        PrecogError, match=r"config/elo\.yaml has no .* 'curling' \(it has mlb, nba"
    ):
        elo_config().league("curling")


def test_the_environment_reaches_a_league_and_is_checked(monkeypatch) -> None:
    monkeypatch.setenv("PRECOG__ELO__LEAGUES__NFL__K", "25")
    assert elo_config().league("nfl").k == 25
    monkeypatch.setenv("PRECOG__ELO__LEAGUES__NFL__K", "99")
    with pytest.raises(PrecogError, match="PRECOG__ELO__LEAGUES__NFL__K"):
        elo_config()


def test_the_early_moment_must_lie_before_the_decision() -> None:
    with pytest.raises(ValidationError, match="must be larger"):
        FeaturesConfig(day_before_offset_min=60, decision_offset_min=60)
    with pytest.raises(ValueError, match="expected one of day_before, decision"):
        FeaturesConfig().lead("kickoff")
