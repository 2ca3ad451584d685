"""The daily ingest of the running season. It says why on the days it has nothing to do."""

from datetime import UTC

import dagster as dg

from precog_dagster.resources import PostgresResource
from precog_pipelines.sources import open_game_source
from precog_pipelines.sources.config import league_config, sources_config

LEAGUE = "nfl"
EVERY_DAY = "0 10 * * *"
"""10:00 UTC: nflverse publishes during the American night."""

ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets("games", "markets", "market_snapshots"),
    description="Games, markets and quotes of one league and season from the source of this home.",
    tags={"stage": "ingestion"},
)


@dg.schedule(
    job=ingest,
    cron_schedule=EVERY_DAY,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The running NFL season, every day; skips while the source does not have it.",
)
def daily_ingest(
    context: dg.ScheduleEvaluationContext, postgres: PostgresResource
) -> dg.RunRequest | dg.SkipReason:
    config = league_config(LEAGUE)
    tick = context.scheduled_execution_time.astimezone(UTC)
    season = config.season_of(tick.astimezone(config.zone).date())
    with postgres.database().connection() as conn:
        settings = sources_config(conn)
    provider = settings.games.provider
    if provider != "nflverse":  # a download is left to the run: a tick must stay quick
        source = open_game_source(provider, settings.games.path, config=settings)
        held = source.seasons(LEAGUE)
        if season not in held:
            return dg.SkipReason(
                f"{source.label} ends with season {held[-1]}; season {season} is running. For "
                "daily results start a home with `precog up --source nflverse`"
            )
    return dg.RunRequest(
        run_key=f"{LEAGUE}-{tick:%Y-%m-%d}",
        partition_key=dg.MultiPartitionKey({"league": LEAGUE, "season": str(season)}),
    )
