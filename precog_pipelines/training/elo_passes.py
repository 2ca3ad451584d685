"""Elo as a model among models: its rating passes recorded, judged and stored like any fit.

Ratings come from ``elo_rating_history``; nothing is rated again here. One pass per season is one
training run, because a season's probabilities used all results before each game and no later one.
Its dataset is the list of games the ratings read, frozen like any other, with zero features.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from precog_core.build_info import git_dirty, git_sha
from precog_core.database import Database
from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_core.paths import home
from precog_pipelines.ratings.config import LeagueElo, elo_config
from precog_pipelines.ratings.elo import Checkpoint, EloTable
from precog_pipelines.ratings.history import find_elo_model, model_name
from precog_pipelines.tracking import elo_model
from precog_pipelines.tracking.plots import rating_history_plot, reliability_plot
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.config import load_models_config
from precog_pipelines.training.dataset_files import sha256_of, stored_path, write_parquet
from precog_pipelines.training.fitting import seasons_ahead
from precog_pipelines.training.leagues import NotTrainable
from precog_pipelines.training.metrics import reliability
from precog_pipelines.training.recording import (
    LoggedModel,
    Outcome,
    SeasonFit,
    SeasonPlan,
    Subject,
    record,
)
from precog_pipelines.training.records import Record
from precog_pipelines.training.reporting import model_card, season_metrics, total_metrics

if TYPE_CHECKING:
    import pandas as pd
    import psycopg
    import pyarrow as pa

FAMILY = "elo"
_FROZEN_COLUMNS = (
    "game_key", "season", "game_type", "event_ts", "result_known_at", "neutral_site", "home_team",
    "away_team", "home_score", "away_score",
)  # fmt: skip
_RATED_COLUMNS = (
    "game_id", "game_key", "season", "game_type", "kickoff_at", "event_ts", "result_known_at",
    "neutral_site", "home_team", "away_team", "home_score", "away_score", "source",
    "source_snapshot_id", "expected", "home_rating", "away_rating",
)  # fmt: skip


@dataclass(frozen=True)
class _Games:
    """The frozen list of games behind a rating pass."""

    dataset_id: int
    name: str
    version: str
    sha256: str
    path: Path
    manifest: dict[str, Any]


def train_elo(db: Database, tracking: Tracking, league: str, dagster_run_id: str | None) -> Record:
    """Record the league's Elo passes over all rated games; nothing if they are recorded.

    Raises NotTrainable when the league was never rated, or too few seasons were.
    """
    elo = elo_config().league(league)
    with db.transaction() as conn:
        config = load_models_config(conn)
        try:
            model_id = find_elo_model(conn, league, elo)
        except PrecogError as error:
            raise NotTrainable(str(error)) from error
        rated = rated_games(conn, model_id, league)
        if rated.empty:
            raise NotTrainable(
                f"league {league} has no rated games; materialise the asset elo_ratings"
            )
        games = freeze_games(conn, league, rated, dagster_run_id)
        last = int(rated["season"].max())
        known_until = rated["result_known_at"].max().to_pydatetime()
        upcoming = seasons_ahead(conn, league, last, known_until)
    seasons = [*sorted({int(season) for season in rated["season"]}), *upcoming]
    before = config.first_judged(league)
    judged = seasons[before:]
    if not set(judged) & {int(season) for season in rated["season"]}:
        raise NotTrainable(
            f"Elo of {league} is judged from its season number {before + 1} on; rated are only "
            f"{seasons}"
        )
    subject = Subject(
        league=league,
        family=FAMILY,
        model_id=model_id,
        model_name=model_name(league),
        model_version=elo.version,
        dataset_id=games.dataset_id,
        dataset_name=games.name,
        dataset_version=games.version,
        sha256=games.sha256,
        manifest=games.manifest,
        dataset_frame=rated[list(_FROZEN_COLUMNS)].assign(home_win=_outcome(rated)),
        dataset_path=games.path,
        params={
            "elo": elo.definition(),
            "min_train_seasons": before,
        },
        feature_versions="none",
        # Rating has no random choice; the column wants a number.
        seed=0,
        dagster_run_id=dagster_run_id,
    )
    return record(
        db,
        tracking,
        subject,
        _plans(rated, seasons),
        lambda: fit_elo(rated, seasons, judged, elo, league, games.manifest),
    )


def rated_games(conn: "psycopg.Connection", model_id: int, league: str) -> "pd.DataFrame":
    """Every finished game in playing order with the home team's chance before it, ties included."""
    import pandas as pd

    rows = list(load_queries("training").rated_games(conn, model_id=model_id, league=league))
    frame = pd.DataFrame(rows, columns=list(_RATED_COLUMNS))
    for column in ("kickoff_at", "event_ts", "result_known_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True).astype("datetime64[us, UTC]")
    return frame


def freeze_games(
    conn: "psycopg.Connection", league: str, rated: "pd.DataFrame", dagster_run_id: str | None
) -> _Games:
    """The dataset row and Parquet file of the games; equal games give the existing ones."""
    queries = load_queries("datasets")
    name = f"{league}-elo-games"
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"precog.dataset.{name}",))
    folder = home() / "datasets"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.tmp"
    try:
        write_parquet(_frozen_table(rated), temporary)
        sha256 = sha256_of(temporary)
        found = queries.dataset_by_content(conn, name=name, sha256=sha256)
        versions = list(queries.dataset_versions(conn, name=name))
        version = f"v1.{len(versions)}"
        if found is not None:
            version = load_queries("training").dataset_version(conn, dataset_id=found[0])[0]
        path = folder / f"{name}-{version}-{sha256[:12]}.parquet"
        # Also when the row exists: a lost file is put back.
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    snapshots = sorted({int(i) for i in rated["source_snapshot_id"].dropna()})
    manifest = _manifest(league, name, version, sha256, rated)
    if found is not None:
        return _Games(int(found[0]), name, version, sha256, path, manifest)
    dataset_id = queries.insert_dataset(
        conn,
        name=name,
        version=version,
        league=league,
        season_from=manifest["season_from"],
        season_to=manifest["season_to"],
        label="home_win",
        as_of=rated["result_known_at"].max().to_pydatetime(),
        manifest=Jsonb(manifest),
        git_sha=git_sha(),
        row_count=len(rated),
        feature_count=0,
        parquet_path=stored_path(path),
        sha256=sha256,
        dagster_run_id=dagster_run_id,
    )
    copy_rows(
        conn,
        "training_dataset_sources",
        ("dataset_id", "source_snapshot_id"),
        ((dataset_id, snapshot_id) for snapshot_id in snapshots),
    )
    return _Games(int(dataset_id), name, version, sha256, path, manifest)


def fit_elo(
    rated: "pd.DataFrame",
    seasons: list[int],
    judged: list[int],
    elo: LeagueElo,
    league: str,
    manifest: dict[str, Any],
) -> Outcome:
    """Everything to be logged about the passes. Probabilities of ``judged`` seasons count.

    Ties stay out of the metrics; they did move the ratings.
    """
    decided = rated[rated["home_score"] != rated["away_score"]]
    predictions = (
        decided[["game_id", "game_key", "season", "kickoff_at"]]
        .assign(
            home_win=(decided["home_score"] > decided["away_score"]).astype("int64"),
            p_raw=decided["expected"].astype(float),
            p_home=decided["expected"].astype(float),
        )
        .sort_values(["season", "game_key"], kind="stable")
        .reset_index(drop=True)
    )
    counted = predictions[predictions["season"].isin(judged)].reset_index(drop=True)
    title = f"{model_name(league)} {elo.version}"
    bins = reliability(counted["p_home"], counted["home_win"])
    return Outcome(
        fits=[
            SeasonFit(
                season=season,
                params={"games_rated": int((rated["season"] == season).sum())},
                metrics=season_metrics(predictions[predictions["season"] == season]),
                model=_snapshot(rated, elo, season) if season == seasons[-1] else None,
            )
            for season in seasons
        ],
        predictions=counted,
        metrics=total_metrics(counted),
        figures={
            "reliability.png": reliability_plot(bins, f"{title}, out of sample"),
            "rating_history.png": rating_history_plot(_by_team(rated), title),
        },
        tables={"ratings.csv": ratings_table(rated)},
        note=model_card(
            title=title,
            what="Elo ratings updated after every game by result and margin of victory, with home "
            "advantage by era and reversion to the mean between seasons.",
            predictions=counted,
            manifest=manifest,
            limits="knows results only; slow to see injuries and roster changes. A close betting "
            "market knows more; admission as champion allows paper trading, nothing else.",
        ),
    )


def ratings_table(rated: "pd.DataFrame") -> "pd.DataFrame":
    """Every team after its last game, best first, with the season and day of that game."""
    newest = _by_team(rated).groupby("team").last().reset_index()
    newest = newest.sort_values(["rating", "team"], ascending=[False, True], ignore_index=True)
    return newest.assign(
        rank=newest.index + 1, last_game=newest["event_ts"].dt.strftime("%Y-%m-%d")
    )[["rank", "team", "rating", "season", "last_game"]]


def _by_team(rated: "pd.DataFrame") -> "pd.DataFrame":
    """Season, event_ts, team and its rating after the game; two rows a game, in playing order."""
    import pandas as pd

    sides = [
        rated[["season", "event_ts", f"{side}_team", f"{side}_rating"]].set_axis(
            ["season", "event_ts", "team", "rating"], axis=1
        )
        for side in ("home", "away")
    ]
    return pd.concat(sides).sort_values("event_ts", kind="stable")


def _plans(rated: "pd.DataFrame", seasons: list[int]) -> list[SeasonPlan]:
    plans = []
    for season in seasons:
        read = rated[rated["season"] <= season]
        latest: datetime = read["result_known_at"].max().to_pydatetime()
        plans.append(SeasonPlan(season, latest, len(read)))
    return plans


def _snapshot(rated: "pd.DataFrame", elo: LeagueElo, season: int) -> LoggedModel:
    """The ratings after the last game as a model that predicts games of ``season``."""
    import pandas as pd

    newest = _by_team(rated).groupby("team").last()
    ratings = {str(team): float(value) for team, value in newest["rating"].items()}
    last_season = {str(team): int(value) for team, value in newest["season"].items()}
    state = Checkpoint(dict(ratings.items()), dict(last_season.items()))
    table = EloTable(elo.parameters(), state)
    example = pd.DataFrame(
        {
            "home_team": rated["home_team"].tail(2).astype(str).to_list(),
            "away_team": rated["away_team"].tail(2).astype(str).to_list(),
            "season": [season, season],
            "neutral_site": [False, True],
        }
    )

    def save(folder: Path) -> None:
        elo_model.save(elo.definition(), ratings, last_season, folder)

    return LoggedModel(
        loader_module=elo_model.__name__,
        save=save,
        example=example,
        output=elo_model.EloModel(table).predict(example),
    )


def _outcome(rated: "pd.DataFrame") -> "pd.Series":
    import numpy as np

    margin = rated["home_score"] - rated["away_score"]
    return (np.sign(margin) + 1) / 2


def _frozen_table(rated: "pd.DataFrame") -> "pa.Table":
    import pyarrow as pa

    instant = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        [
            ("game_key", pa.string()),
            ("season", pa.int32()),
            ("game_type", pa.string()),
            ("event_ts", instant),
            ("result_known_at", instant),
            ("neutral_site", pa.bool_()),
            ("home_team", pa.string()),
            ("away_team", pa.string()),
            ("home_score", pa.int32()),
            ("away_score", pa.int32()),
        ]
    )
    table = pa.Table.from_pandas(rated[list(_FROZEN_COLUMNS)], schema=schema, preserve_index=False)
    return table.replace_schema_metadata(None)


def _manifest(
    league: str, name: str, version: str, sha256: str, rated: "pd.DataFrame"
) -> dict[str, Any]:
    by_season = rated["season"].value_counts().sort_index()
    return {
        "name": name,
        "version": version,
        "league": league,
        "label": "home_win",
        "decision_rule": "each game is predicted from all results known before its start",
        "features": [],
        "season_from": int(rated["season"].min()),
        "season_to": int(rated["season"].max()),
        "rows": len(rated),
        "rows_by_season": {str(season): int(count) for season, count in by_season.items()},
        "exclusions": {
            "ties": int((rated["home_score"] == rated["away_score"]).sum()),
        },
        "split_rule": "none: every game is out of sample by construction",
        "origins": sorted({str(origin) for origin in rated["source"]}),
        "git_sha": git_sha(),
        "git_dirty": git_dirty(),
        "sha256": sha256,
    }
