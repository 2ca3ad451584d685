"""One run over all leagues trains those that can be trained, and names the others."""

import pytest

from precog_core.errors import PrecogError
from precog_pipelines.training.leagues import NotTrainable, for_each_league


def train(league: str) -> str:
    if league in ("mlb", "nhl"):
        raise NotTrainable(f"league {league} has no games")
    if league == "broken":
        raise PrecogError("the file was changed")
    return f"{league} trained"


def test_leagues_without_games_keep_nobody_from_training() -> None:
    left_out: dict[str, str] = {}
    done = for_each_league(["nfl", "mlb", "nba", "nhl"], train, left_out.__setitem__)
    assert done == {"nfl": "nfl trained", "nba": "nba trained"}
    assert left_out == {"mlb": "league mlb has no games", "nhl": "league nhl has no games"}


def test_a_run_in_which_nothing_can_be_trained_fails_with_the_reason() -> None:
    with pytest.raises(NotTrainable, match="league mlb has no games"):
        for_each_league(["mlb", "nhl"], train, lambda league, reason: None)
    # What is compared and never served may be missing everywhere.
    nothing = for_each_league(["mlb"], train, lambda league, reason: None, may_be_empty=True)
    assert nothing == {}


def test_damage_is_no_reason_to_leave_a_league_out() -> None:
    with pytest.raises(PrecogError, match="the file was changed"):
        for_each_league(["nfl", "broken"], train, lambda league, reason: None)
