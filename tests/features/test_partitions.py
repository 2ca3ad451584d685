"""Ratings, features and datasets through Dagster: partitions in any cut, checks both ways."""

import re
from datetime import UTC, datetime

import dagster as dg
import pytest
from psycopg import errors

from precog_core.database import Database
from precog_dagster.partitions import LEAGUES
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.features import assets as feature_assets
from precog_pipelines.defs.features import checks as feature_checks
from precog_pipelines.defs.ratings import assets as rating_assets
from precog_pipelines.defs.ratings import checks as rating_checks
from precog_pipelines.defs.training import datasets as dataset_assets
from precog_pipelines.features.config import features_config
from precog_pipelines.features.registry import registered
from precog_pipelines.features.store import write_features
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import write_ratings
from tests.synthetic_league import made_up_league, store

ASSETS = [
    *dg.load_assets_from_modules([rating_assets, feature_assets, dataset_assets]),
    *dg.load_asset_checks_from_modules([rating_checks, feature_checks]),
]
SEASONAL = ("elo_ratings", "features_historical")
RATINGS = (
    "SELECT g.game_key, h.is_home, h.revision, h.rating_before, h.rating_after, h.known_at"
    " FROM elo_rating_history h JOIN games g USING (game_id) ORDER BY 1, 2, 3"
)
FEATURES = (
    "SELECT g.game_key, d.feature_name, f.event_ts, f.known_at, f.feature_value"
    " FROM features_historical f JOIN feature_definitions d USING (feature_id)"
    " JOIN games g ON g.game_id = f.entity_id ORDER BY 1, 2, 3"
)


@pytest.fixture
def league(db: Database) -> Database:
    with db.transaction() as conn:
        store(conn, made_up_league(seasons=range(2009, 2013)))
    return db


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def materialize(instance, *names: str, first: int, last: int, raises: bool = True):
    selection = dg.AssetSelection.assets(*names)
    return dg.materialize(
        ASSETS,
        selection=selection | dg.AssetSelection.checks_for_assets(*names),
        instance=instance,
        resources={"postgres": PostgresResource()},
        raise_on_error=raises,
        tags={
            "dagster/asset_partition_range_start": f"ncaaf|{first}",
            "dagster/asset_partition_range_end": f"ncaaf|{last}",
        },
    )


def dataset(instance):
    return dg.materialize(
        ASSETS,
        selection="training_datasets",
        instance=instance,
        resources={"postgres": PostgresResource()},
        partition_key="ncaaf",
    )


def tables(db: Database) -> tuple[list, list]:
    with db.transaction() as conn:
        return conn.execute(RATINGS).fetchall(), conn.execute(FEATURES).fetchall()


def clear(db: Database) -> None:
    with db.transaction() as conn:
        conn.execute("TRUNCATE features_historical")
        conn.execute("ALTER TABLE elo_rating_history DISABLE TRIGGER USER")
        conn.execute("DELETE FROM elo_rating_history")
        conn.execute("ALTER TABLE elo_rating_history ENABLE TRIGGER USER")


def verdicts(result) -> dict[str, bool]:
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


@pytest.mark.requirement("ORCH-002")
@pytest.mark.slow
def test_one_season_a_range_all_and_all_again_give_identical_tables(
    league: Database, instance
) -> None:
    materialize(instance, *SEASONAL, first=2009, last=2011)
    whole = tables(league)
    assert len(whole[0]) == 3 * 96
    materialize(instance, *SEASONAL, first=2009, last=2011)
    assert tables(league) == whole

    clear(league)
    for first, last in [(2009, 2009), (2010, 2011), (2010, 2010)]:
        materialize(instance, *SEASONAL, first=first, last=last)
    assert tables(league) == whole

    clear(league)
    # Ratings of a season need only games, in any order; features need the ratings before them.
    for season in (2011, 2009, 2010):
        materialize(instance, "elo_ratings", first=season, last=season)
    for season in (2010, 2011, 2009):
        materialize(instance, "features_historical", first=season, last=season)
    assert tables(league) == whole


@pytest.mark.requirement("ORCH-003")
def test_a_range_is_one_run_that_marks_every_partition_with_its_own_figures(
    league: Database, instance
) -> None:
    result = materialize(instance, *SEASONAL, first=2009, last=2012)
    events = {
        (e.asset_key.to_user_string(), e.partition): e.materialization.metadata
        for e in result.get_asset_materialization_events()
    }
    assert set(events) == {
        (name, f"ncaaf|{season}") for name in SEASONAL for season in range(2009, 2013)
    }
    ratings = events["elo_ratings", "ncaaf|2011"]
    assert ratings["dagster/row_count"].value == 4 * 96
    assert ratings["dagster/partition_row_count"].value == 96
    assert ratings["dagster/table_name"].value == "precog.public.elo_rating_history"
    assert 0.1 < ratings["elo_brier"].value < 0.3
    columns = ratings["dagster/column_schema"].value.columns
    assert "rating_before" in {column.name for column in columns}
    assert all(column.description for column in columns)
    assert ratings["preview"].value.startswith("| league | rank | team | rating |")
    assert "history" not in ratings
    last = events["elo_ratings", "ncaaf|2012"]
    assert last["history"].value.startswith("![ncaaf-elo v1.0, season 2012](data:image/png;base64,")
    features = events["features_historical", "ncaaf|2011"]
    assert features["dagster/partition_row_count"].value == 2 * 48 * 18
    assert features["first_event"].value < features["last_event"].value
    assert "elo_diff" in features["preview"].value
    assert verdicts(result) == {
        "rating_chain": True,
        "rating_after_result": True,
        "ratings_in_range": True,
        "feature_moments": True,
        "leak_proofs": True,
        "no_feature_from_the_future": True,
        "feature_keys": True,
        "feature_ranges": True,
        "feature_completeness": True,
    }


def test_a_dataset_is_built_checked_and_shown(league: Database, instance) -> None:
    materialize(instance, *SEASONAL, first=2009, last=2012)
    result = dataset(instance)
    assert verdicts(result) == {"dataset_file": True, "dataset_label": True}
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    with league.transaction() as conn:
        sha256, rows = conn.execute("SELECT sha256, row_count FROM training_datasets").fetchone()
    assert metadata["sha256"].value == sha256
    assert metadata["dagster/row_count"].value == rows
    assert metadata["manifest"].value["ncaaf-home-win"]["rows"] == rows
    assert "ncaaf-home-win | v1.0 | 2009-2012" in metadata["preview"].value


def test_definitions_are_listed_with_their_meaning(db: Database, instance) -> None:
    result = dg.materialize(
        ASSETS, selection="feature_definitions", instance=instance,
        resources={"postgres": PostgresResource()},
    )  # fmt: skip
    (event,) = result.get_asset_materialization_events()
    config = features_config()
    names = {f.name for code in LEAGUES for f in registered(code, config, config.stored_sets)}
    assert event.materialization.metadata["dagster/row_count"].value == len(names)
    assert "elo_home - elo_away, plus home advantage" in (
        event.materialization.metadata["features"].value
    )
    with db.transaction() as conn:
        (count,) = conn.execute("SELECT count(*) FROM feature_definitions").fetchone()
    assert count == len(names)


def test_a_correction_without_its_later_seasons_fails_the_chain_check(
    league: Database, instance
) -> None:
    materialize(instance, "elo_ratings", first=2009, last=2012)
    with league.transaction() as conn:
        conn.execute("UPDATE games SET home_score = home_score + 40 WHERE season = 2010")
    stale = materialize(instance, "elo_ratings", first=2010, last=2010, raises=False)
    assert verdicts(stale) == {
        "rating_chain": False,
        "rating_after_result": True,
        "ratings_in_range": True,
    }
    (failed,) = [e for e in stale.get_asset_check_evaluations() if not e.passed]
    assert failed.metadata["problems"].value["ncaaf"]["materialise again from season"] == 2011
    fresh = materialize(instance, "elo_ratings", first=2010, last=2012)
    assert verdicts(fresh)["rating_chain"]


@pytest.mark.requirement("ORCH-006")
@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("UPDATE features_historical SET known_at = event_ts + interval '1 s' WHERE"
         " feature_record_id = 1", "no_feature_from_the_future"),
        ("UPDATE features_historical SET event_ts = event_ts + interval '40 hours'",
         "no_feature_from_the_future"),
        ("UPDATE features_historical SET entity_id = 999999 WHERE feature_record_id = 1",
         "feature_keys"),
        ("UPDATE features_historical SET feature_value = 'NaN' WHERE feature_record_id = 1",
         "feature_ranges"),
        ("UPDATE features_historical SET feature_value = 15 WHERE feature_id = (SELECT feature_id"
         " FROM feature_definitions WHERE feature_name = 'rest_home')", "feature_ranges"),
        ("DELETE FROM features_historical WHERE feature_record_id = 1", "feature_completeness"),
        # Without foreign keys.
        ("UPDATE features_historical SET source_snapshot_id = 999999 WHERE feature_record_id = 1",
         "feature_keys"),
        # Planted leaks: dates shuffled among games, the rating after the game as the one before it,
        # and the final score as a feature.
        ("UPDATE games g SET kickoff_at = o.kickoff_at FROM games o"
         " WHERE g.game_id - o.game_id = 5 AND g.season = 2009 AND o.kickoff_at < g.kickoff_at",
         "feature_moments"),
        ("UPDATE features_historical f SET feature_value = h.rating_after FROM elo_rating_history h"
         " WHERE h.game_id = f.entity_id AND h.is_home AND f.feature_id = (SELECT feature_id"
         " FROM feature_definitions WHERE feature_name = 'elo_home')", "leak_proofs"),
        ("UPDATE features_historical f SET feature_value = g.home_score - g.away_score FROM games g"
         " WHERE g.game_id = f.entity_id AND f.feature_id = (SELECT feature_id"
         " FROM feature_definitions WHERE feature_name = 'margin_10_home')", "leak_proofs"),
    ],
)  # fmt: skip
def test_each_check_of_the_features_fails_on_its_own_damage(
    league: Database, damage: str, check: str
) -> None:
    with league.transaction() as conn:
        write_ratings(conn, "ncaaf", [2009], elo_config().league("ncaaf"))
        write_features(conn, "ncaaf", [2009], now=datetime.now(UTC), dagster_run_id="run")
        conn.execute(damage)
    resource = PostgresResource()
    result = getattr(feature_checks, check)(postgres=resource)
    assert result.passed is False
    if check == "leak_proofs":
        lines = result.metadata["examples"].value
        (planted,) = {"elo_home", "margin_10_home"} & set(re.findall(r"'(\w+)'", damage))
        assert {line.split()[0] for line in lines} == {planted}
        assert {"truncation", "poison"} <= set(" ".join(lines).split())
    others = {
        "no_feature_from_the_future",
        "feature_keys",
        "feature_ranges",
        "feature_completeness",
    }
    if "DELETE" in damage or "feature_value" in damage:
        for other in others - {check}:
            assert getattr(feature_checks, other)(postgres=resource).passed, other


@pytest.mark.requirement("PIT-002", "PIT-003")
def test_a_same_day_rating_and_shuffled_dates_are_caught_by_name(
    league: Database, instance
) -> None:
    with league.transaction() as conn:
        write_ratings(conn, "ncaaf", [2009], elo_config().league("ncaaf"))
        conn.execute("ALTER TABLE elo_rating_history DISABLE TRIGGER USER")
        conn.execute("UPDATE elo_rating_history SET known_at = event_ts - interval '5 hours'")
        conn.execute("ALTER TABLE elo_rating_history ENABLE TRIGGER USER")
    evaluations = rating_checks.elo_ratings_checks(postgres=PostgresResource())
    assert {e.check_name for e in evaluations if not e.passed} == {"rating_after_result"}
    # Later dates under results that stayed are refused where the games are stored.
    with (
        pytest.raises(errors.CheckViolation, match="ck_games_result_known_at"),
        league.transaction() as conn,
    ):
        conn.execute(
            "UPDATE games g SET kickoff_at = o.kickoff_at FROM games o"
            " WHERE o.game_id = g.game_id + 20 AND g.season = 2009"
        )


def test_every_asset_has_what_a_reader_needs(league: Database) -> None:
    for definition in dg.load_assets_from_modules([rating_assets, feature_assets, dataset_assets]):
        for spec in definition.specs:
            assert spec.group_name in ("ratings", "features", "training")
            assert spec.kinds
            assert spec.owners == ["team:precog"]
            assert len(spec.description) > 60
