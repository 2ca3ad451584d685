"""Ratings never start over a hole: what the configured source offers against what is stored."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from precog_core.config import set_override
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.ratings import assets as rating_assets
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import write_ratings
from precog_pipelines.ratings.source_seasons import source_seasons
from precog_pipelines.sources import open_game_source
from precog_pipelines.sources.config import league_config, sources_config
from precog_pipelines.sources.games_table import store_games
from precog_pipelines.sources.reference import store_league
from tests.synthetic_league import made_up_league, store


def ingest(db: Database, seasons: list[int]) -> None:
    """Seasons of the packaged sample, through the real source."""
    with db.transaction() as conn:
        config = league_config("nfl")
        store_league(conn, "nfl", config)
        retrieval = open_game_source("sample").games("nfl", seasons)
        store_games(conn, "nfl", retrieval, config, sources_config(conn).backfill)


def test_the_sample_says_which_seasons_it_has(db: Database) -> None:
    ingest(db, [2010, 2011])
    with db.transaction() as conn:
        assert source_seasons(conn, "nfl") == list(range(2009, 2020))


def test_the_asset_refuses_a_season_whose_predecessor_was_not_ingested(db: Database) -> None:
    ingest(db, [2010, 2011])

    def rate(season: int):
        return dg.materialize(
            dg.load_assets_from_modules([rating_assets]),
            resources={"postgres": PostgresResource()},
            partition_key=f"nfl|{season}",
            instance=dg.DagsterInstance.ephemeral(),
        )

    with pytest.raises(PrecogError, match=r"need games of nfl\|2009, which are not stored"):
        rate(2011)
    ingest(db, [2009])
    assert rate(2011).success


def test_seasons_between_the_source_and_a_game_entered_by_hand_are_no_hole(db: Database) -> None:
    ingest(db, list(range(2009, 2020)))
    with db.transaction() as conn:
        seasons = source_seasons(conn, "nfl")
        written = write_ratings(
            conn, "nfl", [2026], elo_config().league("nfl"), source_seasons=seasons
        )
    assert written.rows == 0


def test_games_from_elsewhere_are_not_measured_by_the_configured_source(db: Database) -> None:
    with db.transaction() as conn:
        store(conn, made_up_league(seasons=[2011]))
        assert source_seasons(conn, "ncaaf") == []
        assert source_seasons(conn, "nhl") == []


def test_a_file_is_asked_while_it_is_there(db: Database, data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "games.csv"
    shutil.copyfile(data_dir / "nfl" / "nflverse_games.csv", path)
    with db.transaction() as conn:
        set_override(conn, "sources.games.provider", "nflverse_file", "test", "test")
        set_override(conn, "sources.games.path", str(path), "test", "test")
        store(conn, made_up_league(league="nfl", seasons=[2020]), source="nflverse")
        assert source_seasons(conn, "nfl") == list(range(1999, 2026))
        path.unlink()
        assert source_seasons(conn, "nfl") == []


def test_the_download_is_known_to_begin_in_1999(db: Database) -> None:
    with db.transaction() as conn:
        set_override(conn, "sources.games.provider", "nflverse", "test", "test")
        store(conn, made_up_league(league="nfl", seasons=[2002]), source="nflverse")
        assert source_seasons(conn, "nfl") == [1999, 2000, 2001, 2002]
