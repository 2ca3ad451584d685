"""The Dagster instance of a home, cleaned of what a killed predecessor left running."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from precog_core.alerts.runs import STOPPED
from precog_core.database import Database
from precog_platform.environment import (
    mlflow_artifacts,
    prepare_dagster_home,
    process_environment,
)
from precog_platform.launchers import OURS

if TYPE_CHECKING:
    import dagster as dg


def prepare_home(database: Database, home: Path) -> dict[str, str]:
    """Folders, ``dagster.yaml`` and this process's environment; returns that environment."""
    prepare_dagster_home(home)
    mlflow_artifacts(home)
    environment = process_environment(database, home)
    os.environ.update(environment)
    return environment


def close_orphaned_runs(instance: "dg.DagsterInstance") -> int:
    """Mark runs as failed whose processes cannot be alive, because this home has one supervisor.

    Returns how many. Their pool slots are freed, so that the next run need not wait for them.
    """
    import dagster as dg

    unfinished = [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    runs = instance.get_runs(dg.RunsFilter(statuses=unfinished))
    for run in runs:
        retries = 0
        if "dagster/backfill" in run.tags and OURS not in run.tags:
            # Nobody else goes on with a person's backfill: one retry more than there were, because
            # a stopped installation is no fault of the run. What the bootstrap, a sensor or a
            # schedule launched is requested by them again and must not also be retried.
            group = instance.get_run_group(run.run_id)
            retries = len(list(group[1])) if group else 1
        instance.add_run_tags(run.run_id, {"dagster/max_retries": str(retries)})
        instance.report_run_failed(run, STOPPED)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return len(runs)


def close_lost_runs(instance: "dg.DagsterInstance", location: str, died_at: datetime) -> int:
    """Mark runs as failed whose worker died with its code location at ``died_at``; how many.

    The workers of a location are its children and were killed with what it left behind. Dagster
    would find out after minutes; told now, it retries them at once. Repeating changes nothing.
    """
    import dagster as dg

    launched = [
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    closed = 0
    for run in instance.get_runs(dg.RunsFilter(statuses=launched)):
        origin = run.remote_job_origin
        if origin is None or origin.location_name != location:
            continue
        begun = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_STARTING)
        if begun and begun[-1].timestamp < died_at.timestamp():
            instance.report_run_failed(
                run, f"the code location {location} died, and this run with it"
            )
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            closed += 1
    return closed
