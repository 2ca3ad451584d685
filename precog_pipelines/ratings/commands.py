"""``precog ratings``, ``precog elo verify`` and ``precog elo search``."""

import json
import os
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from precog_core.errors import PrecogError

# A rating "as of" a date counts what was known when that day ended where the leagues play.
_ZONE = "America/New_York"


def register(app: typer.Typer) -> None:
    """Add the rating commands to the ``precog`` command line."""
    app.command("ratings")(ratings)
    elo = typer.Typer(no_args_is_help=True, help="The Elo implementation itself.")
    elo.command("verify")(verify)
    elo.command("search")(search)
    app.add_typer(elo, name="elo")


def ratings(
    league: Annotated[str, typer.Option(help="League code, such as nfl.")] = "nfl",
    as_of: Annotated[
        str | None,
        typer.Option(help="Date (its end, Eastern) or ISO instant; default: now."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """The rating of every team as it was known on a date."""
    from precog_core.database import open_database
    from precog_pipelines.ratings.config import elo_config
    from precog_pipelines.ratings.history import find_elo_model, model_name
    from precog_pipelines.ratings.report import rating_table

    instant = _instant(as_of)
    elo = elo_config().league(league)
    with open_database() as database, database.transaction() as conn:
        table = rating_table(conn, find_elo_model(conn, league, elo), instant)
    if not table:
        raise PrecogError(
            f"no rating of league {league} was known by {instant.isoformat()}; choose a later date"
        )
    if as_json:
        rows = [row._asdict() | {"last_game_at": row.last_game_at.isoformat()} for row in table]
        typer.echo(
            json.dumps(
                {
                    "league": league,
                    "model": f"{model_name(league)} {elo.version}",
                    "as_of": instant.isoformat(),
                    "ratings": rows,
                }
            )
        )
        return
    # A date means its end, which is the next day's midnight.
    day = as_of or f"{instant:%Y-%m-%d}"
    shown = Table(title=f"{model_name(league)} {elo.version}, known on {day}")
    shown.add_column("#", justify="right")
    shown.add_column("Team")
    shown.add_column("Rating", justify="right")
    shown.add_column("Last game", justify="right")
    shown.add_column("against")
    shown.add_column("on")
    for row in table:
        shown.add_row(
            str(row.rank),
            f"{row.team}  {row.name}" if row.name != row.team else row.team,
            f"{row.rating:.1f}",
            f"{row.last_change:+.1f}",
            row.last_opponent,
            f"{row.last_game_at:%Y-%m-%d}",
        )
    Console().print(shown)


def verify(
    games: Annotated[Path, typer.Option(help="FiveThirtyEight's NFL games, a CSV file.")],
    initial: Annotated[Path, typer.Option(help="Its initial ratings, a CSV file.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Reproduce FiveThirtyEight's published NFL probabilities; exit 1 if any differs by > 2e-6."""
    from precog_pipelines.ratings import fivethirtyeight

    result = fivethirtyeight.verify(games, initial)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "games": result.games,
                    "max_abs_diff": result.max_abs_diff,
                    "max_rating_diff": result.max_rating_diff,
                    "tolerance": fivethirtyeight.TOLERANCE,
                    "passed": result.passed,
                }
            )
        )
    else:
        verdict = "equal" if result.passed else "NOT equal"
        typer.echo(
            f"{result.games:,} games: probabilities {verdict} to the published ones within "
            f"{fivethirtyeight.TOLERANCE:g} (largest difference {result.max_abs_diff:.3g}; "
            f"ratings {result.max_rating_diff:.3g})"
        )
    if not result.passed:
        raise typer.Exit(1)


def search(
    league: Annotated[str, typer.Option(help="League code.")] = "nfl",
    trials: Annotated[int, typer.Option(min=1, help="Trials the search has in the end.")] = 2_000,
    first: Annotated[int | None, typer.Option("--from", help="First season judged.")] = None,
    last: Annotated[
        int | None, typer.Option("--to", help="Last season judged; later ones are held out.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 42,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Search Elo's parameters by log loss, season by season; stopped, it goes on where it was."""
    import time

    from precog_core.database import open_database
    from precog_core.database.queries import load_queries
    from precog_core.paths import home
    from precog_core.progress import progress
    from precog_pipelines.ratings import search as searching
    from precog_pipelines.ratings.config import elo_config
    from precog_pipelines.ratings.history import FinishedGame
    from precog_pipelines.resources import MlflowResource
    from precog_pipelines.tracking.runs import Tracking

    elo = elo_config().league(league)
    with (
        open_database() as database,
        progress(f"Elo of {league}: trials", quiet=as_json) as shown,
    ):
        with database.transaction() as conn:
            rows = load_queries("ratings").finished_games(conn, league=league, last_season=9999)
            games = [FinishedGame(*row) for row in rows]
        if not games:
            raise PrecogError(
                f"league {league} has no finished games; materialise the asset games, or run "
                "`precog bootstrap`"
            )
        started = time.perf_counter()
        found = searching.search(
            searching.columns_of(games), elo, trials=trials, folder=home() / "searches",
            name=f"elo-{league}", first=first, last=last, seed=seed, progress=shown,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        mlflow = MlflowResource()
        uri = os.environ.get("MLFLOW_TRACKING_URI") or database.url("mlflow", driver="psycopg2")
        tracking = Tracking(uri, mlflow.artifact_root(), mlflow.ui_url())
        address = searching.record_search(tracking, league, found)
    if as_json:
        report = {
            "league": league,
            "from": found.window[0],
            "to": found.window[1],
            "trials": found.trials,
            "seconds": round(seconds, 1),
            "best": found.best_params,
            "configured": vars(found.configured),
            "found": vars(found.found),
            "held_out": found.held_out,
            "held_out_configured": vars(found.held_out_configured),
            "held_out_found": vars(found.held_out_found),
            "run": address,
        }
        typer.echo(json.dumps(report))
        return
    table = Table(title=f"Elo of {league}, {found.trials} trials, {seconds:.0f} s")
    for heading in (
        "seasons",
        "games",
        "log loss configured",
        "found",
        "Brier configured",
        "found",
    ):
        table.add_column(heading, justify="right")
    pairs = [(found.window, found.configured, found.found)]
    if found.held_out:
        pairs.append((found.held_out, found.held_out_configured, found.held_out_found))
    for place, (span, before, after) in enumerate(pairs):
        table.add_row(
            f"{span[0]}–{span[1]}" + (" held out" if place else ""),
            f"{after.n:,}",
            f"{before.log_loss:.5f}",
            f"{after.log_loss:.5f}",
            f"{before.brier:.5f}",
            f"{after.brier:.5f}",
        )
    console = Console()
    console.print(table)
    console.print(searching.yaml_of(found), highlight=False)
    console.print(f"MLflow: {address}", soft_wrap=True, highlight=False)


def _instant(text: str | None) -> datetime:
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(_ZONE)
    if text is None:
        return datetime.now(zone)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise PrecogError(
            f"--as-of {text!r} is neither a date (2020-02-01) nor an instant "
            "(2020-02-01T12:00:00+00:00)"
        ) from None
    if len(text) == len("2020-02-01"):
        return datetime.combine(parsed.date() + timedelta(days=1), time(), tzinfo=zone)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)
