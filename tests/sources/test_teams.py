"""Team codes of each source lead to one franchise, and unknown ones nowhere."""

import pytest
from pydantic import ValidationError

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import League, Series, Team, league_config
from precog_pipelines.sources.teams import TeamDirectory


@pytest.mark.parametrize(
    ("source", "alias", "code"),
    [
        ("nflverse", "LA", "LA"), ("nflverse", "STL", "LA"), ("nflverse", "LAR", None),
        ("nflverse", "OAK", "LV"), ("nflverse", "SD", "LAC"), ("nflverse", "JAX", "JAX"),
        ("kalshi", "LAR", "LA"), ("kalshi", "LA", None), ("kalshi", "JAC", "JAX"),
        ("kalshi", "JAX", None), ("kalshi", "NO", "NO"), ("sample", "LV", "LV"),
        ("sample", "OAK", None), ("manual", "LAR", "LA"), ("espn", "KC", None),
    ],
)  # fmt: skip
def test_a_code_means_what_its_source_means_by_it(
    source: str, alias: str, code: str | None
) -> None:
    assert TeamDirectory.configured("nfl").code(source, alias) == code


def test_the_nfl_has_eight_divisions_of_four() -> None:
    teams = league_config("nfl").teams
    divisions = {team.division for team in teams}
    assert len(teams) == 32
    assert len(divisions) == 8
    assert all(sum(t.division == d for t in teams) == 4 for d in divisions)
    assert all(team.division.startswith(str(team.conference)) for team in teams if team.division)


def test_a_league_without_configuration_has_no_source() -> None:
    with pytest.raises(PrecogError, match="no game source for league mlb; .* describes nba, nfl"):
        league_config("mlb")


def test_one_name_for_two_teams_is_refused() -> None:
    teams = (Team(code="A", name="A"), Team(code="B", name="B", aliases={"kalshi": ["A"]}))
    with pytest.raises(ValidationError, match="source kalshi has two teams called A"):
        League(
            timezone="UTC",
            season_starts="08-01",
            last_week=1,
            series=Series(ticker="T", title="t"),
            teams=teams,
        )
