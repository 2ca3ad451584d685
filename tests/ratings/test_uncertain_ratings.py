"""Glicko-2 and strengths: the paper's example, the laws they obey, and facts as they were known."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precog_core.errors import PrecogError
from precog_pipelines.ratings import glicko, strength
from precog_pipelines.ratings.chain import FinishedResult, facts_as_known
from precog_pipelines.ratings.config import ratings_config
from precog_pipelines.ratings.elo import Era, era_of
from precog_pipelines.ratings.glicko import Glicko, GlickoParameters, GlickoTable, update
from precog_pipelines.ratings.strength import Strength, StrengthParameters, StrengthTable

GLICKO = GlickoParameters((Era(None, 60.0),), period_d=7, reversion=0.25)
STRENGTH = StrengthParameters((Era(None, 2.0),), 11.0, 5.0, 0.5, 3.0, 0.25, 20.0)


def game(home: int, away: int, margin: int, day: int = 0, **fields) -> FinishedResult:
    given = {"season": 2020, "neutral": False, "known_at": day} | fields
    return FinishedResult(day=day, home_team_id=home, away_team_id=away, margin=margin, **given)


def test_the_example_of_the_glicko_2_paper() -> None:
    opponents = [Glicko(1400, 30, 0.06), Glicko(1550, 100, 0.06), Glicko(1700, 300, 0.06)]
    after = update(
        Glicko(1500, 200, 0.06), list(zip(opponents, (1.0, 0.0, 0.0), strict=True)), tau=0.5
    )
    assert after.rating == pytest.approx(1464.06, abs=0.01)
    assert after.deviation == pytest.approx(151.52, abs=0.01)
    assert after.volatility == pytest.approx(0.05999, abs=0.00001)


def test_equal_teams_are_even_on_neutral_ground_and_doubt_pulls_towards_even() -> None:
    sure, unsure = Glicko(1600, 50, 0.06), Glicko(1600, 300, 0.06)
    weak = Glicko(1400, 50, 0.06)
    assert glicko.win_probability(sure, sure, 0.0) == 0.5
    assert 0.5 < glicko.win_probability(unsure, weak, 0.0) < glicko.win_probability(sure, weak, 0.0)
    strong, doubtful, average = Strength(6, 1), Strength(6, 9), Strength(0, 1)
    assert strength.win_probability(average, average, 0.0, 11.0) == 0.5
    assert strength.win_probability(strong, average, 0.0, 11.0) > strength.win_probability(
        doubtful, average, 0.0, 11.0
    )


def test_a_game_makes_surer_and_time_makes_doubtful() -> None:
    table = GlickoTable(GLICKO)
    home, away = table.play(game(1, 2, 7))
    assert home.rating > 1500 > away.rating
    assert home.deviation == pytest.approx(away.deviation, abs=1)
    assert home.deviation < GLICKO.deviation
    # The period of the next game itself is no absence.
    assert table.entering(1, 2020, 7) == home
    later = table.entering(1, 2020, 28)
    missed = 3 * (glicko.SCALE * home.volatility) ** 2
    assert later.deviation == pytest.approx(math.sqrt(home.deviation**2 + missed))
    assert table.entering(1, 2021, 7).rating == pytest.approx(1500 + 0.75 * (home.rating - 1500))
    assert table.entering(1, 2020, 100_000).deviation == GLICKO.deviation
    assert table.entering(9, 2020, 7) == GLICKO.start()


def test_a_margin_moves_the_team_we_know_less_about_more() -> None:
    table = StrengthTable(STRENGTH)
    for day in range(10):
        table.play(game(1, 2, 0, day, neutral=True))
    before = table.entering(1, 2020)
    known, new = table.play(game(1, 3, 14, 10))
    assert 0 < known.points - before.points < -new.points
    assert table.entering(3, 2021).points == pytest.approx(0.75 * new.points)
    # A summer makes doubtful the team that we knew.
    assert table.entering(1, 2021).deviation > table.entering(1, 2020).deviation
    # Beyond the cap nothing counts.
    one, other = StrengthTable(STRENGTH), StrengthTable(STRENGTH)
    assert one.play(game(1, 2, 20)) == other.play(game(1, 2, 59))


@st.composite
def late_results(draw) -> list[FinishedResult]:
    """Games in playing order whose results arrive in any order."""
    pairs = st.sampled_from([(h, a) for h in range(5) for a in range(5) if h != a])
    return [
        game(*draw(pairs), draw(st.integers(-30, 30)), day, season=2020 + day // 8,
             known_at=day + draw(st.sampled_from([0, 0, 0, 3, 7])))
        for day in range(draw(st.integers(0, 16)))
    ]  # fmt: skip


@pytest.mark.requirement("PIT-002", "PIT-007")
@given(games=late_results(), at=st.integers(0, 25))
@settings(max_examples=60)
def test_facts_known_at_any_time_equal_a_pass_over_what_was_known(games, at) -> None:
    facts = facts_as_known(games, lambda: StrengthTable(STRENGTH))
    seen = {}
    for fact in facts:
        if fact.known_at <= at:
            seen[fact.team_id] = fact
    table = StrengthTable(STRENGTH)
    expected = {}
    for played in games:
        if played.known_at <= at:
            home, away = table.play(played)
            expected[played.home_team_id], expected[played.away_team_id] = home, away
    assert {team: fact.state for team, fact in seen.items()} == expected


def test_an_unknown_league_names_the_file_and_the_leagues() -> None:
    with pytest.raises(PrecogError, match=r"config/ratings\.yaml has no .* 'curling' \(it has mlb"):
        ratings_config().league("curling")
    nfl = ratings_config().league("nfl")
    assert nfl.glicko.parameters().eras == (Era(None, 62.0), Era(2020, 39.0))
    assert nfl.strength.parameters().noise == 11.0


def test_on_nfl_games_they_score_what_the_notes_say(data_dir) -> None:
    from datetime import date

    from tests.ratings.test_elo import nfl_rows

    rows = nfl_rows(data_dir)
    codes = {code: n for n, code in enumerate(sorted({g.home for g in rows}))}
    games = [
        game(codes[g.home], codes[g.away], g.home_score - g.away_score,
             (g.day - date(1970, 1, 1)).days, season=g.season, neutral=g.neutral)
        for g in rows
    ]  # fmt: skip
    nfl = ratings_config().league("nfl")
    first, second = GlickoTable(nfl.glicko.parameters()), StrengthTable(nfl.strength.parameters())
    errors: dict[str, list[float]] = {"glicko": [], "strength": []}
    for played in games:
        teams = (played.home_team_id, played.away_team_id)
        if played.season >= 2018 and played.margin:
            won = float(played.margin > 0)
            edges = [
                0.0 if played.neutral else era_of(table.parameters.eras, played.season)[1]
                for table in (first, second)
            ]
            p = glicko.win_probability(
                *(first.entering(t, played.season, played.day) for t in teams), edges[0]
            )
            errors["glicko"].append((p - won) ** 2)
            p = strength.win_probability(
                *(second.entering(t, played.season) for t in teams), edges[1],
                second.parameters.noise,
            )  # fmt: skip
            errors["strength"].append((p - won) ** 2)
        first.play(played)
        second.play(played)
    brier = {name: sum(values) / len(values) for name, values in errors.items()}
    assert len(errors["glicko"]) == 2219
    assert brier == {
        "glicko": pytest.approx(0.2243, abs=2e-4),
        "strength": pytest.approx(0.2223, abs=2e-4),
    }
