"""Open alerts in the graph, and two checks on them.

The tables are written by whoever has something to say, so the assets are external; the delivery
sensor reports an observation when something changed.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from precog_dagster.resources import PostgresResource

if TYPE_CHECKING:
    import psycopg

GROUP = "operations"
OWNERS = ["team:precog"]
SHOWN = 20

alerts = dg.AssetSpec(
    "alerts",
    group_name=GROUP,
    kinds={"postgres"},
    owners=OWNERS,
    tags={"table": "alerts"},
    description=(
        "Everything that needs a person (table alerts): one unresolved row per cause, raised from "
        "runs, checks, trading and the command line. `precog alerts` takes and closes them."
    ),
)

notification_deliveries = dg.AssetSpec(
    "notification_deliveries",
    deps=["alerts"],
    group_name=GROUP,
    kinds={"postgres"},
    owners=OWNERS,
    tags={"table": "notification_deliveries"},
    description=(
        "Every finished attempt to tell somebody (table notification_deliveries), by channel, with "
        "the reason of those that failed or were held back."
    ),
)


@dg.asset_check(
    asset="alerts",
    name="alert_sources",
    description="The row that an alert says it is about exists.",
)
def alert_sources(postgres: PostgresResource) -> dg.AssetCheckResult:
    from precog_trading.watch import broken_sources

    with postgres.database().transaction() as conn:
        broken = broken_sources(conn)
    return dg.AssetCheckResult(
        passed=not broken,
        metadata={
            "broken": len(broken),
            "first": dg.MetadataValue.json(
                [
                    f"{source.source_table} {source.source_id}: {source.reason}"
                    for source in broken[:SHOWN]
                ]
            ),
        },
    )


@dg.asset_check(
    asset="alerts",
    name="critical_alerts_taken",
    description="No critical alert has waited for a person for more than an hour.",
)
def critical_alerts_taken(postgres: PostgresResource) -> dg.AssetCheckResult:
    from precog_trading.watch import unanswered_critical

    with postgres.database().transaction() as conn:
        oldest = unanswered_critical(conn, timedelta(hours=1))
    if oldest is None:
        return dg.AssetCheckResult(passed=True)
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"alert {oldest['alert_id']} ({oldest['alert_type']}): {oldest['message']}",
        metadata={
            "alert_id": oldest["alert_id"],
            "since": dg.MetadataValue.timestamp(oldest["triggered_at"]),
        },
    )


def observation(conn: "psycopg.Connection") -> dg.AssetObservation:
    """What is open now: counts by severity, and the most urgent alerts as a table."""
    from precog_core.alerts.care import list_alerts
    from precog_trading.watch import open_alerts

    counts = {row["severity"]: row for row in open_alerts(conn)}
    metadata: dict[str, Any] = {
        "open": sum(row["open"] for row in counts.values()),
        "unacknowledged": sum(row["unacknowledged"] for row in counts.values()),
    }
    for severity in ("critical", "high", "medium", "low"):
        metadata[f"open_{severity}"] = counts[severity]["open"] if severity in counts else 0
    metadata["alerts"] = dg.MetadataValue.md(_table(list_alerts(conn, maximum=SHOWN)))
    return dg.AssetObservation("alerts", metadata=metadata)


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "no open alerts"
    lines = ["| id | severity | type | last seen (UTC) | times | message |", "|-|-|-|-|-|-|"]
    for row in rows:
        seen: datetime = row["last_seen_at"]
        message = row["message"].replace("|", "\\|").replace("\n", " ")
        lines.append(
            f"| {row['alert_id']} | {row['severity']} | {row['alert_type']} | "
            f"{seen:%Y-%m-%d %H:%M} | {row['occurrence_count']} | {message} |"
        )
    return "\n".join(lines)
