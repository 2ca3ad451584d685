"""The feature store's writing side: definitions, and partitions of ``features_historical``.

A partition (league, season) is replaced as a whole, but only when its content changed: the new rows
are staged by COPY and compared in the database first, so that running again changes no row.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.features.builder import (
    FeatureValue,
    GameFact,
    RatingFact,
    build_features,
)
from precog_pipelines.features.config import FeaturesConfig, features_config
from precog_pipelines.features.registry import Feature, registered
from precog_pipelines.ratings.config import LeagueElo, elo_config
from precog_pipelines.ratings.history import find_elo_model, require_rated

_STAGED = (
    "feature_id", "entity_id", "season", "event_ts", "known_at", "feature_value",
    "source_snapshot_id",
)  # fmt: skip


@dataclass(frozen=True)
class Written:
    """What one call did. ``rows`` counts the partitions' content, stored now or before."""

    rows: int
    games: int
    undefined: int
    rows_by_season: dict[int, int] = field(default_factory=dict)
    replaced_seasons: tuple[int, ...] = ()


def sum_of(parts: Iterable[Written]) -> Written:
    """Several calls over different seasons as one."""
    done = list(parts)
    return Written(
        rows=sum(part.rows for part in done),
        games=sum(part.games for part in done),
        undefined=sum(part.undefined for part in done),
        rows_by_season={s: rows for part in done for s, rows in part.rows_by_season.items()},
        replaced_seasons=tuple(sorted(s for part in done for s in part.replaced_seasons)),
    )


def ensure_definitions(conn: psycopg.Connection, features: Sequence[Feature]) -> list[int]:
    """The ``feature_id`` of each feature, in order; new definitions are stored and activated.

    Raises PrecogError when a stored version says something else: versions never change.
    """
    queries = load_queries("features")
    names = [feature.name for feature in features]
    stored = _definitions(conn, names)
    if any(feature.key not in stored for feature in features):
        for feature in features:
            queries.insert_definition(
                conn,
                name=feature.name,
                version=feature.version,
                entity_type=feature.entity_type,
                category=feature.category,
                data_type=feature.data_type,
                calculation=feature.definition,
                unit=feature.unit,
            )
        queries.activate_definitions(conn, names=names)
        stored = _definitions(conn, names)
    for feature in features:
        _, found = stored[feature.key]
        if found != _content(feature):
            raise PrecogError(
                f"feature {feature.name} {feature.version} is stored with another definition "
                f"({found[-2]!r}); a definition never changes: raise its version in the registry"
            )
    return [stored[feature.key][0] for feature in features]


def find_definitions(conn: psycopg.Connection, features: Sequence[Feature]) -> list[int]:
    """The ``feature_id`` of each feature, in order, without writing.

    Raises PrecogError when one was never stored, which means nothing was computed yet.
    """
    stored = _definitions(conn, [feature.name for feature in features])
    missing = [" ".join(feature.key) for feature in features if feature.key not in stored]
    if missing:
        raise PrecogError(
            f"features never computed: {', '.join(missing)}; materialise the asset "
            "features_historical, or run `precog bootstrap`"
        )
    return [stored[feature.key][0] for feature in features]


def stored_feature_ids(conn: psycopg.Connection, features: Sequence[Feature]) -> list[int]:
    """The ``feature_id`` of those features that were stored at least once, in order."""
    stored = _definitions(conn, [feature.name for feature in features])
    return [stored[feature.key][0] for feature in features if feature.key in stored]


def compute_features(
    conn: psycopg.Connection,
    league: str,
    seasons: Sequence[int],
    *,
    now: datetime,
    elo: LeagueElo,
    config: FeaturesConfig,
) -> Iterator[FeatureValue]:
    """All values of whole seasons from the stored games and ratings, nothing written.

    Raises PrecogError when a finished game up to the last season has no rating yet.
    """
    queries = load_queries("features")
    last = max(seasons)
    model_id = find_elo_model(conn, league, elo)
    require_rated(conn, model_id, league, last)
    games = [
        GameFact(*row) for row in queries.feature_games(conn, league=league, seasons=list(seasons))
    ]
    ratings = [
        RatingFact(*row)
        for row in queries.feature_ratings(conn, model_id=model_id, league=league, last_season=last)
    ]
    return build_features(
        games,
        ratings,
        registered(league, config),
        league=league,
        parameters=elo.parameters(),
        config=config,
        now=now,
    )


def write_features(
    conn: psycopg.Connection,
    league: str,
    seasons: Sequence[int],
    *,
    now: datetime,
    dagster_run_id: str,
) -> Written:
    """Compute ``seasons`` and replace those that changed, inside the caller's transaction."""
    queries = load_queries("features")
    config = features_config()
    elo = elo_config().league(league)
    # Two runs that replace the same partition at once would both insert it. In order of season:
    # two that overlap then wait for each other and never in a circle.
    for season in sorted(seasons):
        queries.lock_partition(conn, partition=f"precog.features.{league}|{season}")
    feature_ids = ensure_definitions(conn, registered(league, config))
    values = compute_features(conn, league, seasons, now=now, elo=elo, config=config)

    queries.create_staging(conn)
    count = _Count(dict.fromkeys(seasons, 0))
    copy_rows(conn, "feature_staging", _STAGED, count.through(values, feature_ids))
    scope = {"league": league, "seasons": list(seasons), "feature_ids": feature_ids}
    stored = {season for (season,) in queries.stored_seasons(conn, **scope)}
    new = {season for season, rows in count.by_season.items() if rows and season not in stored}
    changed = set(new)
    if stored:
        # Without statistics on the temporary table the planner would pick nested loops.
        conn.execute("ANALYZE feature_staging")
        changed |= {season for (season,) in queries.changed_seasons(conn, **scope)}
        old = sorted(changed & stored)
        queries.delete_seasons(conn, league=league, seasons=old, feature_ids=feature_ids)
    if changed:
        queries.insert_staged(conn, dagster_run_id=dagster_run_id, seasons=sorted(changed))
    conn.execute("DROP TABLE feature_staging")
    return Written(
        rows=sum(count.by_season.values()),
        games=len(count.games),
        undefined=count.undefined,
        rows_by_season=count.by_season,
        replaced_seasons=tuple(sorted(changed)),
    )


class _Count:
    """Counts values on their way into the database, so that they are never all in memory."""

    def __init__(self, by_season: dict[int, int]) -> None:
        self.by_season = by_season
        self.games: set[int] = set()
        self.undefined = 0

    def through(
        self, values: Iterable[FeatureValue], feature_ids: Sequence[int]
    ) -> Iterator[tuple[object, ...]]:
        for value in values:
            self.by_season[value.season] += 1
            self.games.add(value.game_id)
            self.undefined += value.value is None
            yield (feature_ids[value.feature], *value[1:])


_Content = tuple[str, str, str, str, str]


def _content(feature: Feature) -> _Content:
    return (
        feature.entity_type,
        feature.category,
        feature.data_type,
        feature.definition,
        feature.unit,
    )


def _definitions(
    conn: psycopg.Connection, names: list[str]
) -> dict[tuple[str, str], tuple[int, _Content]]:
    return {
        (name, version): (feature_id, (entity_type, category, data_type, calculation, unit))
        for feature_id, name, version, entity_type, category, data_type, calculation, unit in (
            load_queries("features").select_definitions(conn, names=names)
        )
    }
