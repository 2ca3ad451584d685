"""Gradient-boosted trees for P(home wins), and the Platt scaling that follows them.

The number of rounds is found on the latest games of the training window, then all of it is
fitted again with that number: recent games are worth more as training data than as a yardstick.
One thread per fit and a fixed seed make the same input give the same bytes, so parallelism
belongs to the caller, across folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from precog_pipelines.training.config import XGBoostConfig

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xgboost

# Logits of exactly 0 or 1 are infinite; no NFL game is surer than this.
_LOGIT_CLIP = 1e-6


def logit(p: "np.ndarray") -> "np.ndarray":
    """ln(p / (1 - p)), with p kept 1e-6 away from 0 and 1; NaN stays NaN."""
    import numpy as np

    clipped = np.clip(p, _LOGIT_CLIP, 1 - _LOGIT_CLIP)
    return np.log(clipped) - np.log1p(-clipped)


def inverse_logit(x: "np.ndarray") -> "np.ndarray":
    """1 / (1 + e^-x)."""
    import numpy as np

    return 1 / (1 + np.exp(-x))


@dataclass(frozen=True)
class Platt:
    """p -> sigmoid(slope * logit(p) + intercept); the identity is (1, 0) (Platt 1999)."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def is_identity(self) -> bool:
        return (self.slope, self.intercept) == (1.0, 0.0)

    @property
    def kind(self) -> str:
        return "identity" if self.is_identity else "platt"

    def __call__(self, p: "np.ndarray") -> "np.ndarray":
        if self.is_identity:
            return p
        return inverse_logit(self.slope * logit(p) + self.intercept)


@dataclass(frozen=True)
class Trees:
    """A fitted booster. ``document`` is its complete XGBoost JSON; equal fits have equal bytes."""

    document: bytes
    feature_names: tuple[str, ...]
    rounds: int

    def booster(self) -> "xgboost.Booster":
        """A booster of the caller's own, predicting with one thread."""
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(self.document))
        return booster

    def predict(self, features: "pd.DataFrame") -> "np.ndarray":
        """Uncalibrated P(home wins), float64 of shape (n,), for the columns by name."""
        return predict_raw(self.booster(), features, self.feature_names)

    def gain_shares(self) -> dict[str, float]:
        """Each feature's share of the total gain of all splits, largest first; sums to 1."""
        gains: dict[str, Any] = self.booster().get_score(importance_type="total_gain")
        total = sum(gains.values()) or 1.0
        shares = {name: float(gains.get(name, 0.0) / total) for name in self.feature_names}
        return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))

    def details(self) -> dict[str, float]:
        """Numbers worth a metric: rounds, and the gain of every feature."""
        gains = {f"gain/{name}": share for name, share in self.gain_shares().items()}
        return {"rounds": float(self.rounds), **gains}


def predict_raw(
    booster: "xgboost.Booster", features: "pd.DataFrame", feature_names: Sequence[str]
) -> "np.ndarray":
    """The booster's probabilities for ``features``, columns taken by name in training order.

    Raises ValueError naming the features that are missing.
    """
    import numpy as np

    missing = [name for name in feature_names if name not in features.columns]
    if missing:
        raise ValueError(f"the model needs features that are not given: {', '.join(missing)}")
    if len(features) == 0:
        return np.empty(0)
    return booster.predict(_matrix(features, feature_names)).astype(float)


def fit_trees(
    features: "pd.DataFrame",
    home_win: "pd.Series | np.ndarray",
    config: XGBoostConfig,
    early_stopping_share: float,
) -> Trees:
    """Fit on rows in time order, oldest first; the last share of them sets the round count.

    ``features`` is numeric, shape (n, k), NaN where undefined; ``home_win`` 0 or 1, shape (n,).
    Raises ValueError when either outcome is absent from the training or the stopping part.
    """
    import numpy as np
    import xgboost

    names = tuple(str(name) for name in features.columns)
    label = np.asarray(home_win, dtype=float)
    stopping = max(1, round(len(features) * early_stopping_share))
    early, late = slice(None, -stopping), slice(-stopping, None)
    for part in (early, late):
        if len(np.unique(label[part])) < 2:
            raise ValueError(
                f"{len(features)} training games do not show both outcomes before and after the "
                "early-stopping split; more seasons are needed"
            )
    parameters = booster_parameters(config, names)
    search = xgboost.train(
        parameters,
        _matrix(features.iloc[early], names, label[early]),
        num_boost_round=config.max_rounds,
        evals=[(_matrix(features.iloc[late], names, label[late]), "late")],
        early_stopping_rounds=config.early_stopping_rounds,
        verbose_eval=False,
    )
    rounds = int(search.best_iteration) + 1
    booster = xgboost.train(parameters, _matrix(features, names, label), num_boost_round=rounds)
    return Trees(bytes(booster.save_raw("json")), names, rounds)


def booster_parameters(config: XGBoostConfig, feature_names: Sequence[str]) -> Mapping[str, Any]:
    """The parameters XGBoost is called with, monotone constraints by position included."""
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "max_depth": config.max_depth,
        "learning_rate": config.learning_rate,
        "subsample": config.subsample,
        "colsample_bytree": config.colsample_bytree,
        "reg_lambda": config.reg_lambda,
        "min_child_weight": config.min_child_weight,
        "monotone_constraints": tuple(
            int(name in config.monotone_increasing) for name in feature_names
        ),
        "seed": config.seed,
        "nthread": 1,
        "verbosity": 0,
    }


def fit_platt(p: "np.ndarray", home_win: "np.ndarray") -> Platt:
    """Unpenalised logistic regression of the outcome on logit(p), for out-of-fold ``p`` only.

    A slope that is not positive would turn the order of games around: then the probabilities
    carry no information to scale, and the identity is returned.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    column = logit(np.asarray(p, dtype=float)).reshape(-1, 1)
    fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(column, np.asarray(home_win, dtype=int))
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return Platt(slope, intercept) if slope > 0 else Platt()


def _matrix(
    features: "pd.DataFrame", names: Sequence[str], label: "np.ndarray | None" = None
) -> "xgboost.DMatrix":
    import numpy as np
    import xgboost

    values = features.loc[:, list(names)].to_numpy(dtype=np.float32)
    return xgboost.DMatrix(values, label=label, feature_names=list(names), nthread=1)
