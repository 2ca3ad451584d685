"""Bars and public trades of past days, one partition a UTC day, a range of days in one run."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from precog_core.database.queries import load_queries
from precog_core.kalshi.config import kalshi_config
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.ingestion.kalshi import complete_check, materialized, now, opened
from precog_pipelines.defs.ingestion.kalshi_resource import KalshiResource
from precog_pipelines.sources.kalshi.history import Window, ingest_candles, ingest_trades
from precog_pipelines.sources.kalshi.markets import ingest_markets
from precog_pipelines.sources.kalshi.report import Report

HISTORY_POOL = "kalshi_history"
days = dg.DailyPartitionsDefinition(start_date=kalshi_config().history.first_day.isoformat())


@dg.asset(
    tags={"table": "market_candles"},
    check_specs=[complete_check("market_candles")],
    description=(
        "Bars of every market that was open on a UTC day (table market_candles), each known at its "
        "end. A range of days is read in one run, market by market; the archive is used where the "
        "live tier no longer has them."
    ),
    group_name="kalshi",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    partitions_def=days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=["kalshi_markets"],
    pool=HISTORY_POOL,
)
def market_candles(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    return _history(context, postgres, kalshi, "market_candles")


@dg.asset(
    tags={"table": "market_trades"},
    check_specs=[complete_check("market_trades")],
    description=(
        "Public trades of every market that was open on a UTC day (table market_trades), from both "
        "tiers, each once and known when it happened."
    ),
    group_name="kalshi",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    partitions_def=days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=["kalshi_markets"],
    pool=HISTORY_POOL,
)
def market_trades(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    return _history(context, postgres, kalshi, "market_trades")


def _history(
    context: dg.AssetExecutionContext,
    postgres: PostgresResource,
    kalshi: KalshiResource,
    table: str,
) -> dg.MaterializeResult:
    database = postgres.database()
    report = Report()
    windows = windows_of(list(context.partition_keys))
    with opened(postgres, kalshi, "history") as client:
        # Markets of that time may never have been listed while this home was running.
        listed = ingest_markets(client, database, now, since=windows[0].start_at).report
        report.problems += listed.problems
        for window in windows:
            found = (
                ingest_candles(client, database, window, now)
                if table == "market_candles"
                else ingest_trades(client, database, window)
            )
            report.add(**found.counts)
            report.problems += found.problems
    rows = 0
    with database.connection() as conn:
        for window in windows:
            candles, trades = load_queries("kalshi").stored_rows_between(
                conn,
                platform_id=client.config.platform_id,
                from_ts=window.start_at,
                to_ts=window.end_at,
                period_s=client.config.history.candle_period_s,
            )
            rows += candles if table == "market_candles" else trades
    return materialized(
        context,
        postgres,
        report,
        table=table,
        rows=rows,
        more={"first": windows[0].start_at, "last": windows[-1].end_at},
    )


def windows_of(keys: list[str]) -> list[Window]:
    """The days of ``keys`` as windows, days that follow each other as one."""
    windows: list[Window] = []
    for key in sorted(keys):
        start = datetime.fromisoformat(key).replace(tzinfo=UTC)
        end = start + timedelta(days=1)
        if windows and windows[-1].end_at == start:
            windows[-1] = Window(windows[-1].start_at, end)
        else:
            windows.append(Window(start, end))
    return windows
