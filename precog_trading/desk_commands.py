"""The desk: ``precog edges | decisions | wordings | approve | paper reset``."""

import getpass
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

import typer

from precog_core.errors import PrecogError
from precog_core.options import Environment

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
By = Annotated[str | None, typer.Option("--by", help="Who; default: the user of this session.")]

paper = typer.Typer(no_args_is_help=True, help="The paper account: play money, real rules.")


@paper.callback()
def _paper() -> None:
    """The paper account: play money, real rules."""


def edges(
    minimum: Annotated[str, typer.Option("--min", help="Dollars per contract, fees off.")] = "0",
    league: Annotated[str | None, typer.Option(help="Only this league.")] = None,
    past: Annotated[
        bool, typer.Option("--past", help="Also games that have started; their edge is history.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows at most.")] = 30,
    environment: Annotated[Environment, typer.Option(help="Which account.")] = "paper",
    as_json: AsJson = False,
) -> None:
    """Show what each side of an open market is worth now: probability less ask less fee."""
    from precog_trading.commands import connection, print_json, print_table
    from precog_trading.ledger.statements import rows

    try:
        least = Decimal(minimum)
    except InvalidOperation:
        raise PrecogError(f"--min {minimum!r} is not a number such as 0.05") from None
    with connection() as conn:
        found = rows(
            conn, "desk", "edges", environment=environment, league=league, minimum=least,
            past=past, maximum=limit,
        )  # fmt: skip
    if as_json:
        return print_json({"edges": found})
    return print_table(
        found,
        "decision_id ticker side true_win_probability market_price expected_value strategy_name "
        "recommended_action model_name confidence_level fee known_at kickoff_at",
    )


def wordings(as_json: AsJson = False) -> None:
    """Show how open markets settle, in the venue's words, and which of it is recognised.

    A market whose wording nobody has read is not traded (``rules_unknown``). Read it, then name its
    hash under gate.rules_recognised in config/trading.yaml.
    """
    from datetime import UTC, datetime

    from precog_core.config import load_section
    from precog_core.kalshi.wording import wording
    from precog_trading.commands import connection, print_json, print_table
    from precog_trading.config import TradingConfig
    from precog_trading.ledger.statements import rows

    with connection() as conn:
        known = load_section("trading", TradingConfig, conn=conn).gate.rules_recognised
        found = [
            {
                "rules_hash": row["rules_hash"],
                "recognised": known.get(row["rules_hash"]),
                "markets": row["markets"],
                "example": row["example"],
                "wording": wording(row["rules_primary"] or "", row["rules_secondary"] or ""),
            }
            for row in rows(conn, "desk", "wordings", now=datetime.now(UTC))
        ]
    if as_json:
        return print_json({"wordings": found})
    return print_table(found, "rules_hash recognised markets example wording")


def decisions(
    method: Annotated[str | None, typer.Option(help="Only this method, by name.")] = None,
    market: Annotated[str | None, typer.Option(help="Only this market, by ticker.")] = None,
    outcome: Annotated[
        Literal["taken", "skipped"] | None, typer.Option(help="Only taken or skipped ones.")
    ] = None,
    purpose: Annotated[
        Literal["entry", "exit"] | None, typer.Option(help="Only entries or exits.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(help="Only this skip reason or exit condition, such as edge_below_min."),
    ] = None,
    backtest: Annotated[
        int | None, typer.Option("--backtest", help="Instead those of this backtest run.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Rows at most, the newest first.")
    ] = 30,
    environment: Annotated[Environment, typer.Option(help="Which account.")] = "paper",
    as_json: AsJson = False,
) -> None:
    """Show decisions, taken and skipped, with their ids and reasons, the newest first."""
    from precog_trading.commands import connection, print_json
    from precog_trading.ledger.statements import rows
    from precog_trading.reports.tables import print_table

    with connection() as conn:
        found = rows(
            conn, "desk", "decisions", environment="backtest" if backtest else environment,
            backtest_run_id=backtest, method=method, ticker=market, purpose=purpose,
            outcome=outcome, reason=reason, maximum=limit,
        )  # fmt: skip
        counted = (
            rows(conn, "performance", "decision_counts", environment=environment)
            if reason is not None and not found and backtest is None
            else []
        )
    if as_json:
        return print_json({"decisions": found})
    columns = {
        "decision_id": "id", "decided_at": "time", "ticker": "ticker", "side": "side",
        "purpose": "for", "outcome": "outcome", "why": "reason", "probability": "model says",
        "price": "price", "edge": "edge", "quantity": "contracts", "method": "method",
    }  # fmt: skip
    print_table([{**row, **_words(row)} for row in found], columns)
    if counted:
        there = (f"{row['skip_reason']} ({row['count']})" for row in counted if row["skip_reason"])
        typer.echo(f"reasons there are: {', '.join(there) or 'none'}")
    if found:
        typer.echo("precog explain decision ID   # every rule with its values")
    return None


def _words(row: Mapping[str, Any]) -> dict[str, Any]:
    """The two columns of the table that no row has: why, and the method with its version."""
    reasons = [row["exit_condition"], row["skip_reason"]]
    method = row["method_name"] and f"{row['method_name']} {row['method_version']}"
    return {"why": ": ".join(filter(None, reasons)) or None, "method": method}


def approve(
    decision_id: Annotated[int, typer.Argument(help="A decision with skip reason needs_approval.")],
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long the yes may be used.")] = (
        15
    ),
    by: By = None,
) -> None:
    """Say yes to a decision that needs a person; the next tick may then buy that side.

    Nothing is bought at once: the next quote goes through every other rule first.
    """
    from precog_trading.commands import connection
    from precog_trading.desk import approve as record

    with connection() as conn:
        decision, until = record(
            conn, decision_id, by or getpass.getuser(), timedelta(minutes=minutes)
        )
    typer.echo(
        f"{decision['side'].upper()} of {decision['ticker']} may be bought until "
        f"{until:%Y-%m-%d %H:%M} UTC"
    )


@paper.command("reset")
def reset(
    reason: Annotated[str, typer.Option(help="Why; it is kept in the ledger.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Give the paper account its starting cash again; past results stay and still add up."""
    from precog_core.config import load_section
    from precog_core.text import cell
    from precog_trading.commands import connection, print_json
    from precog_trading.config import TradingConfig
    from precog_trading.desk import reset_paper_account

    if not yes:
        typer.confirm("Withdraw the paper account's cash and deposit the start anew?", abort=True)
    with connection() as conn:
        cash = load_section("trading", TradingConfig, conn=conn).paper.starting_cash_usd
        changed = reset_paper_account(conn, cash, by or getpass.getuser(), reason)
    if as_json:
        return print_json({"accounts": changed})
    for row in changed:
        typer.echo(f"{row['platform_id']}: {cell(row['before'])} to {cell(row['after'])} dollars")
    if not changed:
        typer.echo("nothing to reset: no paper account differs from its starting cash")
    return None
