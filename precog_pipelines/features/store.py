"""The feature store's writing side: definitions, and partitions of ``features_historical``.

A partition (league, season) is replaced as a whole, but only when its content changed. A new one
goes straight into the table by COPY; where rows exist the new ones are staged and compared in the
database first, so that running again changes no row.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import psycopg

from precog_core.database.copying import copy_parts
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.features.builder import FeatureTable, build_features
from precog_pipelines.features.config import FeaturesConfig, features_config
from precog_pipelines.features.facts import History, read_history
from precog_pipelines.features.registry import Feature, registered
from precog_pipelines.ratings.config import LeagueElo, elo_config, ratings_config
from precog_pipelines.ratings.history import find_elo_model, require_rated

# Moments encoded at a time: bounds the memory of a long history.
_MOMENTS_PER_PART = 8_192
_VALUES = (
    "feature_id", "entity_id", "event_ts", "known_at", "feature_value", "source_snapshot_id",
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
    features: Sequence[Feature],
    *,
    now: datetime,
    elo: LeagueElo,
    config: FeaturesConfig,
) -> FeatureTable:
    """``features`` of whole seasons from the stored games and ratings, nothing written.

    Raises PrecogError when a finished game up to the last season has no rating yet.
    """
    history = stored_history(conn, league, seasons, features, elo=elo, config=config)
    return build_from(history, league, features, now=now, elo=elo, config=config)


def stored_history(
    conn: psycopg.Connection,
    league: str,
    seasons: Sequence[int],
    features: Sequence[Feature],
    *,
    elo: LeagueElo,
    config: FeaturesConfig,
) -> History:
    """The stored facts behind ``features`` of whole seasons.

    Raises PrecogError when a finished game up to the last season has no rating yet.
    """
    model_id = find_elo_model(conn, league, elo)
    require_rated(conn, model_id, league, max(seasons))
    return read_history(
        conn,
        league,
        seasons,
        {feature.feature_set for feature in features},
        model_id=model_id,
        aligned_since=config.division_alignment_since.get(league),
    )


def build_from(
    history: History,
    league: str,
    features: Sequence[Feature],
    *,
    now: datetime,
    elo: LeagueElo,
    config: FeaturesConfig,
) -> FeatureTable:
    """``features`` of the games of ``history`` with the configured parameters of the league."""
    ratings = None if history.results is None else ratings_config().league(league)
    return build_features(
        history.games,
        history.ratings,
        features,
        parameters=elo.parameters(),
        config=config,
        now=now,
        more=history.more(ratings, config.quarterback.get(league)),
    )


def write_features(
    conn: psycopg.Connection,
    league: str,
    seasons: Sequence[int],
    *,
    now: datetime,
    dagster_run_id: str,
    sets: Collection[str] | None = None,
) -> Written:
    """Compute ``seasons`` and replace those that changed, inside the caller's transaction.

    ``sets`` are those of the configuration by default; other sets' values are left alone.
    """
    queries = load_queries("features")
    config = features_config()
    elo = elo_config().league(league)
    # Two runs that replace the same partition at once would both insert it. In order of season:
    # two that overlap then wait for each other and never in a circle.
    for season in sorted(seasons):
        queries.lock_partition(conn, partition=f"precog.features.{league}|{season}")
    features = registered(league, config, config.stored_sets if sets is None else sets)
    feature_ids = ensure_definitions(conn, features)
    table = compute_features(conn, league, seasons, features, now=now, elo=elo, config=config)
    scope = {"league": league, "seasons": list(seasons), "feature_ids": feature_ids}
    stored = {season for (season,) in queries.stored_seasons(conn, **scope)}
    fresh = ~np.isin(table.season, sorted(stored))
    changed = {int(season) for season in np.unique(table.season[fresh])}
    _copy(conn, table.of(fresh) if stored else table, feature_ids, dagster_run_id)
    if stored:
        changed |= _replace(conn, table.of(~fresh), scope, dagster_run_id)
    if changed:
        queries.refresh_feature_statistics(conn)
    moments = dict(
        zip(*(n.tolist() for n in np.unique(table.season, return_counts=True)), strict=True)
    )
    return Written(
        rows=len(table) * len(features),
        games=len(np.unique(table.game_id)),
        undefined=sum(int(np.isnan(column).sum()) for column in table.values),
        rows_by_season={s: moments.get(s, 0) * len(features) for s in seasons},
        replaced_seasons=tuple(sorted(changed)),
    )


def _replace(
    conn: psycopg.Connection, table: FeatureTable, scope: dict[str, Any], dagster_run_id: str
) -> set[int]:
    """Replace those stored seasons whose content differs from ``table``; returns them."""
    queries = load_queries("features")
    queries.create_staging(conn)
    _copy(conn, table, scope["feature_ids"], None)
    # Without statistics on the temporary table the planner would pick nested loops.
    conn.execute("ANALYZE feature_staging")
    changed = {season for (season,) in queries.changed_seasons(conn, **scope)}
    if changed:
        queries.delete_seasons(conn, **scope | {"seasons": sorted(changed)})
        queries.insert_staged(conn, dagster_run_id=dagster_run_id, seasons=sorted(changed))
    conn.execute("DROP TABLE feature_staging")
    return changed


def _copy(
    conn: psycopg.Connection,
    table: FeatureTable,
    feature_ids: Sequence[int],
    dagster_run_id: str | None,
) -> None:
    """Append ``table`` to the store, or to the staging table when no run is given."""
    if dagster_run_id is None:
        parts = blocks(table, feature_ids)
        copy_parts(conn, "feature_staging", (*_VALUES, "season"), parts)
    else:
        names = (*_VALUES, "entity_type", "dagster_run_id")
        same: dict[str, np.ndarray | str] = {
            "entity_type": "game", "dagster_run_id": dagster_run_id,
        }  # fmt: skip
        parts = ((columns | same, nulls) for columns, nulls in blocks(table, feature_ids))
        copy_parts(conn, "features_historical", names, parts)


def blocks(
    table: FeatureTable, feature_ids: Sequence[int]
) -> Iterator[tuple[dict[str, np.ndarray | str], dict[str, np.ndarray]]]:
    """Columns of the tall rows and where they are NULL, some thousand moments at a time.

    Moment by moment, because that is the order of the index.
    """
    ids = np.array(feature_ids, dtype=np.int64)
    for start in range(0, len(table), _MOMENTS_PER_PART):
        part = slice(start, start + _MOMENTS_PER_PART)
        moments = len(table.game_id[part])
        values = np.stack([column[part] for column in table.values], axis=1).ravel()
        snapshots = np.repeat(table.source_snapshot_id[part], len(ids))
        columns: dict[str, np.ndarray | str] = {
            "feature_id": np.tile(ids, moments),
            "entity_id": np.repeat(table.game_id[part], len(ids)),
            "season": np.repeat(table.season[part], len(ids)),
            "event_ts": np.repeat(table.event_at[part], len(ids)),
            "known_at": np.stack([column[part] for column in table.known_at], axis=1).ravel(),
            "feature_value": values,
            "source_snapshot_id": snapshots,
        }
        yield columns, {"feature_value": np.isnan(values), "source_snapshot_id": snapshots == 0}


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
