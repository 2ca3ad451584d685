"""The commands this package adds to `precog`: positions, trades, profit, and the ledger's proof."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from precog_core.sections import declare_check, declare_section

if TYPE_CHECKING:
    import psycopg

    from precog_trading.ledger.audit import LedgerAudit

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Rows at most, the newest first.")]


class Environment(StrEnum):
    """Where the money is: play money, or one of the others."""

    PAPER = "paper"
    DEMO = "demo"
    LIVE = "live"


class PositionStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    SETTLED = "settled"


InEnvironment = Annotated[Environment, typer.Option("--environment", help="Which account.")]

_ledger = typer.Typer(no_args_is_help=True, help="The ledger and the proof that it balances.")
_BRIEF = {
    "position_id": "id",
    "trade_id": "id",
    "decision_id": "decision",
    "strategy_name": "strategy",
    "model_name": "model",
    "original_quantity": "contracts",
    "entry_price": "entry",
    "exit_price": "exit",
    "realized_pnl": "pnl",
    "edge_at_execution": "edge",
    "exit_reason": "left by",
    "entry_time": "entered",
    "event_ts": "time",
    "quote_source": "quotes",
    "strategy_version": "",
    "model_version": "",
    "true_win_probability": "model says",
    "market_price": "price",
    "expected_value": "edge",
    "confidence_level": "confidence",
    "recommended_action": "action",
    "known_at": "known",
    "kickoff_at": "start",
}


def register(app: typer.Typer) -> None:
    """Add this package's commands to the `precog` command line."""
    app.command("positions")(positions)
    app.command("trades")(trades)
    app.command("pnl")(pnl)
    app.add_typer(_ledger, name="ledger")
    from precog_trading.backtest.commands import register as register_backtest
    from precog_trading.desk_commands import approve, decisions, edges, paper, wordings
    from precog_trading.explain.commands import explain
    from precog_trading.methods.commands import methods
    from precog_trading.methods.strategy_commands import strategies
    from precog_trading.monitor.commands import register as register_monitor
    from precog_trading.reports.commands import report

    register_backtest(app)
    register_monitor(app)
    app.add_typer(explain, name="explain")
    app.add_typer(methods, name="methods")
    app.add_typer(paper, name="paper")
    app.add_typer(strategies, name="strategies")
    app.add_typer(report, name="report")
    app.command("edges")(edges)
    app.command("decisions")(decisions)
    app.command("wordings")(wordings)
    app.command("approve")(approve)
    declare_section("trading", "precog_trading.config:TradingConfig")
    declare_section("strategies", "precog_trading.versions:StrategiesConfig")
    declare_section("methods", "precog_trading.versions:MethodsConfig")
    declare_check("methods", "precog_trading.registry:check_methods")


def positions(
    status: Annotated[
        PositionStatus | None, typer.Option(help="Only those open, closed or settled.")
    ] = None,
    limit: Limit = 30,
    environment: InEnvironment = Environment.PAPER,
    as_json: AsJson = False,
) -> None:
    """Show positions: what was bought, at what price, and what it came to."""
    from precog_trading.ledger.statements import rows

    with connection() as conn:
        found = rows(
            conn,
            "performance",
            "positions",
            environment=environment.value,
            status=status and status.value,
            maximum=limit,
        )
        source = _source(conn, environment)
    if as_json:
        return print_json({"data_source": source, "positions": found})
    print_table(
        found,
        "position_id ticker side original_quantity entry_price exit_price realized_pnl status "
        "strategy_name model_name fees entry_time exit_reason",
    )
    return _print_source(source)


def trades(
    limit: Limit = 30,
    environment: InEnvironment = Environment.PAPER,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Comma-separated, every column, decimals exact.")
    ] = False,
) -> None:
    """Show trades: one line per fill, with the edge at the price paid."""
    from precog_trading.ledger.statements import rows

    with connection() as conn:
        found = rows(conn, "performance", "trades", environment=environment.value, maximum=limit)
        source = _source(conn, environment)
    if as_json:
        return print_json({"data_source": source, "trades": found})
    if as_csv:
        return print_csv(found)
    print_table(
        found,
        "trade_id ticker action side quantity price edge_at_execution strategy_name model_name "
        "event_ts fee quote_source",
    )
    return _print_source(source)


def pnl(environment: InEnvironment = Environment.PAPER, as_json: AsJson = False) -> None:
    """Show profit and loss by strategy and model; the sum is the account's, exactly."""
    from precog_trading.reports.summary import trading_summary

    with connection() as conn:
        summary = trading_summary(conn, environment.value)
    if as_json:
        return print_json(summary)
    print_table(
        summary["pnl"],
        "strategy_name strategy_version model_name model_version positions net fees realised "
        "settlement open_cost",
    )
    console = Console(highlight=False)
    for name in ("deposits", "cash", "open_cost", "fees", "net"):
        console.print(f"{name.replace('_', ' '):<12}{_cell(summary[name]):>14}")
    console.print(f"{'drawdown':<12}{100 * summary['max_drawdown']:>13.1f}%")
    return _print_source(summary["data_source"])


@_ledger.callback()
def _ledger_group() -> None:
    """The ledger and the proof that it balances."""


@_ledger.command("verify")
def verify(
    environment: InEnvironment = Environment.PAPER,
    backtest: Annotated[
        int | None, typer.Option("--backtest", help="Instead the account of this backtest run.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every environment and every completed backtest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Recompute every position and sum from the fills; exit 1 when anything differs."""
    from precog_core.progress import progress
    from precog_trading.ledger.audit import verify_all, verify_ledger

    with connection() as conn, progress("Ledgers", quiet=as_json or not everything) as report:
        if everything:
            audits = verify_all(conn, report)
        elif backtest is not None:
            audits = [verify_ledger(conn, "backtest", backtest)]
        else:
            audits = [verify_ledger(conn, environment.value)]
    balanced = all(audit.balanced for audit in audits)
    if not as_json:
        for audit in audits:
            _print_audit(audit, with_label=everything or backtest is not None)
    elif everything:
        print_json({"balanced": balanced, "ledgers": [audit.as_dict() for audit in audits]})
    else:
        print_json(audits[0].as_dict())
    if not balanced:
        raise typer.Exit(1)


def _print_audit(audit: "LedgerAudit", *, with_label: bool) -> None:
    console, content = Console(highlight=False, soft_wrap=True), audit.as_dict()
    if with_label:
        console.print(audit.label)
    console.print("balanced" if audit.balanced else "[red]NOT balanced[/red]")
    for name in ("cash", "open_cost", "fees", "gross_realized", "deposits", "difference"):
        console.print(f"{name.replace('_', ' '):<16}{_cell(content[name]):>14}")
    console.print(f"from {audit.entries} entries, {audit.fills} fills, {audit.positions} positions")
    for problem in audit.problems:
        console.print(f"[red]{problem}[/red]")


@contextmanager
def connection() -> "Iterator[psycopg.Connection]":
    """A transaction on this home's database, its server started for as long if need be."""
    from precog_core.database import open_database

    with open_database() as database, database.transaction() as conn:
        yield conn


def _source(conn: "psycopg.Connection", environment: Environment) -> str:
    from precog_trading.reports.summary import quote_sources, source_label

    return source_label(quote_sources(conn, environment.value))


def print_json(content: Mapping[str, Any]) -> None:
    """One JSON object, decimals as exact text."""
    from precog_trading.ledger.statements import as_json

    typer.echo(as_json(content))


def print_csv(found: Sequence[Mapping[str, Any]]) -> None:
    """Rows with a line of names, as spreadsheets read them; nothing for no rows."""
    import csv
    import sys

    if not found:
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(found[0])
    writer.writerows(
        [value.isoformat() if isinstance(value, datetime) else value for value in row.values()]
        for row in found
    )


def _print_source(source: str) -> None:
    Console(highlight=False, soft_wrap=True).print(f"prices: {source}")


def print_table(found: Sequence[Mapping[str, Any]], columns: str) -> None:
    """The named columns with short headings, the most important first, or ``none``."""
    from precog_trading.reports.tables import print_table as show

    show(found, {name: _BRIEF.get(name, name.replace("_", " ")) for name in columns.split()})


def _cell(value: Any) -> str:
    from precog_core.text import cell

    return cell(value)
