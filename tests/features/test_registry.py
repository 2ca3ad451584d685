"""What each feature means, on situations small enough to reckon by hand."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from precog_pipelines.features import registry
from precog_pipelines.features.builder import microseconds
from precog_pipelines.features.config import FeaturesConfig, features_config
from precog_pipelines.features.registry import SCHEDULE, feature, registered
from precog_pipelines.features.situation import NEVER, RECENT_GAMES, Situation, TeamStates

NFL_FEATURES = [
    "elo_home", "elo_away", "elo_diff", "elo_prob", "rest_home", "rest_away", "rest_diff",
    "win_pct_10_home", "win_pct_10_away", "margin_10_home", "margin_10_away", "streak_home",
    "streak_away", "games_played_home", "games_played_away", "neutral", "postseason",
    "division_game",
]  # fmt: skip


DAY = date(2019, 11, 20)


def at(day: int) -> int:
    return microseconds(datetime(2019, 11, day, 12, tzinfo=UTC))


def team(*margins: int, first_day: int = 1, rating: float = 1505.0) -> TeamStates:
    """A team that played every day from the first of November on, with these margins."""
    recent = [float(m) for m in margins[::-1]][:RECENT_GAMES]
    recent += [np.nan] * (RECENT_GAMES - len(recent))
    last_day = date(2019, 11, first_day + len(margins) - 1) if margins else None
    return TeamStates(
        rating=np.array([rating]),
        rating_known_at=np.array([at(3) if margins else NEVER]),
        games=np.array([float(len(margins))]),
        days_since=np.array([float((DAY - last_day).days) if last_day else np.nan]),
        recent=np.array(recent)[:, None],
        played_known_at=np.array([at(4) if margins else NEVER]),
    )


def situation(
    home: TeamStates,
    away: TeamStates,
    *,
    neutral: bool = False,
    postseason: bool = False,
    same_division: float = 0.0,
    home_advantage: float = 48.0,
    scheduled_known_at: int | None = None,
) -> Situation:
    return Situation(
        neutral=np.array([neutral]),
        postseason=np.array([postseason]),
        same_division=np.array([same_division]),
        home_advantage=np.array([home_advantage]),
        scheduled_known_at=np.array([scheduled_known_at or at(1)]),
        home=home,
        away=away,
    )


def value(name: str, s: Situation) -> float | None:
    (found,) = [f for f in registered("nba", FeaturesConfig()) if f.name == name]
    (number,) = found.compute(s)
    return None if np.isnan(number) else float(number)


def test_the_nfl_has_the_specified_features_in_order() -> None:
    assert [f.name for f in registered("nfl", features_config())] == NFL_FEATURES
    assert {f.version for f in registered("nfl", features_config())} == {"v1.0"}
    assert {f.entity_type for f in registered("nfl", features_config())} == {"game"}


def test_back_to_back_exists_only_where_leagues_play_back_to_back() -> None:
    for league in ("nba", "nhl"):
        names = [f.name for f in registered(league, features_config())]
        assert [n for n in names if n not in NFL_FEATURES] == ["b2b_home", "b2b_away"]
    assert "b2b_home" not in [f.name for f in registered("mlb", features_config())]


def test_elo_features() -> None:
    s = situation(team(rating=1600.0), team(rating=1550.0))
    assert (value("elo_home", s), value("elo_away", s)) == (1600.0, 1550.0)
    assert value("elo_diff", s) == 98.0
    assert value("elo_prob", s) == pytest.approx(1 / (1 + 10 ** (-98 / 400)))
    neutral = situation(team(rating=1600.0), team(rating=1600.0), neutral=True, home_advantage=0.0)
    assert (value("elo_diff", neutral), value("elo_prob", neutral)) == (0.0, 0.5)


def test_rest_is_capped_and_starts_at_the_cap() -> None:
    s = situation(team(7, 7, first_day=12), team(7, first_day=1))
    assert (value("rest_home", s), value("rest_away", s)) == (7.0, 14.0)
    assert value("rest_diff", s) == -7.0
    assert value("rest_home", situation(team(), team())) == 14.0


def test_back_to_back_is_a_game_the_day_after_a_game() -> None:
    s = situation(team(3, first_day=19), team(3, first_day=18))
    assert (value("b2b_home", s), value("b2b_away", s)) == (1.0, 0.0)
    assert value("b2b_home", situation(team(), team())) == 0.0


def test_form_counts_the_last_ten_games_with_five_pseudo_games() -> None:
    s = situation(team(10, -3, 0), team())
    assert value("win_pct_10_home", s) == (1 + 0.5 + 2.5) / 8
    assert value("margin_10_home", s) == pytest.approx(7 / 3)
    assert value("win_pct_10_away", s) == 0.5
    assert value("margin_10_away", s) is None
    # The eleventh last game, a win by 50, no longer counts.
    long = situation(team(50, *[-1] * 10), team())
    assert value("win_pct_10_home", long) == 2.5 / 15
    assert value("margin_10_home", long) == -1.0
    assert value("games_played_home", long) == 11.0


@pytest.mark.parametrize(
    ("margins", "streak"),
    [
        ((), 0), ((3,), 1), ((-3,), -1), ((-3, 3, 3), 2), ((3, -3, -3), -2), ((3, 3, 0), 0),
        ((3, 0, 3), 1), ((1,) * 9, 5), ((-1,) * 9, -5),
    ],
)  # fmt: skip
def test_streak_is_the_signed_current_run(margins: tuple[int, ...], streak: int) -> None:
    assert value("streak_home", situation(team(*margins), team())) == streak


def test_schedule_flags() -> None:
    s = situation(team(), team(), neutral=True, postseason=True, same_division=1.0)
    assert [value(n, s) for n in ("neutral", "postseason", "division_game")] == [1.0, 1.0, 1.0]
    s = situation(team(), team())
    assert [value(n, s) for n in ("neutral", "postseason", "division_game")] == [0.0, 0.0, 0.0]
    assert value("division_game", situation(team(), team(), same_division=float("nan"))) is None


def test_a_value_is_known_with_the_latest_of_what_it_rests_on() -> None:
    s = situation(team(3), team())
    known = {f.name: f.basis.known_at(s) for f in registered("nfl", features_config())}
    assert known["neutral"] == at(1)
    assert known["rest_away"] == at(1)
    assert known["elo_away"] == known["elo_home"] == at(3)
    assert known["rest_home"] == known["rest_diff"] == known["streak_home"] == at(4)
    late = situation(team(3), team(), scheduled_known_at=at(9))
    assert {int(f.basis.known_at(late)[0]) for f in registered("nfl", features_config())} == {at(9)}


def test_every_definition_says_what_it_is_and_when_it_is_known() -> None:
    for f in registered("nba", FeaturesConfig()):
        assert f.unit
        assert f.category in ("rating", "rest", "form", "schedule")
        assert f.definition.endswith(f"Known at: {f.basis.rule}.")
        assert len(f.calculation) > 15


def test_a_feature_without_a_docstring_or_with_a_taken_name_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(registry, "_REGISTRY", list(registry._REGISTRY))
    with pytest.raises(ValueError, match="needs a docstring"):
        feature("silent", category="form", unit="x", basis=SCHEDULE)(lambda s: s.home.rating)

    def documented(s: Situation) -> np.ndarray:
        """One."""
        return np.ones(1)

    feature("new_one", category="form", unit="x", basis=SCHEDULE)(documented)
    assert registered("nfl", features_config())[-1].calculation == "One."
    with pytest.raises(ValueError, match="registered twice"):
        feature("new_one", category="form", unit="x", basis=SCHEDULE)(documented)
