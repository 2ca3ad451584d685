"""Games and ratings as the builder takes them: columns, straight from the database.

Instants are microseconds since 1970 UTC, ``NEVER`` where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from precog_core.database.copying import Kind, fetch_arrays
from precog_core.database.queries import load_queries
from precog_pipelines.features.situation import Floats, Instants

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
