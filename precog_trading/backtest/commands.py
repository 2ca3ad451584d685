"""``precog backtest`` and ``precog audit look-ahead``."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from precog_core.errors import PrecogError

if TYPE_CHECKING:
    from precog_trading.backtest.runs import Finished

audit = typer.Typer(no_args_is_help=True, help="Audits that try to prove the platform wrong.")

Method = Annotated[str, typer.Option(help="Name of the method, such as nfl_pre_game.")]
Version = Annotated[str | None, typer.Option(help="Its version; default: the newest.")]
League = Annotated[str, typer.Option(help="League code.")]
From = Annotated[str, typer.Option("--from", help="First day or instant, UTC: 2025-10-21.")]
To = Annotated[str, typer.Option("--to", help="End, exclusive, UTC.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this package to the `precog` command line."""
    app.command("backtest")(backtest)
    app.add_typer(audit, name="audit")


@audit.callback()
def _audit() -> None:
    """Audits that try to prove the platform wrong."""


def backtest(
    method: Method,
    league: League,
    first: From,
    last: To,
    version: Version = None,
    seed: Annotated[int, typer.Option(help="Part of the run's identity.")] = 0,
    mlflow: Annotated[bool, typer.Option(help="Log the run to MLflow.")] = True,
    as_json: AsJson = False,
) -> None:
    """Replay stored quotes through the rules of paper trading and account for every cent.

    The same request again returns the run that is there.
    """
    from precog_core.database import open_database
    from precog_core.progress import progress
    from precog_trading.backtest.report import caveats
    from precog_trading.backtest.runs import Request, run_backtest
    from precog_trading.backtest.tracking import BacktestTracking, log_run
    from precog_trading.ledger.statements import as_json as json_text

    request = Request(
        method, league, _instant("--from", first), _instant("--to", last), version, seed
    )
    console = Console(highlight=False, soft_wrap=True, stderr=as_json)
    with open_database() as database, progress("Backtest", quiet=as_json) as shown:
        tracking = BacktestTracking.of(database) if mlflow else None
        done = run_backtest(
            database, request,
            track=None if tracking is None else tracking.run_for(league),
            log=console.print, progress=shown,
        )  # fmt: skip
        url = None if tracking is None else log_run(tracking, database, done.backtest_run_id)
    content: dict[str, Any] = {
        "backtest_run_id": done.backtest_run_id,
        "run_name": done.run_name,
        "was_there": done.was_there,
        "total_pnl": done.total_pnl,
        "mlflow_run_id": done.mlflow_run_id,
        **done.metrics,
        "fill_model_cannot_know": caveats(done.metrics),
    }
    if as_json:
        typer.echo(json_text(content))
        return
    _print_run(console, done)
    for sentence in content["fill_model_cannot_know"]:
        console.print(f"- {sentence}")
    if url is not None:
        console.print(f"plots: {url}")


@audit.command("look-ahead")
def look_ahead(
    method: Method,
    league: League,
    first: From,
    last: To,
    version: Version = None,
    at: Annotated[
        list[str] | None, typer.Option("--at", help="Moment of the cut, UTC; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cut or corrupt everything known after a moment: no decision before it may change.

    Also shuffles the results: the model must then score no better than knowing nothing. Exit 1
    when anything fails.
    """
    from precog_core.database import open_database
    from precog_core.progress import progress
    from precog_trading.backtest.look_ahead import audit_look_ahead
    from precog_trading.backtest.runs import Request
    from precog_trading.ledger.statements import as_json as json_text

    period = (_instant("--from", first), _instant("--to", last))
    request = Request(method, league, *period, version)
    console = Console(highlight=False, markup=False, soft_wrap=True, stderr=as_json)
    with open_database() as database, progress("Look-ahead audit", quiet=as_json) as shown:
        found = audit_look_ahead(
            database, request, [_instant("--at", text) for text in at or ()],
            log=console.print, progress=shown,
        )  # fmt: skip
    if as_json:
        typer.echo(json_text(found.as_dict()))
    else:
        shuffled = found.shuffled
        console.print(
            f"{found.decisions} decisions compared, {len(found.differences)} differ; Brier "
            f"{shuffled.brier:.4f}, with shuffled results {shuffled.shuffled_brier:.4f} "
            f"(knowing nothing {shuffled.unknowing_brier:.4f}, n {shuffled.n})"
        )
        for d in found.differences[:20]:
            console.print(
                f"LEAK: {d.tick_id} market {d.market_id} {d.side}: {d.field} was {d.was}, became "
                f"{d.became} when facts after {d.at.isoformat()} were {d.how}"
            )
        if not shuffled.passed:
            console.print("LEAK: the model knows results that were shuffled away")
    if not found.passed:
        raise typer.Exit(1)


def _print_run(console: Console, done: "Finished") -> None:
    metrics = done.metrics
    console.print(f"{done.run_name} (run {done.backtest_run_id})")
    figures = Table(box=None, show_header=False, pad_edge=False)
    for name in (
        "net", "return_on_start", "max_drawdown", "turnover", "fees", "entries", "clv_mean",
        "clv_share_positive", "entry_brier", "entry_mean_probability", "entry_share_won",
    ):  # fmt: skip
        figures.add_row(name.replace("_", " "), _figure(metrics[name]))
    console.print(figures)
    reasons = Table(box=None, pad_edge=False)
    for title in ("purpose", "condition", "outcome or reason"):
        reasons.add_column(title)
    reasons.add_column("candidates", justify="right")
    for row in metrics["reasons"]:
        reasons.add_row(
            row["purpose"], row["exit_condition"], row["reason"], f"{row['candidates']:,}"
        )
    console.print(reasons)


def _figure(value: Any) -> str:
    from precog_core.text import cell

    if value is None:
        return "-"
    return f"{value:,.4f}" if isinstance(value, float) else cell(value)


def _instant(option: str, text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise PrecogError(
            f"{option} is {text!r}; expected a day such as 2025-10-21 or an instant such as "
            "2025-10-21T18:00:00Z"
        ) from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
