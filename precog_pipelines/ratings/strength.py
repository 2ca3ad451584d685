"""Strength in points with its uncertainty: each team's expected margin against an average one.

A Kalman filter on margins of victory, one state per team (Glickman and Stern, "A state-space model
for National Football League scores", JASA 1998, without the covariances between teams). A margin
moves a team we know little about more than one we know well, which Elo's constant K cannot do.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from precog_pipelines.ratings.chain import FinishedResult
from precog_pipelines.ratings.elo import Era, era_of


class Strength(NamedTuple):
    """Expected margin against an average team, and its standard deviation, in points or goals."""

    points: float
    deviation: float


@dataclass(frozen=True)
class StrengthParameters:
    """All in points or goals of the league, home advantage in ``eras`` too.

    ``noise`` is the standard deviation of a margin around its expectation; ``drift`` how much a
    team changes from game to game, ``season_drift`` between seasons, both standard deviations;
    ``reversion`` the share of the distance to average lost between seasons; larger margins than
    ``cap`` count as ``cap``, because garbage time says little.
    """

    eras: tuple[Era, ...]
    noise: float
    deviation: float
    drift: float
    season_drift: float
    reversion: float
    cap: float

    def start(self) -> Strength:
        """A team nobody has seen play."""
        return Strength(0.0, self.deviation)

    def entering(self, last: Strength, new_season: bool) -> Strength:
        """A team before its next game."""
        kept = 1.0 - self.reversion if new_season else 1.0
        drift = self.season_drift if new_season else self.drift
        deviation = math.sqrt((kept * last.deviation) ** 2 + drift * drift)
        return Strength(last.points * kept, deviation)


def margin_of(home: Strength, away: Strength, home_advantage: float) -> float:
    """The expected home margin."""
    return home.points - away.points + home_advantage


def win_probability(
    home: Strength, away: Strength, home_advantage: float, noise: float
) -> float:  # fmt: skip
    """P(home margin > 0) when margin and both strengths are normal."""
    spread = math.sqrt(home.deviation**2 + away.deviation**2 + noise * noise)
    lead = margin_of(home, away, home_advantage)
    return 0.5 * (1.0 + math.erf(lead / (spread * math.sqrt(2.0))))


class StrengthTable:
    """The strengths of a league while its games are played one after another."""

    def __init__(self, parameters: StrengthParameters) -> None:
        self.parameters = parameters
        self._teams: dict[int, tuple[Strength, int]] = {}

    def entering(self, team: int, season: int) -> Strength:
        """``team`` as it would enter a game of ``season`` now."""
        known = self._teams.get(team)
        if known is None:
            return self.parameters.start()
        return self.parameters.entering(known[0], known[1] != season)

    def play(self, game: FinishedResult) -> tuple[Strength, Strength]:
        """Both teams after one result, home first."""
        parameters = self.parameters
        home = self.entering(game.home_team_id, game.season)
        away = self.entering(game.away_team_id, game.season)
        edge = 0.0 if game.neutral else era_of(parameters.eras, game.season).home_advantage
        margin = max(-parameters.cap, min(parameters.cap, float(game.margin)))
        surprise = margin - margin_of(home, away, edge)
        uncertain, opposing = home.deviation**2, away.deviation**2
        total = uncertain + opposing + parameters.noise**2
        after = (
            _moved(home, uncertain / total, surprise),
            _moved(away, opposing / total, -surprise),
        )
        for team, state in zip((game.home_team_id, game.away_team_id), after, strict=True):
            self._teams[team] = (state, game.season)
        return after


def _moved(team: Strength, gain: float, surprise: float) -> Strength:
    return Strength(
        team.points + gain * surprise, team.deviation * math.sqrt(1.0 - gain)
    )  # fmt: skip
