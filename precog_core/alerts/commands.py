"""``precog alerts``: what needs a person, who took it, and whether it reaches you."""

import getpass
import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from precog_core.alerts import care
from precog_core.alerts.channels import open_channels
from precog_core.alerts.config import REMOTE, address_variable, alerts_config
from precog_core.alerts.content import shown
from precog_core.alerts.delivery import Delivered, deliver
from precog_core.alerts.kinds import KINDS
from precog_core.alerts.raising import report
from precog_core.alerts.rules import Resolution, Severity
from precog_core.database import open_database

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AlertId = Annotated[int, typer.Argument(help="Number of the alert, as `list` shows it.")]
By = Annotated[str, typer.Option("--by", help="Who acts.", envvar="USER", show_default=False)]
_PATIENCE_S = 20
_STYLE = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}

alerts = typer.Typer(
    no_args_is_help=True, help="What needs a person: read, take, close, and test the channels."
)


@alerts.command("list")
def list_(
    state: Annotated[
        care.State, typer.Option(help="open, unacknowledged, resolved or all.")
    ] = "open",
    severity: Annotated[Severity | None, typer.Option(help="Only this severity.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", help="Only this kind, such as run_failed.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List alerts, the most urgent first."""
    with open_database() as database, database.transaction() as conn:
        found = care.list_alerts(conn, state, severity, kind, limit)
    if as_json:
        _print_json({"alerts": found})
        return
    if not found:
        typer.echo(f"no {state} alerts" if state != "all" else "no alerts")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "severity", "type", "last seen (UTC)", "times", "state", "message"):
        table.add_column(name, no_wrap=name != "message")
    for row in found:
        table.add_row(
            str(row["alert_id"]),
            f"[{_STYLE[row['severity']]}]{row['severity']}[/]",
            row["alert_type"],
            f"{row['last_seen_at']:%m-%d %H:%M}",
            str(row["occurrence_count"]),
            _state(row),
            row["message"].replace("[", "\\["),
        )
    Console().print(table)


@alerts.command("show")
def show(alert_id: AlertId, as_json: AsJson = False) -> None:
    """Show one alert: facts, what to do, who took it, and every attempt to tell."""
    with open_database() as database, database.transaction() as conn:
        alert = care.get_alert(conn, alert_id)
    if as_json:
        _print_json(alert)
        return
    console = Console(highlight=False)
    console.print(
        f"[{_STYLE[alert['severity']]}]{alert['severity']}[/] {alert['alert_type']} "
        f"#{alert_id} ({alert['environment']}, {_state(alert)})"
    )
    lines = [alert["message"]]
    kind = KINDS.get(alert["alert_type"])
    if kind is not None:
        lines.append(f"do           {kind.do}")
    lines.append(f"first seen   {alert['triggered_at']:%Y-%m-%d %H:%M:%S}")
    lines.append(
        f"last seen    {alert['last_seen_at']:%Y-%m-%d %H:%M:%S}, "
        f"{alert['occurrence_count']} time(s)"
    )
    if alert["source_table"]:
        lines.append(f"about        {alert['source_table']} {alert['source_id']}")
    for key, value in shown(alert["details"] or {}):
        lines.append(f"{key:<12} {value}")
    for word in ("acknowledged", "resolved"):
        if alert[f"{word}_at"] is not None:
            action = f" ({alert['resolution_action']})" if word == "resolved" else ""
            notes = alert[f"{word}_notes"]
            lines.append(
                f"{word:<12} {alert[f'{word}_at']:%Y-%m-%d %H:%M} by {alert[f'{word}_by']}{action}"
                + (f": {notes}" if notes else "")
            )
    lines += [
        f"{row['attempted_at']:%m-%d %H:%M:%S} {row['channel']:<9} {row['status']}"
        + (f": {row['error']}" if row["error"] else "")
        for row in alert["deliveries"]
    ]
    for line in lines:
        console.print(line, markup=False)


@alerts.command("ack")
def ack(
    alert_id: AlertId,
    notes: Annotated[str | None, typer.Option(help="What you say about it.")] = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Take an alert: somebody cares, reminders end."""
    with open_database() as database, database.transaction() as conn:
        care.acknowledge(conn, alert_id, by or getpass.getuser(), notes)
        alert = care.get_alert(conn, alert_id)
    if as_json:
        _print_json(alert)
    else:
        typer.echo(f"alert {alert_id} acknowledged")


@alerts.command("resolve")
def resolve(
    alert_id: AlertId,
    action: Annotated[
        Resolution, typer.Option(help="How it ended: fixed, false_positive, ignored, escalated.")
    ],
    notes: Annotated[str | None, typer.Option(help="What was found and done.")] = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Close an alert that was acknowledged. The same cause within 24 hours opens it again."""
    with open_database() as database, database.transaction() as conn:
        care.resolve(conn, alert_id, by or getpass.getuser(), action, notes)
        alert = care.get_alert(conn, alert_id)
    if as_json:
        _print_json(alert)
    else:
        typer.echo(f"alert {alert_id} resolved: {action}")


@alerts.command("test")
def test(
    severity: Annotated[
        Severity, typer.Option(help="Which routes to test; critical reaches every channel.")
    ] = "critical",
    as_json: AsJson = False,
) -> None:
    """Raise a test alert, send it to the channels of its severity, close it again.

    Exit 1 when a channel that has an address did not take it.
    """
    with open_database() as database:
        with database.transaction() as conn:
            config = alerts_config(conn)
            alert_id = report(
                conn,
                "alert_test",
                f"Test of the {severity} routes; nothing happened",
                severity=severity,
                stable_keys={"severity": severity, "number": time.time_ns()},
            )
        channels = open_channels(_to_stderr, config.timeout_s)
        routed = config.channels(severity)
        waiting = {name: channel for name, channel in channels.items() if name in routed}
        ends = time.monotonic() + _PATIENCE_S
        while waiting and time.monotonic() < ends:  # another process may be serving a channel
            deliver(database, waiting, config, only=alert_id)
            with database.transaction() as conn:
                tried = {row["channel"] for row in care.get_alert(conn, alert_id)["deliveries"]}
            waiting = {name: waiting[name] for name in waiting if name not in tried}
            time.sleep(0.5 if waiting else 0)
        with database.transaction() as conn:
            care.acknowledge(conn, alert_id, "precog alerts test")
            care.resolve(conn, alert_id, "precog alerts test", "ignored", "a test")
            found = care.get_alert(conn, alert_id)["deliveries"]
    results = {row["channel"]: row["error"] or row["status"] for row in found}
    results |= dict.fromkeys(waiting, f"not tried: busy for {_PATIENCE_S} s")
    failed = [row["channel"] for row in found if row["status"] == "failed"] + list(waiting)
    for name in REMOTE:
        if name in routed and name not in channels:
            results[name] = f"off: set {address_variable(name)}"
        elif name in config.muted:
            results[name] = "muted"
    if as_json:
        _print_json({"alert_id": alert_id, "channels": results, "failed": failed})
    else:
        for name, result in results.items():
            typer.echo(f"{name:<9} {result}")
    if failed:
        raise typer.Exit(1)


@alerts.command("deliver")
def deliver_(
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until Ctrl-C instead of one pass.")
    ] = False,
    every_s: Annotated[float, typer.Option(min=1, max=3600, help="Pause of --watch.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Send what is owed on every channel, the console included.

    Under `precog up` a sensor does it; this is for running without Dagster.
    """
    with open_database() as database:
        while True:
            with database.transaction() as conn:
                config = alerts_config(conn)
            done = deliver(database, open_channels(_to_stderr, config.timeout_s), config)
            if as_json:
                _print_json(_as_dict(done))
            elif done.failed or not watch:
                typer.echo(
                    f"{len(done.sent)} sent, {len(done.failed)} failed, {len(done.skipped)} skipped"
                )
            if not watch:
                return
            time.sleep(every_s)


def _as_dict(done: Delivered) -> dict[str, Any]:
    return {
        status: [{"alert_id": alert_id, "channel": name} for alert_id, name in attempts]
        for status, attempts in (
            ("sent", done.sent),
            ("failed", done.failed),
            ("skipped", done.skipped),
        )
    }


def _state(row: dict[str, Any]) -> str:
    if row["resolved_at"] is not None:
        return str(row["resolution_action"])
    if row["acknowledged_at"] is not None:
        return f"taken by {row['acknowledged_by']}"
    return "open"


def _to_stderr(line: str) -> None:
    """The console channel: beside the result, which others may read."""
    typer.echo(line, err=True)


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, default=str))
