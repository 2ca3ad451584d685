"""Failed runs and failed checks of the orchestration, as alerts.

Both code locations have a sensor of their own (one that is broken must not silence the other), so
what they share stands here. The core imports no Dagster: of its records only the attributes named
in ``finished_run`` are read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import psycopg

from precog_core.alerts.kinds import kind_of
from precog_core.alerts.made_good import make_good, remember, waiting
from precog_core.alerts.raising import RUNNING_ENVIRONMENT, report
from precog_core.alerts.rules import Severity

_KIND_OF_CHECK = {"leak_alarms": "leak_alarm", "results_fresh": "asset_stale"}
"""Checks whose failure has a kind of its own; all others are check_failed."""
_TOLD_BY_THE_ASSET = ("champion_quality",)
"""Checks whose asset raises the alert itself, with the row it is about (model_degraded)."""
STOPPED = "Precog was stopped while this run was in progress."
"""Why a run failed that was cut off by the end of Precog itself."""
_LONGEST_REASON = 600
_PARTITION_TAGS = (
    "dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end",
)  # fmt: skip
_ADDRESS = re.compile(r"^(?:precog_core\.errors\.PrecogError: |(?:\w+\.)+(?=\w+: ))")


@dataclass(frozen=True)
class FailedStep:
    """A step that failed, and why, in the words of what was raised."""

    step: str
    reason: str


@dataclass(frozen=True)
class FailedCheck:
    """An asset check that did not pass. ``facts`` is its metadata in plain values."""

    asset: str
    check: str
    blocking: bool
    warns_only: bool
    description: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FinishedRun:
    """What matters of a run that ended.

    ``ended_at``: seconds since 1970. ``root``: the first run of its retries, else the run itself.
    ``work``: the same for every run of the same job, assets and partition.
    """

    run_id: str
    job: str
    location: str
    failed: bool
    ended_at: float
    root: str
    work: str
    reason: str | None = None
    partition: str | None = None
    will_retry: bool = False
    steps: Sequence[FailedStep] = ()
    checks: Sequence[FailedCheck] = ()


def finished_run(
    run: Any, entries: Iterable[Any], location: str, *, failed: bool, ended_at: float
) -> FinishedRun:
    """What matters of a ``DagsterRun`` and the ``EventLogEntry`` records of its log.

    Read of an entry: ``dagster_event`` with ``event_type_value`` STEP_FAILURE, PIPELINE_FAILURE (a
    run's) or ASSET_CHECK_EVALUATION and what that carries; all others are passed over.
    """
    steps: list[FailedStep] = []
    checks: list[FailedCheck] = []
    reason = None
    for event in (entry.dagster_event for entry in entries):
        match None if event is None else event.event_type_value:
            case "STEP_FAILURE":
                steps.append(FailedStep(event.step_key, _raised(event.step_failure_data.error)))
            case "PIPELINE_FAILURE":
                reason = event.message
            case "ASSET_CHECK_EVALUATION":
                checks += _failed_check(event.asset_check_evaluation_data)
    return FinishedRun(
        run_id=run.run_id,
        job=run.job_name,
        location=location,
        failed=failed,
        ended_at=ended_at,
        root=run.tags.get("dagster/root_run_id") or run.run_id,
        work=_work(run),
        reason=reason,
        partition=run.tags.get("dagster/partition"),
        will_retry=run.tags.get("dagster/will_retry") == "true",
        steps=steps,
        checks=checks,
    )


def _work(run: Any) -> str:
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    parts = [run.job_name, *assets, *(run.tags.get(tag, "") for tag in _PARTITION_TAGS)]
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def _failed_check(evaluation: Any) -> list[FailedCheck]:
    if evaluation.passed:
        return []
    return [
        FailedCheck(
            asset=evaluation.asset_key.to_user_string(),
            check=evaluation.check_name,
            blocking=bool(evaluation.blocking),
            warns_only=evaluation.severity.value == "WARN",
            description=evaluation.description,
            facts={key: _shown(value.value) for key, value in evaluation.metadata.items()},
        )
    ]


def _raised(error: Any) -> str:
    """What our code raised: below Dagster's wrappers, above what it was itself caused by."""
    if error is None:
        return "no error was recorded"
    while error.cause is not None and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    # `package.module.Name: text` names a class few readers know by its address.
    return _ADDRESS.sub("", str(error.message), count=1)


def _shown(value: Any) -> Any:
    return value if isinstance(value, str | int | bool | float | None) else str(value)[:300]


def report_run(conn: psycopg.Connection, run: FinishedRun) -> list[int]:
    """One alert per failed check, and one for the run itself when it failed; their ids.

    The cause of a failed run is its job and step, so that a job that fails every minute is one
    alert that counts. A run that succeeded closes the alert of failures it was the last to make
    good.
    """
    alerts = [
        _check(conn, run, check) for check in run.checks if check.check not in _TOLD_BY_THE_ASSET
    ]
    if run.failed:
        alerts.append(_run(conn, run))
    else:
        make_good(conn, run_id=run.run_id, root=run.root, work=run.work, at=run.ended_at)
    return alerts


def _run(conn: psycopg.Connection, run: FinishedRun) -> int:
    first = run.steps[0] if run.steps else None
    where = f", step {first.step}" if first else ""
    of = f" for {run.partition}" if run.partition else ""
    reason = _cut(first.reason if first else run.reason or "no reason was recorded")
    again = " It is retried once by itself." if run.will_retry else ""
    what = "A run of assets" if run.job.startswith("__") else run.job
    keys = {"job": run.job, "step": first.step if first else None}
    before = waiting(conn, kind_of("run_failed").component, RUNNING_ENVIRONMENT, keys)
    alert_id = report(
        conn,
        "run_failed",
        f"{what}{of} failed{where}: {reason}{again}",
        details={
            "job": run.job,
            "location": run.location,
            "run_id": run.run_id,
            "partition": run.partition,
            "steps": {step.step: _cut(step.reason) for step in run.steps},
        },
        stable_keys=keys,
    )
    stopped = run.reason is not None and STOPPED in run.reason
    failed = {"root": run.root, "work": run.work if stopped else None, "at": run.ended_at}
    remember(conn, alert_id, before, failed)
    return alert_id


def _check(conn: psycopg.Connection, run: FinishedRun, check: FailedCheck) -> int:
    severity: Severity | None = None
    kind = _KIND_OF_CHECK.get(check.check, "check_failed")
    if kind == "check_failed" and (check.warns_only or not check.blocking):
        severity = "medium"
    said = f": {check.description}" if check.description else ""
    return report(
        conn,
        kind,
        f"Check {check.check} of {check.asset} failed" + _cut(said),
        severity=severity,
        details={
            "asset": check.asset,
            "check": check.check,
            "blocking": check.blocking,
            "run_id": run.run_id,
            "job": run.job,
            "found": dict(check.facts),
        },
        stable_keys={"asset": check.asset, "check": check.check},
    )


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
