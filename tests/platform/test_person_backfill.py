"""After a restart a person's backfill goes on; what the bootstrap requested is requested anew."""

import dagster as dg
import pytest

from precog_platform.instance import close_orphaned_runs
from precog_platform.launchers import OURS


@dg.job
def nothing() -> None:
    """Stands for any run that was on when everything was killed."""


@pytest.mark.parametrize(
    ("tags", "retried"),
    [
        ({"dagster/backfill": "abcdef"}, True),
        ({"dagster/backfill": "abcdef", OURS: "true"}, False),
        ({"dagster/sensor_name": "trading_sensor"}, False),
        ({}, False),
    ],
)
def test_only_a_persons_backfill_keeps_its_retry(tags: dict[str, str], retried: bool) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
        assert close_orphaned_runs(instance) == 1
        closed = instance.get_run_by_id(run.run_id)
        assert closed is not None and closed.status == dg.DagsterRunStatus.FAILURE
        assert ("dagster/max_retries" not in closed.tags) == retried
        assert close_orphaned_runs(instance) == 0
