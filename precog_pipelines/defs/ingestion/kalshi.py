"""Kalshi's public market data: what is listed, quoted, traded and charged. Off by default.

Nothing is sent before ``kalshi.enabled`` is true: the schedules then start by themselves, and an
asset that is materialized by hand while it is false fails with how to switch it on. An incomplete
answer is stored and the check ``complete`` of the asset fails: absence then proves nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import psycopg
from psycopg.rows import dict_row

from precog_core.database.queries import load_queries
from precog_dagster.metadata import markdown_table, table_metadata
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.ingestion.kalshi_resource import KalshiResource, Use
from precog_pipelines.sources.kalshi.fees import ingest_fees
from precog_pipelines.sources.kalshi.history import ingest_recent_trades
from precog_pipelines.sources.kalshi.markets import ingest_markets
from precog_pipelines.sources.kalshi.matching import Unmatched, unmatched_rows
from precog_pipelines.sources.kalshi.quotes import ingest_quotes
from precog_pipelines.sources.kalshi.report import Report

if TYPE_CHECKING:  # it brings the HTTP library, which a code location loads only to use
    from precog_core.kalshi.client import KalshiClient

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
    tags={"part_of": "markets"},
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
        "markets, market_attributes), matched with games by ticker, New York date and teams, and "
        "what settled markets paid (table settlements, a revision for each new word). A market "
        "that fits no game stays without one and is listed with the reason."
    ),
    group_name="kalshi",
    kinds={"python", "postgres"},
    owners=["team:precog"],
)
def kalshi_markets(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    with opened(postgres, kalshi, "live") as client:
        ingested = ingest_markets(client, postgres.database(), now)
    unmatched = ingested.matching.unmatched
    platform = client.config.platform_id
    with postgres.database().connection() as conn:
        queries = load_queries("kalshi")
        markets, matched, first, last = queries.row_counts(conn, platform_id=platform)
    return materialized(
        context,
        postgres,
        ingested.report,
        table="markets",
        rows=markets,
        preview=("markets_preview", platform),
        more={
            "first": first,
            "last": last,
            "platform": platform,
            "matched_markets": matched,
            "unmatched_markets": dg.MetadataValue.md(unmatched_table(unmatched)),
        },
        checks=[
            dg.AssetCheckResult(
                check_name="matched",
                passed=not unmatched,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "unmatched": len(unmatched),
                    "by_reason": dg.MetadataValue.json(Counter(one.reason for one in unmatched)),
                },
            )
        ],
    )


@dg.asset(
    deps=["kalshi_markets"],
    tags={"part_of": "market_snapshots"},
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
    with opened(postgres, kalshi, "live") as client:
        report = ingest_quotes(client, postgres.database(), now)
    return materialized(
        context,
        postgres,
        report,
        table="market_snapshots",
        rows=sum(report.counts.get(name, 0) for name in ("price", "volume", "heartbeat")),
        preview=("quotes_preview", client.config.platform_id),
    )


@dg.asset(
    deps=["kalshi_markets"],
    tags={"part_of": "market_trades"},
    pool=LIVE_POOL,
    check_specs=[complete_check("kalshi_trades")],
    description=(
        "The tape of open markets of games that are near or on, since it was last read (table "
        "market_trades), each trade known from its receipt. Resting paper orders fill on it. The "
        "daily history fills what this leaves out."
    ),
    group_name="kalshi",
    kinds={"python", "postgres"},
    owners=["team:precog"],
)
def kalshi_trades(
    context: dg.AssetExecutionContext, postgres: PostgresResource, kalshi: KalshiResource
) -> dg.MaterializeResult:
    with opened(postgres, kalshi, "live") as client:
        report = ingest_recent_trades(client, postgres.database(), now)
    return materialized(
        context,
        postgres,
        report,
        table="market_trades",
        rows=report.counts.get("trades_new", 0),
        preview=("trades_preview", client.config.platform_id),
    )


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
    with opened(postgres, kalshi, "live") as client:
        report = ingest_fees(client, postgres.database(), now)
    return materialized(
        context,
        postgres,
        report,
        table="fee_schedules",
        rows=report.counts.get("rows_new", 0),
        preview=("fees_preview", client.config.platform_id),
    )


@contextmanager
def opened(
    postgres: PostgresResource, kalshi: KalshiResource, use: Use
) -> Iterator["KalshiClient"]:
    """A client under the settings of this home, closed afterwards; trouble becomes an alert."""
    from precog_core.kalshi.alerts import report_trouble, report_use
    from precog_core.kalshi.errors import KalshiError

    database = postgres.database()
    with database.connection() as conn:
        client = kalshi.open(conn, use)
    platform = client.config.platform_id
    with client:
        try:
            yield client
        except KalshiError as error:
            report_trouble(database, platform, error)
            raise
        finally:
            report_use(database, platform, client.transport.limits.read)


def materialized(
    context: dg.AssetExecutionContext,
    postgres: PostgresResource,
    report: Report,
    *,
    table: str,
    rows: int,
    preview: tuple[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
    checks: Sequence[dg.AssetCheckResult] = (),
) -> dg.MaterializeResult:
    """What an ingest shows: counts, problems, a preview, and the check ``complete``.

    ``preview`` is a statement of kalshi.sql and the platform to show.
    """
    context.log.info(", ".join(f"{name} {count}" for name, count in report.counts.items()))
    for problem in report.problems[:MOST_SHOWN]:
        context.log.error(problem)
    named = [{"problem": problem} for problem in report.problems]
    facts: dict[str, Any] = {
        **report.counts,
        **(more or {}),
        "complete": report.complete,
        "problems": len(report.problems),
    }
    with postgres.database().connection() as conn:
        shown = _preview(conn, *preview) if preview else []
        metadata = table_metadata(conn, table, rows=rows, preview=shown, **facts)
    complete = dg.AssetCheckResult(
        check_name="complete",
        passed=report.complete,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "problems": len(named),
            "named": dg.MetadataValue.md(markdown_table(named, limit=MOST_SHOWN)),
        },
    )
    return dg.MaterializeResult(metadata=metadata, check_results=[complete, *checks])


def unmatched_table(unmatched: list[Unmatched]) -> str:
    """Every market without a game, with the reason in words."""
    return markdown_table(unmatched_rows(unmatched), limit=MOST_SHOWN)


def now() -> datetime:
    return datetime.now(UTC)


def _preview(conn: psycopg.Connection, statement: str, platform_id: str) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(getattr(load_queries("kalshi"), statement).sql, {"platform_id": platform_id})
        return cursor.fetchall()
