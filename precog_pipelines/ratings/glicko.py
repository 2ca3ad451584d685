"""Glicko-2: a rating with its own uncertainty, after Glickman's "Example of the Glicko-2 system".

(http://www.glicko.net/glicko/glicko2.pdf.) Elo knows a team's rating; Glicko-2 also how sure it is
(deviation) and how erratic the team (volatility). Own code, because it is a page and the published
libraries know neither home advantage nor seasons. A rating period is one game; the periods a team
sat out add to its deviation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from precog_pipelines.ratings.chain import FinishedResult
from precog_pipelines.ratings.elo import Era, era_of

SCALE = 173.7178
MEAN = 1500.0
_CONVERGED = 1e-6


class Glicko(NamedTuple):
    """A rating and its deviation in rating points, and the volatility (no unit)."""

    rating: float
    deviation: float
    volatility: float


@dataclass(frozen=True)
class GlickoParameters:
    """``eras`` give home advantage in rating points, ``period_d`` the length of a period in days.

    ``tau`` limits how fast volatility changes; ``reversion`` is the share of the distance to 1500
    lost between seasons; no deviation grows beyond ``deviation``, that of a new team.
    """

    eras: tuple[Era, ...]
    period_d: float
    reversion: float
    tau: float = 0.5
    deviation: float = 350.0
    volatility: float = 0.06

    def start(self) -> Glicko:
        """A team nobody has seen play."""
        return Glicko(MEAN, self.deviation, self.volatility)

    def entering(self, last: Glicko, periods: float, new_season: bool) -> Glicko:
        """A team before its next game, ``periods`` after its last one (fractions count)."""
        rating = last.rating
        if new_season:
            rating = MEAN * self.reversion + rating * (1.0 - self.reversion)
        # The period of the game itself is added by the update.
        missed = max(periods - 1.0, 0.0)
        deviation = math.sqrt(last.deviation**2 + missed * (SCALE * last.volatility) ** 2)
        return Glicko(rating, min(deviation, self.deviation), last.volatility)


def update(player: Glicko, games: Sequence[tuple[Glicko, float]], tau: float) -> Glicko:
    """``player`` after a rating period of ``games``: (opponent before it, own score 0, 1/2, 1)."""
    mu, phi = (player.rating - MEAN) / SCALE, player.deviation / SCALE
    information = surprise = 0.0
    for opponent, score in games:
        weight = _weight(opponent.deviation / SCALE)
        expected = 1.0 / (1.0 + math.exp(-weight * (mu - (opponent.rating - MEAN) / SCALE)))
        information += weight * weight * expected * (1.0 - expected)
        surprise += weight * (score - expected)
    variance = 1.0 / information
    volatility = _volatility(phi, player.volatility, variance, variance * surprise, tau)
    before = phi * phi + volatility * volatility
    after = 1.0 / (1.0 / before + information)
    return Glicko(
        MEAN + SCALE * (mu + after * surprise), SCALE * math.sqrt(after), volatility
    )  # fmt: skip


def win_probability(home: Glicko, away: Glicko, home_advantage: float) -> float:
    """P(home wins), less sure of itself than Elo's by both deviations."""
    both = math.hypot(home.deviation, away.deviation) / SCALE
    lead = (home.rating - away.rating + home_advantage) / SCALE
    return 1.0 / (1.0 + math.exp(-_weight(both) * lead))


def _weight(phi: float) -> float:
    """Glickman's g: how much a game against an opponent of this deviation counts."""
    return 1.0 / math.sqrt(1.0 + 3.0 * phi * phi / (math.pi * math.pi))


def _volatility(phi: float, sigma: float, variance: float, delta: float, tau: float) -> float:
    """Step 5 of the paper: the root of f by the Illinois method."""
    start = math.log(sigma * sigma)

    def f(x: float) -> float:
        grown = math.exp(x)
        spread = phi * phi + variance + grown
        gain = grown * (delta * delta - spread) / (2.0 * spread * spread)
        return gain - (x - start) / (tau * tau)

    low = start
    if delta * delta > phi * phi + variance:
        high = math.log(delta * delta - phi * phi - variance)
    else:
        steps = 1
        while f(start - steps * tau) < 0:
            steps += 1
        high = start - steps * tau
    f_low, f_high = f(low), f(high)
    while abs(high - low) > _CONVERGED:
        middle = low + (low - high) * f_low / (f_high - f_low)
        f_middle = f(middle)
        if f_middle * f_high <= 0:
            low, f_low = high, f_high
        else:
            f_low /= 2.0
        high, f_high = middle, f_middle
    return math.exp(low / 2.0)


class GlickoTable:
    """The ratings of a league while its games are played one after another."""

    def __init__(self, parameters: GlickoParameters) -> None:
        self.parameters = parameters
        self._teams: dict[int, tuple[Glicko, int, int]] = {}

    def entering(self, team: int, season: int, day: int) -> Glicko:
        """``team`` as it would enter a game on ``day`` (days since any fixed date)."""
        known = self._teams.get(team)
        if known is None:
            return self.parameters.start()
        last, last_season, last_day = known
        periods = (day - last_day) / self.parameters.period_d
        return self.parameters.entering(last, periods, last_season != season)

    def play(self, game: FinishedResult) -> tuple[Glicko, Glicko]:
        """Both teams after one result, home first."""
        home = self.entering(game.home_team_id, game.season, game.day)
        away = self.entering(game.away_team_id, game.season, game.day)
        score = 0.5 if game.margin == 0 else float(game.margin > 0)
        edge = 0.0 if game.neutral else era_of(self.parameters.eras, game.season).home_advantage
        tau = self.parameters.tau
        after = (
            update(home, [(away._replace(rating=away.rating - edge), score)], tau),
            update(away, [(home._replace(rating=home.rating + edge), 1.0 - score)], tau),
        )
        for team, state in zip((game.home_team_id, game.away_team_id), after, strict=True):
            self._teams[team] = (state, game.season, game.day)
        return after
