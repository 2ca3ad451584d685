"""``precog matrix``: how often a side in a given state of the game won, from the command line."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from precog_core.errors import PrecogError

_LISTED = (
    "league", "matrix", "version", "cells", "largest", "first_season", "last_season", "created_at",
    "newest",
)  # fmt: skip

matrix = typer.Typer(
    help="Probability matrices: how often a side in a given state won.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add ``precog matrix`` to the `precog` command line."""
    app.add_typer(matrix, name="matrix")


@matrix.command("list")
def list_matrices(
    league: Annotated[str | None, typer.Option(help="Only this league.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Every stored matrix with its versions."""
    from precog_core.database import open_database
    from precog_core.database.queries import load_queries

    with open_database() as database, database.connection() as conn:
        rows = load_queries("matrices").list_matrices(conn, league=league)
        found = [dict(zip(_LISTED, row, strict=True)) for row in rows]
    if as_json:
        typer.echo(json.dumps({"matrices": found}, default=str))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("matrix", "version", "cells", "seasons", "counted"):
        table.add_column(name)
    for row in found:
        table.add_row(
            row["matrix"],
            row["version"] + ("" if row["newest"] else " (superseded)"),
            str(row["cells"]),
            f"{row['first_season']}–{row['last_season']}",
            f"{row['created_at']:%Y-%m-%d}",
        )
    Console().print(table if found else "none")


@matrix.command("show")
def show(
    name: Annotated[
        str, typer.Argument(help="Such as nfl-period-lead or nfl-closing-spread; see `list`.")
    ],
    version: Annotated[str | None, typer.Option(help="Default: the newest.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only this state, such as 'at halftime'.")
    ] = None,
    favourite: Annotated[
        str | None, typer.Option(help="Only these favourites: any, slight, clear, strong.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """The cells of a matrix: share won, 95 % interval, number of games. No cell: too few games."""
    from precog_core.database import open_database
    from precog_pipelines.matrices.tables import stored_cells

    league = name.partition("-")[0]
    with open_database() as database, database.connection() as conn:
        found = stored_cells(conn, league, name, version)
    if found is None:
        raise PrecogError(
            f"there is no matrix {name}{' ' + version if version else ''}; `precog matrix list` "
            f"shows those there are; materialise probability_matrices for {league}"
        )
    stored_version, every = found
    cells = [
        cell
        for cell in every
        if state in (None, cell["state"]) and favourite in (None, cell["favourite"] or "any")
    ]
    if not cells:
        states = ", ".join(repr(one) for one in dict.fromkeys(c["state"] for c in every))
        raise PrecogError(
            f"{name} {stored_version} has no cell for state {state!r} and favourite {favourite!r}; "
            f"its states: {states}"
        )
    content: dict[str, Any] = {
        "matrix": name,
        "version": stored_version,
        "league": league,
        "seasons": [cells[0]["first_season"], cells[0]["last_season"]],
        "cells": [_plain(cell) for cell in cells],
    }
    if as_json:
        typer.echo(json.dumps(content))
        return
    first, last = content["seasons"]
    # A line of the table stays a line, however narrow the terminal.
    console = Console(soft_wrap=True, width=max(100, Console().width))
    console.print(
        f"{name} {stored_version}: how often the favourite won, {first}–{last}", highlight=False
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("state", "favourite", "ahead by"):
        table.add_column(heading, no_wrap=True)
    for heading in ("games", "won", "share", "P(win)", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in content["cells"]:
        table.add_row(
            cell["state"], cell["favourite"], cell["bucket"], str(cell["n"]), str(cell["wins"]),
            f"{cell['share']:.3f}", f"{cell['win_probability']:.3f}",
            f"{cell['low']:.3f}–{cell['high']:.3f}",
        )  # fmt: skip
    console.print(table)


def _plain(cell: dict[str, Any]) -> dict[str, Any]:
    return {
        "state": cell["state"],
        "favourite": cell["favourite"] or "any",
        "bucket": cell["bucket"],
        "n": cell["n"],
        "wins": cell["wins"],
        "share": cell["wins"] / cell["n"],
        "win_probability": float(cell["win_probability"]),
        "low": float(cell["low"]),
        "high": float(cell["high"]),
    }
