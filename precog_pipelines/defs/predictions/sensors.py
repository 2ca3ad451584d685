"""Predicting when a game's moment comes: time passes, and no upstream asset says so."""

from datetime import UTC, datetime

import dagster as dg

from precog_core.database.queries import load_queries
from precog_dagster.partitions import league_season
from precog_dagster.resources import PostgresResource
from precog_pipelines.features.config import features_config

# A run that failed is tried again after this long; the same key would be ignored for ever.
_RETRY_S = 600

predict = dg.define_asset_job(
    "predict",
    selection=dg.AssetSelection.assets("features_historical", "predictions"),
    partitions_def=league_season,
    description="Features and predictions of one league and season, as of now.",
    tags={"stage": "predictions"},
)


@dg.sensor(
    job=predict,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Launches `predict` for seasons with a game ahead whose day-before or decision moment has "
        "passed without a prediction of the champion, also for games entered by hand."
    ),
)
def games_due(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult | dg.SkipReason:
    config = features_config()
    with postgres.database().connection() as conn:
        due = list(
            load_queries("predictions").games_due(
                conn,
                decision_s=config.lead("decision").total_seconds(),
                day_before_s=config.lead("day_before").total_seconds(),
            )
        )
    if not due:
        return dg.SkipReason("no game ahead has reached a moment without a prediction")
    attempt = int(datetime.now(UTC).timestamp()) // _RETRY_S
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{league}|{season}:{moment.isoformat()}:{len(game_ids)}:{attempt}",
                partition_key=dg.MultiPartitionKey({"league": league, "season": str(season)}),
                tags={"games": str(len(game_ids))},
            )
            for league, season, game_ids, moment in due
        ]
    )
