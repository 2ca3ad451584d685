"""Asset ``elo_ratings``: the rating of every team before and after every finished game."""

from typing import Any

import dagster as dg
import psycopg

from precog_dagster.metadata import inline_png, table_metadata
from precog_dagster.partitions import league_season, seasons_by_league
from precog_dagster.resources import PostgresResource
from precog_pipelines.automation import DOWNSTREAM
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import (
    SeasonSummary,
    model_name,
    season_summaries,
    write_ratings,
)
from precog_pipelines.ratings.report import rating_plot, rating_table
from precog_pipelines.ratings.source_seasons import source_seasons

TABLE = "elo_rating_history"


@dg.asset(
    key="elo_ratings",
    deps=["games"],
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=DOWNSTREAM,
    group_name="ratings",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    tags={"table": TABLE},
    description=(
        "Elo before and after every finished game (table elo_rating_history). A season is a pure "
        "function of all games up to it: any chunking of partitions gives the same rows, running "
        "again writes none, a corrected result writes the next revision."
    ),
)
def elo_ratings(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    config = elo_config()
    database = postgres.database()
    totals = {"rows_inserted": 0, "rows_revised": 0}
    summaries: list[SeasonSummary] = []
    preview: list[dict[str, Any]] = []
    for league, seasons in seasons_by_league(list(context.partition_keys)).items():
        elo = config.league(league)
        with database.transaction() as conn:
            written = write_ratings(
                conn, league, seasons, elo, source_seasons=source_seasons(conn, league)
            )
            found = season_summaries(conn, written.model_id, seasons)
            if found:
                name = f"{model_name(league)} {elo.version}"
                latest = found[-1]
                preview += _preview(conn, league, written.model_id, latest)
                # One season: the lines of a quarter century tell nobody anything.
                title = f"{name}, season {latest.season}"
                if png := rating_plot(conn, written.model_id, latest.season, title):
                    context.add_asset_metadata(
                        {"history": inline_png(title, png)},
                        partition_key=f"{league}|{latest.season}",
                    )
        for summary in found:
            context.add_asset_metadata(
                {"dagster/partition_row_count": summary.rows, "elo_brier": summary.brier},
                partition_key=f"{league}|{summary.season}",
            )
        context.log.info(
            f"{league}: {written.rows} rating rows of {len(found)} seasons, "
            f"{written.inserted} new, {written.revised} revised"
        )
        totals["rows_inserted"] += written.inserted
        totals["rows_revised"] += written.revised
        summaries += found
    with database.transaction() as conn:
        metadata = table_metadata(
            conn,
            TABLE,
            rows=sum(summary.rows for summary in summaries),
            preview=preview,
            first=min((summary.first for summary in summaries), default=None),
            last=max((summary.last for summary in summaries), default=None),
            **totals,
        )
    return dg.MaterializeResult(metadata=metadata)


def _preview(
    conn: psycopg.Connection, league: str, model_id: int, summary: SeasonSummary
) -> list[dict[str, Any]]:
    return [
        {
            "league": league,
            "rank": row.rank,
            "team": row.team,
            "rating": row.rating,
            "last change": row.last_change,
            "last game": row.last_game_at,
        }
        for row in rating_table(conn, model_id, summary.last_known_at)[:10]
    ]
