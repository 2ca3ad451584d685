"""Kalshi's public market data: what is listed, quoted, traded and charged. Off by default.

Nothing is sent before ``kalshi.enabled`` is true: the schedules then start by themselves, and an
asset that is materialized by hand while it is false fails with how to switch it on. An incomplete
answer is stored and the check ``complete`` of the asset fails: absence then proves nothing.
"""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from precog_core.database.queries import load_queries
from precog_pipelines.defs.ingestion.kalshi_resource import KalshiResource
from precog_pipelines.defs.metadata import markdown_table, table_metadata
from precog_pipelines.resources import PostgresResource
from precog_pipelines.sources.kalshi.fees import ingest_fees
from precog_pipelines.sources.kalshi.markets import ingest_markets
from precog_pipelines.sources.kalshi.matching import Unmatched, unmatched_rows
from precog_pipelines.sources.kalshi.quotes import ingest_quotes
from precog_pipelines.sources.kalshi.report import Report

LIVE_POOL = "kalshi_live"
MOST_SHOWN = 500


def complete_check(asset: str) -> dg.AssetCheckSpec:
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
        complete_check("kalshi_markets"),
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
    group_name="kalshi",
    kinds={"python", "postgres"},
    owners=["team:precog"],
)
def kalshi_markets(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    database = postgres.database()
    with database.connection() as conn:
        client = kalshi.open(conn, "live")
    with client:
        ingested = ingest_markets(client, database, now)
    platform = client.config.platform_id
    unmatched = ingested.matching.unmatched
    log(context, ingested.report)
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
            **facts(ingested.report),
        )
    return dg.MaterializeResult(
        metadata=metadata,
        check_results=[
            judged(ingested.report),
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
    check_specs=[complete_check("kalshi_quotes")],
    description=(
        "The best bid and ask of every open market now (table market_snapshots, source recorded), "
        "stored where it differs materially from the last row or as a heartbeat."
    ),
    group_name="kalshi",
    kinds={"python", "postgres"},
    owners=["team:precog"],
)
def kalshi_quotes(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    database = postgres.database()
    with database.connection() as conn:
        client = kalshi.open(conn, "live")
    with client:
        report = ingest_quotes(client, database, now)
    log(context, report)
    with database.connection() as conn:
        preview = _dicts(
            ("ticker", "observed_at", "yes_bid", "yes_ask", "yes_bid_size", "yes_ask_size",
             "volume", "write_reason"),
            load_queries("kalshi").quotes_preview(conn, platform_id=client.config.platform_id),
        )  # fmt: skip
        written = sum(report.counts.get(name, 0) for name in ("price", "volume", "heartbeat"))
        metadata = table_metadata(
            conn, "market_snapshots", rows=written, preview=preview, **facts(report)
        )
    return dg.MaterializeResult(metadata=metadata, check_results=[judged(report)])


@dg.asset(
    deps=["kalshi_markets"],
    tags={"table": "fee_schedules"},
    pool=LIVE_POOL,
    check_specs=[complete_check("fee_schedules")],
    description=(
        "Fees of the configured series with past and scheduled changes, and overrides of open "
        "events (table fee_schedules). Rows are appended; terms that are assumed say so in source."
    ),
    group_name="kalshi",
    kinds={"python", "postgres"},
    owners=["team:precog"],
)
def fee_schedules(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    database = postgres.database()
    with database.connection() as conn:
        client = kalshi.open(conn, "live")
    with client:
        report = ingest_fees(client, database, now)
    log(context, report)
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
            **facts(report),
        )
    return dg.MaterializeResult(metadata=metadata, check_results=[judged(report)])


def unmatched_table(unmatched: list[Unmatched]) -> str:
    """Every market without a game, with the reason in words."""
    return markdown_table(unmatched_rows(unmatched), limit=MOST_SHOWN)


def now() -> datetime:
    return datetime.now(UTC)


def facts(report: Report) -> dict[str, Any]:
    return {**report.counts, "complete": report.complete, "problems": len(report.problems)}


def judged(report: Report) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="complete",
        passed=report.complete,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "problems": len(report.problems),
            "named": dg.MetadataValue.md(
                markdown_table(
                    [{"problem": problem} for problem in report.problems], limit=MOST_SHOWN
                )
            ),
        },
    )


def log(context: dg.AssetExecutionContext, report: Report) -> None:
    context.log.info(", ".join(f"{name} {count}" for name, count in report.counts.items()))
    for problem in report.problems[:MOST_SHOWN]:
        context.log.error(problem)


def _by_reason(unmatched: list[Unmatched]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in unmatched:
        counts[one.reason] = counts.get(one.reason, 0) + 1
    return counts


def _dicts(names: tuple[str, ...], rows: Any) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]
