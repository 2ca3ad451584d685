"""When Kalshi is asked by itself: only once it is enabled.

The settings are read when the code location loads, because a schedule has to know whether it
starts; each tick asks again, with the overrides of the database.
"""

from datetime import UTC, timedelta

import dagster as dg

from precog_core.kalshi.config import kalshi_config
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.ingestion.kalshi_resource import NOT_ENABLED

_AT_LOAD = kalshi_config()
_STARTS = dg.DefaultScheduleStatus.RUNNING if _AT_LOAD.enabled else dg.DefaultScheduleStatus.STOPPED

kalshi_listing = dg.define_asset_job(
    "kalshi_listing",
    selection=dg.AssetSelection.assets("kalshi_markets", "fee_schedules"),
    description="What Kalshi lists and charges, and which games its markets are about.",
)
kalshi_open_markets = dg.define_asset_job(
    "kalshi_open_markets",
    selection=dg.AssetSelection.assets("kalshi_quotes", "kalshi_trades"),
    description="Quotes of the open markets, and the tape of those whose game is near or on.",
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
    description=(
        "Quotes and trades of open markets (kalshi.quotes.cron); starts only when Kalshi is "
        "enabled."
    ),
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
