"""The pure Elo: published numbers, golden numbers, and the laws it must obey."""

import math
from datetime import time
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precog_pipelines.ratings import fivethirtyeight
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.elo import (
    EloParameters,
    EloTable,
    Era,
    Game,
    MarginForm,
    expected_score,
    margin_multiplier,
    rate_games,
)
from tests.synthetic_league import made_up_league, nflverse_games

NFL = EloParameters(k=20, eras=(Era(None, 48.0), Era(2020, 30.0)), reversion=1 / 3,
                    margin=MarginForm.FOOTBALL)  # fmt: skip


def constant(home_advantage: float) -> EloParameters:
    return EloParameters(
        k=20, eras=(Era(None, home_advantage),), reversion=1 / 3, margin=MarginForm.FOOTBALL
    )


def _ordered(rows) -> list:
    return sorted(
        rows, key=lambda g: (g.day, g.kickoff_at is not None, g.kickoff_at or time(), g.key)
    )


@cache
def nfl_rows(data_dir: Path) -> list:
    """Finished NFL games since 1999 in playing order."""
    return _ordered(g for g in nflverse_games(data_dir) if g.home_score is not None)


def _played(rows) -> list[Game]:
    """Finished rows in playing order."""
    ordered = _ordered(rows)
    return [Game(g.season, g.home, g.away, g.home_score, g.away_score, g.neutral) for g in ordered]


@cache
def nfl_games(data_dir: Path) -> list[Game]:
    return _played(nfl_rows(data_dir))


@st.composite
def seasons_of_games(draw) -> list[Game]:
    """A few seasons of a small league, in playing order."""
    teams = st.sampled_from("ABCDEF")
    games = []
    for season in range(2018, 2018 + draw(st.integers(1, 3))):
        for _ in range(draw(st.integers(0, 12))):
            home, away = draw(st.tuples(teams, teams).filter(lambda pair: pair[0] != pair[1]))
            games.append(
                Game(season, home, away, draw(st.integers(0, 60)), draw(st.integers(0, 60)),
                     draw(st.booleans()))
            )  # fmt: skip
    return games


@pytest.mark.requirement("ML-001")
def test_all_published_fivethirtyeight_probabilities_are_reproduced(data_dir: Path) -> None:
    games = data_dir / "nfl" / "fivethirtyeight_nfl_games_1920_2020.csv"
    result = fivethirtyeight.verify(games, data_dir / "nfl" / "nfl_initial_elos.csv")
    assert result.games == 16_810
    assert result.max_abs_diff <= 2e-6
    assert result.max_rating_diff <= 1e-3


def test_without_the_special_season_starts_the_published_probabilities_are_missed(
    data_dir: Path,
) -> None:
    games = data_dir / "nfl" / "fivethirtyeight_nfl_games_1920_2020.csv"
    result = fivethirtyeight.verify(games, data_dir / "nfl" / "nfl_initial_elos.csv", special=False)
    assert result.max_abs_diff == pytest.approx(0.226, abs=1e-3)


@pytest.mark.parametrize(
    ("parameters", "since", "n", "brier", "log_loss"),
    [
        (constant(65), 2006, 5417, 0.2210, 0.6317),
        (constant(65), 2018, 2219, 0.2244, None),
        (constant(65), 2021, 1420, 0.2259, None),
        (constant(48), 2006, 5417, 0.2202, 0.6300),
        (constant(48), 2018, 2219, 0.2228, None),
        (constant(48), 2021, 1420, 0.2241, None),
        (NFL, 2006, 5417, 0.2199, None),
        (NFL, 2018, 2219, 0.2220, None),
        (NFL, 2021, 1420, 0.2234, None),
    ],
)
def test_golden_scores_on_nflverse(
    data_dir: Path, parameters: EloParameters, since: int, n: int, brier: float, log_loss: float
) -> None:
    games = nfl_games(data_dir)
    rated, _ = rate_games(games, parameters)
    scored = [
        (r.expected, r.actual)
        for r, g in zip(rated, games, strict=True)
        if g.season >= since and r.actual != 0.5
    ]
    assert len(scored) == n
    assert sum((p - y) ** 2 for p, y in scored) / n == pytest.approx(brier, abs=2e-4)
    if log_loss is not None:
        found = -sum(math.log(p if y else 1 - p) for p, y in scored) / n
        assert found == pytest.approx(log_loss, abs=2e-4)


def test_the_shipped_configuration_is_the_specified_one() -> None:
    config = elo_config()
    assert config.league("nfl").parameters() == NFL
    home_advantages = {
        (league, season): config.league(league).parameters().home_advantage(season)
        for league, season in [
            ("nfl", 2019), ("nfl", 2020), ("ncaaf", 2019), ("ncaaf", 2020), ("nba", 2020),
            ("nba", 2021), ("wnba", 2019), ("wnba", 2020), ("ncaab", 2019), ("ncaab", 2020),
            ("nhl", 1990), ("mlb", 2019), ("mlb", 2020),
        ]
    }  # fmt: skip
    assert list(home_advantages.values()) == [48, 30, 55, 40, 100, 70, 80, 40, 100, 50, 35, 24, 18]
    rest = {code: (elo.k, elo.reversion, elo.margin) for code, elo in config.leagues.items()}
    assert rest == {
        "nfl": (20, 1 / 3, "football"),
        "ncaaf": (20, 1 / 3, "football"),
        "nba": (20, 1 / 4, "basketball"),
        "wnba": (20, 1 / 4, "basketball"),
        "ncaab": (20, 1 / 4, "basketball"),
        "nhl": (6, 0.3, "hockey"),
        "mlb": (4, 1 / 3, "none"),
    }


def test_each_margin_form_has_its_published_value() -> None:
    football, basketball = MarginForm.FOOTBALL, MarginForm.BASKETBALL
    assert margin_multiplier(football, 7, 100) == pytest.approx(math.log(8) * 2.2 / 2.3)
    assert margin_multiplier(football, -7, 100) == pytest.approx(math.log(8) * 2.2 / 2.1)
    assert margin_multiplier(football, 0, 100) == pytest.approx(math.log(2) * 2.2)
    assert margin_multiplier(basketball, 10, 50) == pytest.approx(13**0.8 / 7.8)
    assert margin_multiplier(basketball, -10, 50) == pytest.approx(13**0.8 / 7.2)
    assert margin_multiplier(MarginForm.HOCKEY, -4, 0) == pytest.approx(
        0.6686 * math.log(4) + 0.8048
    )
    assert margin_multiplier(MarginForm.HOCKEY, 0, 0) == 0.8048
    assert margin_multiplier(MarginForm.NONE, 12, 300) == 1.0


def test_an_upset_moves_ratings_more_than_the_expected_result() -> None:
    strong = {"A": 1700.0, "B": 1400.0}
    parameters = EloParameters(20, (Era(None, 0.0),), 1 / 3, MarginForm.FOOTBALL, initial=strong)
    (expected,), _ = rate_games([Game(2020, "A", "B", 20, 10, True)], parameters)
    (upset,), _ = rate_games([Game(2020, "A", "B", 10, 20, True)], parameters)
    assert abs(upset.home_after - 1700) > 5 * abs(expected.home_after - 1700)


def test_a_tie_between_equals_on_neutral_ground_moves_nothing() -> None:
    (rated,), _ = rate_games([Game(2020, "A", "B", 17, 17, True)], NFL)
    assert (rated.expected, rated.home_after, rated.away_after) == (0.5, 1505.0, 1505.0)


def test_home_advantage_does_not_count_on_neutral_ground() -> None:
    table = EloTable(NFL)
    assert table.play(Game(2019, "A", "B", 3, 0, False)).expected == expected_score(48.0)
    assert table.play(Game(2019, "C", "D", 3, 0, True)).expected == 0.5


def test_a_team_is_reverted_once_at_its_first_game_of_a_new_season() -> None:
    table = EloTable(NFL)
    first = table.play(Game(2018, "A", "B", 30, 0, False))
    later = table.play(Game(2019, "A", "C", 30, 0, False))
    assert later.home_before == 1505 * (1 / 3) + first.home_after * (1 - 1 / 3)
    # A team that sat out a season is reverted once, and a new team not at all.
    assert table.rating("B", 2021) == 1505 * (1 / 3) + first.away_after * (1 - 1 / 3)
    assert table.rating("new", 2021) == 1505.0
    assert table.play(Game(2019, "D", "A", 0, 3, False)).away_before == later.home_after


def test_no_era_before_the_first_is_an_error_that_says_so() -> None:
    parameters = EloParameters(20, (Era(2000, 48.0),), 1 / 3, MarginForm.FOOTBALL)
    with pytest.raises(ValueError, match="season 1999"):
        parameters.home_advantage(1999)


@pytest.mark.requirement("PIT-007")
@given(games=seasons_of_games(), cut=st.integers(0, 40))
def test_continuing_from_any_checkpoint_equals_the_full_run_bit_for_bit(
    games: list[Game], cut: int
) -> None:
    whole, end = rate_games(games, NFL)
    head, checkpoint = rate_games(games[:cut], NFL)
    tail, same_end = rate_games(games[cut:], NFL, checkpoint)
    assert head + tail == whole
    assert same_end == end


@pytest.mark.requirement("PIT-007")
def test_every_season_checkpoint_of_the_nfl_continues_bit_for_bit(data_dir: Path) -> None:
    games = nfl_games(data_dir)
    whole, end = rate_games(games, NFL)
    for season in range(1999, 2026):
        cut = sum(g.season < season for g in games)
        _, checkpoint = rate_games(games[:cut], NFL)
        tail, same_end = rate_games(games[cut:], NFL, checkpoint)
        assert tail == whole[cut:]
        assert same_end == end


@given(games=seasons_of_games())
def test_each_game_conserves_the_sum_of_its_two_ratings(games: list[Game]) -> None:
    rated, _ = rate_games(games, NFL)
    for game in rated:
        assert game.home_after + game.away_after == pytest.approx(
            game.home_before + game.away_before, abs=1e-9
        )
        shift = game.weight * (game.actual - game.expected)
        assert game.home_after == game.home_before + shift


@given(games=seasons_of_games())
def test_games_without_a_common_team_commute(games: list[Game]) -> None:
    _, end = rate_games(games, NFL)
    for place, (left, right) in enumerate(pairwise(games)):
        if {left.home, left.away} & {right.home, right.away}:
            continue
        swapped = [*games[:place], right, left, *games[place + 2 :]]
        _, other = rate_games(swapped, NFL)
        assert other == end


@given(games=seasons_of_games())
@settings(max_examples=50)
def test_swapping_home_and_away_on_neutral_ground_mirrors_everything(games: list[Game]) -> None:
    neutral = [g._replace(neutral=True) for g in games]
    mirrored = [Game(g.season, g.away, g.home, g.away_score, g.home_score, True) for g in neutral]
    for one, other in zip(rate_games(neutral, NFL)[0], rate_games(mirrored, NFL)[0], strict=True):
        assert other.expected == pytest.approx(1 - one.expected, abs=1e-12)
        assert other.away_after == pytest.approx(one.home_after, abs=1e-9)


def test_a_made_up_league_spreads_without_leaving_the_plausible_range() -> None:
    _, end = rate_games(_played(g for g in made_up_league() if g.game_type != "preseason"), NFL)
    assert len(end.ratings) == 8
    assert sum(end.ratings.values()) == pytest.approx(8 * 1505)
    assert max(end.ratings.values()) - min(end.ratings.values()) > 100
