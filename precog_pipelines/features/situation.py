"""What is known about games at one instant each: the only thing a feature function may look at.

A ``Situation`` holds many moments as columns, one array element a moment, so that a feature is one
formula over arrays. It is built from facts with ``known_at <= t`` alone, so a feature cannot reach
the future even by mistake. Instants are int64 microseconds since 1970 UTC, ``NEVER`` where nothing
was used: it is smaller than every instant, so the latest of several is their maximum.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from precog_pipelines.features.quarterback import QuarterbackStates

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]
NEVER = int(np.iinfo(np.int64).min)
RECENT_GAMES = 10


@dataclass(frozen=True)
class GlickoStates:
    """Glicko-2 of one side's team on entering the game; see ``ratings.glicko``."""

    rating: Floats
    deviation: Floats
    volatility: Floats
    known_at: Instants


@dataclass(frozen=True)
class GlickoPair:
    """Both sides; ``advantage`` is home advantage in rating points, 0 at a neutral site."""

    home: GlickoStates
    away: GlickoStates
    advantage: Floats


@dataclass(frozen=True)
class StrengthStates:
    """Strength in points of one side's team on entering the game; see ``ratings.strength``."""

    points: Floats
    deviation: Floats
    known_at: Instants


@dataclass(frozen=True)
class StrengthPair:
    """Both sides; ``advantage`` in points, 0 at a neutral site; ``noise`` as in its parameters."""

    home: StrengthStates
    away: StrengthStates
    advantage: Floats
    noise: float


@dataclass(frozen=True)
class MarketStates:
    """The market's price of the home team, 0 to 1: the first and the last known; NaN without."""

    opening: Floats
    latest: Floats
    known_at: Instants


@dataclass(frozen=True)
class TeamStates:
    """One side's team at every moment.

    ``rating`` is the Elo rating with which it would enter the game (reverted where the season is
    new to it); ``games`` counts its known games of this season; ``days_since`` is the distance in
    days to the last of them (NaN before the first); ``recent[n]`` the margin, own minus opponent's
    score, of its n-th last (NaN where there is none), ``RECENT_GAMES`` of them. The instants are
    the latest ``known_at`` of what was used.
    """

    rating: Floats
    rating_known_at: Instants
    games: Floats
    days_since: Floats
    recent: Floats
    played_known_at: Instants


@dataclass(frozen=True)
class Situation:
    """Many moments of games, seen from their schedule entries and their two teams.

    ``home_advantage`` is in rating points and already 0 at a neutral site; ``same_division`` is 1,
    0, or NaN where divisions are not known for the season. The last three are there
    when a feature of their set is asked for.
    """

    neutral: NDArray[np.bool_]
    postseason: NDArray[np.bool_]
    same_division: Floats
    home_advantage: Floats
    scheduled_known_at: Instants
    home: TeamStates
    away: TeamStates
    quarterback: "QuarterbackStates | None" = None
    glicko: GlickoPair | None = None
    strength: StrengthPair | None = None
    market: MarketStates | None = None
