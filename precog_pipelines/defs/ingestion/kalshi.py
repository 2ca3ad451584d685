"""Kalshi's public market data: what is listed, quoted, traded and charged. Off by default.

Nothing is sent before ``kalshi.enabled`` is true: the schedules then start by themselves, and an
asset that is materialized by hand while it is false fails with how to switch it on. An incomplete
answer is stored and the check ``complete`` of the asset fails: absence then proves nothing.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from precog_core.database.queries import load_queries
from precog_core.kalshi.config import kalshi_config
from precog_pipelines.defs.metadata import markdown_table, table_metadata
from precog_pipelines.resources import PostgresResource
from precog_pipelines.sources.kalshi.access import NOT_ENABLED, KalshiResource
from precog_pipelines.sources.kalshi.fees import ingest_fees
from precog_pipelines.sources.kalshi.history import Window, ingest_candles, ingest_trades
from precog_pipelines.sources.kalshi.markets import ingest_markets
from precog_pipelines.sources.kalshi.matching import REASONS, Unmatched
from precog_pipelines.sources.kalshi.quotes import ingest_quotes
from precog_pipelines.sources.kalshi.report import Report

# Read once, when the code location loads: the schedules need to know whether to start. Runs read
# the settings again, with the overrides of the database.
_AT_LOAD = kalshi_config()
_STARTS = dg.DefaultScheduleStatus.RUNNING if _AT_LOAD.enabled else dg.DefaultScheduleStatus.STOPPED
LIVE_POOL, HISTORY_POOL = "kalshi_live", "kalshi_history"
days = dg.DailyPartitionsDefinition(start_date=_AT_LOAD.history.first_day.isoformat())
_COMMON: dict[str, Any] = {
    "group_name": "kalshi",
    "kinds": {"python", "postgres"},
    "owners": ["team:precog"],
}
_HISTORY: dict[str, Any] = _COMMON | {
    "partitions_def": days,
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "deps": ["kalshi_markets"],
    "pool": HISTORY_POOL,
}
_MOST_SHOWN = 500


def _complete(asset: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        "complete",
        asset=asset,
        description=(
            "Every page arrived and every object could be read. Where not, what could be is "
            "stored, and the rest is named here with endpoint, ticker and field."
        ),
    )


@dg.asset(
    deps=["games"],
    tags={"table": "markets"},
    pool=LIVE_POOL,
    check_specs=[
        _complete("kalshi_markets"),
        dg.AssetCheckSpec(
            "matched",
            asset="kalshi_markets",
            description="Markets that belong to no stored game, each with the reason.",
        ),
    ],
    description=(
        "Series, events, markets and their attributes as Kalshi lists them (tables series, events, "
        "markets, market_attributes), matched with games by ticker, New York date and teams. A "
        "market that fits no game stays without one and is listed with the reason."
    ),
    **_COMMON,
)
def kalshi_markets(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    database = postgres.database()
    with database.connection() as conn:
        client = kalshi.open(conn, "live")
    with client:
        ingested = ingest_markets(client, database, _now)
    platform = client.config.platform_id
    unmatched = ingested.matching.unmatched
    _log(context, ingested.report)
    with database.connection() as conn:
        queries = load_queries("kalshi")
        markets, matched, first, last = queries.row_counts(conn, platform_id=platform)
        preview = _dicts(
            ("ticker", "title", "game_key", "yes_pays", "status", "start_at"),
            queries.markets_preview(conn, platform_id=platform),
        )
        metadata = table_metadata(
            conn,
            "markets",
            rows=markets,
            preview=preview,
            first=first,
            last=last,
            platform=platform,
            matched_markets=matched,
            unmatched_markets=dg.MetadataValue.md(unmatched_table(unmatched)),
            **_facts(ingested.report),
        )
    return dg.MaterializeResult(
        metadata=metadata,
        check_results=[
            _judged(ingested.report),
            dg.AssetCheckResult(
                check_name="matched",
                passed=not unmatched,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "unmatched": len(unmatched),
                    "by_reason": dg.MetadataValue.json(_by_reason(unmatched)),
                },
            ),
        ],
    )


@dg.asset(
    deps=["kalshi_markets"],
    tags={"table": "market_snapshots"},
    pool=LIVE_POOL,
    check_specs=[_complete("kalshi_quotes")],
    description=(
        "The best bid and ask of every open market now (table market_snapshots, source recorded), "
        "stored where it differs materially from the last row or as a heartbeat."
    ),
    **_COMMON,
)
def kalshi_quotes(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    database = postgres.database()
    with database.connection() as conn:
        client = kalshi.open(conn, "live")
    with client:
        report = ingest_quotes(client, database, _now)
    _log(context, report)
    with database.connection() as conn:
        preview = _dicts(
            ("ticker", "observed_at", "yes_bid", "yes_ask", "yes_bid_size", "yes_ask_size",
             "volume", "write_reason"),
            load_queries("kalshi").quotes_preview(conn, platform_id=client.config.platform_id),
        )  # fmt: skip
        written = sum(report.counts.get(name, 0) for name in ("price", "volume", "heartbeat"))
        metadata = table_metadata(
            conn, "market_snapshots", rows=written, preview=preview, **_facts(report)
        )
    return dg.MaterializeResult(metadata=metadata, check_results=[_judged(report)])


@dg.asset(
    deps=["kalshi_markets"],
    tags={"table": "fee_schedules"},
    pool=LIVE_POOL,
    check_specs=[_complete("fee_schedules")],
    description=(
        "Fees of the configured series with past and scheduled changes, and overrides of open "
        "events (table fee_schedules). Rows are appended; terms that are assumed say so in source."
    ),
    **_COMMON,
)
def fee_schedules(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    database = postgres.database()
    with database.connection() as conn:
        client = kalshi.open(conn, "live")
    with client:
        report = ingest_fees(client, database, _now)
    _log(context, report)
    with database.connection() as conn:
        preview = _dicts(
            ("series", "event", "fee_type", "taker_rate", "maker_rate", "multiplier",
             "effective_from", "known_at", "source"),
            load_queries("kalshi").fees_preview(conn, platform_id=client.config.platform_id),
        )  # fmt: skip
        metadata = table_metadata(
            conn,
            "fee_schedules",
            rows=report.counts.get("rows_new", 0),
            preview=preview,
            **_facts(report),
        )
    return dg.MaterializeResult(metadata=metadata, check_results=[_judged(report)])


@dg.asset(
    tags={"table": "market_candles"},
    check_specs=[_complete("market_candles")],
    description=(
        "Bars of every market that was open on a UTC day (table market_candles), each known at its "
        "end. A range of days is read in one run, market by market; the archive is used where the "
        "live tier no longer has them."
    ),
    **_HISTORY,
)
def market_candles(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> Iterator[dg.MaterializeResult]:
    yield _history(context, postgres, kalshi, "market_candles")


@dg.asset(
    tags={"table": "market_trades"},
    check_specs=[_complete("market_trades")],
    description=(
        "Public trades of every market that was open on a UTC day (table market_trades), from both "
        "tiers, each once and known when it happened."
    ),
    **_HISTORY,
)
def market_trades(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> Iterator[dg.MaterializeResult]:
    yield _history(context, postgres, kalshi, "market_trades")


def _history(
    context: dg.AssetExecutionContext,
    postgres: PostgresResource,
    kalshi: KalshiResource,
    table: str,
) -> dg.MaterializeResult:
    database = postgres.database()
    with database.connection() as conn:
        client = kalshi.open(conn, "history")
    report = Report()
    windows = windows_of(list(context.partition_keys))
    with client:
        # Markets of that time may never have been listed while this home was running.
        listed = ingest_markets(client, database, _now, since=windows[0].start_at).report
        report.problems += listed.problems
        for window in windows:
            found = (
                ingest_candles(client, database, window, _now)
                if table == "market_candles"
                else ingest_trades(client, database, window)
            )
            report.add(**found.counts)
            report.problems += found.problems
    _log(context, report)
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
        metadata = table_metadata(
            conn,
            table,
            rows=rows,
            first=windows[0].start_at,
            last=windows[-1].end_at,
            **_facts(report),
        )
    return dg.MaterializeResult(metadata=metadata, check_results=[_judged(report)])


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


def unmatched_table(unmatched: list[Unmatched]) -> str:
    """Every market without a game, with the reason in words."""
    rows = [
        {"market": one.ticker, "reason": one.reason, "why": f"{REASONS[one.reason]}: {one.detail}"}
        for one in unmatched
    ]
    return markdown_table(rows, limit=_MOST_SHOWN)


kalshi_listing = dg.define_asset_job(
    "kalshi_listing",
    selection=dg.AssetSelection.assets("kalshi_markets", "fee_schedules"),
    description="What Kalshi lists and charges, and which games its markets are about.",
)
kalshi_open_markets = dg.define_asset_job(
    "kalshi_open_markets",
    selection=dg.AssetSelection.assets("kalshi_quotes"),
    description="Quotes of the open markets.",
)
kalshi_history = dg.define_asset_job(
    "kalshi_history",
    selection=dg.AssetSelection.assets("market_candles", "market_trades"),
    description="Bars and public trades of past days.",
)


def _run_when_enabled(postgres: PostgresResource) -> dg.SkipReason | None:
    """Asked at every tick, because an override in the database may have switched it off."""
    with postgres.database().connection() as conn:
        return None if kalshi_config(conn).enabled else dg.SkipReason(NOT_ENABLED)


@dg.schedule(
    job=kalshi_open_markets,
    cron_schedule=_AT_LOAD.quotes.cron,
    execution_timezone="UTC",
    default_status=_STARTS,
    description="Quotes of open markets (kalshi.quotes.cron); starts only when Kalshi is enabled.",
)
def kalshi_quotes_schedule(
    context: dg.ScheduleEvaluationContext, postgres: PostgresResource
) -> dg.RunRequest | dg.SkipReason:
    return _run_when_enabled(postgres) or dg.RunRequest()


@dg.schedule(
    job=kalshi_listing,
    cron_schedule="7 * * * *",
    execution_timezone="UTC",
    default_status=_STARTS,
    description="Listings, matching and fees, hourly; starts only when Kalshi is enabled.",
)
def kalshi_listing_schedule(
    context: dg.ScheduleEvaluationContext, postgres: PostgresResource
) -> dg.RunRequest | dg.SkipReason:
    return _run_when_enabled(postgres) or dg.RunRequest()


@dg.schedule(
    job=kalshi_history,
    cron_schedule="20 0 * * *",
    execution_timezone="UTC",
    default_status=_STARTS,
    description="Bars and trades of the day before; starts only when Kalshi is enabled.",
)
def kalshi_history_schedule(
    context: dg.ScheduleEvaluationContext, postgres: PostgresResource
) -> dg.RunRequest | dg.SkipReason:
    day = (context.scheduled_execution_time.astimezone(UTC) - timedelta(days=1)).date()
    request = dg.RunRequest(run_key=f"kalshi-{day}", partition_key=day.isoformat())
    return _run_when_enabled(postgres) or request


@dg.definitions
def kalshi_resources() -> dg.Definitions:
    return dg.Definitions(resources={"kalshi": KalshiResource()})


def _now() -> datetime:
    return datetime.now(UTC)


def _facts(report: Report) -> dict[str, Any]:
    return {**report.counts, "complete": report.complete, "problems": len(report.problems)}


def _judged(report: Report) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="complete",
        passed=report.complete,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "problems": len(report.problems),
            "named": dg.MetadataValue.md(
                markdown_table(
                    [{"problem": problem} for problem in report.problems], limit=_MOST_SHOWN
                )
            ),
        },
    )


def _log(context: dg.AssetExecutionContext, report: Report) -> None:
    context.log.info(", ".join(f"{name} {count}" for name, count in report.counts.items()))
    for problem in report.problems[:_MOST_SHOWN]:
        context.log.error(problem)


def _by_reason(unmatched: list[Unmatched]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in unmatched:
        counts[one.reason] = counts.get(one.reason, 0) + 1
    return counts


def _dicts(names: tuple[str, ...], rows: Any) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]
