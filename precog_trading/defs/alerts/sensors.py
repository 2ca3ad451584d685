"""The sensor that finds what must be told and delivers what was committed.

One sensor, because looking and telling belong to one rhythm; two transactions, because an alert
stands whether or not it can be delivered. The console is left to those who have one: `precog up`
and `precog alerts deliver`.
"""

import hashlib
import json

import dagster as dg

from precog_dagster.resources import PostgresResource
from precog_trading.defs.alerts.assets import observation

_DEADLINE_S = 30.0
"""Of one tick's deliveries; Dagster ends a tick after 60 s."""


@dg.sensor(
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Looks over breakers, controls, decisions, settlements, the day's result and positions, "
        "raises what has no alert yet, delivers alerts to file, email, SMS, Slack and webhook, and "
        "shows the open ones on the asset `alerts`."
    ),
)
def alert_delivery(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult:
    from precog_core.alerts.channels import open_channels
    from precog_core.alerts.config import alerts_config
    from precog_core.alerts.delivery import deliver
    from precog_trading.watch import look

    database = postgres.database()
    with database.transaction() as conn:
        config = alerts_config(conn)
        found = look(conn, config.day)
    done = deliver(database, open_channels(None, config.timeout_s), config, deadline_s=_DEADLINE_S)
    for alert_id, channel in done.failed:
        context.log.warning(f"alert {alert_id} did not reach {channel}; it is tried again")
    with database.transaction() as conn:
        seen = observation(conn)
    state = _digest(seen)
    return dg.SensorResult(
        asset_events=[] if state == context.cursor else [seen],
        cursor=state,
        skip_reason=dg.SkipReason(
            f"{found} findings; {len(done.sent)} sent, {len(done.failed)} failed, "
            f"{len(done.skipped)} held back, {done.reminders} reminders"
        ),
    )


def _digest(seen: dg.AssetObservation) -> str:
    content = {key: value.value for key, value in seen.metadata.items()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


alert_checks = dg.define_asset_job(
    "alert_checks",
    selection=dg.AssetSelection.checks_for_assets("alerts"),
    executor_def=dg.in_process_executor,
    description="The checks on alerts: their sources exist, critical ones are taken.",
)

alert_checks_schedule = dg.ScheduleDefinition(
    name="alert_checks_hourly",
    job=alert_checks,
    cron_schedule="23 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
