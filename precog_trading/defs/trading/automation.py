"""The job ``trading`` and the sensor that launches it when something waits.

The sensor keeps no progress of its own: it asks the database what waits. Its cursor only shows a
person what it asked for last.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from precog_dagster.resources import PostgresResource
from precog_trading.defs.trading.assets import ENVIRONMENT, MAXIMUM_TICKS

if TYPE_CHECKING:
    from precog_trading.tick.batches import Batch

RANGE_TAG = "precog/trading"
QUICK_RETRIES = 3
RETRY_LATER = timedelta(minutes=5)
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

trading = dg.define_asset_job(
    "trading",
    selection=dg.AssetSelection.assets(
        "edges",
        "decisions",
        "orders",
        "fills",
        "trades",
        "positions",
        "settlements",
        "account_ledger",
        "performance",
    ),
    executor_def=dg.in_process_executor,
    # The run queue lets one run with this tag through at a time; the sensor names the range in it.
    # It goes before everything else that waits: a quote grows old within minutes.
    tags={RANGE_TAG: "by hand", "dagster/priority": "10"},
    description=(
        "Decide on the waiting batches of quotes (at most 500), execute, settle, account, report."
    ),
)


@dg.sensor(
    job=trading,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Launches trading when quotes or predictions arrived that nobody decided on, or when a "
        "finished game has positions to settle. One run at a time, 500 batches each."
    ),
)
def trading_sensor(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult | dg.SkipReason:
    running = context.instance.get_runs(
        filters=dg.RunsFilter(job_name="trading", statuses=_ACTIVE), limit=1
    )
    if running:
        if running[0].status is dg.DagsterRunStatus.STARTED:  # one that waits is no trading
            _note_look(postgres)
        return dg.SkipReason(
            f"trading run {running[0].run_id} is {running[0].status.value.lower()}; the next one "
            "starts when it has ended"
        )
    waiting, due = _work(postgres)
    _note_look(postgres)  # after the look: one that failed is none
    if not waiting and not due:
        return dg.SkipReason("no batch of quotes waits and no position is due for settlement")
    first, last = (waiting[0].tick_id, waiting[-1].tick_id) if waiting else (None, None)
    key = f"{first}..{last}" if waiting else f"settle:{due}:{datetime.now(UTC):%Y-%m-%d}"
    failed = context.instance.get_run_records(
        filters=dg.RunsFilter(
            job_name="trading",
            tags={RANGE_TAG: key},
            statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        )
    )
    if len(failed) >= QUICK_RETRIES:
        again_at = max(record.update_timestamp for record in failed) + RETRY_LATER
        if datetime.now(UTC) < again_at:
            return dg.SkipReason(
                f"{len(failed)} runs of {key} failed; the next try is at {again_at:%H:%M:%S} UTC, "
                f"see run {failed[0].dagster_run.run_id} for the reason"
            )
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                # Dagster never repeats a key, so a try after a failure needs one of its own.
                run_key=f"{key}#{len(failed) + 1}" if failed else key,
                run_config={
                    "ops": {
                        "trading_tick": {
                            "config": {"first": first, "last": last, "limit": MAXIMUM_TICKS}
                        }
                    }
                },
                tags={RANGE_TAG: key},
            )
        ],
        cursor=last or key,
    )


def _work(postgres: PostgresResource) -> "tuple[list[Batch], int]":
    """The batches that wait, and how many open positions belong to finished games."""
    from precog_core.config import load_section
    from precog_trading.config import TradingConfig
    from precog_trading.ledger.settlement import positions_due
    from precog_trading.tick.batches import pending_batches

    with postgres.database().transaction() as conn:
        config = load_section("trading", TradingConfig, conn=conn)
        waiting = pending_batches(conn, config, ENVIRONMENT, maximum=MAXIMUM_TICKS)
        due = 0 if waiting else positions_due(conn, ENVIRONMENT, datetime.now(UTC))
    return waiting, due


def _note_look(postgres: PostgresResource) -> None:
    """Trading is up in this minute: the uptime of it is counted from these."""
    from precog_trading.ledger.statements import change

    with postgres.database().transaction() as conn:
        change(conn, "reports", "note_look", environment=ENVIRONMENT, at=datetime.now(UTC))
