"""Assets of the feature store: the definitions, and the values by league and season."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_dagster.metadata import markdown_table, table_metadata
from precog_dagster.partitions import LEAGUES, league_season, seasons_by_league
from precog_dagster.resources import PostgresResource
from precog_pipelines.automation import DOWNSTREAM
from precog_pipelines.features.config import features_config
from precog_pipelines.features.registry import registered
from precog_pipelines.features.store import Written, ensure_definitions, sum_of, write_features

DEFINITIONS = "feature_definitions"
VALUES = "features_historical"
MARKET = "market_features"


@dg.asset(
    key=DEFINITIONS,
    automation_condition=dg.AutomationCondition.on_missing(),
    group_name="features",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    tags={"table": DEFINITIONS},
    description=(
        "Every version of every feature: what it means, its unit, and when a value becomes known. "
        "A stored version never changes; a new formula is a new version."
    ),
)
def feature_definitions(postgres: PostgresResource) -> dg.MaterializeResult:
    config = features_config()
    features = {
        f.key: f for league in LEAGUES for f in registered(league, config, config.stored_sets)
    }
    with postgres.database().transaction() as conn:
        ensure_definitions(conn, list(features.values()))
        preview = [
            {
                "feature": f.name,
                "version": f.version,
                "unit": f.unit,
                "definition": f.definition,
            }
            for f in features.values()
        ]
        metadata = table_metadata(conn, DEFINITIONS, rows=len(features))
    catalogue = dg.MetadataValue.md(markdown_table(preview, limit=len(preview)))
    return dg.MaterializeResult(metadata=metadata | {"features": catalogue})


@dg.asset(
    key=VALUES,
    deps=["elo_ratings", "games", DEFINITIONS],
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    # Definitions are stored with the first values anyway: neither wait for them nor follow them.
    automation_condition=DOWNSTREAM.ignore(dg.AssetSelection.assets(DEFINITIONS)),
    group_name="features",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    tags={"table": VALUES},
    description=(
        "Every registered feature of every game at two moments before its start, computed only "
        "from facts known by then. A season is replaced in one transaction, and only when its "
        "content changed."
    ),
)
def features_historical(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    return _materialized(context, postgres, features_config().stored_sets)


@dg.asset(
    key=MARKET,
    deps=["games", "elo_ratings", "market_snapshots"],
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    # On demand: quotes come by the minute, and only a model with prices in it needs these.
    group_name="features",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    tags={"part_of": VALUES},
    description=(
        "Opening price, last price and movement between them of every game at both moments, in "
        "the same table, from quotes known by then. Simulated quotes never count: they were made "
        "from results. No part of the v1.0 dataset."
    ),
)
def market_features(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    return _materialized(context, postgres, ("market",))


def _materialized(
    context: dg.AssetExecutionContext, postgres: PostgresResource, sets: Collection[str]
) -> dg.MaterializeResult:
    database = postgres.database()
    rows = games = undefined = 0
    replaced: list[str] = []
    preview: list[dict[str, Any]] = []
    first = last = None
    for league, seasons in seasons_by_league(list(context.partition_keys)).items():
        written = write_in_two(database, league, seasons, context.run.run_id, sets)
        names = [f.name for f in registered(league, features_config(), sets)]
        with database.transaction() as conn:
            queries = load_queries("features")
            begins, ends = queries.feature_span(conn, league=league, seasons=seasons)
            headings = ("game", "feature", "at", "known at", "value")
            preview += [
                dict(zip(headings, row, strict=True))
                for row in queries.feature_preview(
                    conn, league=league, season=seasons[-1], names=names
                )
            ]
        for season, count in written.rows_by_season.items():
            context.add_asset_metadata(
                {"dagster/partition_row_count": count}, partition_key=f"{league}|{season}"
            )
        context.log.info(
            f"{league}: {written.rows} values of {written.games} games; "
            f"replaced seasons: {list(written.replaced_seasons) or 'none, content is unchanged'}"
        )
        rows += written.rows
        games += written.games
        undefined += written.undefined
        replaced += [f"{league}|{season}" for season in written.replaced_seasons]
        first = min(filter(None, (first, begins)), default=None)
        last = max(filter(None, (last, ends)), default=None)
    with database.transaction() as conn:
        return dg.MaterializeResult(
            metadata=table_metadata(
                conn,
                VALUES,
                rows=rows,
                preview=preview,
                first=first,
                last=last,
                games=games,
                undefined_values=undefined,
                replaced_partitions=dg.MetadataValue.json(replaced),
            )
        )


def write_in_two(
    database: Database, league: str, seasons: list[int], run_id: str, sets: Collection[str]
) -> Written:
    """Seasons are independent partitions; two connections write them on two cores."""
    now = datetime.now(UTC)
    config = features_config()
    with database.transaction() as conn:
        ensure_definitions(conn, registered(league, config, sets))

    def write(part: list[int]) -> Written:
        with database.transaction() as conn:
            return write_features(conn, league, part, now=now, dagster_run_id=run_id, sets=sets)

    half = (len(seasons) + 1) // 2
    parts = [part for part in (seasons[:half], seasons[half:]) if part]
    with ThreadPoolExecutor(max_workers=len(parts)) as pool:
        return sum_of(pool.map(write, parts))
