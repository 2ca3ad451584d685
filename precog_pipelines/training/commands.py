"""``precog models``: what the models are worth, from the command line."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from precog_core.errors import PrecogError

_LISTED = (
    "model_id", "model_name", "model_version", "model_type", "league", "status", "activated_at",
    "approved_by", "trained_at", "trained_until", "git_sha", "mlflow_run_id", "predictions", "n",
    "brier", "market_brier",
)  # fmt: skip
if TYPE_CHECKING:
    from precog_core.database import Database
    from precog_pipelines.tracking.runs import Tracking

models = typer.Typer(help="Models and how well they predict.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add ``precog models`` to the `precog` command line."""
    from precog_pipelines.training.life_commands import register as register_life

    register_life(models)
    app.add_typer(models, name="models")


@models.callback()
def _models() -> None:
    """Models and how well they predict."""


@models.command("list")
def list_models(
    league: Annotated[str | None, typer.Option(help="Only this league.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Every model version: its status, last fit, predictions, and Brier score beside the market."""
    from precog_core.database import open_database
    from precog_core.database.queries import load_queries

    with open_database() as database, database.connection() as conn:
        rows = list(load_queries("probability_models").list_models(conn, league=league))
    found = [dict(zip(_LISTED, row, strict=True)) for row in rows]
    if as_json:
        typer.echo(json.dumps({"models": found}, default=str, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    shown = ("model", "league", "status", "trained until", "predictions", "n", "Brier", "market")
    for name in shown:
        table.add_column(name)
    for row in found:
        table.add_row(
            f"{row['model_name']} {row['model_version']}",
            row["league"] or "any",
            row["status"],
            f"{row['trained_until']:%Y-%m-%d}" if row["trained_until"] else "never",
            f"{row['predictions']:,}",
            *("" if row[n] is None else f"{row[n]}" for n in ("n",)),
            *("" if row[n] is None else f"{row[n]:.4f}" for n in ("brier", "market_brier")),
        )
    console = Console(highlight=False)
    console.print(table if found else "none")


@models.command("compare")
def compare(
    league: Annotated[str, typer.Option(help="League code.")] = "nfl",
    first: Annotated[int, typer.Option("--from", help="First season.")] = 2018,
    last: Annotated[int, typer.Option("--to", help="Last season.")] = 2025,
    plot: Annotated[Path | None, typer.Option(help="Also draw it: a PNG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Every model beside the market and the home rate, on the same games out of sample."""
    from precog_core.database import open_database
    from precog_core.progress import progress
    from precog_pipelines.training.recorded import anchored_predictions
    from precog_pipelines.training.summary import compare_models, market_sources, opening_words

    if first > last:
        raise PrecogError(f"--from {first} is after --to {last}")
    with (
        open_database() as database,
        progress(f"Models of {league} compared", quiet=as_json) as report,
    ):
        recorded = anchored_predictions(database, tracking_beside(database), league)
        with database.connection() as conn:
            rows = compare_models(conn, league, first, last, recorded, report)
            sources = market_sources(conn, league, first, last)
    if not rows:
        raise PrecogError(
            f"league {league} has no predictions for finished games of {first}–{last}; run "
            "`precog bootstrap`, or materialise predictions"
        )
    content = {
        "league": league,
        "from": first,
        "to": last,
        "market_source": sources,
        "verdict": verdict(rows),
        "opening_market": opening_words(rows) or "known",
        "models": rows,
    }
    if plot is not None:
        from precog_pipelines.tracking.plots import comparison_plot

        comparison_plot(rows, _title(content)).savefig(plot)
    if as_json:
        typer.echo(json.dumps(content, indent=2))
        return
    console = Console()
    console.print(_table(content))
    console.print(content["verdict"], highlight=False)
    if words := opening_words(rows):
        console.print(words, highlight=False)


@models.command("rollback")
def rollback(
    league: Annotated[str, typer.Option(help="League code.")] = "nfl",
    reason: Annotated[str, typer.Option(help="Why; kept with the model.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Make the champion before this one champion again; the fit left is not admitted any more."""
    from precog_core.database import open_database
    from precog_pipelines.training.rollback import roll_back

    if not reason.strip():
        raise PrecogError('say why: precog models rollback --reason "…"; it is kept with the model')
    with open_database() as database:
        done = roll_back(database, tracking_beside(database), league, reason)
    if as_json:
        content = {
            "league": league,
            "left": f"{done.left.name} version {done.left.number}",
            "champion": f"{done.champion.name} version {done.champion.number}",
            "reason": reason,
        }
        typer.echo(json.dumps(content))
        return
    Console().print(
        f"champion of {league} is {done.champion.name} version {done.champion.number}; "
        f"{done.left.name} version {done.left.number} is withdrawn: {reason}",
        highlight=False,
    )


@models.command("tune")
def tune(
    league: Annotated[str, typer.Option(help="League code.")] = "nfl",
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all, earlier ones of this search counted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Search the trees' hyper-parameters on inner folds; stop it when you like, it goes on."""
    from precog_core.database import open_database
    from precog_core.progress import progress
    from precog_pipelines.training.tuning import tune_boosted

    with (
        open_database() as database,
        progress(f"Trees of {league}: trials", quiet=as_json) as report,
    ):
        found = tune_boosted(database, tracking_beside(database), league, trials, report)
    if as_json:
        typer.echo(json.dumps(found.as_dict()))
        return
    console = Console()
    console.print(found.in_words(), highlight=False)
    console.print(f"every trial: {found.address}", highlight=False)


def tracking_beside(database: "Database") -> "Tracking":
    """The MLflow store of this installation: the one named in the environment, else the sister."""
    import os

    from precog_pipelines.resources import MlflowResource
    from precog_pipelines.tracking.runs import Tracking

    mlflow = MlflowResource()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or database.url("mlflow", driver="psycopg2")
    return Tracking(uri, mlflow.artifact_root(), mlflow.ui_url())


def verdict(rows: list[dict[str, Any]]) -> str:
    """Who is better, the market or the best model, in one sentence."""
    market = next((row for row in rows if row["model"] == "market"), None)
    # The market-anchored model starts from the market's price: it is no rival of it.
    others = ("market", "opening_market", "home_rate", "market_anchored")
    best = next((row for row in rows if row["model"] not in others), None)
    if best is None:
        return "No model has predictions for these games."
    if market is None:
        return "No market price is known for these games."
    if best["low"] > 0:
        return (
            f"The market was better than every model: {best['model']} is "
            f"{best['brier_vs_market']:.4f} behind, 95 % between {best['low']:.4f} and "
            f"{best['high']:.4f}."
        )
    if best["high"] < 0:
        return f"{best['model']} was better than the market: look for a leak before believing it."
    return f"{best['model']} and the market cannot be told apart on these games."


def _title(content: dict[str, Any]) -> str:
    from precog_pipelines.training.evaluation import MARKET_WORDS

    sources = ", ".join(MARKET_WORDS.get(s, s) for s in content["market_source"]) or "none"
    return (
        f"{content['league']} {content['from']}–{content['to']}, {content['models'][0]['n']} games "
        f"(market: {sources})"
    )


def _table(content: dict[str, Any]) -> Table:
    rows = content["models"]
    table = Table(title=_title(content))
    table.add_column("model", no_wrap=True)
    for name in ("n", "Brier", "log loss", "ECE", "Brier − market", "95 % interval"):
        table.add_column(name, justify="right")
    for row in rows:
        gap, interval = "", ""
        if row["brier_vs_market"] is not None:
            gap = f"{row['brier_vs_market']:+.4f}"
            interval = f"[{row['low']:+.4f}, {row['high']:+.4f}]"
        table.add_row(
            row["model"],
            str(row["n"]),
            f"{row['brier']:.4f}",
            f"{row['log_loss']:.4f}",
            f"{row['ece']:.4f}",
            gap,
            interval,
        )
    return table
