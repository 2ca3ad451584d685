"""Forgets old Dagster runs, every night, without losing what the pages show.

The event log grows for ever, and deleting a run deletes the events from which Dagster reads whether
a partition is there. So the newest run of every asset and partition, and of every check, stays
whatever its age; everything else that ended long ago goes, through Dagster's own call.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from precog_dagster.resources import PostgresResource

EVERY_NIGHT = "15 8 * * *"
_AT_ONCE = 2_000
"""Runs per night at most: a large backlog goes in a few nights instead of blocking one."""


@dg.op(description="Delete runs that ended long ago and that no partition, asset or check shows.")
def forget_old_runs(context: dg.OpExecutionContext, postgres: PostgresResource) -> int:
    from precog_core.database.queries import load_queries
    from precog_core.system import system_config

    database = postgres.database()
    with database.connection() as conn:
        keep_d = system_config(conn).retention.runs_d
    # Dagster's times have no zone and are UTC.
    before = (datetime.now(UTC) - timedelta(days=keep_d)).replace(tzinfo=None)
    with database.connect("dagster") as conn:
        found = [
            run_id
            for (run_id,) in load_queries("inspection").forgettable_runs(
                conn, before=before, maximum=_AT_ONCE
            )
        ]
    for run_id in found:
        if run_id != context.run_id:
            context.instance.delete_run(run_id)
    context.log.info(f"forgot {len(found)} runs that ended before {before:%Y-%m-%d}")
    context.add_output_metadata({"forgotten_runs": len(found), "kept_days": keep_d})
    return len(found)


@dg.job(
    description="Delete old runs and their events; what partitions and checks show stays.",
    tags={"stage": "monitoring"},
)
def forget_runs() -> None:
    forget_old_runs()


@dg.schedule(
    job=forget_runs,
    cron_schedule=EVERY_NIGHT,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night after the trading day.",
)
def nightly_retention(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"retention-{context.scheduled_execution_time:%Y-%m-%d}")
