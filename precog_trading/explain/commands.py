"""``precog explain``: the chain behind a trade or a decision, verified."""

from typing import Annotated, Any

import typer
from rich.console import Console

explain = typer.Typer(
    no_args_is_help=True,
    help="Why a trade or a decision came to be, every hash on the way verified.",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_MARKS = {True: "[green]ok[/green]", False: "[red]BROKEN[/red]", None: "[yellow]--[/yellow]"}


@explain.callback()
def _explain() -> None:
    """Why a trade or a decision came to be, every hash on the way verified."""


@explain.command("trade")
def trade(
    trade_id: Annotated[int, typer.Argument(help="Number of the trade.")],
    as_json: AsJson = False,
) -> None:
    """Trace a trade to its order, decision, model, data and sources; exit 1 when a link is broken.

    Every id and hash is recomputed: the order's and the decision's, the method's configuration,
    the feature vector, the training data's file.
    """
    from precog_core.database import open_database
    from precog_trading.explain.chain import explain_trade

    with open_database() as database, database.connection() as conn:
        found = explain_trade(conn, database, trade_id)
    _finish(found, as_json)


@explain.command("decision")
def decision(
    decision_id: Annotated[int, typer.Argument(help="Number of the decision.")],
    as_json: AsJson = False,
) -> None:
    """Trace a decision, taken or skipped, and decide again from the stored facts; exit 1 if it
    comes out otherwise or a link is broken.
    """
    from precog_core.database import open_database
    from precog_trading.explain.chain import explain_decision

    with open_database() as database, database.connection() as conn:
        found = explain_decision(conn, database, decision_id)
    _finish(found, as_json)


def _finish(found: Any, as_json: bool) -> None:
    from precog_trading.ledger.statements import as_json as to_json

    if as_json:
        typer.echo(to_json(found.as_dict()))
    else:
        _print(found)
    if not found.verified:
        raise typer.Exit(1)


def _print(found: Any) -> None:
    from precog_core.text import cell

    console = Console(highlight=False, soft_wrap=True)
    console.print(found.words, markup=False)
    for gate in found.gates:
        values = ", ".join(f"{name} {value}" for name, value in gate["values"].items())
        label = f"{gate['row'] or '':>2} {gate['gate']}"
        result = gate["result"] or ""
        console.print(f"  {label:<44} {result:<12} {values}", markup=False)
    for link in found.links:
        console.print(f"[bold]{link.name}[/bold] {cell(link.key)}")
        for name, value in link.facts.items():
            if value is not None and value != {}:
                text = value if isinstance(value, (dict, list)) else cell(value)
                console.print(f"    {name}: {text}", markup=False)
        for check in link.checks:
            detail = f"  {check.note}" if check.note else ""
            if check.ok is False and (check.expected is not None or check.found is not None):
                detail += f"  expected {check.expected}, found {check.found}"
            console.print(f"    {_MARKS[check.ok]} {check.name}{detail}")
    if found.verified:
        console.print("[green]verified[/green]: every link is there and every hash holds")
    for sentence in found.broken:
        console.print(f"[red]broken[/red] {sentence}")
