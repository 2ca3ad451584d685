"""Walk-forward by season: each season is predicted once, by a model that saw only earlier ones.

The model of fold S is also *the production model for S*: predictions of that season are made with
it, so the out-of-sample record and the traded probabilities are one and the same. Calibration
of fold S learns from the out-of-fold predictions of seasons before S, each made by a model that
had not seen them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from precog_pipelines.training.calibration import Calibration, fit_calibration
from precog_pipelines.training.config import ModelsConfig, WalkForwardConfig
from precog_pipelines.training.estimator import Platt, fit_trees
from precog_pipelines.training.metrics import brier

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PREDICTION_COLUMNS = ("game_id", "game_key", "season", "kickoff_at", "home_win", "p_raw", "p_home")


class TooFewSeasons(ValueError):
    """No season has as many seasons before it as a fit needs."""


class Estimator(Protocol):
    """What a fold needs of a fitted model, whatever its family."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Inputs, in training order."""

    def predict(self, features: "pd.DataFrame") -> "np.ndarray":
        """Uncalibrated P(home wins), float64 of shape (n,), columns by name."""

    def gain_shares(self) -> dict[str, float]:
        """What it leans on, largest first, summing to 1; empty where that has no meaning."""

    def details(self) -> dict[str, float]:
        """Numbers of this fit worth keeping as metrics."""


# Training rows in time order, oldest first, and the inputs' names -> a fitted model.
Fit = Callable[["pd.DataFrame", Sequence[str]], Estimator]


@dataclass(frozen=True)
class CalibratedModel:
    """Estimator and scaling as one model: features in, P(home wins) out."""

    estimator: Estimator
    calibration: Calibration

    def predict(self, features: "pd.DataFrame") -> "pd.Series":
        """P(home wins), float64, indexed as ``features``; columns are taken by name."""
        import pandas as pd

        return pd.Series(
            self.calibration(self.estimator.predict(features)),
            index=features.index,
            name="p_home",
        )


@dataclass(frozen=True)
class Fold:
    """One season's model, how it was made, and its predictions of that season.

    ``predictions`` has PREDICTION_COLUMNS, sorted by game_key; empty for a season still to come.
    ``gain_shares`` sums to 1. ``train_brier`` is measured on the training rows themselves.
    """

    plan: "FoldPlan"
    model: CalibratedModel
    predictions: "pd.DataFrame"
    gain_shares: dict[str, float]
    train_brier: float
    fit_seconds: float

    @property
    def season(self) -> int:
        return self.plan.season


@dataclass(frozen=True)
class FoldPlan:
    """Which rows one season's model will learn from, decided before anything is fitted.

    ``cutoff``: training results must be known before it. ``trained_until`` is the latest such
    result_known_at. ``train_seasons`` is the first and last season among the training rows.
    """

    season: int
    cutoff: datetime
    trained_until: datetime
    train_seasons: tuple[int, int]
    train_rows: int


def plan_folds(
    frame: "pd.DataFrame",
    config: ModelsConfig,
    upcoming: Mapping[int, datetime] | None = None,
) -> list[FoldPlan]:
    """The folds of a dataset, by season, without fitting any.

    ``frame``: one row per finished game with game_id, game_key, season, decision_at,
    result_known_at (zoned) and home_win. ``upcoming`` names seasons without any finished game and
    their first decision time: they get a model and no predictions. Raises TooFewSeasons when no
    season has enough seasons before it, ValueError when a row is unusable.
    """
    rules = config.walk_forward
    _refuse_unusable(frame)
    starts = {
        int(season): first for season, first in frame.groupby("season")["decision_at"].min().items()
    }
    starts |= {season: first for season, first in (upcoming or {}).items() if season not in starts}
    plans = []
    for season in sorted(starts):
        cutoff = starts[season] - timedelta(days=rules.embargo_d)
        train = _training_rows(frame, season, cutoff)
        if train["season"].nunique() < rules.min_train_seasons:
            continue
        plans.append(
            FoldPlan(
                season=season,
                cutoff=cutoff,
                trained_until=train["result_known_at"].max().to_pydatetime(),
                train_seasons=(int(train["season"].min()), int(train["season"].max())),
                train_rows=len(train),
            )
        )
    if not plans:
        known = sorted({int(season) for season in frame["season"].unique()})
        raise TooFewSeasons(
            f"walk-forward needs {rules.min_train_seasons} seasons before the first one tested; "
            f"the dataset holds {len(known)}: {known}"
        )
    return plans


def walk_forward(
    frame: "pd.DataFrame",
    feature_names: Sequence[str],
    config: ModelsConfig,
    upcoming: Mapping[int, datetime] | None = None,
    fit: Fit | None = None,
    *,
    calibrate: bool = True,
    first_season: int | None = None,
) -> list[Fold]:
    """Fit and predict every planned season; folds by season.

    ``frame`` and ``upcoming`` as for ``plan_folds``, with kickoff_at and the features (float,
    NaN = undefined) besides. ``fit`` defaults to the boosted trees of ``config``;
    without ``calibrate`` its probabilities stay as they are; seasons before ``first_season`` are
    trained on and not predicted. Raises ValueError for a column that is
    missing.
    """
    missing = [c for c in ("kickoff_at", *feature_names) if c not in frame.columns]
    if missing:
        raise ValueError(f"the training dataset lacks the columns {', '.join(missing)}")
    rules = config.walk_forward
    plans = [
        plan
        for plan in plan_folds(frame, config, upcoming)
        if first_season is None or plan.season >= first_season
    ]
    family = fit or boosted_trees(config)

    def fold_of(plan: FoldPlan) -> _RawFold:
        return _fit_fold(frame, feature_names, plan, family)

    if rules.threads == 1:
        raw = [fold_of(plan) for plan in plans]
    else:
        with ThreadPoolExecutor(max_workers=rules.threads) as pool:
            raw = list(pool.map(fold_of, plans))
    return [
        _calibrated(fold, raw[:number] if calibrate else [], rules)
        for number, fold in enumerate(raw)
    ]


def boosted_trees(config: ModelsConfig) -> Fit:
    """The boosted trees as a family."""

    def fit(train: "pd.DataFrame", feature_names: Sequence[str]) -> Estimator:
        return fit_trees(
            train[list(feature_names)],
            train["home_win"],
            config.xgboost,
            config.walk_forward.early_stopping_share,
        )

    return fit


@dataclass(frozen=True)
class _RawFold:
    plan: FoldPlan
    estimator: Estimator
    test: "pd.DataFrame"
    train_p: "np.ndarray"
    train_y: "np.ndarray"
    fit_seconds: float


def _training_rows(frame: "pd.DataFrame", season: int, cutoff: datetime) -> "pd.DataFrame":
    return frame[(frame["season"] < season) & (frame["result_known_at"] < cutoff)]


def _fit_fold(
    frame: "pd.DataFrame", feature_names: Sequence[str], plan: FoldPlan, fit: Fit
) -> _RawFold:
    started = time.perf_counter()
    names = list(feature_names)
    # By date; the key breaks ties so that equal kickoffs cannot reorder between runs.
    train = _training_rows(frame, plan.season, plan.cutoff).sort_values(
        ["decision_at", "game_key"], kind="stable"
    )
    estimator = fit(train, names)
    test = frame[frame["season"] == plan.season].sort_values("game_key", kind="stable")
    predicted = test[[c for c in PREDICTION_COLUMNS if c in test.columns]].reset_index(drop=True)
    predicted["p_raw"] = estimator.predict(test[names])
    return _RawFold(
        plan,
        estimator,
        predicted,
        estimator.predict(train[names]),
        train["home_win"].to_numpy(),
        time.perf_counter() - started,
    )


def _calibrated(fold: _RawFold, earlier: Sequence[_RawFold], rules: WalkForwardConfig) -> Fold:
    import pandas as pd

    seen = [other.test for other in earlier if len(other.test)]
    scaling: Calibration = Platt()
    if len(seen) >= rules.min_calibration_seasons:
        past = pd.concat(seen)
        scaling = fit_calibration(past["p_raw"].to_numpy(), past["home_win"].to_numpy(), rules)
    predictions = fold.test.assign(p_home=scaling(fold.test["p_raw"].to_numpy()))
    return Fold(
        plan=fold.plan,
        model=CalibratedModel(fold.estimator, scaling),
        predictions=predictions.loc[:, list(PREDICTION_COLUMNS)],
        gain_shares=fold.estimator.gain_shares(),
        train_brier=brier(scaling(fold.train_p), fold.train_y),
        fit_seconds=fold.fit_seconds,
    )


def _refuse_unusable(frame: "pd.DataFrame") -> None:
    needed = ("game_id", "game_key", "season", "decision_at", "result_known_at", "home_win")
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise ValueError(f"the training dataset lacks the columns {', '.join(missing)}")
    for column in needed:
        if frame[column].isna().any():
            first = frame.loc[frame[column].isna(), "game_key"].iloc[0]
            raise ValueError(f"the training dataset has no {column} for game {first}")
    if frame["game_id"].duplicated().any():
        first = frame.loc[frame["game_id"].duplicated(), "game_key"].iloc[0]
        raise ValueError(f"the training dataset holds game {first} twice")
