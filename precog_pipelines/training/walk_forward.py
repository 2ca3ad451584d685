"""Walk-forward by season: each season is predicted once, by a model that saw only earlier ones.

The model of fold S is also *the production model for S*: predictions of that season are made with
it, so the out-of-sample record and the traded probabilities are one and the same. Calibration
of fold S learns from the out-of-fold predictions of seasons before S, each made by a model that
had not seen them.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from precog_pipelines.training.config import ModelsConfig
from precog_pipelines.training.estimator import Platt, Trees, fit_platt, fit_trees
from precog_pipelines.training.metrics import brier

if TYPE_CHECKING:
    import pandas as pd

PREDICTION_COLUMNS = ("game_id", "game_key", "season", "kickoff_at", "home_win", "p_raw", "p_home")


@dataclass(frozen=True)
class CalibratedTrees:
    """Booster and scaling as one model: features in, P(home wins) out."""

    trees: Trees
    platt: Platt

    def predict(self, features: "pd.DataFrame") -> "pd.Series":
        """P(home wins), float64, indexed as ``features``; columns are taken by name."""
        import pandas as pd

        return pd.Series(
            self.platt(self.trees.predict(features)), index=features.index, name="p_home"
        )


@dataclass(frozen=True)
class Fold:
    """One season's model, how it was made, and its predictions of that season.

    ``predictions`` has PREDICTION_COLUMNS, sorted by game_id; empty for a season still to come.
    ``trained_until`` is the latest result_known_at among the training rows. ``gain_shares`` sums
    to 1. ``train_brier`` is measured on the training rows themselves.
    """

    season: int
    model: CalibratedTrees
    predictions: "pd.DataFrame"
    trained_until: datetime
    train_seasons: tuple[int, int]
    train_rows: int
    gain_shares: dict[str, float]
    train_brier: float
    fit_seconds: float


def walk_forward(
    frame: "pd.DataFrame",
    feature_names: Sequence[str],
    config: ModelsConfig,
    upcoming: Mapping[int, datetime] | None = None,
) -> list[Fold]:
    """Fit and predict every season that has enough seasons before it; folds by season.

    ``frame``: one row per finished game with game_id, game_key, season, kickoff_at, decision_at,
    result_known_at (zoned), home_win (0 or 1) and the features (float, NaN = undefined).
    ``upcoming`` names seasons without any finished game and their first decision time: they get a
    model and no predictions. Raises ValueError when no season has enough seasons before it.
    """
    rules = config.walk_forward
    _refuse_unusable(frame, feature_names)
    starts = {
        int(season): first for season, first in frame.groupby("season")["decision_at"].min().items()
    }
    starts |= {season: first for season, first in (upcoming or {}).items() if season not in starts}
    known = sorted({int(season) for season in frame["season"].unique()})
    seasons = [s for s in sorted(starts) if sum(k < s for k in known) >= rules.min_train_seasons]
    if not seasons:
        raise ValueError(
            f"walk-forward needs {rules.min_train_seasons} seasons before the first one tested; "
            f"the dataset holds {len(known)}: {known}"
        )

    def fit(season: int) -> _RawFold:
        return _fit_fold(frame, feature_names, config, season, starts[season])

    if rules.threads == 1:
        raw = [fit(season) for season in seasons]
    else:
        with ThreadPoolExecutor(max_workers=rules.threads) as pool:
            raw = list(pool.map(fit, seasons))
    return [
        _calibrated(fold, [earlier for earlier in raw[:number]], rules.min_calibration_seasons)
        for number, fold in enumerate(raw)
    ]


@dataclass(frozen=True)
class _RawFold:
    season: int
    trees: Trees
    test: "pd.DataFrame"
    train_p: "pd.Series"
    train: "pd.DataFrame"
    fit_seconds: float


def _fit_fold(
    frame: "pd.DataFrame",
    feature_names: Sequence[str],
    config: ModelsConfig,
    season: int,
    first_decision_at: datetime,
) -> _RawFold:
    import pandas as pd

    started = time.perf_counter()
    rules = config.walk_forward
    until = first_decision_at - timedelta(days=rules.embargo_d)
    train = frame[(frame["season"] < season) & (frame["result_known_at"] < until)]
    # By date; the key breaks ties so that equal kickoffs cannot reorder between runs.
    train = train.sort_values(["kickoff_at", "game_id"], kind="stable")
    names = list(feature_names)
    trees = fit_trees(
        train[names], train["home_win"], config.xgboost, rules.early_stopping_share
    )
    test = frame[frame["season"] == season].sort_values("game_id", kind="stable")
    predicted = test[[c for c in PREDICTION_COLUMNS if c in test.columns]].reset_index(drop=True)
    predicted["p_raw"] = trees.predict(test[names])
    train_p = pd.Series(trees.predict(train[names]), index=train.index)
    return _RawFold(season, trees, predicted, train_p, train, time.perf_counter() - started)


def _calibrated(fold: _RawFold, earlier: Sequence[_RawFold], min_seasons: int) -> Fold:
    import pandas as pd

    seen = [other.test for other in earlier if len(other.test)]
    platt = Platt()
    if len(seen) >= min_seasons:
        past = pd.concat(seen)
        platt = fit_platt(past["p_raw"].to_numpy(), past["home_win"].to_numpy())
    predictions = fold.test.assign(p_home=platt(fold.test["p_raw"].to_numpy()))
    train = fold.train
    return Fold(
        season=fold.season,
        model=CalibratedTrees(fold.trees, platt),
        predictions=predictions.loc[:, list(PREDICTION_COLUMNS)],
        trained_until=train["result_known_at"].max().to_pydatetime(),
        train_seasons=(int(train["season"].min()), int(train["season"].max())),
        train_rows=len(train),
        gain_shares=fold.trees.gain_shares(),
        train_brier=brier(platt(fold.train_p.to_numpy()), train["home_win"].to_numpy()),
        fit_seconds=fold.fit_seconds,
    )


def _refuse_unusable(frame: "pd.DataFrame", feature_names: Sequence[str]) -> None:
    needed = (
        "game_id", "game_key", "season", "kickoff_at", "decision_at", "result_known_at",
        "home_win", *feature_names,
    )  # fmt: skip
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise ValueError(f"the training dataset lacks the columns {', '.join(missing)}")
    for column in ("game_id", "season", "decision_at", "result_known_at", "home_win"):
        if frame[column].isna().any():
            first = frame.loc[frame[column].isna(), "game_key"].iloc[0]
            raise ValueError(f"the training dataset has no {column} for game {first}")
    if frame["game_id"].duplicated().any():
        first = frame.loc[frame["game_id"].duplicated(), "game_key"].iloc[0]
        raise ValueError(f"the training dataset holds game {first} twice")
