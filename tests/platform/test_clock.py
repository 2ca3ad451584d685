"""The wall clock that is set: noticed, told, and Dagster's memory of the future taken away."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

# What the daemon writes, in its own types: there is no public way to make it.
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)

from precog_core.database import Database
from precog_core.paths import home
from precog_platform.clock import WallClock, forget_the_future, jumped
from precog_platform.environment import prepare_dagster_home, process_environment

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class _Clocks:
    def __init__(self) -> None:
        self.wall, self.steady = 1_000_000.0, 50.0

    def passes(self, seconds: float, set_by: float = 0) -> None:
        self.wall += seconds + set_by
        self.steady += seconds


def test_a_jump_is_told_once_and_a_correction_is_none() -> None:
    clocks = _Clocks()
    clock = WallClock(lambda: clocks.wall, lambda: clocks.steady)
    clocks.passes(3600, set_by=2)
    assert clock.jump() == 0
    clocks.passes(30, set_by=-7200)
    assert clock.jump() == pytest.approx(-7198)
    assert clock.jump() == 0
    clocks.passes(1, set_by=7200)
    assert clock.jump() == pytest.approx(7200)
    assert "back by 1:59:58" in jumped(-7198).message
    assert jumped(-7198).stable_keys != jumped(7200).stable_keys


def test_after_a_jump_back_no_sensor_and_no_schedule_waits_for_a_time_it_has_seen(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in process_environment(all_databases, home()).items():
        monkeypatch.setenv(name, value)
    prepare_dagster_home(home())
    later, earlier = (NOW + timedelta(hours=2)).timestamp(), (NOW - timedelta(hours=1)).timestamp()
    with dg.DagsterInstance.get() as instance:
        ahead = _sensor("ahead", SensorInstigatorData(later, None, 5, "seen 17", later))
        behind = _sensor("behind", SensorInstigatorData(earlier, None, 5, "seen 4", earlier))
        for state, at in ((ahead, later), (behind, earlier)):
            instance.add_instigator_state(state)
            instance.create_tick(
                TickData(
                    state.instigator_origin_id, state.name, state.instigator_type,
                    TickStatus.SUCCESS, at, run_ids=[], run_keys=[],
                    selector_id=state.selector_id,
                )
            )  # fmt: skip
        assert forget_the_future(instance, all_databases, NOW) == 1
        assert forget_the_future(instance, all_databases, NOW) == 0
        data = {state.name: state.instigator_data for state in instance.all_instigator_state()}
        assert data["ahead"].last_tick_timestamp == NOW.timestamp()
        assert data["ahead"].last_tick_start_timestamp == NOW.timestamp()
        assert data["ahead"].cursor == "seen 17"
        assert data["behind"] == behind.instigator_data
        ticks = [instance.get_ticks(s.instigator_origin_id, s.selector_id) for s in (ahead, behind)]
        assert [len(found) for found in ticks] == [0, 1]


def _sensor(name: str, data: SensorInstigatorData) -> InstigatorState:
    repository = RemoteRepositoryOrigin(
        GrpcServerCodeLocationOrigin("127.0.0.1", 1, location_name="trading"), "__repository__"
    )
    origin = RemoteInstigatorOrigin(repository, name)
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
