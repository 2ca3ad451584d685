"""Probability matrices of a league: counted from stored games, kept as versions in the database.

Rows of ``probability_matrices`` never change. The same games counted again are recognised and write
nothing; other counts become the next version, so whoever used a cell still finds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_pipelines.matrices.config import MatricesConfig
from precog_pipelines.matrices.counting import (
    Cell,
    Observation,
    count_cells,
    favourite_bucket,
    lead_buckets,
)
from precog_pipelines.models import find_model
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import model_name

PERIOD_LEAD = "period-lead"
CLOSING_SPREAD = "closing-spread"
BEFORE_THE_GAME = "before the game"
CELL = (
    "state", "bucket", "favourite", "n", "wins", "win_probability", "low", "high",
    "first_season", "last_season",
)  # fmt: skip
_COLUMNS = (
    "matrix_name", "matrix_version", "league", "source_snapshot_id", "situational_factors",
    "state_descriptor", "value_bucket", "sample_size", "wins", "win_probability", "ci_low",
    "ci_high", "first_season", "last_season",
)  # fmt: skip
_PLACES = Decimal("0.0001")


@dataclass(frozen=True)
class Matrix:
    """One matrix as counted now. ``cells`` has those with too few games as well.

    ``games`` finished games were looked at; ``ties`` and games ``without_favourite`` are in no
    cell. ``created``: its version is new.
    """

    league: str
    name: str
    version: str
    cells: tuple[Cell, ...]
    games: int
    ties: int
    without_favourite: int
    seasons: tuple[int, int]
    snapshot_id: int | None
    created: bool = False

    @property
    def estimates(self) -> list[Cell]:
        """The cells with enough games."""
        return [cell for cell in self.cells if cell.enough]


def store_matrices(conn: psycopg.Connection, league: str, config: MatricesConfig) -> list[Matrix]:
    """Count every matrix that the stored games allow and store what is new, in one transaction.

    An empty list: neither points by period nor closing spreads are known for this league.
    """
    load_queries("matrices").lock_matrices(conn, league=league)
    found = (_period_lead(conn, league, config), _closing_spread(conn, league, config))
    return [_stored(conn, matrix, config.version) for matrix in found if matrix is not None]


def stored_cells(
    conn: psycopg.Connection, league: str, name: str, version: str | None = None
) -> tuple[str, list[dict[str, Any]]] | None:
    """A stored matrix, its newest version unless named: version and cells in the counted order."""
    queries = load_queries("matrices")
    chosen = version or queries.newest_version(conn, league=league, matrix_name=name)
    if chosen is None:
        return None
    rows = queries.cells(conn, league=league, matrix_name=name, matrix_version=chosen)
    cells = [dict(zip(CELL, row, strict=True)) for row in rows]
    return (chosen, cells) if cells else None


def _period_lead(conn: psycopg.Connection, league: str, config: MatricesConfig) -> Matrix | None:
    periods, leads = config.periods.get(league), config.leads.get(league)
    elo = elo_config().leagues.get(league)
    model_id = find_model(conn, model_name(league), elo.version) if elo else None
    if not periods or not leads or model_id is None:
        return None
    rows = list(
        load_queries("matrices").period_states(
            conn, league=league, model_id=model_id, periods=sorted(periods)
        )
    )
    if not rows:
        return None
    observations = []
    for _, season, period, home_lead, margin, expected, _ in rows:
        if margin == 0:
            continue
        home_is_favourite = expected >= 0.5
        observations.append(
            Observation(
                state=periods[period],
                lead=home_lead if home_is_favourite else -home_lead,
                favourite=favourite_bucket(max(expected, 1 - expected), config.favourites),
                won=(margin > 0) == home_is_favourite,
                season=season,
            )
        )
    cells = count_cells(
        observations, lead_buckets(leads), config.min_games, tuple(config.favourites)
    )
    return _matrix(
        league,
        PERIOD_LEAD,
        cells,
        games=len({row[0] for row in rows}),
        ties=len({row[0] for row in rows if row[4] == 0}),
        without_favourite=0,
        seasons=[row[1] for row in rows],
        snapshots=[row[6] for row in rows],
    )


def _closing_spread(conn: psycopg.Connection, league: str, config: MatricesConfig) -> Matrix | None:
    rows = list(load_queries("matrices").spread_states(conn, league=league))
    if not rows:
        return None
    observations = [
        Observation(BEFORE_THE_GAME, abs(by), None, (margin > 0) == (by > 0), season)
        for season, by, margin, _ in rows
        if margin != 0 and by != 0
    ]
    return _matrix(
        league,
        CLOSING_SPREAD,
        count_cells(observations, None, config.min_games),
        games=len(rows),
        ties=sum(row[2] == 0 for row in rows),
        without_favourite=sum(row[1] == 0 for row in rows),
        seasons=[row[0] for row in rows],
        snapshots=[row[3] for row in rows],
    )


def _matrix(
    league: str,
    kind: str,
    cells: list[Cell],
    *,
    games: int,
    ties: int,
    without_favourite: int,
    seasons: Sequence[int],
    snapshots: Sequence[int | None],
) -> Matrix:
    return Matrix(
        league=league,
        name=f"{league}-{kind}",
        version="",
        cells=tuple(cells),
        games=games,
        ties=ties,
        without_favourite=without_favourite,
        seasons=(min(seasons), max(seasons)),
        # The newest retrieval; earlier ones are named by the games themselves.
        snapshot_id=max((s for s in snapshots if s is not None), default=None),
    )


def _stored(conn: psycopg.Connection, matrix: Matrix, definition: str) -> Matrix:
    """The matrix with its version: the stored one when nothing changed, else the next."""
    cells = [_content(matrix, cell) for cell in matrix.estimates]
    before = stored_cells(conn, matrix.league, matrix.name)
    number = 0
    if before is not None and before[0].startswith(f"{definition}."):
        if before[1] == cells:
            return replace(matrix, version=before[0])
        number = int(before[0].rpartition(".")[2])
    version = f"{definition}.{number + 1}"
    common = (matrix.name, version, matrix.league, matrix.snapshot_id)
    copy_rows(
        conn,
        "probability_matrices",
        _COLUMNS,
        [(*common, _factors(cell.pop("favourite")), *cell.values()) for cell in cells],
    )
    return replace(matrix, version=version, created=bool(cells))


def _content(matrix: Matrix, cell: Cell) -> dict[str, Any]:
    """A cell as it is stored, under the names of ``CELL``."""
    first, last = matrix.seasons
    low, p, high = (
        Decimal(value).quantize(_PLACES, ROUND_HALF_EVEN) for value in (cell.low, cell.p, cell.high)
    )
    values = (cell.state, cell.bucket.name, cell.favourite, cell.n, cell.wins, p, low, high)
    return dict(zip(CELL, (*values, first, last), strict=True))


def _factors(favourite: str | None) -> Jsonb | None:
    return Jsonb({"favourite": favourite}) if favourite else None
