"""Two ways to run the same Dagster work: through the servers of `precog up`, or in this process.

Both write to the same Dagster instance, so runs and lineage look alike afterwards. A stage of the
bootstrap names assets, jobs and partitions; it does not know which launcher runs it.
"""

import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from precog_core.errors import PrecogError
from precog_platform.graphql import DagsterClient, Run, in_words

if TYPE_CHECKING:
    import dagster as dg

PIPELINES = "pipelines"
TRADING = "trading"
TRADING_JOB = "trading"
TRADING_SENSOR = "trading_sensor"
# On what the bootstrap launches and therefore repeats by itself.
OURS = "precog/bootstrap"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
_POLL_S = 0.5
_DRAIN_POLL_S = 2.0
_SENSOR_PATIENCE_S = 180.0


class Launcher(Protocol):
    """Runs Dagster work to its end; raises PrecogError with the reason when it fails."""

    def backfill(self, assets: list[str], partitions: list[str], title: str) -> None:
        """Materialise ``assets`` for consecutive ``partitions`` in one run."""

    def assets(self, location: str, assets: list[str], first: str | None, last: str | None) -> None:
        """Materialise ``assets`` for a partition range, or unpartitioned ones without a range."""

    def job(self, location: str, name: str, partition: str | None) -> None:
        """Run a job, for one partition when it has any."""

    def drain_trading(self, pending: Callable[[], int]) -> None:
        """Let the trading sensor and its job work until ``pending()`` batches are none."""


def range_tags(first: str | None, last: str | None) -> dict[str, str]:
    """The tags by which one run covers a range of partitions."""
    if first is None or last is None:
        return {}
    return {RANGE_START: first, RANGE_END: last}


class ServedLauncher:
    """Asks the running webserver, as a person in the user interface would."""

    def __init__(self, client: DagsterClient, require_alive: Callable[[], None]) -> None:
        self._client = client
        self._require_alive = require_alive

    def backfill(self, assets: list[str], partitions: list[str], title: str) -> None:
        backfill_id = self._client.launch_backfill(assets, partitions, title, {OURS: "true"})
        self._wait(lambda: self._client.runs({"tags": [_tag("dagster/backfill", backfill_id)]}))

    def assets(self, location: str, assets: list[str], first: str | None, last: str | None) -> None:
        run_id = self._client.launch_assets(location, assets, range_tags(first, last))
        self._wait_run(run_id)

    def job(self, location: str, name: str, partition: str | None) -> None:
        self._wait_run(self._client.launch_job(location, name, range_tags(partition, partition)))

    def drain_trading(self, pending: Callable[[], int]) -> None:
        quiet_since = time.monotonic()
        earlier = {run.run_id for run in self._trading_runs() if run.finished}
        while pending():
            self._require_alive()
            runs = [run for run in self._trading_runs() if run.run_id not in earlier]
            if any(not run.finished for run in runs):
                quiet_since = time.monotonic()
            failed = [run for run in runs if run.status == "FAILURE"]
            if len(failed) >= 2:
                reason = self._client.failure(failed[0].run_id)
                raise PrecogError(
                    f"the trading job failed twice: {reason}; "
                    f"{self._client.url}/runs/{failed[0].run_id} shows where"
                )
            if time.monotonic() - quiet_since > _SENSOR_PATIENCE_S:
                raise PrecogError(
                    f"{pending()} batches of quotes wait, but the sensor {TRADING_SENSOR} has "
                    f"launched nothing for {_SENSOR_PATIENCE_S:.0f} s; see its ticks in the "
                    f"automation page of {self._client.url}"
                )
            time.sleep(_DRAIN_POLL_S)
        self._finish(self._trading_runs)

    def _trading_runs(self) -> list[Run]:
        return self._client.runs({"pipelineName": TRADING_JOB})

    def _wait_run(self, run_id: str) -> None:
        self._wait(lambda: [self._client.run(run_id)])

    def _wait(self, current: Callable[[], list[Run]]) -> None:
        """Until the runs exist and have ended; a run that Dagster retries counts as its retry."""
        self._finish(current, must_exist=True)

    def _finish(self, current: Callable[[], list[Run]], *, must_exist: bool = False) -> None:
        while True:
            self._require_alive()
            runs = current()
            runs += self._retries_of(runs)
            if runs and all(run.finished for run in runs):
                break
            if not runs and not must_exist:
                return
            time.sleep(_POLL_S)
        retried = {run.tags.get("dagster/parent_run_id") for run in runs}
        for run in runs:
            if run.status != "SUCCESS" and run.run_id not in retried and must_exist:
                raise PrecogError(
                    f"a run failed: {self._client.failure(run.run_id)}; "
                    f"{self._client.url}/runs/{run.run_id} shows where"
                )

    def _retries_of(self, runs: list[Run]) -> list[Run]:
        """Runs that replace failed ones; waits for those that Dagster has promised."""
        found: list[Run] = []
        known = {run.run_id for run in runs}
        for run in runs:
            if run.status != "FAILURE":
                continue
            children = self._client.runs({"tags": [_tag("dagster/parent_run_id", run.run_id)]})
            while not children and run.tags.get("dagster/will_retry") == "true":
                self._require_alive()
                time.sleep(_POLL_S)
                children = self._client.runs({"tags": [_tag("dagster/parent_run_id", run.run_id)]})
            found += [child for child in children if child.run_id not in known]
        return found


class HeadlessLauncher:
    """Executes in this process, without servers, against the same Dagster instance."""

    def __init__(self, instance: "dg.DagsterInstance") -> None:
        from precog_pipelines.definitions import defs as pipelines
        from precog_trading.definitions import defs as trading

        self._instance = instance
        self._definitions = {PIPELINES: pipelines(), TRADING: trading()}

    def backfill(self, assets: list[str], partitions: list[str], title: str) -> None:
        self.assets(PIPELINES, assets, partitions[0], partitions[-1])

    def assets(self, location: str, assets: list[str], first: str | None, last: str | None) -> None:
        import dagster as dg

        job = self._definitions[location].resolve_implicit_global_asset_job_def()
        result = _execute(
            job,
            asset_selection=[dg.AssetKey(name) for name in assets],
            tags=range_tags(first, last),
            **self._execution(),
        )
        _require_success(result)

    def job(self, location: str, name: str, partition: str | None) -> None:
        job = self._definitions[location].resolve_job_def(name)
        result = _execute(job, tags=range_tags(partition, partition), **self._execution())
        _require_success(result)

    def drain_trading(self, pending: Callable[[], int]) -> None:
        import dagster as dg

        definitions = self._definitions[TRADING]
        sensor = definitions.resolve_sensor_def(TRADING_SENSOR)
        job = definitions.resolve_job_def(TRADING_JOB)
        cursor: str | None = None
        while pending():
            with dg.build_sensor_context(
                instance=self._instance,
                cursor=cursor,
                definitions=definitions,
                resources={
                    key: (definitions.resources or {})[key] for key in sensor.required_resource_keys
                },
            ) as context:
                tick = sensor.evaluate_tick(context)
            cursor = tick.cursor
            if not tick.run_requests:
                raise PrecogError(
                    f"{pending()} batches of quotes wait, but the sensor {TRADING_SENSOR} "
                    f"requested nothing: {tick.skip_message}"
                )
            for request in tick.run_requests:
                execution = self._execution()
                execution["run_config"] = {**request.run_config, **execution["run_config"]}
                tags = {**request.tags, "dagster/sensor_name": TRADING_SENSOR}
                if request.run_key:
                    tags["dagster/run_key"] = request.run_key
                _require_success(_execute(job, tags=tags, **execution))

    def _execution(self) -> dict[str, Any]:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return {"instance": self._instance, "raise_on_error": False, "run_config": quiet}


def _execute(job: "dg.JobDefinition", **how: Any) -> "dg.ExecuteInProcessResult":
    """Run it here. Afterwards SIGTERM does what it did: Dagster leaves it like SIGINT, which a
    process in the background of a script ignores, and then nothing but SIGKILL would end us."""
    if threading.current_thread() is not threading.main_thread():
        return job.execute_in_process(**how)
    before = signal.getsignal(signal.SIGTERM)
    try:
        return job.execute_in_process(**how)
    finally:
        signal.signal(signal.SIGTERM, before)


def _require_success(result: "dg.ExecuteInProcessResult") -> None:
    if result.success:
        return
    for event in result.get_step_failure_events():
        error = event.step_failure_data.error
        if error is not None:
            while error.cause is not None:
                error = error.cause
            raise PrecogError(f"step {event.step_key} failed: {in_words(error.message)}")
    raise PrecogError(
        f"run {result.run_id} failed; `precog up` shows its log in the user interface"
    )


def _tag(key: str, value: str) -> dict[str, str]:
    return {"key": key, "value": value}
