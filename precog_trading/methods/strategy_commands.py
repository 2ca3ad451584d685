"""``precog strategies``: list, and each step from draft to live and out again."""

import getpass
from dataclasses import asdict
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
By = Annotated[str | None, typer.Option("--by", help="Who; default: the user of this session.")]
Name = Annotated[str, typer.Argument(help="Name of the strategy.")]
Version = Annotated[str, typer.Argument(help="Its version, such as v1.0.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the strategy.")]

strategies = typer.Typer(
    no_args_is_help=True,
    help="Strategies: which versions there are, what they showed on paper, which may trade live.",
)


@strategies.callback()
def _strategies() -> None:
    """Strategies: which versions there are, and which may trade live."""


@strategies.command("list")
def list_(
    status: Annotated[
        str | None, typer.Option(help="Only draft, testing, active, inactive or deprecated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every strategy version with its status and its paper record."""
    from precog_trading.commands import connection, print_json
    from precog_trading.ledger.statements import rows
    from precog_trading.reports.tables import print_table

    with connection() as conn:
        found = rows(conn, "strategies", "strategies", status=status)
    if as_json:
        return print_json({"strategies": found})
    names = {
        "strategy_name": "strategy", "strategy_version": "version", "strategy_type": "type",
        "league": "league", "status": "status", "paper_trades": "paper trades",
        "paper_net": "paper net", "approved_by": "approved by", "notes": "why",
    }  # fmt: skip
    return print_table(found, names)


@strategies.command("release")
def release(
    name: Name, version: Version, reason: Reason, by: By = None, as_json: AsJson = False
) -> None:
    """Let a draft trade on paper (draft to testing)."""
    _move(name, version, "testing", reason, by, as_json)


@strategies.command("activate")
def activate(
    name: Name, version: Version, reason: Reason, by: By = None, as_json: AsJson = False
) -> None:
    """Let a strategy trade live, if it has shown enough (testing or inactive to active).

    It needs 50 finished paper trades over 60 days, a mean closing-line value above zero, a drawdown
    of at most 15 %, complete attribution and no open leak alarm (`promotion.*`). Your name is kept.
    Exit 1 names what is missing.
    """
    _move(name, version, "active", reason, by, as_json)


@strategies.command("deactivate")
def deactivate(
    name: Name, version: Version, reason: Reason, by: By = None, as_json: AsJson = False
) -> None:
    """Take a strategy out of trading for now (active to inactive); it may be activated again."""
    _move(name, version, "inactive", reason, by, as_json)


@strategies.command("withdraw")
def withdraw(
    name: Name, version: Version, reason: Reason, by: By = None, as_json: AsJson = False
) -> None:
    """Take a strategy out of paper trading (testing to draft)."""
    _move(name, version, "draft", reason, by, as_json)


@strategies.command("deprecate")
def deprecate(
    name: Name, version: Version, reason: Reason, by: By = None, as_json: AsJson = False
) -> None:
    """End a strategy version for good (active or inactive to deprecated)."""
    _move(name, version, "deprecated", reason, by, as_json)


def _move(name: str, version: str, to: str, reason: str, by: str | None, as_json: bool) -> None:
    from precog_core.config import load_section
    from precog_trading.commands import connection, print_json
    from precog_trading.config import TradingConfig
    from precog_trading.methods.strategies import GateRefused, move

    who = by if by is not None else getpass.getuser()
    said: dict[str, Any] = {"strategy": name, "version": version, "reason": reason, "by": who}
    try:
        with connection() as conn:
            config = load_section("trading", TradingConfig, conn=conn)
            step = move(
                conn, name, version, to, who=who, reason=reason, settings=config.promotion,
                cash=config.paper.starting_cash_usd,
            )  # fmt: skip
    except GateRefused as refused:
        if as_json:
            asked = [asdict(condition) for condition in refused.conditions]
            print_json({**said, "passed": False, "conditions": asked})
        raise
    if as_json:
        asked = [asdict(condition) for condition in step.conditions]
        return print_json(
            {**said, "before": step.before, "status": to, "passed": True, "conditions": asked,
             "methods": step.methods}
        )  # fmt: skip
    for condition in step.conditions:
        typer.echo(f"passed: {condition.text}")
    typer.echo(f"{name} {version} is {to}")
    if step.methods and to in ("inactive", "draft", "deprecated"):
        typer.echo(f"these methods enter no more with it: {', '.join(step.methods)}")
    return None
