"""The compiled Elo gives the bits of the reference, whatever the games and parameters."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precog_pipelines.ratings import fivethirtyeight
from precog_pipelines.ratings.elo import EloParameters, Era, Game, MarginForm, rate_games
from precog_pipelines.ratings.kernel import (
    GameColumns,
    expected_columns,
    rate_columns,
    score_columns,
)
from tests.ratings.test_elo import NFL, nfl_games, seasons_of_games


def assert_same_bits(games: list[Game], parameters: EloParameters, columns=None) -> None:
    rated, end = rate_games(games, parameters)
    found, same_end = rate_columns(columns or GameColumns.of(games), parameters)
    for name in found._fields:
        assert getattr(found, name).tolist() == [getattr(game, name) for game in rated], name
    assert same_end == end
    expected, end_again = expected_columns(columns or GameColumns.of(games), parameters)
    assert expected.tolist() == found.expected.tolist()
    assert end_again == end


@st.composite
def parameters(draw) -> EloParameters:
    number = st.floats(0, 1, allow_subnormal=False)
    return EloParameters(
        k=draw(st.floats(1, 50)),
        eras=(Era(None, draw(st.floats(0, 150))), Era(2019, draw(st.floats(0, 150)))),
        reversion=draw(number),
        margin=draw(st.sampled_from(MarginForm)),
        margin_power=draw(st.sampled_from([0.0, 0.5, 1.0, 1.3])),
        initial=draw(st.sampled_from([{}, {"A": 1700.0, "Z": 1.0}])),
        season_starts=draw(st.sampled_from([{}, {("B", 2019): 1400.5, ("A", 1990): 3.0}])),
    )


@pytest.mark.requirement("PIT-007")
@given(games=seasons_of_games(), elo=parameters())
@settings(max_examples=120, deadline=None)
def test_any_games_and_parameters_give_the_same_bits(games: list[Game], elo) -> None:
    assert_same_bits(games, elo)


def test_a_century_of_nfl_games_gives_the_same_bits(data_dir) -> None:
    folder = data_dir / "nfl"
    frame = pd.read_csv(folder / "fivethirtyeight_nfl_games_1920_2020.csv")
    initial = dict(pd.read_csv(folder / "nfl_initial_elos.csv").itertuples(index=False, name=None))
    columns = ["season", "team1", "team2", "score1", "score2", "neutral"]
    games = [Game(*row) for row in frame[columns].itertuples(index=False, name=None)]
    as_read = frame[columns].set_axis(list(Game._fields), axis=1)
    assert_same_bits(
        games, fivethirtyeight.reference_parameters(initial), GameColumns.of_frame(as_read)
    )


@pytest.mark.parametrize(
    "identity",
    [
        lambda n: n + 40, lambda n: n * 10**9, lambda n: f"team {n}", lambda n: f"a long name {n}",
        lambda n: f"é{n}", lambda n: "ab" * n, lambda n: f"{n}" if n < 7 else f"seven+{n}",
    ],
)  # fmt: skip
def test_teams_may_be_numbers_close_together_or_apart_or_names(identity) -> None:
    games = [
        Game(2000 + n // 9, identity(n % 5), identity(5 + n % 4), n % 7, n % 11, n % 3 == 0)
        for n in range(60)
    ]
    assert_same_bits(games, NFL)
    mixed = pd.DataFrame(games).astype({"home": object, "away": object})
    assert_same_bits(games, NFL, GameColumns.of_frame(mixed))
    # A part of a longer column, and one made of several: not where their buffers begin.
    frame = pd.DataFrame(games)
    parts = pd.concat([frame.iloc[:20], frame.iloc[20:]])
    assert_same_bits(games[20:], NFL, GameColumns.of_frame(frame.iloc[20:]))
    assert_same_bits(games, NFL, GameColumns.of_frame(parts))


def test_more_names_than_fit_the_table_are_coded_all_the_same() -> None:
    games = [Game(2000, f"h{n}", f"a{n}", n % 7, n % 11, False) for n in range(1_500)]
    assert_same_bits(games, NFL)


def test_no_games_are_rated_as_nothing_and_a_season_before_the_first_era_is_refused() -> None:
    found, end = rate_columns(GameColumns.of([]), dataclasses.replace(NFL))
    assert found.expected.size == 0
    assert end.ratings == {}
    late = dataclasses.replace(NFL, eras=(Era(2020, 30.0),))
    with pytest.raises(ValueError, match="no Elo era covers season 2019"):
        rate_columns(GameColumns.of([Game(2019, "A", "B", 1, 0, False)]), late)


def test_scores_by_season_are_those_of_the_rated_games(data_dir) -> None:
    games = nfl_games(data_dir)
    rated, _ = rate_games(games, NFL)
    scores = score_columns(GameColumns.of(games), NFL)
    of_season = [
        (r.expected, r.actual) for r, g in zip(rated, games, strict=True)
        if g.season == 2014 and r.actual != 0.5
    ]  # fmt: skip
    p, y = np.array(of_season).T
    (place,) = np.flatnonzero(scores.seasons == 2014)
    assert scores.n[place] == len(of_season)
    assert scores.brier[place] == pytest.approx(((p - y) ** 2).mean())
    assert scores.log_loss[place] == pytest.approx(-np.log(np.where(y == 1, p, 1 - p)).mean())
    n, _, brier = scores.over(2018, 2025)
    assert (n, brier) == (2219, pytest.approx(0.2220, abs=2e-4))
    assert scores.over(1901, 1902)[0] == 0
