"""The features, each a small definition: a pure function of a ``Situation`` and what it rests on.

Add one by writing a function with ``@feature``; the builder, the dataset, the catalogue page and
the truncation and poison proofs pick it up from here. A definition never changes once it was used:
a new formula is a new version. The docstring is the definition that the database stores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from precog_pipelines.features.config import FeaturesConfig
from precog_pipelines.features.situation import Situation, TeamState
from precog_pipelines.ratings.elo import expected_score

REST_CAP_D = 14
FORM_GAMES = 10
STREAK_CAP = 5


@dataclass(frozen=True, eq=False)
class Basis:
    """What a feature rests on: ``known_at`` of a value is the latest instant among its inputs."""

    rule: str
    known_at: Callable[[Situation], datetime]


@dataclass(frozen=True)
class Feature:
    """One registered feature. Values lie in ``lowest`` .. ``highest`` or are undefined (None)."""

    name: str
    version: str
    data_type: str
    unit: str
    category: str
    calculation: str
    basis: Basis
    compute: Callable[[Situation], float | None]
    lowest: float | None
    highest: float | None
    back_to_back_only: bool = False
    entity_type: str = "game"

    @property
    def definition(self) -> str:
        """The text stored with the version: the calculation and when its value becomes known."""
        return f"{self.calculation} Known at: {self.basis.rule}."

    @property
    def key(self) -> tuple[str, str]:
        """Name and version, as ``feature_definitions`` identifies it."""
        return self.name, self.version


def _latest(scheduled: datetime, *others: datetime | None) -> datetime:
    return max(scheduled, *(other or scheduled for other in others))


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
_Compute = Callable[[Situation], float | None]
_ComputeTeam = Callable[[Situation, TeamState], float | None]


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
            )
        )
        return compute

    return register


def team_feature(
    name: str,
    *,
    category: str,
    unit: str,
    version: str = "v1.0",
    data_type: str = "float",
    lowest: float | None = None,
    highest: float | None = None,
    back_to_back_only: bool = False,
) -> Callable[[_ComputeTeam], _ComputeTeam]:
    """Register a function of a situation and a team twice: ``<name>_home`` and ``<name>_away``."""

    def register(compute: _ComputeTeam) -> _ComputeTeam:
        sides: tuple[tuple[str, Basis, _Compute], ...] = (
            ("home", FORM_HOME, lambda s: compute(s, s.home)),
            ("away", FORM_AWAY, lambda s: compute(s, s.away)),
        )
        for side, basis, of_side in sides:
            _add(
                Feature(
                    name=f"{name}_{side}",
                    version=version,
                    data_type=data_type,
                    unit=unit,
                    category=category,
                    calculation=f"{side.capitalize()} team: {_text(compute.__doc__)}",
                    basis=basis,
                    compute=of_side,
                    lowest=lowest,
                    highest=highest,
                    back_to_back_only=back_to_back_only,
                )
            )
        return compute

    return register


def registered(league: str, config: FeaturesConfig) -> tuple[Feature, ...]:
    """The features of ``league`` in registry order, which is the column order everywhere."""
    plays_back_to_back = league in config.back_to_back_leagues
    return tuple(f for f in _REGISTRY if plays_back_to_back or not f.back_to_back_only)


def _add(new: Feature) -> None:
    if any(known.name == new.name for known in _REGISTRY):
        raise ValueError(f"feature {new.name} is registered twice; keep one version in force")
    _REGISTRY.append(new)


def _text(docstring: str | None) -> str:
    if not docstring:
        raise ValueError("a feature needs a docstring: it is the definition that is stored")
    return " ".join(docstring.split())


@feature("elo_home", category="rating", unit="rating points", basis=RATINGS, lowest=0, highest=3000)
def _elo_home(s: Situation) -> float:
    """Elo rating of the home team before the game, reverted towards the mean in a new season."""
    return s.home.rating


@feature("elo_away", category="rating", unit="rating points", basis=RATINGS, lowest=0, highest=3000)
def _elo_away(s: Situation) -> float:
    """Elo rating of the away team before the game, reverted towards the mean in a new season."""
    return s.away.rating


@feature(
    "elo_diff", category="rating", unit="rating points", basis=RATINGS, lowest=-3000, highest=3000
)
def _elo_diff(s: Situation) -> float:
    """elo_home - elo_away, plus home advantage unless the site is neutral."""
    return s.home.rating - s.away.rating + s.home_advantage


@feature("elo_prob", category="rating", unit="probability", basis=RATINGS, lowest=0, highest=1)
def _elo_prob(s: Situation) -> float:
    """Probability that the home team wins: 1 / (1 + 10^(-elo_diff / 400))."""
    return expected_score(s.home.rating - s.away.rating + s.home_advantage)


def _rest_days(s: Situation, team: TeamState) -> int:
    if not team.played:
        return REST_CAP_D
    return min((s.day - team.played[-1].day).days, REST_CAP_D)


@team_feature("rest", category="rest", unit="days", data_type="int", lowest=0, highest=REST_CAP_D)
def _rest(s: Situation, team: TeamState) -> float:
    """Days since the last game of this season, at most 14; 14 before the season's first game."""
    return float(_rest_days(s, team))


@feature(
    "rest_diff", category="rest", unit="days", data_type="int", basis=FORM_BOTH,
    lowest=-REST_CAP_D, highest=REST_CAP_D,
)  # fmt: skip
def _rest_diff(s: Situation) -> float:
    """rest_home - rest_away."""
    return float(_rest_days(s, s.home) - _rest_days(s, s.away))


@team_feature(
    "b2b",
    category="rest",
    unit="flag",
    data_type="boolean",
    lowest=0,
    highest=1,
    back_to_back_only=True,
)
def _back_to_back(s: Situation, team: TeamState) -> float:
    """1 when the team played yesterday (rest = 1), else 0."""
    return float(_rest_days(s, team) == 1)


@team_feature("win_pct_10", category="form", unit="share", lowest=0, highest=1)
def _win_pct_10(s: Situation, team: TeamState) -> float:
    """(wins + 2.5) / (n + 5) over the last n <= 10 games of this season; a tie is half a win."""
    recent = team.played[-FORM_GAMES:]
    wins = sum(1.0 if g.margin > 0 else 0.5 if g.margin == 0 else 0.0 for g in recent)
    return (wins + 2.5) / (len(recent) + 5)


@team_feature("margin_10", category="form", unit="points or goals")
def _margin_10(s: Situation, team: TeamState) -> float | None:
    """Mean margin over the last <= 10 games of this season; undefined before the first."""
    recent = team.played[-FORM_GAMES:]
    if not recent:
        return None
    return sum(g.margin for g in recent) / len(recent)


@team_feature(
    "streak", category="form", unit="games", data_type="int", lowest=-STREAK_CAP, highest=STREAK_CAP
)
def _streak(s: Situation, team: TeamState) -> float:
    """Length of the current run of wins (positive) or losses (negative) this season, at most 5
    either way; a tie ends a run and counts 0."""
    recent = team.played[-STREAK_CAP:][::-1]
    if not recent or recent[0].margin == 0:
        return 0.0
    won = recent[0].margin > 0
    run = sum(1 for _ in takewhile(lambda g: g.margin != 0 and (g.margin > 0) == won, recent))
    return float(run if won else -run)


@team_feature("games_played", category="form", unit="games", data_type="int", lowest=0)
def _games_played(s: Situation, team: TeamState) -> float:
    """Games of this season played so far, preseason excluded."""
    return float(len(team.played))


@feature(
    "neutral",
    category="schedule",
    unit="flag",
    data_type="boolean",
    basis=SCHEDULE,
    lowest=0,
    highest=1,
)
def _neutral(s: Situation) -> float:
    """1 when neither team plays at home."""
    return float(s.neutral)


@feature(
    "postseason",
    category="schedule",
    unit="flag",
    data_type="boolean",
    basis=SCHEDULE,
    lowest=0,
    highest=1,
)
def _postseason(s: Situation) -> float:
    """1 in the postseason."""
    return float(s.postseason)


@feature(
    "division_game",
    category="schedule",
    unit="flag",
    data_type="boolean",
    basis=SCHEDULE,
    lowest=0,
    highest=1,
)
def _division_game(s: Situation) -> float | None:
    """1 when both teams belong to one division; undefined before the league's last realignment."""
    return None if s.same_division is None else float(s.same_division)
