"""``precog ratings`` and ``precog elo verify``."""

import json
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
