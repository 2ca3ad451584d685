"""The asset ``performance_report``: one HTML page per league and day, also on Dagster's page."""

from datetime import timedelta

import dagster as dg

from precog_dagster.partitions import LEAGUES
from precog_dagster.partitions import league as by_league
from precog_dagster.resources import PostgresResource
from precog_trading.defs.trading.assets import ENVIRONMENT, OWNERS

FIRST_DAY = "2019-01-01"
"""Leagues × days since then are some 15,000 partitions; the interface slows at 25,000."""
EVERY_DAY = "0 9 * * *"
"""09:00 UTC: the American night is over."""

league_day = dg.MultiPartitionsDefinition(
    {
        "day": dg.DailyPartitionsDefinition(start_date=FIRST_DAY, end_offset=1),
        "league": by_league,
    }
)


@dg.asset(
    deps=["performance"],
    partitions_def=league_day,
    # Each day is its own file; a range is one run.
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="reporting",
    kinds={"python", "html"},
    owners=OWNERS,
    description=(
        "Per league and day: cumulative profit, P&L by strategy × model, calibration of what was "
        "traded, realised against predicted edge, exits by reason, decisions and alerts. A file "
        "under reports/ of the home, and the same tables here."
    ),
)
def performance_report(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    from datetime import date

    from precog_core.paths import home
    from precog_dagster.metadata import inline_png
    from precog_trading.reports import pages
    from precog_trading.reports.daily import report_of, tell_summary

    written = []
    with postgres.database().transaction() as conn:
        for key in context.partition_keys:
            day, league = str(key).split("|")
            report = report_of(conn, league, date.fromisoformat(day), ENVIRONMENT)
            written.append((report, pages.write(report, home() / "reports")))
            tell_summary(conn, report)
    report, path = written[-1]
    context.log.info(f"{len(written)} reports, the last one in {path}")
    metadata: dict[str, dg.RawMetadataValue] = {
        "report": dg.MetadataValue.md(pages.as_markdown(report)),
        "file": dg.MetadataValue.path(str(path)),
        "reports": len(written),
        "net": float(report.net),
        "net_of_day": float(report.net_today),
        "finished_positions": len(report.positions),
        "data_source": report.data_source,
    }
    metadata |= {
        title.lower().replace(" ", "_"): inline_png(title, png)
        for title, png in pages.pictures(report)
    }
    return dg.MaterializeResult(metadata=metadata)


@dg.schedule(
    target=dg.AssetSelection.assets("performance_report"),
    cron_schedule=EVERY_DAY,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The report of yesterday, for every league that trades.",
)
def daily_report(
    context: dg.ScheduleEvaluationContext, postgres: PostgresResource
) -> list[dg.RunRequest] | dg.SkipReason:
    from precog_trading.ledger.statements import rows

    yesterday = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    with postgres.database().connection() as conn:
        leagues = [row["league"] for row in rows(conn, "reports", "trading_leagues")]
    requests = [
        dg.RunRequest(
            run_key=f"report-{league}-{yesterday}",
            partition_key=dg.MultiPartitionKey({"day": yesterday, "league": league}),
        )
        for league in leagues
        if league in LEAGUES
    ]
    return requests or dg.SkipReason("no league trades")
