"""``precog status``, ``precog doctor``, ``precog logs``."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from precog_core.errors import PrecogError
from precog_core.options import Environment

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red"}
_STATES = {"ok": "green", "attention": "yellow", "halted": "red"}


def status(
    environment: Annotated[Environment, typer.Option(help="Which account.")] = "paper",
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 unless all is well: for a watchdog.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what runs, how fresh it is, the last runs, positions, P&L, alerts and breakers."""
    from precog_core.database import open_database
    from precog_core.paths import home
    from precog_platform.inspection.status import status as read_status
    from precog_trading.ledger.statements import as_json as to_json

    with open_database() as database:
        content = read_status(database, home(), environment)
    if as_json:
        typer.echo(to_json(content))
    else:
        _print_status(content)
    if check and content["state"] != "ok":
        raise typer.Exit(1)


def doctor(
    port: Annotated[int, typer.Option(help="Port of the Dagster user interface.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow user interface.")] = 5000,
    as_json: AsJson = False,
) -> None:
    """Examine machine, settings and database, change nothing; exit 1 when something cannot work."""
    from dataclasses import asdict

    from precog_core.paths import home
    from precog_platform.inspection.doctor import examine

    found = examine(home(), {"the Dagster interface": port, "the MLflow interface": mlflow_port})
    if as_json:
        typer.echo(json.dumps({"findings": [asdict(finding) for finding in found]}))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in found:
            colour = _COLOURS[finding.state]
            console.print(
                f"[{colour}]{finding.state:<8}[/{colour}] {finding.check:<24} {finding.said}"
            )
    if any(finding.state == "failure" for finding in found):
        raise typer.Exit(1)


def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="The newest lines.")] = 40,
    level: Annotated[str, typer.Option(help="debug, info, warning or error, and above.")] = "info",
    run: Annotated[str | None, typer.Option(help="Beginning of a run, tick or order id.")] = None,
    text: Annotated[str | None, typer.Option("--grep", help="Only lines with this text.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show what the processes of this home logged, with run and tick ids."""
    from collections import deque

    from precog_core.paths import home
    from precog_platform.inspection import logs as files

    if level not in ("debug", "info", "warning", "error"):
        raise PrecogError(f"--level {level!r}; expected debug, info, warning or error")
    folder = home() / "logs"
    wanted: dict[str, Any] = {"level": level, "run": run, "text": text}

    def shown(event: dict[str, Any]) -> str:
        return json.dumps(event, ensure_ascii=False) if as_json else files.line(event)

    for event in deque(files.events(folder, **wanted), maxlen=lines):
        typer.echo(shown(event))
    if follow:
        for event in files.follow(folder, **wanted):
            typer.echo(shown(event))


def _print_status(content: dict[str, Any]) -> None:
    from precog_core.text import cell
    from precog_trading.reports.tables import print_table

    console = Console(highlight=False, soft_wrap=True)
    colour = _STATES[content["state"]]
    console.print(f"[{colour}]{content['state']}[/{colour}]  {content['environment']} account")
    running = content["running"]
    servers = ", ".join(server["name"] for server in running["servers"])
    otherwise = "starting" if running["up"] else "nothing; `precog up` starts it"
    console.print(f"running     {servers or otherwise}")
    fresh = ", ".join(
        f"{what} {_age(entry['age_s'])}" for what, entry in content["freshness"].items()
    )
    console.print(f"newest      {fresh}")
    for league in content["leagues"]:
        ahead = f", next {cell(league['next_start'])}" if league["ahead"] else ", none ahead"
        console.print(
            f"{league['league']:<12}season {league['season']}: {league['finished']} finished, "
            f"{league['ahead']} ahead{ahead}"
        )
    if content["waiting_work"]:
        console.print(f"waiting     {content['waiting_work']} batches or positions to settle")
    pnl = content["pnl"]
    console.print(
        f"money       cash {pnl['cash']:,.2f}, open at cost {pnl['open_cost']:,.2f}, net "
        f"{pnl['net']:+,.2f}, unrealised {pnl['unrealized']:+,.2f}"
    )
    print_table(
        content["open_positions"],
        {"position_id": "id", "ticker": "ticker", "side": "side", "quantity": "contracts",
         "entry_price": "paid", "current_price": "now", "unrealized_pnl": "unrealised",
         "last_check_time": "looked at"},
        title="open positions", nothing=None,
    )  # fmt: skip
    print_table(
        content["runs"]["last"],
        {"job": "job", "status": "status", "partition": "partition", "started_at": "started",
         "seconds": "seconds"},
        title="last runs", nothing=None,
    )  # fmt: skip
    counts = ", ".join(f"{n} {severity}" for severity, n in content["alerts"]["open"].items())
    console.print(f"alerts      {counts or 'none open'}")
    print_table(
        content["alerts"]["newest"],
        {"alert_id": "id", "severity": "severity", "alert_type": "kind", "message": "message",
         "last_seen_at": "last seen"},
        title="alerts", nothing=None, folding="message",
    )  # fmt: skip
    print_table(
        content["breakers"],
        {"breaker_type": "breaker", "action": "action", "triggered_at": "tripped"},
        title="open breakers", nothing=None,
    )  # fmt: skip
    print_table(
        [c for c in content["components"] if c["status"] != "healthy"],
        {"component": "component", "status": "status", "last_check": "looked at"},
        title="components that are not healthy", nothing=None,
    )  # fmt: skip
    print_table(
        content["controls"],
        {"scope": "scope", "scope_key": "of", "state": "state", "reason": "reason"},
        title="controls", nothing=None, folding="reason",
    )  # fmt: skip
    if content["halt_variable"]:
        console.print(f"[red]PRECOG_HALT is {content['halt_variable']}[/red]")


def _age(seconds: int | None) -> str:
    if seconds is None:
        return "never"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
