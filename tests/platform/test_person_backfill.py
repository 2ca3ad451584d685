"""After a restart a person's backfill goes on; what the bootstrap requested is requested anew."""

from pathlib import Path

import dagster as dg
import pytest

from precog_platform.instance import close_orphaned_runs
from precog_platform.launchers import OURS


@dg.job
def nothing() -> None:
    """Stands for any run that was on when everything was killed."""


def retrying_instance(folder: Path) -> dg.DagsterInstance:
    """With the shipped rule: a run whose worker died is retried once."""
    rule = {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}
    return dg.DagsterInstance.local_temp(str(folder), overrides={"run_retries": rule})


@pytest.mark.parametrize(
    ("tags", "retried"),
    [
        ({"dagster/backfill": "abcdef"}, True),
        ({"dagster/backfill": "abcdef", OURS: "true"}, False),
        ({"dagster/sensor_name": "trading_sensor"}, False),
        ({}, False),
    ],
)
def test_only_a_persons_backfill_keeps_its_retry(
    tags: dict[str, str], retried: bool, tmp_path: Path
) -> None:
    with retrying_instance(tmp_path) as instance:
        run = instance.create_run_for_job(nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
        assert close_orphaned_runs(instance) == 1
        closed = instance.get_run_by_id(run.run_id)
        assert closed is not None and closed.status == dg.DagsterRunStatus.FAILURE
        assert closed.tags["dagster/max_retries"] == str(int(retried))
        assert (closed.tags.get("dagster/will_retry") == "true") == retried
        assert close_orphaned_runs(instance) == 0


def test_a_second_stop_is_no_fault_of_the_run_either(tmp_path: Path) -> None:
    """A worker that died was retried once; then everything was killed."""
    with retrying_instance(tmp_path) as instance:
        tags = {"dagster/backfill": "abcdef"}
        first = instance.create_run_for_job(nothing, tags=tags, status=dg.DagsterRunStatus.FAILURE)
        second = instance.create_run_for_job(
            nothing,
            tags=tags
            | {"dagster/root_run_id": first.run_id, "dagster/parent_run_id": first.run_id},
            root_run_id=first.run_id,
            parent_run_id=first.run_id,
            status=dg.DagsterRunStatus.STARTED,
        )
        assert close_orphaned_runs(instance) == 1
        closed = instance.get_run_by_id(second.run_id)
        assert closed is not None
        assert closed.tags["dagster/max_retries"] == "2"
        assert closed.tags["dagster/will_retry"] == "true"
