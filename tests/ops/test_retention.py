"""Old runs are forgotten; what a partition, an asset or a check shows never is."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from precog_core.database import Database
from precog_core.paths import home
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.monitoring.retention import forget_runs, nightly_retention
from precog_platform.environment import prepare_dagster_home, process_environment

two_seasons = dg.StaticPartitionsDefinition(["2018", "2019"])


@dg.asset(partitions_def=two_seasons)
def facts() -> None:
    """Partitioned: each season has a state of its own."""


@dg.asset
def total() -> None:
    """Not partitioned: only the last run shows."""


@dg.asset_check(asset=total)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


def run(instance: dg.DagsterInstance, *assets: object, partition: str | None = None) -> str:
    result = dg.materialize(list(assets), instance=instance, partition_key=partition)
    return str(result.run_id)


def test_only_runs_that_nothing_shows_are_forgotten(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in process_environment(all_databases, home()).items():
        monkeypatch.setenv(name, value)
    prepare_dagster_home(home())
    with dg.DagsterInstance.get() as instance:
        first_2018, second_2018 = (run(instance, facts, partition="2018") for _ in range(2))
        only_2019 = run(instance, facts, partition="2019")
        old_total, new_total = (run(instance, total, sound) for _ in range(2))
        young = run(instance, total)
        with all_databases.connect("dagster") as conn:
            conn.execute(
                "UPDATE runs SET update_timestamp = now() - INTERVAL '40 days' WHERE run_id <> %s",
                (young,),
            )
        done = forget_runs.execute_in_process(
            instance=instance, resources={"postgres": PostgresResource()}
        )
        assert done.output_for_node("forget_old_runs") == 2
        left = {record.dagster_run.run_id for record in instance.get_run_records()}
        # The second run of the check is the last that shows it, though a younger one made total.
        assert left == {second_2018, only_2019, new_total, young, done.run_id}
        assert not {first_2018, old_total} & left
        assert instance.get_materialized_partitions(facts.key) == {"2018", "2019"}
        again = forget_runs.execute_in_process(
            instance=instance, resources={"postgres": PostgresResource()}
        )
        assert again.output_for_node("forget_old_runs") == 0


def test_retention_runs_every_night_from_the_start() -> None:
    assert nightly_retention.default_status is dg.DefaultScheduleStatus.RUNNING
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 24, tzinfo=UTC))
    assert nightly_retention(context).run_key == "retention-2026-11-24"
