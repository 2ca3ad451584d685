"""Frozen datasets: same content same bytes, next version on change, refused over holes."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.paths import home
from precog_pipelines.features.matrix import feature_matrix, feature_names
from precog_pipelines.features.store import write_features
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import write_ratings
from precog_pipelines.training.completeness import AllowedHole, find_holes
from precog_pipelines.training.datasets import (
    Dataset,
    build_dataset,
    dataset_name,
    latest_dataset,
    load_dataset,
)
from tests.synthetic_league import GameRow, made_up_league, store

SEASONS = list(range(2009, 2014))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def prepare(db: Database, games: list[GameRow]) -> None:
    with db.transaction() as conn:
        store(conn, games)
    refresh(db)


def refresh(db: Database) -> None:
    with db.transaction() as conn:
        seasons = [s for (s,) in conn.execute("SELECT DISTINCT season FROM games ORDER BY 1")]
        write_ratings(conn, "ncaaf", seasons, elo_config().league("ncaaf"))
        write_features(conn, "ncaaf", seasons, now=NOW, dagster_run_id="run")


@pytest.fixture
def league(db: Database) -> Database:
    prepare(db, made_up_league())
    return db


def build(db: Database, folder: Path | None = None, run: str | None = "run-1") -> Dataset:
    with db.transaction() as conn:
        return build_dataset(
            conn, "ncaaf", name=dataset_name("ncaaf"), dagster_run_id=run,
            artifact_dir=folder or home() / "datasets", now=NOW,
        )  # fmt: skip


def count(db: Database, table: str) -> int:
    with db.transaction() as conn:
        return conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_the_frame_holds_every_decided_game_with_its_features(league: Database) -> None:
    dataset = build(league)
    frame = dataset.frame
    assert list(frame.columns) == [
        "game_id", "game_key", "season", "game_type", "kickoff_at", "decision_at",
        "result_known_at", "home_win", *feature_names("ncaaf"),
    ]  # fmt: skip
    assert dataset.feature_names == feature_names("ncaaf")
    with league.transaction() as conn:
        decided = dict(
            conn.execute(
                "SELECT game_key, (home_score > away_score)::int FROM games WHERE home_score <>"
                " away_score AND game_type IN ('regular', 'postseason')"
            ).fetchall()
        )
        matrix = feature_matrix(conn, "ncaaf", SEASONS, "decision", include_unknown_start=True)
    assert dict(zip(frame["game_key"], frame["home_win"], strict=True)) == decided
    assert frame["game_key"].is_monotonic_increasing
    assert (frame["decision_at"] < frame["result_known_at"]).all()
    known = frame["kickoff_at"].notna()
    assert (~known).sum() == 8
    assert (frame["kickoff_at"] - frame["decision_at"])[known].unique() == timedelta(minutes=60)
    expected = matrix.set_index("game_key").loc[frame["game_key"], dataset.feature_names]
    assert expected.reset_index(drop=True).equals(frame[dataset.feature_names])


@pytest.mark.requirement("TRACE-001")
def test_the_row_names_features_sources_and_everything_in_the_manifest(league: Database) -> None:
    dataset = build(league)
    manifest = dataset.manifest
    with league.transaction() as conn:
        row = conn.execute(
            "SELECT dataset_name, dataset_version, league, season_from, season_to, label, as_of,"
            " row_count, feature_count, sha256, dagster_run_id, manifest FROM training_datasets"
        ).fetchone()
        ordinals = conn.execute(
            "SELECT feature_name, ordinal FROM training_dataset_features JOIN feature_definitions"
            " USING (feature_id) ORDER BY ordinal"
        ).fetchall()
        ties, preseason, last = conn.execute(
            "SELECT count(*) FILTER (WHERE home_score = away_score AND game_type <> 'preseason'),"
            " count(*) FILTER (WHERE game_type = 'preseason'),"
            " max(result_known_at) FILTER (WHERE home_score <> away_score AND game_type <>"
            " 'preseason') FROM games"
        ).fetchone()
    assert row[:6] == ("ncaaf-home-win", "v1.0", "ncaaf", 2009, 2013, "home_win")
    assert row[6] == last
    assert row[7:11] == (len(dataset.frame), 18, dataset.sha256, "run-1")
    assert row[11] == manifest
    assert ordinals == [(name, n) for n, name in enumerate(dataset.feature_names, start=1)]
    assert count(league, "training_dataset_sources") == 5

    assert ties > 0
    assert manifest["exclusions"] == {
        "ties": ties, "preseason": preseason, "exhibition": 0, "missing_result": 0, "manual": 0,
        "announced_after_decision": 0,
    }  # fmt: skip
    assert manifest["rows"] == 240 - ties == sum(manifest["rows_by_season"].values())
    assert manifest["kept_neutral"] == count(
        league,
        "games WHERE neutral_site AND home_score <> away_score AND game_type <> 'preseason'",
    )
    assert manifest["features"][2] == {"name": "elo_diff", "version": "v1.0"}
    assert [s["season"] for s in manifest["sources"]] == SEASONS
    assert {len(s["sha256"]) for s in manifest["sources"]} == {64}
    assert manifest["origins"] == ["synthetic"]
    assert (manifest["date_from"], manifest["date_to"]) == (
        dataset.frame["game_key"].iloc[0].split(":")[2],
        dataset.frame["game_key"].iloc[-1].split(":")[2],
    )
    for key in ("label", "decision_rule", "feature_set", "split_rule", "schema_hash", "git_sha"):
        assert manifest[key]


def test_the_file_is_the_one_whose_sha256_is_recorded(league: Database) -> None:
    dataset = build(league)
    assert (
        dataset.path == home() / "datasets" / f"ncaaf-home-win-v1.0-{dataset.sha256[:12]}.parquet"
    )
    assert hashlib.sha256(dataset.path.read_bytes()).hexdigest() == dataset.sha256
    assert [p.name for p in dataset.path.parent.iterdir()] == [dataset.path.name]


@pytest.mark.requirement("TRACE-003")
def test_building_again_returns_the_same_version(league: Database) -> None:
    first = build(league)
    again = build(league, run="run-2")
    assert (again.dataset_id, again.version, again.sha256) == (
        first.dataset_id, first.version, first.sha256,
    )  # fmt: skip
    assert again.manifest == first.manifest
    assert again.frame.equals(first.frame)
    assert count(league, "training_datasets") == 1


@pytest.mark.requirement("TRACE-003")
def test_other_surrogate_ids_give_the_same_bytes(db: Database, tmp_path: Path) -> None:
    prepare(db, made_up_league())
    sha256 = build(db).sha256
    with db.transaction() as conn:
        # The same games stored again, later seasons first: every id differs.
        conn.execute("TRUNCATE features_historical")
        conn.execute("ALTER TABLE elo_rating_history DISABLE TRIGGER USER")
        conn.execute("DELETE FROM elo_rating_history")
        conn.execute("ALTER TABLE elo_rating_history ENABLE TRIGGER USER")
        conn.execute("DELETE FROM games")
        store(conn, made_up_league()[::-1], source="again")
    refresh(db)
    assert build(db).sha256 == sha256


def test_changed_content_becomes_the_next_minor_version(league: Database) -> None:
    first = build(league)
    with league.transaction() as conn:
        conn.execute(
            "UPDATE games SET home_score = away_score + 1 WHERE game_id = (SELECT min(game_id) FROM"
            " games WHERE season = 2013 AND home_score < away_score AND game_type = 'regular')"
        )
    refresh(league)
    second = build(league)
    assert (first.version, second.version) == ("v1.0", "v1.1")
    assert first.sha256 != second.sha256
    assert first.path.exists()
    with league.transaction() as conn:
        assert latest_dataset(conn, "ncaaf").dataset_id == second.dataset_id
        assert load_dataset(conn, first.dataset_id).frame.equals(first.frame)


def test_a_lost_file_is_restored_and_a_damaged_one_refused(league: Database) -> None:
    dataset = build(league)
    content = dataset.path.read_bytes()
    dataset.path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with league.transaction() as conn, pytest.raises(PrecogError, match="recorded is .* damaged"):
        load_dataset(conn, dataset.dataset_id)
    dataset.path.unlink()
    with league.transaction() as conn, pytest.raises(PrecogError, match="does not exist; material"):
        load_dataset(conn, dataset.dataset_id)
    assert build(league).dataset_id == dataset.dataset_id
    assert dataset.path.read_bytes() == content


def test_a_home_can_be_moved_and_a_folder_outside_is_kept(
    league: Database, tmp_path: Path, monkeypatch
) -> None:
    dataset = build(league)
    moved = tmp_path / "moved"
    home().rename(moved)
    monkeypatch.setenv("PRECOG_HOME", str(moved))
    with league.transaction() as conn:
        assert load_dataset(conn, dataset.dataset_id).path.is_relative_to(moved)


def test_nothing_stays_behind_when_the_transaction_fails(league: Database) -> None:
    folder = home() / "datasets"
    with pytest.raises(RuntimeError, match="killed"), league.transaction() as conn:
        build_dataset(
            conn, "ncaaf", name="n", artifact_dir=folder, dagster_run_id=None, now=NOW
        )  # fmt: skip
        raise RuntimeError("killed")
    assert count(league, "training_datasets") == 0
    assert count(league, "training_dataset_features") == 0
    # The file is complete and named by content: the next build takes its place.
    (left,) = folder.iterdir()
    assert left.name.endswith(".parquet")


def test_games_entered_by_hand_and_unplayed_games_are_left_out(league: Database) -> None:
    before = build(league)
    day = date(2025, 12, 20)
    kickoff = datetime(2025, 12, 20, 18, tzinfo=UTC)
    with league.transaction() as conn:
        store(
            conn,
            [GameRow("ncaaf", 2025, day, "T01", "T02", kickoff, 3, 30)],
            source="manual",
        )
        store(
            conn,
            [GameRow("ncaaf", 2013, date(2014, 1, 25), "T01", "T02", kickoff)],
            source="other",
        )
    refresh(league)
    after = build(league)
    assert after.dataset_id == before.dataset_id


def test_a_missing_season_stops_the_build(db: Database) -> None:
    prepare(db, [g for g in made_up_league() if g.season != 2011])
    with pytest.raises(
        PrecogError, match=r"ncaaf have holes \(2011 regular.*allow_missing in conf"
    ):
        build(db)
    assert count(db, "training_datasets") == 0
    assert not list((home() / "datasets").glob("*"))


def test_missing_features_stop_the_build(league: Database) -> None:
    with league.transaction() as conn:
        conn.execute(
            "DELETE FROM features_historical USING games"
            " WHERE game_id = entity_id AND season = 2012"
        )
    with pytest.raises(PrecogError, match=r"features_historical for ncaaf\|2012"):
        build(league)


def test_a_league_without_games_or_dataset_says_what_to_do(db: Database, league: Database) -> None:
    with db.transaction() as conn, pytest.raises(PrecogError, match="nhl has no games"):
        build_dataset(
            conn, "nhl", name="n", artifact_dir=home(), dagster_run_id=None, now=NOW
        )  # fmt: skip
    with db.transaction() as conn, pytest.raises(PrecogError, match="no training dataset; mater"):
        latest_dataset(conn, "ncaaf")
    with db.transaction() as conn, pytest.raises(PrecogError, match="no training dataset 77"):
        load_dataset(conn, 77)


SIZES = {"regular": 10, "postseason": 2}


def holes(finished, *, allowed=(), sources=("sample",), last_day=date(2013, 2, 3), sizes=SIZES):
    return find_holes(
        finished, expected=lambda season: sizes, allowed=allowed, sources=sources,
        last_day=last_day, today=date(2026, 1, 1),
    )  # fmt: skip


def whole(*seasons: int) -> dict:
    return {(s, kind): size for s in seasons for kind, size in SIZES.items()}


def test_whole_seasons_have_no_holes() -> None:
    assert holes(whole(2010, 2011, 2012)) == []


def test_a_hole_names_season_kind_and_size() -> None:
    found = holes({**whole(2010, 2012), (2011, "regular"): 7})
    assert [str(hole) for hole in found] == [
        "2011 regular: 3 of 10 missing", "2011 postseason: 2 of 2 missing",
    ]  # fmt: skip
    assert holes({**whole(2010, 2011), (2011, "postseason"): 1})[0].missing == 1


def test_an_allowed_hole_covers_only_its_games_and_source() -> None:
    gap = {k: v for k, v in whole(2010, 2011).items() if k != (2010, "postseason")}
    known = AllowedHole(
        season=2010, game_type="postseason", games=2, reason="lost", source="sample"
    )
    assert [(h.missing, h.reason) for h in holes(gap, allowed=[known])] == [(2, "lost")]
    assert [h.reason for h in holes(gap, allowed=[known], sources=["nflverse"])] == [None]
    one = known.model_copy(update={"games": 1})
    assert [(h.missing, h.reason) for h in holes(gap, allowed=[one])] == [(1, "lost"), (1, None)]


def test_the_running_season_may_be_short() -> None:
    short = {**whole(2010), (2011, "regular"): 1}
    assert len(holes(short)) == 2
    assert holes(short, last_day=date(2025, 12, 28)) == []


def test_without_known_sizes_only_an_absent_season_is_a_hole() -> None:
    assert holes({(2010, "regular"): 1, (2011, "regular"): 1}, sizes={}) == []
    found = holes({(2010, "regular"): 1, (2012, "regular"): 1}, sizes={})
    assert [hole.season for hole in found] == [2011]


def test_the_manifest_is_json_without_surprises(league: Database) -> None:
    manifest = build(league).manifest
    assert json.loads(json.dumps(manifest)) == manifest


def test_two_builds_at_once_make_one_dataset(league: Database) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: build(league), range(2))
    assert first.dataset_id == second.dataset_id
    assert count(league, "training_datasets") == 1
