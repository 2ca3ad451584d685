"""Matrices count what happened: shares with intervals, never falling in the lead, n beside them."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster import DagsterInstance
from hypothesis import given, settings
from hypothesis import strategies as st

from precog_core.database import Database
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.training.matrices import probability_matrices
from precog_pipelines.matrices.config import MatricesConfig, matrices_config
from precog_pipelines.matrices.counting import (
    Observation,
    count_cells,
    favourite_bucket,
    lead_buckets,
    never_falling,
)
from precog_pipelines.matrices.tables import BEFORE_THE_GAME, store_matrices, stored_cells
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import write_ratings
from precog_pipelines.sources.config import BackfillSection, league_config
from precog_pipelines.sources.games_table import store_games
from precog_pipelines.sources.nflverse_games import NflverseFile
from precog_pipelines.sources.protocols import GameSource, Retrieval
from precog_pipelines.sources.reference import store_league
from precog_pipelines.sources.sample_games import SampleGames
from precog_pipelines.training.metrics import wilson
from tests.ops.command_line import invoke

CONFIG = matrices_config()


def fill(conn: psycopg.Connection, source: GameSource) -> Retrieval:
    league = league_config("nfl")
    store_league(conn, "nfl", league)
    retrieval = source.games("nfl")
    store_games(conn, "nfl", retrieval, league, BackfillSection())
    return retrieval


# ---- counting ------------------------------------------------------------------------------------


def test_buckets_cover_every_lead_once_and_mirror_each_other() -> None:
    buckets = lead_buckets([1, 4, 8])
    assert [bucket.name for bucket in buckets] == [
        "-8 or less", "-7..-4", "-3..-1", "0", "+1..+3", "+4..+7", "+8 or more",
    ]  # fmt: skip
    for lead in range(-30, 31):
        assert sum(bucket.low <= lead <= bucket.high for bucket in buckets) == 1
    assert favourite_bucket(0.5, CONFIG.favourites) == "slight"
    assert favourite_bucket(0.6, CONFIG.favourites) == "clear"
    assert favourite_bucket(0.99, CONFIG.favourites) == "strong"


def test_a_bucket_that_breaks_the_order_is_pooled_with_its_neighbour() -> None:
    games = [
        *[Observation("at halftime", 2, "slight", won, 2020) for won in [True] * 60 + [False] * 40],
        *[Observation("at halftime", 5, "clear", won, 2020) for won in [True] * 50 + [False] * 50],
        *[Observation("at halftime", 9, "clear", True, 2021) for _ in range(29)],
    ]
    cells = count_cells(games, lead_buckets([1, 4, 8]), 30, ("slight", "clear"))
    found = {(cell.favourite, cell.bucket.name): cell for cell in cells}
    assert found[None, "+1..+3"].p == pytest.approx(0.55) == found[None, "+4..+7"].p
    assert (found[None, "+1..+3"].wins, found[None, "+1..+3"].n) == (60, 100)
    assert found[None, "+1..+3"].share == 0.6
    # Alone, the slight favourites keep their share; 29 games are one too few for an estimate.
    assert found["slight", "+1..+3"].p == pytest.approx(0.6)
    assert (found["slight", "+1..+3"].low, found["slight", "+1..+3"].high) == wilson(60, 100)
    assert not found["clear", "+8 or more"].enough
    assert found["clear", "+4..+7"].enough


@given(
    st.lists(
        st.tuples(st.integers(-30, 30), st.booleans(), st.sampled_from(list(CONFIG.favourites))),
        min_size=1,
        max_size=80,
    )
)
@settings(max_examples=40, deadline=None)
def test_probabilities_never_fall_keep_the_games_and_lie_in_their_intervals(games: Any) -> None:
    seen = [Observation("s", lead, favourite, won, 2000) for lead, won, favourite in games]
    cells = count_cells(seen, lead_buckets([1, 4, 8]), 30, tuple(CONFIG.favourites))
    for name in (None, *CONFIG.favourites):
        own = [cell for cell in cells if cell.favourite == name]
        assert [cell.bucket.low for cell in own] == sorted(cell.bucket.low for cell in own)
        assert all(a.p <= b.p + 1e-12 for a, b in pairwise(own))
        assert all(cell.low - 1e-12 <= cell.p <= cell.high + 1e-12 for cell in own)
        if name is None:
            assert sum(cell.n for cell in own) == len(games)
            assert sum(cell.wins for cell in own) == sum(won for _, won, _ in games)
            # Smoothing moves wins between neighbours, and makes none.
            assert sum(cell.p * cell.n for cell in own) == pytest.approx(
                sum(cell.wins for cell in own)
            )


def test_what_never_falls_is_left_alone() -> None:
    assert never_falling([0.2, 0.4, 0.9], [1, 5, 2]) == pytest.approx([0.2, 0.4, 0.9])


def test_favourites_must_ascend_from_one_half() -> None:
    with pytest.raises(ValueError, match="ascend from 0.50"):
        MatricesConfig(favourites={"clear": 0.6})
    with pytest.raises(ValueError, match="leads.nfl must ascend"):
        MatricesConfig(favourites={"any": 0.5}, leads={"nfl": (4, 1)})


# ---- the measured check --------------------------------------------------------------------------


@pytest.mark.requirement("ML-001")
def test_nfl_favourites_win_as_often_as_measured(db: Database, data_dir: Path) -> None:
    with db.transaction() as conn:
        fill(conn, NflverseFile(data_dir / "nfl" / "nflverse_games.csv"))
        (matrix,) = store_matrices(conn, "nfl", CONFIG)
    assert (matrix.name, matrix.version, matrix.created) == ("nfl-closing-spread", "v1.0.1", True)
    assert (matrix.games, matrix.ties, matrix.without_favourite) == (7276, 15, 31)
    assert matrix.seasons == (1999, 2025)
    cells = {cell.bucket.low: cell for cell in matrix.cells}
    assert {by: (round(100 * cells[by].share, 1), cells[by].n) for by in (3, 7, 10, 14)} == {
        3: (58.1, 1152), 7: (76.0, 488), 10: (81.2, 213), 14: (87.8, 90),
    }  # fmt: skip
    # Thin spreads give no estimate; the stored ones never fall.
    assert not cells[14.5].enough
    estimates = [cell.p for cell in matrix.estimates]
    assert estimates == sorted(estimates) and all(cell.n >= 30 for cell in matrix.estimates)


# ---- stored --------------------------------------------------------------------------------------


@pytest.mark.requirement("ML-001")
def test_the_sample_gives_win_chances_by_quarter_and_lead(db: Database) -> None:
    source = SampleGames()
    with db.transaction() as conn:
        seasons = sorted({game.season for game in fill(conn, source).games})
        write_ratings(conn, "nfl", seasons, elo_config().league("nfl"), source_seasons=seasons)
    result = dg.materialize(
        [probability_matrices],
        partition_key="nfl",
        instance=DagsterInstance.ephemeral(),
        resources={"postgres": PostgresResource()},
    )
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["nfl-period-lead_games"].value == 2926
    assert metadata["nfl-period-lead_ties_left_out"].value == 8
    assert "data:image/png;base64" in metadata["nfl-period-lead_picture"].value
    with db.transaction() as conn:
        version, cells = stored_cells(conn, "nfl", "nfl-period-lead")
        # Every game is in one cell of each period, ties are in none, thin cells are not stored.
        halftime = [c for c in cells if c["state"] == "at halftime" and c["favourite"] is None]
        assert sum(cell["n"] for cell in halftime) == 2918
        assert min(cell["n"] for cell in cells) >= 30
        level = next(cell for cell in halftime if cell["bucket"] == "0")
        last = [c for c in cells if c["state"] == "after the third quarter" and not c["favourite"]]
        assert 0.5 < level["win_probability"] < 0.75
        assert last[0]["win_probability"] < 0.05 and last[-1]["win_probability"] > 0.95
        # Counted again: the same version and no new row. One corrected score: the next version.
        assert [m.created for m in store_matrices(conn, "nfl", CONFIG)] == [False]
        games = source.games("nfl")
        first = next(game for game in games.games if game.home_score > game.away_score)
        turned = replace(
            first, home_score=first.away_score, away_score=first.home_score,
            points=tuple((away, home) for home, away in first.points),
        )  # fmt: skip
        corrected = replace(games, games=(turned,))
        store_games(conn, "nfl", corrected, league_config("nfl"), BackfillSection())
        known_at = conn.execute(
            "SELECT bool_and(p.known_at >= now()) FROM game_period_points AS p "
            "JOIN games USING (game_id) WHERE game_key = %s AND home_points <> away_points",
            (first.game_key,),
        ).fetchone()
        assert known_at == (True,)
    with db.transaction() as conn:
        (again,) = store_matrices(conn, "nfl", CONFIG)
        assert (again.version, again.created) == ("v1.0.2", True)
        assert stored_cells(conn, "nfl", "nfl-period-lead", version) == (version, cells)
        raised = CONFIG.model_copy(update={"version": "v1.1", "min_games": 60})
        (other,) = store_matrices(conn, "nfl", raised)
        assert other.version == "v1.1.1" and min(c.n for c in other.estimates) >= 60

    shown = json.loads(
        invoke(
            ["matrix", "show", "nfl-period-lead", "--version", version, "--state", "at halftime",
             "--favourite", "any", "--json"]
        ).stdout
    )  # fmt: skip
    assert shown["seasons"] == [2009, 2019]
    assert {c["bucket"]: c["n"] for c in shown["cells"]} == {c["bucket"]: c["n"] for c in halftime}
    listed = json.loads(invoke(["matrix", "list", "--json"]).stdout)["matrices"]
    assert [(row["version"], row["newest"]) for row in listed] == [
        ("v1.0.1", False), ("v1.0.2", False), ("v1.1.1", True),
    ]  # fmt: skip
    assert "95 %" in invoke(["matrix", "show", "nfl-period-lead"]).stdout
    refused = invoke(["matrix", "show", "nfl-nothing"])
    assert refused.exit_code != 0 and "precog matrix list" in str(
        refused.exception or refused.output
    )


def test_a_league_without_these_facts_is_said_to_have_none(db: Database) -> None:
    result = dg.materialize(
        [probability_matrices],
        partition_key="nhl",
        instance=DagsterInstance.ephemeral(),
        resources={"postgres": PostgresResource()},
    )
    (event,) = result.get_asset_materialization_events()
    assert "neither points by period" in event.materialization.metadata["nhl_left_out"].value


def test_a_falling_cell_fails_the_check(db: Database) -> None:
    with db.transaction() as conn:
        for bucket, p in (("3", 0.6), ("7", 0.5)):
            conn.execute(
                "INSERT INTO probability_matrices (matrix_name, matrix_version, league, "
                "state_descriptor, value_bucket, win_probability, ci_low, ci_high, sample_size, "
                "wins, first_season, last_season) "
                "VALUES ('nhl-x', 'v1', 'nhl', %s, %s, %s, 0.4, 0.7, 50, 30, 2020, 2021)",
                (BEFORE_THE_GAME, bucket, p),
            )
    result = dg.materialize(
        [probability_matrices],
        partition_key="nhl",
        instance=DagsterInstance.ephemeral(),
        resources={"postgres": PostgresResource()},
    )
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "falls although the lead grows" in str(check.metadata["problems"].value)
