"""Withdraws methods that lose too much, every morning, with an alert (trading-rules §13)."""

from datetime import UTC, datetime

import dagster as dg

from precog_dagster.resources import PostgresResource

EVERY_MORNING = "30 8 * * *"
"""08:30 UTC: after the trading day, before its report."""


@dg.op(description="Deprecate active methods whose last 30 days were too bad; each with an alert.")
def withdraw_losers(context: dg.OpExecutionContext, postgres: PostgresResource) -> int:
    from precog_core.config import load_section
    from precog_trading.config import TradingConfig
    from precog_trading.methods.lifecycle import deprecate_losers

    with postgres.database().transaction() as conn:
        settings = load_section("trading", TradingConfig, conn=conn).promotion
        found = deprecate_losers(conn, datetime.now(UTC), settings)
    for loser in found:
        context.log.warning(f"{loser.name} {loser.version} was withdrawn: {loser.reason}")
    context.add_output_metadata({"withdrawn": len(found)})
    return len(found)


@dg.job(
    description="Withdraw active methods that lost too much or surely lose.",
    tags={"stage": "lifecycle"},
)
def review_methods() -> None:
    withdraw_losers()


@dg.schedule(
    job=review_methods,
    cron_schedule=EVERY_MORNING,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every morning after the trading day.",
)
def daily_method_review(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"methods-{context.scheduled_execution_time:%Y-%m-%d}")
