"""The sensor that turns failed runs and failed checks of a code location into alerts.

Dagster's own run-failure sensor moves on when its function raises, and an alert would be lost just
when the database restarts; this one keeps its place until the alerts are committed. Each location
has its own: a broken one must not silence the other.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import dagster as dg

from precog_dagster.resources import PostgresResource

if TYPE_CHECKING:
    from precog_core.alerts.runs import FinishedRun

_RUNS_PER_TICK = 50
_FORGOTTEN = timedelta(days=1)
_ENDS: dict[str, Literal[dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS]] = {
    "failed": dg.DagsterEventType.RUN_FAILURE,
    "ended": dg.DagsterEventType.RUN_SUCCESS,
}
_TOLD = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
}


def run_alerts_sensor(location: str) -> dg.SensorDefinition:
    """The sensor ``<location>_run_alerts`` of the code location of that name."""

    @dg.sensor(
        name=f"{location}_run_alerts",
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Opens an alert for each failed run of this location (run_failed) and each asset check "
            "that did not pass (check_failed), at most a day back; closes the alert of failed runs "
            "once their retries succeeded."
        ),
    )
    def run_alerts(
        context: dg.SensorEvaluationContext, postgres: PostgresResource
    ) -> dg.SensorResult | dg.SkipReason:
        from precog_core.alerts.runs import report_run

        cursor: dict[str, int] = json.loads(context.cursor) if context.cursor else {}
        places = {end: cursor.get(end, 0) for end in _ENDS}
        origin = context.code_location_origin
        served = origin.location_name if origin else location
        runs = list(_finished_runs(context.instance, served, places))
        worth_telling = [run for run in runs if run.failed or run.checks]
        if runs:
            with postgres.database().transaction() as conn:
                told = sum(len(report_run(conn, run)) for run in runs)
            if worth_telling:
                context.log.info(f"{told} alerts about {len(worth_telling)} runs")
        return dg.SensorResult(
            cursor=json.dumps(places),
            skip_reason=dg.SkipReason(
                f"{len(runs)} runs ended, {len(worth_telling)} of them gave alerts"
            ),
        )

    return run_alerts


def _finished_runs(
    instance: dg.DagsterInstance, location: str, places: dict[str, int]
) -> "Iterator[FinishedRun]":
    """Runs of this location that ended after ``places``, which move on to the last one read."""
    from precog_core.alerts.runs import finished_run

    oldest = (datetime.now(UTC) - _FORGOTTEN).timestamp()
    for end, event_type in _ENDS.items():
        records = instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(event_type=event_type, after_storage_id=places[end]),
            limit=_RUNS_PER_TICK,
            ascending=True,
        ).records
        for record in records:
            places[end] = record.storage_id
            run = instance.get_run_by_id(record.run_id)
            if run is None or record.timestamp < oldest:
                continue
            origin = run.remote_job_origin  # None for a run of a bare process
            if origin is None or (
                origin.repository_origin.code_location_origin.location_name == location
            ):
                entries = instance.all_logs(run.run_id, of_type=_TOLD)
                yield finished_run(
                    run, entries, location, failed=end == "failed", ended_at=record.timestamp
                )
