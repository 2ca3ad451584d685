"""Games, ratings and quotes as the builder takes them: columns, straight from the database.

Instants are microseconds since 1970 UTC, ``NEVER`` where there is none.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from precog_core.database.copying import Kind, fetch_arrays
from precog_core.database.queries import load_queries
from precog_pipelines.features.quarterback import QuarterbackConfig, StarterFacts
from precog_pipelines.features.situation import Floats, Instants
from precog_pipelines.ratings.chain import FinishedResult, facts_as_known
from precog_pipelines.ratings.config import LeagueRatings
from precog_pipelines.ratings.glicko import GlickoParameters, GlickoTable
from precog_pipelines.ratings.strength import StrengthParameters, StrengthTable

_Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class GameFacts:
    """Fixtures in playing order and, once known, their results.

    ``day`` counts days since 1970, ``day_start_at`` is its midnight Eastern. ``same_division`` is
    1, 0, or NaN where unknown. Scores count only where ``result_known_at`` is set.
    ``source_snapshot_id`` is 0 where none is recorded.
    """

    game_id: _Numbers
    season: _Numbers
    day: _Numbers
    day_start_at: Instants
    kickoff_at: Instants
    postseason: NDArray[np.bool_]
    neutral: NDArray[np.bool_]
    home_team_id: _Numbers
    away_team_id: _Numbers
    same_division: Floats
    home_score: _Numbers
    away_score: _Numbers
    known_at: Instants
    result_known_at: Instants
    source_snapshot_id: _Numbers

    def __len__(self) -> int:
        return len(self.game_id)


@dataclass(frozen=True)
class RatingFacts:
    """A team's Elo rating after each of its games, usable from ``known_at``, in playing order."""

    team_id: _Numbers
    season: _Numbers
    rating_after: Floats
    known_at: Instants

    def __len__(self) -> int:
        return len(self.team_id)


@dataclass(frozen=True)
class GlickoFacts:
    """A team's Glicko-2 state after each of its games, as known, in playing order."""

    parameters: GlickoParameters
    team_id: _Numbers
    season: _Numbers
    day: _Numbers
    known_at: Instants
    rating: Floats
    deviation: Floats
    volatility: Floats


@dataclass(frozen=True)
class StrengthFacts:
    """A team's strength in points after each of its games, as known, in playing order."""

    parameters: StrengthParameters
    team_id: _Numbers
    season: _Numbers
    known_at: Instants
    points: Floats
    deviation: Floats


@dataclass(frozen=True)
class QuoteFacts:
    """Prices that the home team wins, 0 to 1, usable from ``known_at``, in order of observation."""

    game_id: _Numbers
    price: Floats
    known_at: Instants


@dataclass(frozen=True)
class MoreFacts:
    """What the sets beyond v1.0 rest on; None where no feature of the set is asked for."""

    glicko: GlickoFacts | None = None
    strength: StrengthFacts | None = None
    quotes: QuoteFacts | None = None
    starters: tuple[StarterFacts, QuarterbackConfig] | None = None


@dataclass(frozen=True)
class History:
    """All facts that features of a league rest on; None where no set asks for them.

    ``games`` are whole seasons; everything else reaches back to the first game.
    """

    games: GameFacts
    ratings: RatingFacts
    results: Sequence[FinishedResult] | None = None
    quotes: QuoteFacts | None = None
    starters: StarterFacts | None = None

    def more(
        self, ratings: LeagueRatings | None, quarterback: QuarterbackConfig | None
    ) -> MoreFacts:
        """What is derived from the facts with the parameters of the league."""
        glicko = strength = starters = None
        if self.results is not None and ratings is not None:
            glicko = glicko_facts(self.results, ratings.glicko.parameters())
            strength = strength_facts(self.results, ratings.strength.parameters())
        if self.starters is not None and quarterback is not None:
            starters = (self.starters, quarterback)
        return MoreFacts(glicko, strength, self.quotes, starters)


def read_history(
    conn: psycopg.Connection,
    league: str,
    seasons: Sequence[int],
    sets: Collection[str],
    *,
    model_id: int,
    aligned_since: int | None,
) -> History:
    """The facts that ``sets`` need for games of ``seasons``.

    ``aligned_since`` is the first season in which the stored divisions hold; None: in no season.
    """
    # Playing order is sorted by the server: a hundred thousand games fit in memory, not in 4 MB.
    conn.execute("SET LOCAL work_mem = '64MB'")
    last = max(seasons)
    return History(
        read_games(conn, league, list(seasons), aligned_since),
        read_ratings(conn, model_id, league, last),
        results=read_results(conn, league, last) if "ratings" in sets else None,
        quotes=read_quotes(conn, league, list(seasons)) if "market" in sets else None,
        starters=read_starters(conn, league, last) if "quarterback" in sets else None,
    )


def glicko_facts(games: Sequence[FinishedResult], parameters: GlickoParameters) -> GlickoFacts:
    """Glicko-2 over all ``games`` of a league in playing order."""
    facts = facts_as_known(games, lambda: GlickoTable(parameters))
    states = np.array([fact.state for fact in facts], dtype=np.float64).reshape(-1, 3).T
    return GlickoFacts(
        parameters,
        _numbers(fact.team_id for fact in facts),
        _numbers(fact.season for fact in facts),
        _numbers(fact.day for fact in facts),
        _numbers(fact.known_at for fact in facts),
        states[0],
        states[1],
        states[2],
    )


def strength_facts(
    games: Sequence[FinishedResult], parameters: StrengthParameters
) -> StrengthFacts:
    """Strengths over all ``games`` of a league in playing order."""
    facts = facts_as_known(games, lambda: StrengthTable(parameters))
    states = np.array([fact.state for fact in facts], dtype=np.float64).reshape(-1, 2).T
    return StrengthFacts(
        parameters,
        _numbers(fact.team_id for fact in facts),
        _numbers(fact.season for fact in facts),
        _numbers(fact.known_at for fact in facts),
        states[0],
        states[1],
    )


def _numbers(values: Iterable[int]) -> _Numbers:
    return np.fromiter(values, dtype=np.int64)


def read_results(conn: psycopg.Connection, league: str, last_season: int) -> list[FinishedResult]:
    """All counted results of a league up to ``last_season``, in playing order."""
    columns = _read(
        conn,
        "finished_results",
        {"league": league, "last_season": last_season},
        {
            "season": "i4", "day": "date", "home_team_id": "i8", "away_team_id": "i8",
            "margin": "i4", "neutral": "bool", "known_at": "instant",
        },
    )  # fmt: skip
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [FinishedResult(*row) for row in rows]


def read_quotes(conn: psycopg.Connection, league: str, seasons: list[int]) -> QuoteFacts:
    """The prices of games of whole seasons that were neither simulated nor entered by hand."""
    columns = _read(
        conn,
        "feature_quotes",
        {"league": league, "seasons": seasons},
        {"game_id": "i8", "price": "f8", "known_at": "instant"},
    )
    return QuoteFacts(**columns)


def read_starters(conn: psycopg.Connection, league: str, last_season: int) -> StarterFacts:
    """Finished games with who started, in the order in which they became known."""
    columns = _read(
        conn,
        "feature_starters",
        {"league": league, "last_season": last_season},
        {
            "season": "i4", "home_team_id": "i8", "away_team_id": "i8", "home_score": "i4",
            "away_score": "i4", "neutral": "bool", "home_starter": "i8", "away_starter": "i8",
            "known_at": "instant",
        },
    )  # fmt: skip
    return StarterFacts(**columns)


def read_games(
    conn: psycopg.Connection, league: str, seasons: list[int], aligned_since: int | None
) -> GameFacts:
    """The counted games of whole seasons.

    ``aligned_since`` is the first season in which the stored divisions hold; None: in no season.
    """
    columns = _read(
        conn,
        "feature_games",
        {"league": league, "seasons": seasons, "aligned_since": aligned_since},
        {
            "game_id": "i8", "season": "i4", "day": "date", "day_start_at": "instant",
            "kickoff_at": "instant", "postseason": "bool", "neutral": "bool",
            "home_team_id": "i8", "away_team_id": "i8", "same_division": "f8",
            "home_score": "i4", "away_score": "i4", "known_at": "instant",
            "result_known_at": "instant", "source_snapshot_id": "i8",
        },
    )  # fmt: skip
    return GameFacts(**columns)


def read_ratings(
    conn: psycopg.Connection, model_id: int, league: str, last_season: int
) -> RatingFacts:
    """All ratings of a model up to ``last_season``, revisions of a game in order of revision."""
    columns = _read(
        conn,
        "feature_ratings",
        {"model_id": model_id, "league": league, "last_season": last_season},
        {"team_id": "i8", "season": "i4", "rating_after": "f8", "known_at": "instant"},
    )
    return RatingFacts(**columns)


def _read(
    conn: psycopg.Connection, query: str, params: Mapping[str, Any], kinds: Mapping[str, Kind]
) -> dict[str, Any]:
    return fetch_arrays(conn, getattr(load_queries("features"), query).sql, params, kinds)
