"""Proofs that stored features did not see the future, on moments drawn at random.

For a moment t everything known later is taken away (truncation), and then replaced by nonsense
(poison). Built again from either, every feature of the game at t must be what is stored. The tests
do the same with made-up games for every registered feature; this is the check that runs where the
data are.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
import psycopg
from numpy.typing import NDArray

from precog_core.database.queries import load_queries
from precog_pipelines.features.builder import FeatureTable, instant
from precog_pipelines.features.config import FeaturesConfig
from precog_pipelines.features.facts import History
from precog_pipelines.features.registry import Feature
from precog_pipelines.features.situation import NEVER
from precog_pipelines.features.store import build_from, stored_history
from precog_pipelines.ratings.config import LeagueElo

_Facts = TypeVar("_Facts")
Tamper = Callable[[History, int], History]


def truncated(history: History, at: int) -> History:
    """What had become known by ``at``."""
    games = _where(history.games, history.games.known_at <= at)
    later = games.result_known_at > at
    return History(
        replace(games, result_known_at=np.where(later, NEVER, games.result_known_at)),
        _where(history.ratings, history.ratings.known_at <= at),
        results=(
            None
            if history.results is None
            else [result for result in history.results if result.known_at <= at]
        ),
        quotes=(
            None
            if history.quotes is None
            else _where(history.quotes, history.quotes.known_at <= at)
        ),
        starters=(
            None
            if history.starters is None
            else _where(history.starters, history.starters.known_at <= at)
        ),
    )


def poisoned(history: History, at: int) -> History:
    """Every fact known after ``at`` replaced by nonsense, still known when it was."""
    games, ratings, quotes = history.games, history.ratings, history.quotes
    announced, finished = games.known_at > at, games.result_known_at > at
    nonsense = replace(
        games,
        home_team_id=np.where(announced, games.away_team_id, games.home_team_id),
        away_team_id=np.where(announced, games.home_team_id, games.away_team_id),
        neutral=games.neutral ^ announced,
        postseason=games.postseason ^ announced,
        home_score=np.where(finished, games.away_score * 3 + 7, games.home_score),
        away_score=np.where(finished, games.home_score, games.away_score),
    )
    starters = history.starters
    if starters is not None:
        later = starters.known_at > at
        starters = replace(
            starters,
            home_score=np.where(later, starters.away_score * 3 + 7, starters.home_score),
            home_starter=np.where(later, starters.away_starter, starters.home_starter),
            away_starter=np.where(later, starters.home_starter, starters.away_starter),
        )
    return History(
        nonsense,
        replace(
            ratings,
            rating_after=np.where(
                ratings.known_at > at, 3000.0 - ratings.rating_after, ratings.rating_after
            ),
        ),
        results=(
            None
            if history.results is None
            else [
                r._replace(margin=7 - 3 * r.margin) if r.known_at > at else r
                for r in history.results
            ]
        ),
        quotes=(
            None
            if quotes is None
            else replace(quotes, price=np.where(quotes.known_at > at, 1.0, quotes.price))
        ),
        starters=starters,
    )


PROOFS: dict[str, Tamper] = {"truncation": truncated, "poison": poisoned}


def leaks(
    conn: psycopg.Connection,
    league: str,
    season: int,
    features: Sequence[Feature],
    feature_ids: Sequence[int],
    *,
    samples: int,
    seed: int,
    now: datetime,
    elo: LeagueElo,
    config: FeaturesConfig,
) -> tuple[int, list[str]]:
    """How many moments of ``season`` were proven, and a line for each value that failed.

    Compared is what is stored, so that a value from anywhere else than the builder fails as well.
    """
    history = stored_history(conn, league, [season], features, elo=elo, config=config)

    def build(given: History, until: datetime) -> FeatureTable:
        return build_from(given, league, features, now=until, elo=elo, config=config)

    table = build(history, now)
    chosen = random.Random(seed).sample(  # noqa: S311 - which moments are looked at
        range(len(table)), min(samples, len(table))
    )
    found = []
    for row in sorted(chosen):
        game_id, at = int(table.game_id[row]), int(table.event_at[row])
        stored: dict[int, tuple[float | None, datetime]] = {
            feature_id: (value, known_at)
            for feature_id, value, known_at in load_queries("features").stored_values(
                conn, game_id=game_id, event_ts=instant(at), feature_ids=list(feature_ids)
            )
        }
        for proof, tamper in PROOFS.items():
            built = build(tamper(history, at), instant(at))
            (place,) = np.flatnonzero((built.game_id == game_id) & (built.event_at == at))
            for n, (feature, feature_id) in enumerate(zip(features, feature_ids, strict=True)):
                value = float(built.values[n][place])
                expected = (None if value != value else value, instant(built.known_at[n][place]))
                if stored.get(feature_id) != expected:
                    found.append(
                        f"{feature.name} of game {game_id} at {instant(at):%Y-%m-%d %H:%M}: "
                        f"{proof} gives {expected[0]}, stored is "
                        f"{stored[feature_id][0] if feature_id in stored else 'nothing'}"
                    )
    return len(chosen), found


def _where(facts: _Facts, chosen: NDArray[np.bool_]) -> _Facts:
    columns: dict[str, Any] = {
        column.name: getattr(facts, column.name)[chosen]
        for column in fields(facts)  # type: ignore[arg-type]
    }
    return type(facts)(**columns)
