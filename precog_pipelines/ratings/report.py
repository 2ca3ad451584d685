"""Ratings as a person reads them: the table at a date, and the paths of the teams in a season."""

import io
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from precog_core.database.queries import load_queries

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELLED = 5


class TeamRating(NamedTuple):
    """One line of the table; ``last_change`` is the move by the last game, in rating points."""

    rank: int
    team: str
    name: str
    rating: float
    last_change: float
    season: int
    last_game_at: datetime
    last_opponent: str


def rating_table(conn: psycopg.Connection, model_id: int, as_of: datetime) -> list[TeamRating]:
    """Every team's rating after its last game known at ``as_of``, best first.

    Ratings are those after that game: the reversion of a new season comes with its first game.
    """
    rows = list(load_queries("ratings").ratings_known_at(conn, model_id=model_id, as_of=as_of))
    rows.sort(key=lambda row: (-row[3], row[1]))
    return [
        TeamRating(rank, code, name, rating, change, season, last_game_at, opponent)
        for rank, (_, code, name, rating, change, season, last_game_at, opponent) in enumerate(
            rows, start=1
        )
    ]


def rating_plot(conn: psycopg.Connection, model_id: int, season: int, title: str) -> bytes | None:
    """The rating of every team over ``season`` as PNG, the extremes named; None without games."""
    paths: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for code, event_ts, rating in load_queries("ratings").rating_paths(
        conn, model_id=model_id, season=season
    ):
        paths[code].append((event_ts, rating))
    if not paths:
        return None

    # The object interface: pyplot keeps global state and is not safe in Dagster's threads.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    order = sorted(paths, key=lambda code: -paths[code][-1][1])
    outstanding = {*order[:_LABELLED], *order[-_LABELLED:]}
    for code in order:
        times, ratings = zip(*paths[code], strict=True)
        if code in outstanding:
            axes.plot(times, ratings, linewidth=1.4, label=f"{code} {ratings[-1]:.0f}")
        else:
            axes.plot(times, ratings, linewidth=0.7, color="0.8", zorder=1)
    axes.set_title(title)
    axes.set_ylabel("Elo rating after the game")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    return _small_png(figure)


def _small_png(figure: "Figure") -> bytes:
    """A quarter of the bytes: the picture is stored in an event, and lines need few colours."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=80)
    Image.open(drawn).convert("RGB").quantize(128, method=Image.Quantize.FASTOCTREE).save(
        small, format="png", optimize=True
    )
    return small.getvalue()
