"""What is known about one game at one instant: the only thing a feature function may look at.

A ``Situation`` is built from facts with ``known_at <= t`` alone, so a feature cannot reach the
future even by mistake.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple


class PlayedGame(NamedTuple):
    """A result from one team's side; ``margin`` is own minus opponent's score."""

    day: date
    margin: int


class TeamState(NamedTuple):
    """One team at t.

    ``rating`` is the Elo rating with which it would enter the game (reverted where the season is
    new to it); ``played`` its known games of this season in playing order. The instants are the
    latest ``known_at`` of what was used, None when nothing was.
    """

    rating: float
    rating_known_at: datetime | None
    played: Sequence[PlayedGame]
    played_known_at: datetime | None


class Situation(NamedTuple):
    """One game at t, seen from its schedule entry and its two teams.

    ``home_advantage`` is in rating points and already 0 at a neutral site; ``same_division`` is
    None where divisions are not known for the season.
    """

    day: date
    neutral: bool
    postseason: bool
    same_division: bool | None
    home_advantage: float
    scheduled_known_at: datetime
    home: TeamState
    away: TeamState
