"""Assets ``games``, ``markets``, ``market_snapshots``: facts from a source, written by key.

Each is one transaction for all partitions of a run, so a file is stored whole or not at all, and
any chunking of seasons ends in the same rows.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import psycopg

from precog_core.database.queries import load_queries
from precog_pipelines.defs.metadata import table_metadata
from precog_pipelines.partitions import league_season, seasons_by_league
from precog_pipelines.resources import PostgresResource
from precog_pipelines.sources import open_game_source, open_quote_source, quote_platform
from precog_pipelines.sources.config import SourcesConfig, league_config, sources_config
from precog_pipelines.sources.games_table import store_games, store_snapshot
from precog_pipelines.sources.markets_table import market_ids, store_markets, tradable_games
from precog_pipelines.sources.protocols import GameSource
from precog_pipelines.sources.quotes_table import store_closing_prices, store_quotes
from precog_pipelines.sources.reference import store_league
from precog_pipelines.sources.teams import TeamDirectory


@dg.asset(
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ingestion",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    tags={"table": "games"},
    description=(
        "Fixtures and final results (table games), with the time from which each could be known. "
        "Source: the packaged sample, an nflverse file, or nflverse itself. The same input again "
        "changes no row; a corrected score is known from now."
    ),
)
def games(context: dg.AssetExecutionContext, postgres: PostgresResource) -> dg.MaterializeResult:
    by_league = seasons_by_league(list(context.partition_keys))
    totals: dict[str, Any] = {"inserted": 0, "updated": 0, "unchanged": 0, "absent_from_source": 0}
    with postgres.database().transaction() as conn:
        settings = sources_config(conn)
        for league, seasons in by_league.items():
            config = league_config(league)
            teams = store_league(conn, league, config)
            source = _source(settings, teams)
            retrieval = source.games(league, seasons)
            written = store_games(conn, league, retrieval, config, settings.backfill)
            totals["inserted"] += written.inserted
            totals["updated"] += written.updated
            totals["unchanged"] += written.unchanged
            totals["absent_from_source"] += written.absent
            totals |= {
                "data_source": source.label,
                "file": retrieval.snapshot.uri,
                "sha256": retrieval.snapshot.sha256,
                "licence": retrieval.snapshot.licence,
                "kickoffs_corrected": len(retrieval.corrections),
            }
            context.log.info(
                f"{league} {seasons[0]}-{seasons[-1]} from {retrieval.snapshot.uri}: "
                f"{written.inserted} new, {written.updated} changed, {written.unchanged} as before"
            )
        return dg.MaterializeResult(
            metadata=_metadata(
                conn, "games", "games", "stored_seasons", "games_preview", by_league, **totals
            )
        )


@dg.asset(
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ingestion",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    deps=[games],
    tags={"table": "markets"},
    description=(
        "One event and two mirror markets per game (tables series, events, markets, "
        "market_attributes) on the platform that this home quotes: simulated for the sample, "
        "closing_line for nflverse. YES pays for the team the ticker ends with."
    ),
)
def markets(context: dg.AssetExecutionContext, postgres: PostgresResource) -> dg.MaterializeResult:
    by_league = seasons_by_league(list(context.partition_keys))
    totals = {"new_events": 0, "new_markets": 0, "new_attributes": 0, "events_updated": 0}
    with postgres.database().transaction() as conn:
        settings = sources_config(conn)
        platform = quote_platform(settings.games.provider)
        for league, seasons in by_league.items():
            config = league_config(league)
            game_ids = tradable_games(conn, league, seasons)
            written = store_markets(conn, platform, league, config, game_ids)
            totals["new_events"] += written.events
            totals["new_markets"] += written.markets
            totals["new_attributes"] += written.attributes
            totals["events_updated"] += written.events_updated
        return dg.MaterializeResult(
            metadata=_metadata(
                conn,
                "markets",
                "markets",
                "markets_summary",
                "markets_preview",
                by_league,
                platform_id=platform,
                data_source=f"platform {platform}",
                **totals,
            )
        )


@dg.asset(
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ingestion",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    deps=[games, markets],
    tags={"table": "market_snapshots"},
    description=(
        "Quotes of both markets of each game (table market_snapshots) and the exact closing price "
        "(table market_candles). SIMULATED for the sample: generated from the results, hourly over "
        "the last day. ASSUMED FROM CLOSING LINES for nflverse: no-vig price, configured spread "
        "and size, taken as seen 31 minutes before kickoff. Never a feature."
    ),
)
def market_snapshots(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    by_league = seasons_by_league(list(context.partition_keys))
    totals: dict[str, Any] = {"offered": 0, "inserted": 0, "differing": 0, "closing_prices_new": 0}
    with postgres.database().transaction() as conn:
        settings = sources_config(conn)
        for league, seasons in by_league.items():
            source = _source(settings, TeamDirectory.stored(conn, league))
            history = source.games(league).games
            retrieval = source.games(league, seasons)
            quote_source = open_quote_source(source, history, settings)
            ids = market_ids(conn, quote_source.platform_id, league, seasons)
            played = retrieval.games
            written = store_quotes(conn, ids, quote_source.quotes(played), quote_source.source)
            closes = store_closing_prices(
                conn,
                ids,
                quote_source.closing_prices(played),
                store_snapshot(conn, retrieval.snapshot),
            )
            totals["offered"] += written.offered
            totals["inserted"] += written.inserted
            totals["differing"] += written.differing
            totals["closing_prices_new"] += closes
            totals |= {"data_source": quote_source.label, "platform_id": quote_source.platform_id}
            if written.differing:
                context.log.warning(
                    f"{league}: {written.differing} quotes differ from those stored for the same "
                    "instant; quotes never change, the first ones stay"
                )
        return dg.MaterializeResult(
            metadata=_metadata(
                conn,
                "market_snapshots",
                "quotes",
                "quotes_summary",
                "quotes_preview",
                by_league,
                platform_id=totals.pop("platform_id"),
                **totals,
            )
        )


def _source(settings: SourcesConfig, teams: TeamDirectory) -> GameSource:
    return open_game_source(
        settings.games.provider, settings.games.path, config=settings, teams=teams
    )


def _metadata(
    conn: psycopg.Connection,
    table: str,
    subject: str,
    summary: str,
    preview: str,
    by_league: dict[str, list[int]],
    platform_id: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Standard metadata of the partitions at hand; named statements give counts and a preview."""
    rows, first, last = 0, None, None
    shown: list[dict[str, Any]] = []
    if platform_id is not None:
        more["platform"] = platform_id
    for league, seasons in by_league.items():
        values = {"league": league, "seasons": seasons}
        if platform_id is not None:
            values["platform_id"] = platform_id
        count, begins, ends = getattr(load_queries(subject), summary)(conn, **values)
        rows += count
        first = min(filter(None, (first, begins)), default=None)
        last = max(filter(None, (last, ends)), default=None)
        shown += _as_dicts(conn, getattr(load_queries(subject), preview).sql, values)
    return table_metadata(conn, table, rows=rows, preview=shown, first=first, last=last, **more)


def _as_dicts(
    conn: psycopg.Connection, query: str, values: dict[str, Any]
) -> Sequence[dict[str, Any]]:
    with conn.cursor() as cursor:
        cursor.execute(query, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
