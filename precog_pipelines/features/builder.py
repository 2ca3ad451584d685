"""Computes every registered feature at both moments of every game, from facts known by then.

Pure: facts in, values out, no clock. One pass over the games; for each moment t a bisection into
each team's facts sorted by ``known_at`` finds what was known, so the cost does not grow with the
length of the history. Restricting by ``known_at`` rather than by date is what makes a late result
or a correction invisible until it arrived.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from itertools import accumulate
from typing import Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from precog_core.errors import PrecogError
from precog_pipelines.features.config import MOMENTS, FeaturesConfig, Moment
from precog_pipelines.features.registry import Feature
from precog_pipelines.features.situation import PlayedGame, Situation, TeamState
from precog_pipelines.ratings.elo import EloParameters, season_start

EASTERN = ZoneInfo("America/New_York")


class GameFact(NamedTuple):
    """A fixture and, once known, its result. ``day`` is the Eastern date of the game.

    ``home_division`` and ``away_division`` are comparable labels or None; instants are UTC.
    """

    game_id: int
    season: int
    day: date
    kickoff_at: datetime | None
    postseason: bool
    neutral: bool
    home_team_id: int
    away_team_id: int
    home_division: str | None
    away_division: str | None
    home_score: int | None
    away_score: int | None
    known_at: datetime
    result_known_at: datetime | None
    source_snapshot_id: int | None


class RatingFact(NamedTuple):
    """A team's Elo rating after a game of ``season``, usable from ``known_at``."""

    team_id: int
    season: int
    rating_after: float
    known_at: datetime


class FeatureValue(NamedTuple):
    """One value; ``feature`` is the position in the registry, ``value`` None when undefined."""

    feature: int
    game_id: int
    season: int
    event_ts: datetime
    known_at: datetime
    value: float | None
    source_snapshot_id: int | None


def moment_of(game: GameFact, moment: Moment, config: FeaturesConfig) -> datetime | None:
    """The instant of ``moment``, None when the game has no such moment.

    Start unknown: 00:00 Eastern of the day, decision only. A game announced after its day-before
    moment but before its decision is looked at when it is announced. One announced after its
    decision has no moment at all.
    """
    if game.kickoff_at is None:
        decision = datetime.combine(game.day, time(), tzinfo=EASTERN)
    else:
        decision = game.kickoff_at - config.lead("decision")
    if game.known_at > decision:
        return None
    if moment == "decision":
        return decision
    if game.kickoff_at is None or game.known_at == decision:
        return None
    return max(game.kickoff_at - config.lead("day_before"), game.known_at)


def build_features(
    games: Sequence[GameFact],
    ratings: Sequence[RatingFact],
    features: Sequence[Feature],
    *,
    league: str,
    parameters: EloParameters,
    config: FeaturesConfig,
    now: datetime,
) -> Iterator[FeatureValue]:
    """Values game by game, moment by moment, in registry order.

    ``games`` are all games of whole seasons, ``ratings`` all ratings up to them; both in playing
    order, revisions of one rating in order of revision. A moment later than ``now`` gives no
    values. Raises PrecogError when a result is marked as known before its own decision: the
    source's times are wrong and every feature would leak.
    """
    played = _results_by_team_season(games)
    rated = _ratings_by_team(ratings)
    aligned_since = config.division_alignment_since.get(league)
    bases = {feature.basis for feature in features}
    steps = [(n, feature.basis, feature.compute) for n, feature in enumerate(features)]
    for game in games:
        same_division = _same_division(game, aligned_since)
        advantage = 0.0 if game.neutral else parameters.home_advantage(game.season)
        for moment in MOMENTS:
            at = moment_of(game, moment, config)
            if at is None or at > now:
                continue
            if game.result_known_at is not None and game.result_known_at <= at:
                raise PrecogError(
                    f"game {game.game_id} ({league} {game.day}) has its result known at "
                    f"{game.result_known_at:%Y-%m-%d %H:%M %Z}, not after its {moment} moment "
                    f"{at:%Y-%m-%d %H:%M %Z}; correct kickoff_at or result_known_at in games"
                )
            situation = Situation(
                day=game.day,
                neutral=game.neutral,
                postseason=game.postseason,
                same_division=same_division,
                home_advantage=advantage,
                scheduled_known_at=game.known_at,
                home=_team_state(game.home_team_id, game.season, at, played, rated, parameters),
                away=_team_state(game.away_team_id, game.season, at, played, rated, parameters),
            )
            known_at = {basis: basis.known_at(situation) for basis in bases}
            for position, basis, compute in steps:
                yield FeatureValue(
                    position,
                    game.game_id,
                    game.season,
                    at,
                    known_at[basis],
                    compute(situation),
                    game.source_snapshot_id,
                )


_Fact = TypeVar("_Fact")


class _Timeline(Generic[_Fact]):
    """Facts of one team in playing order, cut at an instant by when they became known."""

    def __init__(self, facts: Iterable[tuple[datetime, _Fact]]) -> None:
        # Stable: facts that became known together stay in playing order.
        arrivals = sorted(enumerate(facts), key=lambda item: item[1][0])
        self._known = [known_at for _, (known_at, _) in arrivals]
        self._facts = [fact for _, (_, fact) in arrivals]
        self._order = [order for order, _ in arrivals]
        self._newest = list(accumulate(range(len(arrivals)), self._later))
        self._in_order = self._newest == list(range(len(arrivals)))

    def _later(self, left: int, right: int) -> int:
        return left if self._order[left] > self._order[right] else right

    def known(self, at: datetime) -> tuple[Sequence[_Fact], datetime | None]:
        """All facts known at ``at`` in playing order, and when the latest became known."""
        count = bisect_right(self._known, at)
        if count == 0:
            return (), None
        if self._in_order:
            return self._facts[:count], self._known[count - 1]
        places = sorted(range(count), key=self._order.__getitem__)
        return [self._facts[place] for place in places], self._known[count - 1]

    def newest(self, at: datetime) -> _Fact | None:
        """Of the facts known at ``at``, the last in playing order."""
        count = bisect_right(self._known, at)
        return self._facts[self._newest[count - 1]] if count else None


_Played = dict[tuple[int, int], _Timeline[PlayedGame]]
_Rated = dict[int, _Timeline[RatingFact]]


def _results_by_team_season(games: Iterable[GameFact]) -> _Played:
    facts: dict[tuple[int, int], list[tuple[datetime, PlayedGame]]] = defaultdict(list)
    for game in games:
        if game.result_known_at is None or game.home_score is None or game.away_score is None:
            continue
        margin = game.home_score - game.away_score
        for team_id, own_margin in ((game.home_team_id, margin), (game.away_team_id, -margin)):
            fact = PlayedGame(game.day, own_margin)
            facts[team_id, game.season].append((game.result_known_at, fact))
    return {key: _Timeline(of_team) for key, of_team in facts.items()}


def _ratings_by_team(ratings: Iterable[RatingFact]) -> _Rated:
    facts: dict[int, list[tuple[datetime, RatingFact]]] = defaultdict(list)
    for rating in ratings:
        facts[rating.team_id].append((rating.known_at, rating))
    return {team_id: _Timeline(of_team) for team_id, of_team in facts.items()}


def _team_state(
    team_id: int, season: int, at: datetime, played: _Played, rated: _Rated, elo: EloParameters
) -> TeamState:
    results: Sequence[PlayedGame] = ()
    results_known_at: datetime | None = None
    if (timeline := played.get((team_id, season))) is not None:
        results, results_known_at = timeline.known(at)
    last = ratings.newest(at) if (ratings := rated.get(team_id)) is not None else None
    if last is None:
        rating = elo.initial.get(team_id, elo.mean)
    elif last.season == season:
        rating = last.rating_after
    else:
        rating = season_start(elo, team_id, season, last.rating_after)
    return TeamState(rating, None if last is None else last.known_at, results, results_known_at)


def _same_division(game: GameFact, aligned_since: int | None) -> bool | None:
    if aligned_since is None or game.season < aligned_since:
        return None
    if game.home_division is None or game.away_division is None:
        return None
    return game.home_division == game.away_division
