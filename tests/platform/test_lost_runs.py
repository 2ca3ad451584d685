"""A run whose code location died is closed at once, one that began afterwards is not."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import dagster as dg
import pytest

# What the launcher writes, in its own types: there is no public way to make it.
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from precog_platform.instance import close_lost_runs


@pytest.mark.requirement("LEDGER-004")
def test_only_runs_of_the_location_that_were_under_way_are_closed() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        runs = {
            name: _started(instance, location)
            for name, location in (("lost", "trading"), ("other", "pipelines"))
        }
        died_at = datetime.now(UTC) + timedelta(seconds=1)
        early = died_at - timedelta(hours=1)
        assert close_lost_runs(instance, "trading", early) == 0, "it began after that death"
        assert close_lost_runs(instance, "trading", died_at) == 1
        assert close_lost_runs(instance, "trading", died_at) == 0
        status = {name: instance.get_run_by_id(run_id) for name, run_id in runs.items()}
        assert status["lost"].status is dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
        assert status["other"].status is dg.DagsterRunStatus.STARTING  # type: ignore[union-attr]


def _started(instance: dg.DagsterInstance, location: str) -> str:
    origin = RemoteJobOrigin(
        RemoteRepositoryOrigin(
            GrpcServerCodeLocationOrigin("127.0.0.1", 1, location_name=location), "__repository__"
        ),
        "trading",
    )
    run = instance.add_run(
        dg.DagsterRun(
            "trading",
            str(uuid4()),
            status=dg.DagsterRunStatus.STARTING,
            remote_job_origin=origin,
        )
    )
    instance.report_dagster_event(
        dg.DagsterEvent(
            event_type_value=dg.DagsterEventType.RUN_STARTING.value, job_name="trading"
        ),
        run_id=run.run_id,
    )
    return str(run.run_id)
