"""Team strength in points with the quarterback told apart, from results as they arrive.

Each team has an offence and a defence, each quarterback a value, all in points a game around the
league's mean. A result moves them by its surprise: the offence and the quarterback who started by
the points scored beyond expectation, the defence by those conceded. Who starts the next game is not
known beforehand; expected is who started before, the last start weighing most.

One sweep over time: results in the order in which they became known, a question wherever a game is
looked at. What is known at t is then exactly what has been swept, a late result counts from its
arrival on, and nothing later can reach a value.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from precog_pipelines.features.situation import NEVER, Floats, Instants

_Numbers = NDArray[np.int64]
UNKNOWN = -1
_STARTS_KEPT = 6


class QuarterbackConfig(BaseModel):
    """How fast the sweep learns; found by search on seasons before 2018 (docs/models.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    offence_rate: float = Field(ge=0, le=1)
    defence_rate: float = Field(ge=0, le=1)
    quarterback_rate: float = Field(ge=0, le=1)
    offence_reversion: float = Field(ge=0, le=1)
    defence_reversion: float = Field(ge=0, le=1)
    home_advantage: float
    home_advantage_rate: float = Field(ge=0, le=1)
    points_a_team: float = Field(gt=0)
    points_rate: float = Field(ge=0, le=1)
    margin_scale: float = Field(gt=0)
    margin_power: float = Field(gt=0, le=1)
    total_share: float = Field(ge=0, le=1)
    earlier_start_weight: float = Field(ge=0, lt=1)
    # Regular-season games of a team, from the first season on that the key names.
    games_a_season: dict[int, int]

    def games_of(self, season: int) -> int:
        """Regular-season games of a team in ``season``."""
        known = [first for first in self.games_a_season if first <= season]
        return self.games_a_season[max(known) if known else min(self.games_a_season)]


@dataclass(frozen=True)
class StarterFacts:
    """Finished games in the order in which their results became known, ties in playing order.

    ``home_starter`` and ``away_starter`` number the quarterbacks; UNKNOWN where no source says.
    """

    season: _Numbers
    home_team_id: _Numbers
    away_team_id: _Numbers
    home_score: _Numbers
    away_score: _Numbers
    neutral: NDArray[np.bool_]
    home_starter: _Numbers
    away_starter: _Numbers
    known_at: Instants


@dataclass(frozen=True)
class QuarterbackStates:
    """What was known at every moment; element n belongs to the n-th.

    ``margin`` is the expected margin of the home team in points, home advantage included. Values
    are points a game, ``starts`` the known starts of whoever started last, ``changed`` 1 where he
    is another than the one before; all three NaN while no start of the team is known. ``finale``
    marks the last game of the regular season.
    """

    margin: Floats
    home_value: Floats
    away_value: Floats
    home_starts: Floats
    away_starts: Floats
    home_changed: Floats
    away_changed: Floats
    finale: NDArray[np.bool_]
    known_at: Instants


class Questions(NamedTuple):
    """The moments: which game is looked at, and when. ``finale`` is passed through."""

    at: Instants
    season: _Numbers
    home_team_id: _Numbers
    away_team_id: _Numbers
    neutral: NDArray[np.bool_]
    finale: NDArray[np.bool_]


class _Team:
    """One team while the sweep goes on; ``starters`` newest first."""

    __slots__ = ("defence", "offence", "season", "starters")

    def __init__(self, season: int) -> None:
        self.offence, self.defence, self.season = 0.0, 0.0, season
        self.starters: list[int] = []

    def enter(self, season: int, config: QuarterbackConfig) -> None:
        """Revert towards the mean when a later season begins."""
        if season > self.season:
            self.offence *= 1 - config.offence_reversion
            self.defence *= 1 - config.defence_reversion
            self.season = season

    def at(self, season: int, config: QuarterbackConfig) -> tuple[float, float]:
        """Offence and defence on entering a game of ``season``, nothing changed."""
        if season <= self.season:
            return self.offence, self.defence
        return (
            self.offence * (1 - config.offence_reversion),
            self.defence * (1 - config.defence_reversion),
        )


class _Sweep:
    """Teams, quarterbacks and league means as results arrive."""

    def __init__(self, config: QuarterbackConfig) -> None:
        self._config = config
        self._teams: dict[int, _Team] = {}
        self._value: dict[int, float] = {}
        self._starts: dict[int, int] = {}
        self._home_advantage = config.home_advantage
        self._points = config.points_a_team

    def learn(
        self,
        season: int,
        home_id: int,
        away_id: int,
        home_score: int,
        away_score: int,
        neutral: bool,
        home_starter: int,
        away_starter: int,
    ) -> None:
        """One result. The margin is compressed, because routs say less than their points."""
        c = self._config
        home, away = self._team(home_id, season), self._team(away_id, season)
        home.enter(season, c)
        away.enter(season, c)
        advantage = 0.0 if neutral else self._home_advantage
        home_value = self._value.get(home_starter, 0.0)
        away_value = self._value.get(away_starter, 0.0)
        expected_home = self._points + home.offence + home_value - away.defence + advantage / 2
        expected_away = self._points + away.offence + away_value - home.defence - advantage / 2
        margin = home_score - away_score
        size = c.margin_scale * (abs(margin) / c.margin_scale) ** c.margin_power
        of_margin = (size if margin > 0 else -size) - (expected_home - expected_away)
        of_total = home_score + away_score - expected_home - expected_away
        home_surprise = (of_margin + c.total_share * of_total) / 2
        away_surprise = (-of_margin + c.total_share * of_total) / 2
        home.offence += c.offence_rate * home_surprise
        away.defence -= c.defence_rate * home_surprise
        away.offence += c.offence_rate * away_surprise
        home.defence -= c.defence_rate * away_surprise
        self._started(home, home_starter, home_value + c.quarterback_rate * home_surprise)
        self._started(away, away_starter, away_value + c.quarterback_rate * away_surprise)
        if not neutral:
            self._home_advantage += c.home_advantage_rate * of_margin
        self._points += c.points_rate * of_total

    def ask(
        self, season: int, home_id: int, away_id: int, neutral: bool
    ) -> tuple[float, float, float, float, float, float, float]:
        """Margin, values, starts and changes of a game; NaN where nothing is known."""
        home, away = self._team(home_id, season), self._team(away_id, season)
        home_offence, home_defence = home.at(season, self._config)
        away_offence, away_defence = away.at(season, self._config)
        home_value, home_starts, home_changed = self._expected(home)
        away_value, away_starts, away_changed = self._expected(away)
        margin = home_offence + home_defence - away_offence - away_defence
        if home.starters:
            margin += home_value
        if away.starters:
            margin -= away_value
        if not neutral:
            margin += self._home_advantage
        return (
            margin, home_value, away_value, home_starts, away_starts, home_changed, away_changed,
        )  # fmt: skip

    def _team(self, team_id: int, season: int) -> _Team:
        team = self._teams.get(team_id)
        if team is None:
            team = self._teams[team_id] = _Team(season)
        return team

    def _started(self, team: _Team, starter: int, value: float) -> None:
        if starter == UNKNOWN:
            return
        self._value[starter] = value
        self._starts[starter] = self._starts.get(starter, 0) + 1
        team.starters.insert(0, starter)
        del team.starters[_STARTS_KEPT:]

    def _expected(self, team: _Team) -> tuple[float, float, float]:
        """Value of whoever may start, starts of the last starter, whether he was new."""
        if not team.starters:
            return float("nan"), float("nan"), float("nan")
        weight, total, weights = 1.0, 0.0, 0.0
        for starter in team.starters:
            total += weight * self._value[starter]
            weights += weight
            weight *= self._config.earlier_start_weight
        last = team.starters[0]
        changed = len(team.starters) > 1 and team.starters[1] != last
        return total / weights, float(self._starts[last]), float(changed)


def quarterback_states(
    facts: StarterFacts, questions: Questions, config: QuarterbackConfig
) -> QuarterbackStates:
    """Every question answered from the results known by its time."""
    sweep = _Sweep(config)
    results = list(
        zip(
            facts.season.tolist(), facts.home_team_id.tolist(), facts.away_team_id.tolist(),
            facts.home_score.tolist(), facts.away_score.tolist(), facts.neutral.tolist(),
            facts.home_starter.tolist(), facts.away_starter.tolist(), strict=True,
        )
    )  # fmt: skip
    known_by = np.searchsorted(facts.known_at, questions.at, side="right")
    order = np.argsort(known_by, kind="stable")
    answers = np.empty((len(order), 7))
    asked = list(
        zip(
            questions.season.tolist(), questions.home_team_id.tolist(),
            questions.away_team_id.tolist(), questions.neutral.tolist(), strict=True,
        )
    )  # fmt: skip
    done = 0
    for place, known in zip(order.tolist(), known_by[order].tolist(), strict=True):
        while done < known:
            sweep.learn(*results[done])
            done += 1
        answers[place] = sweep.ask(*asked[place])
    before = np.concatenate([np.array([NEVER], dtype=np.int64), facts.known_at])
    margin, home_value, away_value, home_starts, away_starts, home_changed, away_changed = answers.T
    return QuarterbackStates(
        margin=margin,
        home_value=home_value,
        away_value=away_value,
        home_starts=home_starts,
        away_starts=away_starts,
        home_changed=home_changed,
        away_changed=away_changed,
        finale=questions.finale,
        known_at=before[known_by],
    )
