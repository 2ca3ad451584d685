"""Logistic regression for P(home wins), and the market-anchored correction built on the same idea.

Both are a few numbers: what standardises the inputs, learned on the training window only, and one
weight each. They are stored as plain JSON and predict with the same arithmetic everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from precog_pipelines.training.config import AnchoredConfig, LogisticConfig
from precog_pipelines.training.estimator import inverse_logit, logit

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_NEWTON_STEPS = 50
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Inputs:
    """How columns become a design matrix: median for missing, a flag beside it, then z-scores.

    ``flagged`` are the features with a 0/1 column of their own that says the value was missing.
    ``means`` and ``scales`` belong to the features, in order, then to the flags.
    """

    feature_names: tuple[str, ...]
    medians: tuple[float, ...]
    flagged: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the design columns."""
        return (*self.feature_names, *(f"{name} missing" for name in self.flagged))

    def design(self, features: "pd.DataFrame") -> "np.ndarray":
        """Shape (n, columns), columns taken by name. Raises ValueError naming a missing one."""
        import numpy as np

        missing = [name for name in self.feature_names if name not in features.columns]
        if missing:
            raise ValueError(f"the model needs features that are not given: {', '.join(missing)}")
        values = features.loc[:, list(self.feature_names)].to_numpy(dtype=float)
        absent = np.isnan(values)
        filled = np.where(absent, np.asarray(self.medians), values)
        places = [self.feature_names.index(name) for name in self.flagged]
        raw = np.hstack([filled, absent[:, places].astype(float)])
        return (raw - np.asarray(self.means)) / np.asarray(self.scales)


@dataclass(frozen=True)
class Logistic:
    """A fitted regression: P = 1 / (1 + exp(-(intercept + weights · z)))."""

    inputs: Inputs
    weights: tuple[float, ...]
    intercept: float

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.inputs.feature_names

    def predict(self, features: "pd.DataFrame") -> "np.ndarray":
        """Uncalibrated P(home wins), float64 of shape (n,)."""
        import numpy as np

        if len(features) == 0:
            return np.empty(0)
        return inverse_logit(_row_sums(self.inputs.design(features), self.weights) + self.intercept)

    def gain_shares(self) -> dict[str, float]:
        """Each column's share of the summed absolute weights (of z-scores); sums to 1."""
        return _shares(self.inputs.columns, self.weights)

    def details(self) -> dict[str, float]:
        """Numbers worth a metric: the weights by column."""
        return {
            "intercept": self.intercept,
            **{f"weight/{n}": w for n, w in zip(self.inputs.columns, self.weights, strict=True)},
        }

    def document(self) -> dict[str, Any]:
        """Everything needed to predict, as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Anchored:
    """The market's probability, moved: logit P = logit(market) + intercept + weights · z."""

    inputs: Inputs
    weights: tuple[float, ...]
    intercept: float

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (*self.inputs.feature_names, MARKET_COLUMN)

    def predict(self, features: "pd.DataFrame") -> "np.ndarray":
        """P(home wins), float64 of shape (n,); NaN where the market has no price."""
        import numpy as np

        if len(features) == 0:
            return np.empty(0)
        anchor = logit(features[MARKET_COLUMN].to_numpy(dtype=float))
        moved = _row_sums(self.inputs.design(features), self.weights) + self.intercept
        return inverse_logit(anchor + moved)

    def gain_shares(self) -> dict[str, float]:
        """No share: the price is the model, the rest a correction."""
        return {}

    def details(self) -> dict[str, float]:
        """The correction: its constant and the weights by column."""
        return {
            "intercept": self.intercept,
            **{f"weight/{n}": w for n, w in zip(self.inputs.columns, self.weights, strict=True)},
        }

    def document(self) -> dict[str, Any]:
        """Everything needed to predict, as JSON."""
        return asdict(self)


MARKET_COLUMN = "market_prob"


def inputs_from(document: Mapping[str, Any]) -> Inputs:
    """``Inputs`` from the JSON of a fitted model."""
    return Inputs(**{name: tuple(values) for name, values in document["inputs"].items()})


def logistic_from(document: Mapping[str, Any]) -> Logistic:
    """A fitted regression from its ``document``."""
    return Logistic(inputs_from(document), tuple(document["weights"]), float(document["intercept"]))


def fit_logistic(
    features: "pd.DataFrame", home_win: "pd.Series | np.ndarray", config: LogisticConfig
) -> Logistic:
    """L2-penalised maximum likelihood; the intercept is free. Shape (n, k), NaN where undefined.

    Raises ValueError when the training games show one outcome only.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    label = np.asarray(home_win, dtype=int)
    if len(np.unique(label)) < 2:
        raise ValueError(f"{len(label)} training games show only one outcome; more are needed")
    inputs = fit_inputs(features)
    fitted = LogisticRegression(C=config.c, tol=1e-8, max_iter=1_000).fit(
        inputs.design(features), label
    )
    return Logistic(inputs, tuple(float(w) for w in fitted.coef_[0]), float(fitted.intercept_[0]))


def fit_anchored(
    features: "pd.DataFrame", home_win: "pd.Series | np.ndarray", config: AnchoredConfig
) -> Anchored:
    """The correction to the market that the training games support, shrunk towards none.

    Minimises log loss + ``shrinkage``/2 · (intercept² + |weights|²) by Newton's method: with few
    games or no signal the market stays as it is. ``features`` has MARKET_COLUMN and the inputs
    of the correction, without a missing price.
    """
    import numpy as np

    names = [name for name in features.columns if name != MARKET_COLUMN]
    inputs = fit_inputs(features[names])
    anchor = logit(features[MARKET_COLUMN].to_numpy(dtype=float))
    label = np.asarray(home_win, dtype=float)
    design = np.hstack([np.ones((len(label), 1)), inputs.design(features)])
    penalty = config.shrinkage * np.eye(design.shape[1])
    moved = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = inverse_logit(anchor + design @ moved)
        slope = design.T @ (label - p) - penalty @ moved
        curvature = (design * (p * (1 - p))[:, np.newaxis]).T @ design + penalty
        step = np.linalg.solve(curvature, slope)
        moved += step
        if np.abs(step).max() < _TOLERANCE:
            break
    else:
        raise ValueError(f"the correction to the market did not settle in {_NEWTON_STEPS} steps")
    return Anchored(inputs, tuple(float(w) for w in moved[1:]), float(moved[0]))


def fit_inputs(features: "pd.DataFrame") -> Inputs:
    """Medians, flags, means and scales of the training window.

    A feature without a single value is filled with 0 and so has no influence; a flag exists only
    where some values are missing and some are not.
    """
    import numpy as np

    names = tuple(str(name) for name in features.columns)
    values = features.to_numpy(dtype=float)
    absent = np.isnan(values)
    medians = np.array(
        [
            float(np.median(column[~gone])) if (~gone).any() else 0.0
            for column, gone in zip(values.T, absent.T, strict=True)
        ]
    )
    share = absent.mean(axis=0)
    flagged = tuple(n for n, gone in zip(names, share, strict=True) if 0 < gone < 1)
    places = [names.index(name) for name in flagged]
    raw = np.hstack([np.where(absent, medians, values), absent[:, places].astype(float)])
    scales = raw.std(axis=0)
    return Inputs(
        feature_names=names,
        medians=tuple(float(m) for m in medians),
        flagged=flagged,
        means=tuple(float(m) for m in raw.mean(axis=0)),
        # A constant column stays 0 after centring, whatever it is divided by.
        scales=tuple(float(s) if s > 0 else 1.0 for s in scales),
    )


def _row_sums(design: "np.ndarray", weights: Sequence[float]) -> "np.ndarray":
    """Each row's weighted sum. Not a matrix product: its last bits depend on the other rows."""
    import numpy as np

    return np.ascontiguousarray(design * np.asarray(weights)).sum(axis=1)


def _shares(columns: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    total = sum(abs(w) for w in weights) or 1.0
    shares = {name: abs(w) / total for name, w in zip(columns, weights, strict=True)}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
