"""Frozen training datasets: a Parquet file, its SHA-256 and a manifest that explains every row.

The file is canonical: sorted by ``game_key``, without surrogate ids, written with fixed options, so
the same games and features give the same bytes in any home. The SHA-256 is that of the file, which
``sha256sum`` confirms. ``game_id`` is joined back on loading.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from precog_core.build_info import git_dirty, git_sha
from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.features.config import FeaturesConfig, features_config
from precog_pipelines.features.matrix import feature_matrix
from precog_pipelines.features.registry import Feature, registered
from precog_pipelines.features.store import find_definitions
from precog_pipelines.training.completeness import (
    Hole,
    datasets_config,
    find_holes,
    season_sizes,
)
from precog_pipelines.training.config import load_models_config
from precog_pipelines.training.dataset_files import (
    KEY_COLUMNS,
    LABEL,
    canonical_table,
    resolved_path,
    sha256_of,
    stored_path,
    write_parquet,
)
from precog_pipelines.training.leagues import NotTrainable

if TYPE_CHECKING:
    import pandas as pd

_COUNTED_TYPES = ("regular", "postseason")


@dataclass(frozen=True)
class Dataset:
    """One immutable dataset.

    ``frame`` is sorted by ``game_key``: ``game_id``, then ``KEY_COLUMNS`` (instants UTC,
    ``home_win`` 0 or 1), then ``feature_names`` as ``float64``, NaN where undefined.
    """

    dataset_id: int
    name: str
    version: str
    sha256: str
    path: Path
    frame: "pd.DataFrame"
    feature_names: list[str]
    manifest: dict[str, Any]


@dataclass(frozen=True)
class _Content:
    frame: "pd.DataFrame"
    games: "pd.DataFrame"
    exclusions: dict[str, int]
    neutral: int
    holes: list[Hole]


def dataset_name(league: str) -> str:
    """The name under which the versions of a league's main dataset stand."""
    return f"{league}-{LABEL.replace('_', '-')}"


def build_dataset(
    conn: psycopg.Connection,
    league: str,
    *,
    name: str,
    artifact_dir: Path,
    dagster_run_id: str | None,
    now: datetime | None = None,
) -> Dataset:
    """Freeze all labelled games of ``league`` with their features at the decision.

    Identical content returns the existing version. Changed content becomes the next minor version,
    a changed feature set the next major one. The file is complete under its final name before the
    rows that name it are inserted, all in the caller's transaction.

    Raises PrecogError for an unlisted hole in a season, for labelled games without features, and
    when nothing is left to learn from.
    """
    queries = load_queries("datasets")
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"precog.dataset.{name}",))
    config = features_config()
    sets = load_models_config(conn).feature_sets
    features = registered(league, config, sets)
    content = _content(conn, league, features, sets, now or datetime.now(UTC))
    feature_ids = find_definitions(conn, features)

    artifact_dir.mkdir(parents=True, exist_ok=True)
    temporary = artifact_dir / f".{name}.{os.getpid()}.tmp"
    try:
        write_parquet(canonical_table(content.frame, features), temporary)
        sha256 = sha256_of(temporary)
        existing = queries.dataset_by_content(conn, name=name, sha256=sha256)
        if existing is not None:
            return _existing(conn, int(existing[0]), temporary)
        version = _next_version(list(queries.dataset_versions(conn, name=name)), feature_ids)
        path = artifact_dir / f"{name}-{version}-{sha256[:12]}.parquet"
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

    snapshot_ids = sorted({int(i) for i in content.games["source_snapshot_id"].dropna()})
    manifest = _manifest(conn, league, name, version, sha256, content, features, snapshot_ids)
    manifest["dagster_run_id"] = dagster_run_id
    dataset_id = queries.insert_dataset(
        conn,
        name=name,
        version=version,
        league=league,
        season_from=int(content.frame["season"].min()),
        season_to=int(content.frame["season"].max()),
        label=LABEL,
        as_of=content.frame["result_known_at"].max().to_pydatetime(),
        manifest=Jsonb(manifest),
        git_sha=git_sha(),
        row_count=len(content.frame),
        feature_count=len(features),
        parquet_path=stored_path(path),
        sha256=sha256,
        dagster_run_id=dagster_run_id,
    )
    copy_rows(
        conn,
        "training_dataset_features",
        ("dataset_id", "feature_id", "ordinal"),
        ((dataset_id, feature_id, n) for n, feature_id in enumerate(feature_ids, start=1)),
    )
    copy_rows(
        conn,
        "training_dataset_sources",
        ("dataset_id", "source_snapshot_id"),
        ((dataset_id, snapshot_id) for snapshot_id in snapshot_ids),
    )
    return load_dataset(conn, dataset_id)


def load_dataset(conn: psycopg.Connection, dataset_id: int) -> Dataset:
    """A stored dataset, its file verified against the recorded SHA-256.

    Raises PrecogError when the row or the file is missing, or the file has other bytes.
    """
    import pyarrow.parquet as pq

    queries = load_queries("datasets")
    row = queries.select_dataset(conn, dataset_id=dataset_id)
    if row is None:
        raise PrecogError(f"there is no training dataset {dataset_id}; see table training_datasets")
    _, name, version, league, sha256, parquet_path, manifest = row
    path = resolved_path(parquet_path)
    if not path.exists():
        raise PrecogError(
            f"dataset {name} {version} should be in {path}, which does not exist; materialise the "
            f"asset training_datasets for {league}: unchanged games restore the file"
        )
    found = sha256_of(path)
    if found != sha256:
        raise PrecogError(
            f"dataset {name} {version}: {path} has SHA-256 {found}, recorded is {sha256}; the file "
            f"was changed or damaged: delete it and materialise training_datasets for {league}"
        )
    frame = pq.read_table(path).to_pandas()
    ids = dict(queries.game_ids(conn, league=league))
    frame.insert(0, "game_id", frame["game_key"].map(ids))
    if frame["game_id"].isna().any():
        lost = frame.loc[frame["game_id"].isna(), "game_key"].iloc[0]
        raise PrecogError(
            f"dataset {name} {version} holds game {lost}, which is no longer in games; ingest its "
            "season again"
        )
    for column in ("game_id", "season", LABEL):
        frame[column] = frame[column].astype("int64")
    names = [n for (n,) in queries.dataset_feature_names(conn, dataset_id=dataset_id)]
    return Dataset(dataset_id, name, version, sha256, path, frame, names, manifest)


def latest_dataset(conn: psycopg.Connection, league: str) -> Dataset:
    """The newest dataset of ``league``. Raises NotTrainable when there is none."""
    row = load_queries("datasets").latest_dataset(conn, league=league)
    if row is None:
        raise NotTrainable(
            f"league {league} has no training dataset; materialise the asset training_datasets"
        )
    return load_dataset(conn, int(row[0]))


def _content(
    conn: psycopg.Connection,
    league: str,
    features: Sequence[Feature],
    sets: Sequence[str],
    now: datetime,
) -> _Content:
    import pandas as pd

    queries = load_queries("datasets")
    rows = list(queries.dataset_games(conn, league=league))
    if not rows:
        raise NotTrainable(
            f"league {league} has no games; materialise the asset games for it first"
        )
    names = (
        "game_id", "game_key", "season", "game_type", "kickoff_at", "status", "home_score",
        "away_score", "neutral_site", "known_at", "result_known_at", "source", "source_snapshot_id",
    )  # fmt: skip
    every = pd.DataFrame(rows, columns=list(names))
    for column in ("kickoff_at", "known_at", "result_known_at"):
        every[column] = pd.to_datetime(every[column], utc=True).astype("datetime64[us, UTC]")

    # A game entered by hand has no source whose completeness could be judged.
    manual = every["source"] == "manual"
    counted = every["game_type"].isin(_COUNTED_TYPES) & ~manual
    final = every["status"] == "final"
    tie = final & (every["home_score"] == every["away_score"])
    labelled = every[counted & final & ~tie]
    holes = _holes(league, every[counted & final], every[counted], now)

    seasons = sorted(int(season) for season in labelled["season"].unique())
    if not seasons:
        raise NotTrainable(f"league {league} has no finished game that is not a tie to learn from")
    matrix = feature_matrix(
        conn, league, seasons, "decision", include_unknown_start=True, sets=sets
    )
    frame = labelled.merge(
        matrix.drop(columns=["game_key", "season", "kickoff_at", "known_at"]), on="game_id"
    )
    lost = labelled[~labelled["game_id"].isin(frame["game_id"])]
    late = _announced_late(lost, features_config())
    if len(lost) > late:
        keys = sorted({f"{league}|{season}" for season in lost["season"]})
        raise PrecogError(
            f"{len(lost) - late} finished games have no features at their decision; materialise "
            f"the asset features_historical for {', '.join(keys)}"
        )
    frame = frame.rename(columns={"event_ts": "decision_at"})
    frame[LABEL] = (frame["home_score"] > frame["away_score"]).astype("int64")
    columns = [*KEY_COLUMNS, *(feature.name for feature in features)]
    return _Content(
        frame=frame.sort_values("game_key")[columns].reset_index(drop=True),
        games=every[counted & every["season"].isin(seasons)],
        exclusions={
            "ties": int((counted & tie).sum()),
            "preseason": int((every["game_type"] == "preseason").sum()),
            "exhibition": int((every["game_type"] == "exhibition").sum()),
            "missing_result": int((counted & ~final).sum()),
            "manual": int(manual.sum()),
            "announced_after_decision": late,
        },
        neutral=int(frame["neutral_site"].sum()),
        holes=holes,
    )


def _announced_late(lost: "pd.DataFrame", config: FeaturesConfig) -> int:
    """Games that became known only after their own decision: honest exclusions, not gaps."""
    import pandas as pd

    starts = lost["kickoff_at"]
    midnight = (
        pd.to_datetime(lost["game_key"].str.split(":").str[2])
        .dt.tz_localize("America/New_York")
        .dt.tz_convert("UTC")
    )
    decisions = (starts - config.lead("decision")).fillna(midnight)
    return int((lost["known_at"] > decisions).sum())


def _holes(
    league: str, finished: "pd.DataFrame", scheduled: "pd.DataFrame", now: datetime
) -> list[Hole]:
    if finished.empty:
        return []
    last_day = max(key.split(":")[2] for key in scheduled["game_key"])
    holes = find_holes(
        Counter(zip(finished["season"], finished["game_type"], strict=True)),
        expected=season_sizes(league),
        allowed=datasets_config().league(league).allow_missing,
        sources=sorted(finished["source"].unique()),
        last_day=datetime.fromisoformat(last_day).date(),
        today=now.date(),
    )
    unknown = [str(hole) for hole in holes if hole.reason is None]
    if unknown:
        raise PrecogError(
            f"the games of {league} have holes ({'; '.join(unknown)}); ingest them, or list them "
            f"with their reason under leagues.{league}.allow_missing in config/datasets.yaml"
        )
    return holes


def _existing(conn: psycopg.Connection, dataset_id: int, fresh: Path) -> Dataset:
    """The stored dataset of the same content; its file is put back from ``fresh`` where lost."""
    row = load_queries("datasets").select_dataset(conn, dataset_id=dataset_id)
    path = resolved_path(row[5])
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(fresh, path)
    return load_dataset(conn, dataset_id)


def _next_version(earlier: Sequence[tuple[str, list[int]]], feature_ids: list[int]) -> str:
    if not earlier:
        return "v1.0"
    last, last_features = earlier[-1]
    major, minor = (int(part) for part in last.removeprefix("v").split("."))
    return f"v{major}.{minor + 1}" if last_features == feature_ids else f"v{major + 1}.0"


def _manifest(
    conn: psycopg.Connection,
    league: str,
    name: str,
    version: str,
    sha256: str,
    content: _Content,
    features: Sequence[Feature],
    snapshot_ids: list[int],
) -> dict[str, Any]:
    import pyarrow

    frame = content.frame
    days = frame["game_key"].str.split(":").str[2]
    schema = [
        [field.name, str(field.type)] for field in canonical_table(frame.head(0), features).schema
    ]
    minutes = features_config().decision_offset_min
    by_season: Mapping[Any, int] = frame["season"].value_counts().sort_index().to_dict()
    snapshots = load_queries("datasets").dataset_snapshots(conn, snapshot_ids=snapshot_ids)
    return {
        "name": name,
        "version": version,
        "league": league,
        "label": LABEL,
        "decision_rule": f"start - {minutes} min; start unknown: 00:00 Eastern of the day",
        "feature_set": " + ".join(sorted({feature.feature_set for feature in features})),
        "features": [{"name": f.name, "version": f.version} for f in features],
        "season_from": int(frame["season"].min()),
        "season_to": int(frame["season"].max()),
        "date_from": days.min(),
        "date_to": days.max(),
        "rows": len(frame),
        "rows_by_season": {str(season): int(count) for season, count in by_season.items()},
        "exclusions": content.exclusions,
        "kept_neutral": content.neutral,
        "allowed_holes": [
            {"season": h.season, "game_type": h.game_type, "games": h.missing, "reason": h.reason}
            for h in content.holes
        ],
        "split_rule": "walk-forward by season: train on earlier seasons, test each season once",
        "sources": [
            dict(zip(("source", "dataset", "season", "uri", "sha256", "licence"), row, strict=True))
            for _, *row in snapshots
        ],
        "origins": sorted(content.games["source"].unique()),
        "schema": schema,
        "schema_hash": hashlib.sha256(json.dumps(schema).encode()).hexdigest(),
        "parquet": {"writer": f"pyarrow {pyarrow.__version__}", "sorted_by": "game_key"},
        "git_sha": git_sha(),
        "git_dirty": git_dirty(),
        "sha256": sha256,
    }
