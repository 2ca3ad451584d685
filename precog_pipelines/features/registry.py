"""The features, each a small definition: a pure function of a ``Situation`` and what it rests on.

Add one by writing a function with ``@feature``; the builder, the dataset, the catalogue page and
the leak proofs (tests and production check) pick it up from here. A definition never changes once
it was used: a new formula is a new version. The docstring is the definition the database stores. A
function computes all moments at once: columns in, one column out, NaN where undefined.

A feature belongs to a set. Models choose sets, so adding a set leaves the datasets of others alone.
"""

import importlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import get_args

import numpy as np

from precog_pipelines.features.config import FeaturesConfig, FeatureSet
from precog_pipelines.features.quarterback import QuarterbackStates
from precog_pipelines.features.situation import (
    RECENT_GAMES,
    Floats,
    Instants,
    Situation,
    TeamStates,
)
from precog_pipelines.ratings.elo import expected_score

REST_CAP_D = 14
STREAK_CAP = 5


@dataclass(frozen=True, eq=False)
class Basis:
    """What a feature rests on: ``known_at`` of a value is the latest instant among its inputs."""

    rule: str
    known_at: Callable[[Situation], Instants]


@dataclass(frozen=True)
class Feature:
    """One registered feature. Values lie in ``lowest`` .. ``highest`` or are undefined (NaN)."""

    name: str
    version: str
    data_type: str
    unit: str
    category: str
    calculation: str
    basis: Basis
    compute: Callable[[Situation], Floats]
    lowest: float | None
    highest: float | None
    back_to_back_only: bool = False
    entity_type: str = "game"
    feature_set: FeatureSet = "v1.0"

    @property
    def definition(self) -> str:
        """The text stored with the version: the calculation and when its value becomes known."""
        return f"{self.calculation} Known at: {self.basis.rule}."

    @property
    def key(self) -> tuple[str, str]:
        """Name and version, as ``feature_definitions`` identifies it."""
        return self.name, self.version


def _latest(scheduled: Instants, *others: Instants) -> Instants:
    latest = scheduled
    for other in others:
        latest = np.maximum(latest, other)
    return latest


SCHEDULE = Basis("schedule ingest", lambda s: s.scheduled_known_at)
RATINGS = Basis(
    "schedule ingest and the latest result in either team's rating chain",
    lambda s: _latest(s.scheduled_known_at, s.home.rating_known_at, s.away.rating_known_at),
)
FORM_HOME = Basis(
    "schedule ingest and the home team's last result of this season",
    lambda s: _latest(s.scheduled_known_at, s.home.played_known_at),
)
FORM_AWAY = Basis(
    "schedule ingest and the away team's last result of this season",
    lambda s: _latest(s.scheduled_known_at, s.away.played_known_at),
)
FORM_BOTH = Basis(
    "schedule ingest and either team's last result of this season",
    lambda s: _latest(s.scheduled_known_at, s.home.played_known_at, s.away.played_known_at),
)

_REGISTRY: list[Feature] = []
# Modules of further sets, in column order; they register themselves when imported.
_MODULES = ("precog_pipelines.features.uncertain_ratings", "precog_pipelines.features.market")
_Compute = Callable[[Situation], Floats]
_ComputeTeam = Callable[[Situation, TeamStates], Floats]


def feature(
    name: str,
    *,
    category: str,
    unit: str,
    basis: Basis,
    version: str = "v1.0",
    data_type: str = "float",
    lowest: float | None = None,
    highest: float | None = None,
    feature_set: FeatureSet = "v1.0",
) -> Callable[[_Compute], _Compute]:
    """Register a function of a ``Situation``; its docstring becomes the stored calculation."""

    def register(compute: _Compute) -> _Compute:
        _add(
            Feature(
                name=name,
                version=version,
                data_type=data_type,
                unit=unit,
                category=category,
                calculation=_text(compute.__doc__),
                basis=basis,
                compute=compute,
                lowest=lowest,
                highest=highest,
                feature_set=feature_set,
            )
        )
        return compute

    return register


def team_feature(
    name: str,
    *,
    category: str,
    unit: str,
    basis: tuple[Basis, Basis] = (FORM_HOME, FORM_AWAY),
    version: str = "v1.0",
    data_type: str = "float",
    lowest: float | None = None,
    highest: float | None = None,
    back_to_back_only: bool = False,
    feature_set: FeatureSet = "v1.0",
) -> Callable[[_ComputeTeam], _ComputeTeam]:
    """Register a function of a situation and a team twice: ``<name>_home`` and ``<name>_away``."""

    def register(compute: _ComputeTeam) -> _ComputeTeam:
        sides: tuple[tuple[str, Basis, _Compute], ...] = (
            ("home", basis[0], lambda s: compute(s, s.home)),
            ("away", basis[1], lambda s: compute(s, s.away)),
        )
        for side, rests_on, of_side in sides:
            _add(
                Feature(
                    name=f"{name}_{side}",
                    version=version,
                    data_type=data_type,
                    unit=unit,
                    category=category,
                    calculation=f"{side.capitalize()} team: {_text(compute.__doc__)}",
                    basis=rests_on,
                    compute=of_side,
                    lowest=lowest,
                    highest=highest,
                    back_to_back_only=back_to_back_only,
                    feature_set=feature_set,
                )
            )
        return compute

    return register


def registered(
    league: str, config: FeaturesConfig, sets: Collection[str] = ("v1.0",)
) -> tuple[Feature, ...]:
    """The features of ``league`` in ``sets``, in registry order: the column order everywhere.

    Raises ValueError for a set that does not exist.
    """
    if unknown := set(sets) - set(get_args(FeatureSet)):
        raise ValueError(
            f"no feature set {', '.join(sorted(unknown))}; there are "
            f"{', '.join(get_args(FeatureSet))}"
        )
    for module in _MODULES:
        importlib.import_module(module)
    plays_back_to_back = league in config.back_to_back_leagues
    return tuple(
        f
        for f in _REGISTRY
        if f.feature_set in sets
        and (plays_back_to_back or not f.back_to_back_only)
        and (f.feature_set != "quarterback" or league in config.quarterback)
    )


def _add(new: Feature) -> None:
    if any(known.name == new.name for known in _REGISTRY):
        raise ValueError(f"feature {new.name} is registered twice; keep one version in force")
    _REGISTRY.append(new)


def _text(docstring: str | None) -> str:
    if not docstring:
        raise ValueError("a feature needs a docstring: it is the definition that is stored")
    return " ".join(docstring.split())


@feature("elo_home", category="rating", unit="rating points", basis=RATINGS, lowest=0, highest=3000)
def _elo_home(s: Situation) -> Floats:
    """Elo rating of the home team before the game, reverted towards the mean in a new season."""
    return s.home.rating


@feature("elo_away", category="rating", unit="rating points", basis=RATINGS, lowest=0, highest=3000)
def _elo_away(s: Situation) -> Floats:
    """Elo rating of the away team before the game, reverted towards the mean in a new season."""
    return s.away.rating


@feature(
    "elo_diff", category="rating", unit="rating points", basis=RATINGS, lowest=-3000, highest=3000
)
def _elo_diff(s: Situation) -> Floats:
    """elo_home - elo_away, plus home advantage unless the site is neutral."""
    return s.home.rating - s.away.rating + s.home_advantage


@feature("elo_prob", category="rating", unit="probability", basis=RATINGS, lowest=0, highest=1)
def _elo_prob(s: Situation) -> Floats:
    """Probability that the home team wins: 1 / (1 + 10^(-elo_diff / 400))."""
    # NumPy's own power differs from the rating's in the last bit on some processors.
    return np.array([expected_score(lead) for lead in _elo_diff(s).tolist()], dtype=np.float64)


def _rest_days(team: TeamStates) -> Floats:
    # fmin: a team without a game this season has NaN days behind it and is fully rested.
    return np.fmin(team.days_since, REST_CAP_D)


@team_feature("rest", category="rest", unit="days", data_type="int", lowest=0, highest=REST_CAP_D)
def _rest(s: Situation, team: TeamStates) -> Floats:
    """Days since the last game of this season, at most 14; 14 before the season's first game."""
    return _rest_days(team)


@feature(
    "rest_diff", category="rest", unit="days", data_type="int", basis=FORM_BOTH,
    lowest=-REST_CAP_D, highest=REST_CAP_D,
)  # fmt: skip
def _rest_diff(s: Situation) -> Floats:
    """rest_home - rest_away."""
    return _rest_days(s.home) - _rest_days(s.away)


@team_feature(
    "b2b",
    category="rest",
    unit="flag",
    data_type="boolean",
    lowest=0,
    highest=1,
    back_to_back_only=True,
)
def _back_to_back(s: Situation, team: TeamStates) -> Floats:
    """1 when the team played yesterday (rest = 1), else 0."""
    return (_rest_days(team) == 1).astype(np.float64)


@team_feature("win_pct_10", category="form", unit="share", lowest=0, highest=1)
def _win_pct_10(s: Situation, team: TeamStates) -> Floats:
    """(wins + 2.5) / (n + 5) over the last n <= 10 games of this season; a tie is half a win."""
    wins = (team.recent > 0).sum(axis=0) + 0.5 * (team.recent == 0).sum(axis=0)
    return (wins + 2.5) / (np.minimum(team.games, RECENT_GAMES) + 5)


@team_feature("margin_10", category="form", unit="points or goals")
def _margin_10(s: Situation, team: TeamStates) -> Floats:
    """Mean margin over the last <= 10 games of this season; undefined before the first."""
    counted = np.where(team.games > 0, np.minimum(team.games, RECENT_GAMES), np.nan)
    return np.nansum(team.recent, axis=0) / counted


@team_feature(
    "streak", category="form", unit="games", data_type="int", lowest=-STREAK_CAP, highest=STREAK_CAP
)
def _streak(s: Situation, team: TeamStates) -> Floats:
    """Length of the current run of wins (positive) or losses (negative) this season, at most 5
    either way; a tie ends a run and counts 0."""
    signs = np.sign(team.recent[:STREAK_CAP])
    run = np.logical_and.accumulate(signs == signs[0], axis=0).sum(axis=0)
    # No game yet is NaN and a tie is 0: neither is a run.
    return np.nan_to_num(signs[0]) * run + 0.0


@team_feature("games_played", category="form", unit="games", data_type="int", lowest=0)
def _games_played(s: Situation, team: TeamStates) -> Floats:
    """Games of this season played so far, preseason excluded."""
    return team.games


@feature(
    "neutral",
    category="schedule",
    unit="flag",
    data_type="boolean",
    basis=SCHEDULE,
    lowest=0,
    highest=1,
)
def _neutral(s: Situation) -> Floats:
    """1 when neither team plays at home."""
    return s.neutral.astype(np.float64)


@feature(
    "postseason",
    category="schedule",
    unit="flag",
    data_type="boolean",
    basis=SCHEDULE,
    lowest=0,
    highest=1,
)
def _postseason(s: Situation) -> Floats:
    """1 in the postseason."""
    return s.postseason.astype(np.float64)


@feature(
    "division_game",
    category="schedule",
    unit="flag",
    data_type="boolean",
    basis=SCHEDULE,
    lowest=0,
    highest=1,
)
def _division_game(s: Situation) -> Floats:
    """1 when both teams belong to one division; undefined before the league's last realignment."""
    return s.same_division


def _quarterback(s: Situation) -> QuarterbackStates:
    if s.quarterback is None:
        raise ValueError(
            "the set quarterback needs results with starters; see features.quarterback"
        )
    return s.quarterback


STARTERS = Basis(
    "schedule ingest and the latest known result of the league",
    lambda s: _latest(s.scheduled_known_at, _quarterback(s).known_at),
)


@feature(
    "points_margin", category="rating", unit="points", basis=STARTERS, lowest=-100, highest=100,
    feature_set="quarterback",
)  # fmt: skip
def _points_margin(s: Situation) -> Floats:
    """Expected margin of the home team in points: offence + defence + value of the quarterback
    expected from earlier starts, home minus away, plus the learned home advantage unless
    neutral."""
    return _quarterback(s).margin


@feature(
    "finale_margin", category="rating", unit="points", basis=STARTERS, lowest=-100, highest=100,
    feature_set="quarterback",
)  # fmt: skip
def _finale_margin(s: Situation) -> Floats:
    """points_margin in the last game of the regular season, else 0: teams with nothing left to
    play for rest their starters."""
    states = _quarterback(s)
    return np.where(states.finale, states.margin, 0.0)


@feature(
    "qb_value_home", category="rating", unit="points", basis=STARTERS, lowest=-100, highest=100,
    feature_set="quarterback",
)  # fmt: skip
def _qb_value_home(s: Situation) -> Floats:
    """Home team: points a game by which the quarterbacks who started its last six games exceed a
    newcomer, the latest start weighing most; undefined while none is known."""
    return _quarterback(s).home_value


@feature(
    "qb_value_away", category="rating", unit="points", basis=STARTERS, lowest=-100, highest=100,
    feature_set="quarterback",
)  # fmt: skip
def _qb_value_away(s: Situation) -> Floats:
    """Away team: points a game by which the quarterbacks who started its last six games exceed a
    newcomer, the latest start weighing most; undefined while none is known."""
    return _quarterback(s).away_value


@feature(
    "qb_starts_home", category="form", unit="games", data_type="int", basis=STARTERS, lowest=1,
    feature_set="quarterback",
)  # fmt: skip
def _qb_starts_home(s: Situation) -> Floats:
    """Home team: known starts, for any team, of the quarterback who started its last game."""
    return _quarterback(s).home_starts


@feature(
    "qb_starts_away", category="form", unit="games", data_type="int", basis=STARTERS, lowest=1,
    feature_set="quarterback",
)  # fmt: skip
def _qb_starts_away(s: Situation) -> Floats:
    """Away team: known starts, for any team, of the quarterback who started its last game."""
    return _quarterback(s).away_starts


@feature(
    "qb_changed_home", category="form", unit="flag", data_type="boolean", basis=STARTERS,
    lowest=0, highest=1, feature_set="quarterback",
)  # fmt: skip
def _qb_changed_home(s: Situation) -> Floats:
    """Home team: 1 when its last starter was another than the one before, else 0."""
    return _quarterback(s).home_changed


@feature(
    "qb_changed_away", category="form", unit="flag", data_type="boolean", basis=STARTERS,
    lowest=0, highest=1, feature_set="quarterback",
)  # fmt: skip
def _qb_changed_away(s: Situation) -> Floats:
    """Away team: 1 when its last starter was another than the one before, else 0."""
    return _quarterback(s).away_changed
