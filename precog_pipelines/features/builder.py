"""Computes every registered feature at both moments of every game, from facts known by then.

Pure: facts in, values out, no clock. All moments are computed at once as columns; ``Timeline``
finds for each what was known, so the cost does not grow with the length of the history.
Restricting by ``known_at`` rather than by date is what makes a late result or a correction
invisible until it arrived.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from precog_core.errors import PrecogError
from precog_pipelines.features import states
from precog_pipelines.features.config import MOMENTS, FeaturesConfig
from precog_pipelines.features.facts import GameFacts, MoreFacts, RatingFacts
from precog_pipelines.features.registry import Feature
from precog_pipelines.features.situation import (
    NEVER,
    RECENT_GAMES,
    Floats,
    Instants,
    Situation,
    TeamStates,
)
from precog_pipelines.features.timeline import Moments, Timeline, take
from precog_pipelines.ratings.elo import EloParameters

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Numbers = NDArray[np.int64]


class FeatureValue(NamedTuple):
    """One value; ``feature`` is the position in the registry, ``value`` None when undefined."""

    feature: int
    game_id: int
    season: int
    event_ts: datetime
    known_at: datetime
    value: float | None
    source_snapshot_id: int | None


@dataclass(frozen=True)
class FeatureTable:
    """Features as columns: element n belongs to the n-th moment, sorted by game and time.

    ``values`` and ``known_at`` have one column per feature in registry order; NaN is undefined.
    ``source_snapshot_id`` is 0 where none is recorded. Instants: microseconds since 1970 UTC.
    """

    game_id: _Numbers
    season: _Numbers
    event_at: Instants
    source_snapshot_id: _Numbers
    values: tuple[Floats, ...]
    known_at: tuple[Instants, ...]

    def __len__(self) -> int:
        return len(self.game_id)

    def of(self, chosen: NDArray[np.bool_]) -> "FeatureTable":
        """The moments where ``chosen``."""
        return FeatureTable(
            self.game_id[chosen],
            self.season[chosen],
            self.event_at[chosen],
            self.source_snapshot_id[chosen],
            tuple(column[chosen] for column in self.values),
            tuple(column[chosen] for column in self.known_at),
        )

    def rows(self) -> Iterator[FeatureValue]:
        """Value by value: moments in order, features of a moment in registry order."""
        for n in range(len(self)):
            for place, (values, known_at) in enumerate(
                zip(self.values, self.known_at, strict=True)
            ):
                value = float(values[n])
                yield FeatureValue(
                    place,
                    int(self.game_id[n]),
                    int(self.season[n]),
                    instant(self.event_at[n]),
                    instant(known_at[n]),
                    None if value != value else value,
                    int(self.source_snapshot_id[n]) or None,
                )


def microseconds(at: datetime) -> int:
    """An instant as the columns hold it, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(at: int | np.int64) -> datetime:
    """The inverse of ``microseconds``, in UTC."""
    return _EPOCH + timedelta(microseconds=int(at))


def moments_of(games: GameFacts, config: FeaturesConfig, now: datetime) -> Moments:
    """The moments of all games up to ``now``, sorted by ``game_id`` and time.

    Start unknown: 00:00 Eastern of the day, decision only. A game announced after its day-before
    moment but before its decision is looked at when it is announced. One announced after its
    decision has no moment at all.

    Raises PrecogError when a result is marked as known before its own decision: the source's times
    are wrong and every feature would leak.
    """
    lead = {m: config.lead(m) // timedelta(microseconds=1) for m in MOMENTS}
    has_start = games.kickoff_at != NEVER
    kickoff = np.where(has_start, games.kickoff_at, 0)
    decision = np.where(has_start, kickoff - lead["decision"], games.day_start_at)
    early = np.maximum(kickoff - lead["day_before"], games.known_at)
    limit = microseconds(now)
    at = np.stack([early, decision])
    exists = np.stack([has_start & (games.known_at < decision), games.known_at <= decision])
    exists &= at <= limit
    over = exists & (games.result_known_at != NEVER) & (games.result_known_at <= at)
    if over.any():
        moment, place = (int(n[0]) for n in np.nonzero(over))
        raise PrecogError(
            f"game {games.game_id[place]} has its result known at "
            f"{instant(games.result_known_at[place]):%Y-%m-%d %H:%M %Z}, not after its "
            f"{MOMENTS[moment]} moment {instant(at[moment, place]):%Y-%m-%d %H:%M %Z}; correct "
            "kickoff_at or result_known_at in games"
        )
    moment_no, place_no = np.nonzero(exists)
    order = np.lexsort((moment_no, games.game_id[place_no]))
    moment_no, place_no = moment_no[order], place_no[order]
    return Moments(place_no.astype(np.int64), at[moment_no, place_no])


def build_features(
    games: GameFacts,
    ratings: RatingFacts,
    features: Sequence[Feature],
    *,
    parameters: EloParameters,
    config: FeaturesConfig,
    now: datetime,
    more: MoreFacts = MoreFacts(),  # noqa: B008 - frozen
) -> FeatureTable:
    """All features at all moments up to ``now``; ``more`` has what sets beyond v1.0 rest on.

    ``games`` are all games of whole seasons, ``ratings`` all ratings up to them; both in playing
    order, revisions of one rating in order of revision. Raises PrecogError as ``moments_of`` does.
    """
    if parameters.initial or parameters.season_starts:
        raise ValueError("features know only leagues that start every team at the mean")
    moments = moments_of(games, config, now)
    situation = situation_of(games, ratings, moments, parameters, more)
    known_at = {f.basis: f.basis.known_at(situation) for f in features}
    return FeatureTable(
        game_id=games.game_id[moments.game],
        season=games.season[moments.game],
        event_at=moments.at,
        source_snapshot_id=games.source_snapshot_id[moments.game],
        values=tuple(f.compute(situation) for f in features),
        known_at=tuple(known_at[f.basis] for f in features),
    )


def situation_of(
    games: GameFacts,
    ratings: RatingFacts,
    moments: Moments,
    parameters: EloParameters,
    more: MoreFacts,
) -> Situation:
    """What was known at each moment."""
    of_game = moments.game
    season = games.season[of_game]
    neutral = games.neutral[of_game]
    results = _Results(games)
    timeline = Timeline(ratings.team_id, ratings.known_at)

    def side(team_id: _Numbers) -> TeamStates:
        rating, rating_known_at = _rating(
            ratings, timeline, team_id, season, moments.at, parameters
        )
        day = games.day[of_game]
        games_played, days_since, recent, known_at = results.of(team_id, season, day, moments.at)
        return TeamStates(rating, rating_known_at, games_played, days_since, recent, known_at)

    home = side(games.home_team_id[of_game])
    away = side(games.away_team_id[of_game])
    return Situation(
        neutral=neutral,
        postseason=games.postseason[of_game],
        same_division=games.same_division[of_game],
        home_advantage=states.home_advantage(parameters.eras, season, neutral),
        scheduled_known_at=games.known_at[of_game],
        home=home,
        away=away,
        glicko=None if more.glicko is None else states.glicko(more.glicko, games, moments),
        strength=(
            None if more.strength is None else states.strength(more.strength, games, moments)
        ),
        market=None if more.quotes is None else states.market(more.quotes, games, moments),
        quarterback=(
            None
            if more.starters is None
            else states.quarterback(
                *more.starters, games, moments, np.maximum(home.games, away.games)
            )
        ),
    )


class _Results:
    """Finished games from the side of each of their two teams, home first, in playing order."""

    def __init__(self, games: GameFacts) -> None:
        played = np.flatnonzero(games.result_known_at != NEVER)
        margin = (games.home_score[played] - games.away_score[played]).astype(np.float64)
        self._team = _both(games.home_team_id[played], games.away_team_id[played])
        season = np.repeat(games.season[played], 2)
        self._margin = _both(margin, -margin)
        self._day = np.repeat(games.day[played], 2)
        self._known_at = np.repeat(games.result_known_at[played], 2)
        self._timeline = Timeline(self._key(self._team, season), self._known_at)

    @staticmethod
    def _key(team_id: _Numbers, season: _Numbers) -> _Numbers:
        return team_id * 10_000 + season

    def of(
        self, team_id: _Numbers, season: _Numbers, day: _Numbers, at: Instants
    ) -> tuple[Floats, Floats, Floats, Instants]:
        """Games of the season known at ``at``, days since the last, last margins, known when."""
        key = self._key(team_id, season)
        known = self._timeline.known(key, at)
        count = known.count
        places = known.recent(RECENT_GAMES)
        recent = take(self._margin, places, np.nan)
        days_since = np.where(count > 0, day - take(self._day, places[0], 0), np.nan)
        return (
            count.astype(np.float64),
            days_since,
            recent,
            take(self._known_at, known.latest(), NEVER),
        )


def _rating(
    ratings: RatingFacts,
    timeline: Timeline,
    team_id: _Numbers,
    season: _Numbers,
    at: Instants,
    elo: EloParameters,
) -> tuple[Floats, Instants]:
    """The rating with which each team would enter its game, and when that became known.

    The operations of ``elo.season_start`` in their order, so that the bits agree.
    """
    newest = timeline.known(team_id, at).newest()
    last = take(ratings.rating_after, newest, elo.mean)
    reverted = elo.mean * elo.reversion + last * (1.0 - elo.reversion)
    new_season = (newest >= 0) & (take(ratings.season, newest, 0) != season)
    return np.where(new_season, reverted, last), take(ratings.known_at, newest, NEVER)


def _both(home: NDArray, away: NDArray) -> NDArray:
    return np.stack([home, away], axis=1).ravel()
