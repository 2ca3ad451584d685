"""Which game an event is about, and which team each of its markets pays for.

By ticker, day in New York and teams. An event that does not fit exactly one game stays unmatched
with a reason: a market on the wrong game would be traded with the wrong probability.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from precog_pipelines.sources.kalshi.tickers import (
    EventName,
    read_event_ticker,
    split_by_one,
    split_teams,
)

Reason = Literal[
    "league_unknown",
    "ticker_unreadable",
    "preseason",
    "not_two_markets",
    "teams_not_in_ticker",
    "unmapped_team",
    "no_game",
    "home_and_away_swapped",
    "several_games",
    "duplicate_event",
]
REASONS: Mapping[Reason, str] = {
    "league_unknown": "the series is of a league that Precog does not know",
    "ticker_unreadable": "the event ticker is not that of a game",
    "preseason": "a preseason or exhibition game, which is not modelled",
    "not_two_markets": "the event has not exactly two markets so far",
    "teams_not_in_ticker": "the markets' names do not make up the event ticker",
    "unmapped_team": "the code is no alias of a team (team_aliases, source kalshi)",
    "no_game": "no stored game of these teams on that day",
    "home_and_away_swapped": "the game of that day has the teams the other way round",
    "several_games": "more than one game of these teams fits",
    "duplicate_event": "another event of the series, with more volume, is on the same game",
}
START_TOLERANCE = timedelta(hours=2)
"""How far a ticker's time may be from the fixture's on a day with two games of the same teams."""


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event as stored. ``outcomes`` maps the last part of each market's ticker to its id.

    ``game_id`` is set once the event is matched; ``volume`` is contracts over its markets.
    """

    event_id: int
    ticker: str
    series_id: int
    league: str | None
    competition: str | None
    outcomes: Mapping[str, int]
    volume: Decimal = Decimal(0)
    game_id: int | None = None


@dataclass(frozen=True, slots=True)
class Fixture:
    """A stored game. ``day`` is its date in New York; ``number`` its place in a doubleheader."""

    game_id: int
    league: str
    day: date
    kickoff_at: datetime | None
    away_id: int
    home_id: int
    neutral_site: bool = False
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """An event's game, and the team that YES of each market pays for."""

    event_id: int
    game_id: int
    yes_teams: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A market without a game. ``detail`` names what was looked for."""

    ticker: str
    reason: Reason
    detail: str


@dataclass(slots=True)
class Matching:
    """The result for a set of events."""

    matches: list[Match] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)


def unmatched_rows(unmatched: Iterable[Unmatched]) -> list[dict[str, str]]:
    """Every market without a game, with the reason in words."""
    return [
        {"market": one.ticker, "reason": one.reason, "why": f"{REASONS[one.reason]}: {one.detail}"}
        for one in unmatched
    ]


class _NoMatch(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail


def match_events(
    events: Iterable[ListedEvent],
    fixtures: Iterable[Fixture],
    team_ids: Mapping[tuple[str, str], int],
    taken: Iterable[tuple[int, int]] = (),
    *,
    lone_markets: bool = False,
) -> Matching:
    """Match ``events`` with ``fixtures``; ``team_ids`` maps (league, Kalshi's code) to a team.

    ``lone_markets``: an event may have one market only, as in recordings of one side; the other
    team is then what is left of the ticker, and must be a known code.

    ``taken`` are (series_id, game_id) of events matched before. Of two events on one game the one
    with more volume is matched: the venue has listed games twice, once without trading.
    """
    by_pair: dict[tuple[str, frozenset[int]], list[Fixture]] = defaultdict(list)
    by_id: dict[int, Fixture] = {}
    for fixture in fixtures:
        by_pair[fixture.league, frozenset((fixture.away_id, fixture.home_id))].append(fixture)
        by_id[fixture.game_id] = fixture
    used = set(taken)
    result = Matching()
    for event in sorted(events, key=lambda e: (e.game_id is None, -e.volume, e.ticker)):
        try:
            if event.game_id is not None:
                fixture, teams = by_id[event.game_id], _teams(event, team_ids)
            else:
                fixture, teams = _fixture(event, by_pair, team_ids, lone_markets=lone_markets)
                if (event.series_id, fixture.game_id) in used:
                    raise _NoMatch("duplicate_event", f"game {fixture.game_id}")
            used.add((event.series_id, fixture.game_id))
            yes_teams = {event.outcomes[code]: team for code, team in teams.items()}
            if set(yes_teams.values()) - {fixture.away_id, fixture.home_id}:
                raise _NoMatch("unmapped_team", "a market names a team that is not playing")
            result.matches.append(Match(event.event_id, fixture.game_id, yes_teams))
        except _NoMatch as error:
            names = [f"{event.ticker}-{code}" for code in sorted(event.outcomes)]
            result.unmatched += [
                Unmatched(name, error.reason, error.detail) for name in names or [event.ticker]
            ]
    return result


def _fixture(
    event: ListedEvent,
    by_pair: Mapping[tuple[str, frozenset[int]], Sequence[Fixture]],
    team_ids: Mapping[tuple[str, str], int],
    *,
    lone_markets: bool,
) -> tuple[Fixture, dict[str, int]]:
    if event.league is None:
        raise _NoMatch("league_unknown", "kalshi.series names it")
    name = read_event_ticker(event.ticker)
    if name is None:
        raise _NoMatch("ticker_unreadable", event.ticker)
    if event.competition and "preseason" in event.competition.lower():
        raise _NoMatch("preseason", event.competition)
    if len(event.outcomes) != 2 and not (lone_markets and len(event.outcomes) == 1):
        raise _NoMatch("not_two_markets", f"it has {len(event.outcomes)}")
    if len(event.outcomes) == 1:
        known = {code for league, code in team_ids if league == event.league}
        split = split_by_one(name.teams, next(iter(event.outcomes)), known)
    else:
        split = split_teams(name.teams, list(event.outcomes))
    if split is None:
        raise _NoMatch("teams_not_in_ticker", f"{name.teams} of {' and '.join(event.outcomes)}")
    teams = _teams(event, team_ids)
    away, home = (team_ids[event.league, code] for code in split)
    looked_for = f"{split[0]} at {split[1]} on {name.day}"
    same_day = [
        fixture
        for fixture in by_pair.get((event.league, frozenset((away, home))), ())
        if fixture.day == name.day
    ]
    if not same_day:
        raise _NoMatch("no_game", looked_for)
    # On neutral ground both sources choose a home team, and not always the same.
    fitting = [f for f in same_day if f.home_id == home or f.neutral_site]
    if not fitting:
        raise _NoMatch("home_and_away_swapped", looked_for)
    return _only(name, fitting, looked_for), teams


def _teams(event: ListedEvent, team_ids: Mapping[tuple[str, str], int]) -> dict[str, int]:
    teams = {}
    for code in event.outcomes:
        team_id = team_ids.get((event.league or "", code))
        if team_id is None:
            raise _NoMatch("unmapped_team", f"{code} in league {event.league}")
        teams[code] = team_id
    return teams


def _only(name: EventName, fixtures: Sequence[Fixture], looked_for: str) -> Fixture:
    """The one game of a day that the ticker can mean; doubleheaders differ by number or time."""
    if len(fixtures) == 1:
        return fixtures[0]
    if name.number is not None:
        fixtures = [f for f in fixtures if f.number == name.number]
    elif name.start_at is not None:
        start = name.start_at
        fixtures = [
            f
            for f in fixtures
            if f.kickoff_at is not None and abs(f.kickoff_at - start) <= START_TOLERANCE
        ]
    if len(fixtures) != 1:
        raise _NoMatch("several_games", f"{looked_for}: {len(fixtures)} fit")
    return fixtures[0]
