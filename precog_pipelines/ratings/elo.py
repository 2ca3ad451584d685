"""Elo ratings: the plain reference implementation, free of any input or output.

``kernel`` computes the same bits compiled, for those who rate the same games thousands of times.

Formulas: FiveThirtyEight's NFL method (https://github.com/fivethirtyeight/nfl-elo-game) and its
published NBA and NHL margin forms. Ratings stay ``float`` and the order of operations is fixed,
because an incremental update must reproduce a full recomputation bit for bit. A caller feeds games
in playing order; only the order of the games of one team matters, games without a common team
commute.
"""

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class MarginForm(StrEnum):
    """How a margin of victory scales an update; see the multiplier functions below."""

    FOOTBALL = "football"
    BASKETBALL = "basketball"
    HOCKEY = "hockey"
    NONE = "none"


class Era(NamedTuple):
    """Home advantage in rating points, in force from a season on (None: since the beginning)."""

    from_season: int | None
    home_advantage: float


@dataclass(frozen=True)
class EloParameters:
    """What defines one Elo model.

    ``k`` is the update size in rating points for a margin multiplier of 1; ``reversion`` the share
    of the distance to ``mean`` a team loses between its seasons; ``season_starts`` maps
    (team, season) to a rating that replaces the reversion; ``initial`` gives first ratings, other
    teams start at ``mean``. ``margin_power`` bends how a margin counts: 1 as published, 0 not at
    all, except for the correction by the winner's lead.
    """

    k: float
    eras: tuple[Era, ...]
    reversion: float
    margin: MarginForm
    mean: float = 1505.0
    margin_power: float = 1.0
    initial: Mapping[Any, float] = field(default_factory=dict)
    season_starts: Mapping[tuple[Any, int], float] = field(default_factory=dict)

    def home_advantage(self, season: int) -> float:
        """Rating points of home advantage in ``season``. Raises ValueError before the first era."""
        return era_of(self.eras, season).home_advantage


def era_of(eras: tuple[Era, ...], season: int) -> Era:
    """The last era begun by ``season``. Raises ValueError before the first one."""
    begun = [era for era in eras if era.from_season is None or era.from_season <= season]
    if not begun:
        raise ValueError(f"no Elo era covers season {season}; add one with an earlier start")
    return max(begun, key=lambda era: (era.from_season is not None, era.from_season or 0))


class Game(NamedTuple):
    """A finished game. Teams are any hashable identity; scores are points or goals."""

    season: int
    home: Hashable
    away: Hashable
    home_score: int
    away_score: int
    neutral: bool


class RatedGame(NamedTuple):
    """One update. ``weight`` is K·M, so that home_after = home_before + weight·(actual - expected).

    ``expected`` and ``actual`` are the home team's; the away team's are their complements.
    """

    home_before: float
    away_before: float
    expected: float
    actual: float
    weight: float
    home_after: float
    away_after: float


class Checkpoint(NamedTuple):
    """Everything an Elo table remembers: per team its rating and the season it last played."""

    ratings: dict[Hashable, float]
    seasons: dict[Hashable, int]


def expected_score(difference: float) -> float:
    """P(home wins) for a rating difference in points that includes home advantage."""
    return 1.0 / (1.0 + 10.0 ** (-difference / 400.0))


def margin_scale(form: MarginForm, margin: int, power: float = 1.0) -> float:
    """The part of the margin multiplier that depends on the margin alone, to the given power."""
    size = abs(margin)
    if form is MarginForm.FOOTBALL:
        scale = math.log(size + 1.0) if size else math.log(2.0) * 2.2
    elif form is MarginForm.BASKETBALL:
        scale = (size + 3.0) ** 0.8
    elif form is MarginForm.HOCKEY:
        scale = 0.6686 * math.log(max(size, 1)) + 0.8048
    else:
        scale = 1.0
    return scale if power == 1.0 else scale**power


def margin_multiplier(
    form: MarginForm, margin: int, difference: float, power: float = 1.0
) -> float:
    """M for a signed home ``margin`` and the pre-game ``difference`` (home advantage included).

    An upset moves more: the winner's lead enters with its sign, without cap or floor.
    """
    scale = margin_scale(form, margin, power)
    if form is MarginForm.FOOTBALL and margin:
        winners_lead = difference if margin > 0 else -difference
        return scale * (2.2 / (0.001 * winners_lead + 2.2))
    if form is MarginForm.BASKETBALL:
        winners_lead = 0.0 if margin == 0 else math.copysign(1.0, margin) * difference
        return scale / (7.5 + 0.006 * winners_lead)
    return scale


class EloTable:
    """The ratings of a league while its games are played one after another."""

    def __init__(self, parameters: EloParameters, checkpoint: Checkpoint | None = None) -> None:
        self.parameters = parameters
        self._ratings = dict(checkpoint.ratings) if checkpoint else {}
        self._seasons = dict(checkpoint.seasons) if checkpoint else {}
        self._advantages: dict[int, float] = {}

    def rating(self, team: Hashable, season: int) -> float:
        """The rating with which ``team`` would enter a game of ``season`` now."""
        last = self._seasons.get(team)
        if last is None:
            return self.parameters.initial.get(team, self.parameters.mean)
        if last == season:
            return self._ratings[team]
        return season_start(self.parameters, team, season, self._ratings[team])

    def difference(self, home: float, away: float, season: int, neutral: bool) -> float:
        """Δ: the home team's lead in points, with home advantage unless the site is neutral."""
        if neutral:
            return home - away
        advantage = self._advantages.get(season)
        if advantage is None:
            advantage = self._advantages[season] = self.parameters.home_advantage(season)
        return home - away + advantage

    def play(self, game: Game) -> RatedGame:
        """Update both teams with one result and say what happened."""
        home_before = self.rating(game.home, game.season)
        away_before = self.rating(game.away, game.season)
        difference = self.difference(home_before, away_before, game.season, game.neutral)
        expected = expected_score(difference)
        margin = game.home_score - game.away_score
        actual = 0.5 if margin == 0 else (1.0 if margin > 0 else 0.0)
        multiplier = margin_multiplier(
            self.parameters.margin, margin, difference, self.parameters.margin_power
        )
        weight = self.parameters.k * multiplier
        shift = weight * (actual - expected)
        home_after = home_before + shift
        away_after = away_before - shift
        self._ratings[game.home] = home_after
        self._ratings[game.away] = away_after
        self._seasons[game.home] = self._seasons[game.away] = game.season
        return RatedGame(home_before, away_before, expected, actual, weight, home_after, away_after)

    def checkpoint(self) -> Checkpoint:
        """A copy of the state, from which another table continues identically."""
        return Checkpoint(dict(self._ratings), dict(self._seasons))


def season_start(
    parameters: EloParameters, team: Hashable, season: int, last_rating: float
) -> float:
    """The rating at a team's first game of a new season, from its last rating before it."""
    special = parameters.season_starts.get((team, season))
    if special is not None:
        return special
    return parameters.mean * parameters.reversion + last_rating * (1.0 - parameters.reversion)


def rate_games(
    games: Iterable[Game], parameters: EloParameters, checkpoint: Checkpoint | None = None
) -> tuple[list[RatedGame], Checkpoint]:
    """Rate ``games`` in the given order, from the beginning or from a checkpoint."""
    table = EloTable(parameters, checkpoint)
    return [table.play(game) for game in games], table.checkpoint()
