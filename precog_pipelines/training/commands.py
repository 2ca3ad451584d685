"""``precog models``: what the models are worth, from the command line."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from precog_core.errors import PrecogError

_LISTED = (
    "model_id", "model_name", "model_version", "model_type", "league", "status", "activated_at",
    "approved_by", "trained_at", "trained_until", "git_sha", "mlflow_run_id", "predictions", "n",
    "brier", "market_brier",
)  # fmt: skip
models = typer.Typer(help="Models and how well they predict.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add ``precog models`` to the `precog` command line."""
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
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Every model beside the market and the home rate, on the same games out of sample."""
    from precog_core.database import open_database
    from precog_pipelines.training.summary import compare_models, market_sources

    if first > last:
        raise PrecogError(f"--from {first} is after --to {last}")
    with open_database() as database, database.connection() as conn:
        rows = compare_models(conn, league, first, last)
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
        "models": rows,
    }
    if as_json:
        typer.echo(json.dumps(content, indent=2))
        return
    console = Console()
    console.print(_table(content))
    console.print(content["verdict"], highlight=False)


def verdict(rows: list[dict[str, Any]]) -> str:
    """Who is better, the market or the best model, in one sentence."""
    market = next((row for row in rows if row["model"] == "market"), None)
    best = next((row for row in rows if row["model"] not in ("market", "home_rate")), None)
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


def _table(content: dict[str, Any]) -> Table:
    rows = content["models"]
    from precog_pipelines.training.evaluation import MARKET_WORDS

    sources = ", ".join(MARKET_WORDS.get(s, s) for s in content["market_source"]) or "none"
    table = Table(
        title=f"{content['league']} {content['from']}–{content['to']}, {rows[0]['n']} games "
        f"(market: {sources})"
    )
    table.add_column("model")
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
