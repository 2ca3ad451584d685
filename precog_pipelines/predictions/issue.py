"""Issuing predictions: features of a moment in, rows of ``predictions`` out, written once.

Two moments a game, a day before and at the decision. A prediction for a game that has started is
back-filled and counts as known at its moment; one for a game still ahead is known from now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_core.hashes import RATING_FEATURES, features_hash
from precog_pipelines.features.config import MOMENTS
from precog_pipelines.features.matrix import feature_matrix
from precog_pipelines.predictions.intervals import GamesSoFar, bin_intervals, interval_of
from precog_pipelines.predictions.serving import Served
from precog_pipelines.tracking.ensemble_model import combine
from precog_pipelines.tracking.models import feature_names, load_model
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.config import load_models_config
from precog_pipelines.training.records import Record, SeasonRun

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.pyfunc import PyFuncModel

# Families whose newest run's model holds the fits of all seasons.
ALL_SEASONS_IN_ONE = ("logistic",)
_GRID = Decimal("0.0001")
_STAGED = (
    "game_id", "model_id", "training_run_id", "p_home", "p_low", "p_high", "trained_until",
    "mlflow_run_id", "registry_version", "features_hash", "event_ts", "known_at",
)  # fmt: skip


class Prediction(NamedTuple):
    """One row of ``predictions``; probabilities on its grid of four decimals, instants UTC."""

    game_id: int
    model_id: int
    training_run_id: int
    p_home: Decimal
    p_low: Decimal | None
    p_high: Decimal | None
    trained_until: datetime
    mlflow_run_id: str
    registry_version: int | None
    features_hash: str
    event_ts: datetime
    known_at: datetime


@dataclass(frozen=True)
class Issued:
    """What one call did for a league. ``differing``: stored rows that would come out otherwise now.

    ``without_model``: seasons that have too few before them. ``without_history``: games whose
    teams had no known result yet, or for which too few members of an ensemble spoke. ``compared``
    counts decision probabilities held against the walk-forward record, ``largest_gap`` is their
    largest distance.
    """

    predictions: int
    inserted: int
    differing: int
    without_model: tuple[int, ...]
    without_history: int
    compared: int
    largest_gap: float


def issue_predictions(
    conn: psycopg.Connection,
    tracking: Tracking,
    league: str,
    seasons: Sequence[int],
    served: Sequence[Served],
    *,
    dagster_run_id: str | None,
) -> Issued:
    """Predict every game of ``seasons`` with every served model and store what is new.

    Runs in the caller's transaction. Rows that exist stay as they were issued.
    """
    queries = load_queries("predictions")
    now = queries.transaction_time(conn)
    config = load_models_config(conn)
    running = league in config.elo_alone
    predictor = _Predictor(conn, tracking, now, intervals_of_games_so_far=running)
    rows: list[Prediction] = []
    gaps: list[float] = []
    without_model = {season for season in seasons if served[0].run_for(season) is None}
    for moment in MOMENTS:
        matrix = feature_matrix(conn, league, seasons, moment, sets=config.feature_sets)
        matrix = matrix[matrix["event_ts"] <= now]
        for one in served:
            for season, games in matrix.groupby("season"):
                run = one.run_for(int(season))
                if run is None:
                    continue
                p = predictor.probabilities(one, run, games)
                rows += predictor.rows(one, run, games, p)
                if moment == "decision":
                    gaps += _gaps(one, games, p)
    queries.create_staged_predictions(conn)
    copy_rows(conn, "staged_predictions", _STAGED, rows)
    differing = queries.count_differing(conn)
    inserted: int = queries.insert_staged_predictions(conn, dagster_run_id=dagster_run_id)
    conn.execute("DROP TABLE staged_predictions")
    return Issued(
        predictions=len(rows),
        inserted=inserted,
        differing=int(differing),
        without_model=tuple(sorted(without_model)),
        without_history=predictor.without_history,
        compared=len(gaps),
        largest_gap=max(gaps, default=0.0),
    )


def on_grid(p: float) -> Decimal:
    """A probability with the four decimals of the table."""
    return Decimal(repr(float(p))).quantize(_GRID)


class _Predictor:
    """Predicts with models that are loaded once, and dates what it predicts."""

    def __init__(
        self,
        conn: psycopg.Connection,
        tracking: Tracking,
        now: datetime,
        *,
        intervals_of_games_so_far: bool,
    ) -> None:
        self.without_history = 0
        self._games_so_far: dict[int, GamesSoFar] | None = {} if intervals_of_games_so_far else None
        self._conn, self._tracking, self._now = conn, tracking, now
        self._models: dict[str, PyFuncModel] = {}
        self._hashes: dict[tuple[tuple[str, ...], int, datetime], str] = {}
        self._intervals: dict[tuple[int, int], dict[int, tuple[float, float]]] = {}

    def probabilities(self, served: Served, run: SeasonRun, games: "pd.DataFrame") -> "pd.Series":
        """P(home wins), indexed as ``games``."""
        if served.members:
            return self._mean_of_members(served, run, games)
        return self._of(served.family, served.record, run, games)

    def _of(
        self, family: str, record: Record, run: SeasonRun, games: "pd.DataFrame"
    ) -> "pd.Series":
        if family == "elo":
            return games["elo_prob"]
        # A family whose fits are a few numbers keeps them all in the model of the newest run.
        holder = record.latest if family in ALL_SEASONS_IN_ONE else run
        model = self._model(holder)
        predicted: pd.DataFrame = model.predict(games[feature_names(model)])
        return predicted["p_home"]

    def _mean_of_members(
        self, served: Served, run: SeasonRun, games: "pd.DataFrame"
    ) -> "pd.Series":
        spoken = {
            one.family: self._of(one.family, one.record, fit, games)
            for one in served.members
            if (fit := one.record.run_of(run.season)) is not None
        }
        weights = {one.family: one.weight for one in served.members}
        p, _ = combine(spoken, weights, served.min_weight_present)
        return p

    def rows(
        self,
        served: Served,
        run: SeasonRun,
        games: "pd.DataFrame",
        p: "pd.Series",
    ) -> list[Prediction]:
        """The rows of one model and season at one moment."""
        # What the fit's dataset holds, so that anyone can take the vector from the store again.
        names = served.inputs or RATING_FEATURES
        trained = self._trained_until(served, run, games)
        is_registered = run.mlflow_run_id == served.version.run_id
        rows = []
        for game_id, event_ts, kickoff_at, chance, values in zip(
            games["game_id"],
            games["event_ts"],
            games["kickoff_at"],
            p,
            games[list(names)].to_numpy(),
            strict=True,
        ):
            trained_until = trained.get(int(game_id))
            # An ensemble with too few members that speak gives no probability.
            if trained_until is None or chance != chance:
                self.without_history += 1
                continue
            at = event_ts.to_pydatetime()
            interval = self._interval(served, run.season, chance, at)
            rows.append(
                Prediction(
                    game_id=int(game_id),
                    model_id=served.model_id,
                    training_run_id=run.training_run_id,
                    p_home=on_grid(chance),
                    p_low=on_grid(interval[0]) if interval else None,
                    p_high=on_grid(interval[1]) if interval else None,
                    trained_until=trained_until,
                    mlflow_run_id=run.mlflow_run_id,
                    registry_version=served.version.number if is_registered else None,
                    features_hash=self._hash(names, int(game_id), at, values),
                    event_ts=at,
                    known_at=at if kickoff_at <= self._now else self._now,
                )
            )
        return rows

    def _hash(
        self, names: tuple[str, ...], game_id: int, at: datetime, values: Sequence[float]
    ) -> str:
        # Models of one dataset read the same vector; hashing it is a third of the work.
        key = (names, game_id, at)
        if key not in self._hashes:
            self._hashes[key] = features_hash(names, values)
        return self._hashes[key]

    def _trained_until(
        self, served: Served, run: SeasonRun, games: "pd.DataFrame"
    ) -> Mapping[int, datetime | None]:
        # A fit stops learning with its training rows; ratings learn until the moment itself.
        if served.ratings_model_id is None:
            return dict.fromkeys((int(game_id) for game_id in games["game_id"]), run.trained_until)
        return dict(
            load_queries("predictions").latest_results(
                self._conn,
                model_id=served.ratings_model_id,
                game_ids=[int(game_id) for game_id in games["game_id"]],
                moments=[event_ts.to_pydatetime() for event_ts in games["event_ts"]],
            )
        )

    def _model(self, run: SeasonRun) -> "PyFuncModel":
        if run.mlflow_run_id not in self._models:
            self._models[run.mlflow_run_id] = load_model(self._tracking, run.mlflow_run_id)
        return self._models[run.mlflow_run_id]

    def _interval(
        self, served: Served, season: int, p: float, at: datetime
    ) -> tuple[float, float] | None:
        if self._games_so_far is None:
            return interval_of(p, self._season_intervals(served, season))
        if served.model_id not in self._games_so_far:
            known = dict(
                load_queries("predictions").result_times(
                    self._conn, game_ids=[int(game_id) for game_id in served.history["game_id"]]
                )
            )
            self._games_so_far[served.model_id] = GamesSoFar(
                (known[int(game_id)], float(chance), int(home_win))
                for game_id, chance, home_win in zip(
                    served.history["game_id"],
                    served.history["p_home"],
                    served.history["home_win"],
                    strict=True,
                )
            )
        return self._games_so_far[served.model_id].interval_of(p, at)

    def _season_intervals(self, served: Served, season: int) -> dict[int, tuple[float, float]]:
        key = (served.model_id, season)
        if key not in self._intervals:
            self._intervals[key] = bin_intervals(served.history, season)
        return self._intervals[key]


def _gaps(served: Served, games: "pd.DataFrame", p: "pd.Series") -> list[float]:
    """Distances between these probabilities and the record the model was judged by."""
    judged = dict(zip(served.history["game_id"], served.history["p_home"], strict=True))
    return [
        abs(chance - judged[game_id])
        for game_id, chance in zip(games["game_id"], p, strict=True)
        if game_id in judged
    ]
