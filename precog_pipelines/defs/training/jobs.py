"""The job ``train`` and its weekly schedule."""

import dagster as dg

from precog_dagster.partitions import league as by_league
from precog_pipelines.defs.training.models import family_assets

LEAGUES_TRAINED = ("nfl",)
EVERY_TUESDAY = "0 14 * * 2"
"""14:00 UTC: after Monday's game and the daily ingest that brings its result."""

train = dg.define_asset_job(
    "train",
    selection=dg.AssetSelection.assets(
        "training_datasets",
        "probability_matrices",
        *family_assets,
        "model_evaluation",
        "approved_model",
    ),
    partitions_def=by_league,
    description=(
        "Freeze a dataset, fit and judge the models of a league, approve its champion; count its "
        "probability matrices."
    ),
    tags={"stage": "training"},
)

train_elo = dg.define_asset_job(
    "train_elo",
    selection=dg.AssetSelection.assets("elo_model", "model_evaluation", "approved_model"),
    partitions_def=by_league,
    description=(
        "For leagues with Elo alone (models.elo_alone): record and judge it, make it champion."
    ),
    tags={"stage": "training"},
)


@dg.schedule(
    job=train,
    cron_schedule=EVERY_TUESDAY,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Weekly training. Without new results the fits are found and nothing changes, so it also "
        "runs out of season."
    ),
)
def weekly_training(
    context: dg.ScheduleEvaluationContext,
) -> list[dg.RunRequest]:
    day = f"{context.scheduled_execution_time:%Y-%m-%d}"
    return [
        dg.RunRequest(run_key=f"{league}-{day}", partition_key=league) for league in LEAGUES_TRAINED
    ]
