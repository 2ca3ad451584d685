"""Rating facts as they were known: every rating after a game, and its revisions by late results.

A rating rests on all games before it, so a result that arrives late changes the ratings after it,
but only from then on. Games are therefore played in the order their results arrived; one that
belongs earlier starts a second pass, whose differing ratings are revisions known from its arrival.
Cutting the games at any instant then gives exactly the facts known at that instant.
"""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar


class FinishedResult(NamedTuple):
    """A finished game. ``day`` counts days, ``known_at`` microseconds, since 1970 UTC.

    ``margin`` is the home team's.
    """

    season: int
    day: int
    home_team_id: int
    away_team_id: int
    margin: int
    neutral: bool
    known_at: int


_State = TypeVar("_State")
_Given = TypeVar("_Given", covariant=True)


class RatingTable(Protocol[_Given]):
    """Anything that rates a league game by game."""

    def play(self, game: FinishedResult) -> tuple[_Given, _Given]:
        """The states of both teams after ``game``, home first."""
        ...


class ChainFact(NamedTuple, Generic[_State]):
    """A team's state after its game at ``place`` in playing order, usable from ``known_at``."""

    place: int
    team_id: int
    season: int
    day: int
    state: _State
    known_at: int


def facts_as_known(
    games: Sequence[FinishedResult], new_table: Callable[[], RatingTable[_State]]
) -> list[ChainFact[_State]]:
    """All facts, in playing order, revisions of one behind it in the order they became known.

    ``games`` are in playing order. Cost: one pass, and one more per result that arrived after a
    later game of one of its teams.
    """
    arrivals = sorted(range(len(games)), key=lambda place: (games[place].known_at, place))
    last_place: dict[int, int] = {}
    stated: dict[tuple[int, int], list[ChainFact[_State]]] = {}
    known: set[int] = set()

    def state(place: int, states: tuple[_State, _State], known_at: int) -> None:
        game = games[place]
        for team, after in zip((game.home_team_id, game.away_team_id), states, strict=True):
            history = stated.setdefault((place, team), [])
            if not history or history[-1].state != after:
                history.append(ChainFact(place, team, game.season, game.day, after, known_at))

    table = new_table()
    for place in arrivals:
        game = games[place]
        known.add(place)
        teams = (game.home_team_id, game.away_team_id)
        if all(last_place.get(team, -1) < place for team in teams):
            state(place, table.play(game), game.known_at)
        else:
            table = new_table()
            for earlier in sorted(known):
                state(earlier, table.play(games[earlier]), game.known_at)
        for team in teams:
            last_place[team] = max(last_place.get(team, -1), place)
    return [fact for key in sorted(stated) for fact in stated[key]]
