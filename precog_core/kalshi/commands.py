"""``precog kalshi``: the commands, light to load; what they do is in ``check``."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

kalshi = typer.Typer(help="The connection to Kalshi.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@kalshi.callback()
def _kalshi() -> None:
    """The connection to Kalshi."""


@kalshi.command("check")
def check(as_json: AsJson = False) -> None:
    """Ask the public endpoints, and with a key the account; changes and stores nothing.

    Works also while `kalshi.enabled` is false, which only stops what runs by itself.
    """
    from precog_core.kalshi.check import findings_of
    from precog_core.kalshi.config import kalshi_config
    from precog_core.progress import progress

    with progress("Asking Kalshi", quiet=as_json) as report:
        findings = findings_of(kalshi_config(), report)
    ok = all(finding.ok for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": ok, "findings": [asdict(found) for found in findings]}))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for found in findings:
            console.print("[green]ok[/]    " if found.ok else "[red]failed[/]", end=" ")
            console.print(f"{found.name:<12} {found.seen}", markup=False)
    if not ok:
        raise typer.Exit(1)
