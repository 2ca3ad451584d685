"""`precog up`, `precog bootstrap`, `precog summary`, `precog env`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from precog_pipelines.commands import quotes

Games = Annotated[
    Path | None,
    typer.Option("--games", help="An nflverse games.csv to use instead of the shipped sample."),
]
Source = Annotated[
    str | None,
    typer.Option("--source", help="Where games come from: sample (default) or nflverse."),
]

Recorded = Annotated[
    Path | None,
    typer.Option(
        "--recorded-quotes", help="A folder of recorded Kalshi candles to load beside the games."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the platform's commands to the ``precog`` command."""
    app.command("up")(up)
    app.command("bootstrap")(bootstrap)
    app.command("summary")(summary)
    app.command("env")(env)
    quotes.command("load")(load_quotes)
    from precog_platform.archive_commands import backup, restore
    from precog_platform.inspection.commands import doctor, logs, status
    from precog_platform.reference.commands import requirements

    app.command("status")(status)
    app.command("doctor")(doctor)
    app.command("logs")(logs)
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.command("requirements")(requirements)


def up(
    games: Games = None,
    source: Source = None,
    recorded: Recorded = None,
    exit_when_done: Annotated[
        bool, typer.Option("--exit-when-done", help="Stop after the summary instead of staying.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the Dagster user interface.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow user interface.")] = 5000,
) -> None:
    """Start everything on this machine; on a new home, fill it first. Ctrl-C stops everything."""
    from precog_platform.up import run_up

    run_up(Console(), games, source, exit_when_done, port, mlflow_port, recorded)


def bootstrap(games: Games = None, source: Source = None, recorded: Recorded = None) -> None:
    """Fill a new home without starting any server but the database, then print the summary."""
    from precog_platform.headless import run_bootstrap

    run_bootstrap(Console(), games, source, recorded)


def load_quotes(
    folder: Annotated[
        Path, typer.Argument(help="A folder with *_games.csv and *_candles_1m.csv.gz.")
    ],
) -> None:
    """Load a folder of recorded Kalshi candles: games, markets, quotes, settlements, predictions.

    Works on a new home and on one in use that is not running. The same folder again changes
    nothing.
    """
    from precog_platform.recorded import run_load

    run_load(Console(soft_wrap=True), folder)


def summary(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print the last summary: games, models beside the market, positions, trades, P&L."""
    from precog_core.paths import home
    from precog_platform.summary import load_summary, render_summary

    content = load_summary(home())
    if as_json:
        typer.echo(json.dumps(content, indent=2))
    else:
        render_summary(Console(), content)


def env() -> None:
    """Print the variables under which Dagster's own commands see this home."""
    from precog_core.database import Database
    from precog_core.paths import home
    from precog_platform.environment import process_environment

    variables = process_environment(Database.from_environment(), home())
    for name in ("PRECOG_HOME", "DAGSTER_HOME", "PRECOG_DAGSTER_URL", "PRECOG_COMPUTE_LOGS"):
        typer.echo(f"export {name}={variables[name]!r}")
