"""The stored form of an ensemble: its weights and its members' own model folders.

Elo needs no folder: its probability is the input ``elo_prob``.
"""

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_pipelines.training.estimator import inverse_logit, logit

if TYPE_CHECKING:
    import pandas as pd

_MODEL = "ensemble.json"
_LOADERS = {
    "xgboost": "precog_pipelines.tracking.win_probability_model",
    "logistic": "precog_pipelines.tracking.season_regression",
}


def combine(
    probabilities: "Mapping[str, pd.Series]",
    weights: Mapping[str, float],
    min_weight_present: float,
) -> "tuple[pd.Series, pd.Series]":
    """The weighted logit mean per row, and whether a member was missing there.

    ``probabilities`` by family, on one index; NaN or an absent family is a missing member. Its
    weight goes to the others; below ``min_weight_present`` the row is NaN (models.md, section 2).
    """
    import numpy as np
    import pandas as pd

    index = next(iter(probabilities.values())).index
    total = np.zeros(len(index))
    present = np.zeros(len(index))
    for family, weight in weights.items():
        if family not in probabilities:
            continue
        p = probabilities[family].to_numpy(dtype=float)
        spoken = ~np.isnan(p)
        total += np.where(spoken, weight * logit(np.where(spoken, p, 0.5)), 0.0)
        present += weight * spoken
    # A sum of weights is not exact in binary: 0.35 + 0.25 must count as 0.60.
    enough = present >= min_weight_present - 1e-9
    mean = inverse_logit(total / np.where(enough, present, 1.0))
    p = pd.Series(np.where(enough, mean, np.nan), index=index, name="p_home")
    return p, pd.Series(present < sum(weights.values()) - 1e-9, index=index, name="incomplete")


def save(
    weights: Mapping[str, float],
    min_weight_present: float,
    members: Sequence[str],
    folder: Path,
) -> None:
    """Write the weights beside the members' folders."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "weights": dict(weights),
        "min_weight_present": min_weight_present,
        "members": list(members),
    }
    (folder / _MODEL).write_text(json.dumps(document, indent=2, sort_keys=True))


class EnsembleModel:
    """What ``mlflow.pyfunc.load_model`` wraps: the members' inputs in, p_home out."""

    def __init__(
        self, members: Mapping[str, Any], weights: Mapping[str, float], min_weight_present: float
    ) -> None:
        self._members, self._weights = members, weights
        self._min_weight_present = min_weight_present

    def predict(self, features: "pd.DataFrame", params: Any = None) -> "pd.DataFrame":
        """P(home wins) in column ``p_home``; NaN where too few members speak."""
        spoken = {
            family: features["elo_prob"] if model is None else model.predict(features)["p_home"]
            for family, model in self._members.items()
        }
        p, _ = combine(spoken, self._weights, self._min_weight_present)
        return p.to_frame()


def _load_pyfunc(path: str) -> EnsembleModel:
    folder = Path(path)
    document = json.loads((folder / _MODEL).read_text())
    members = {
        family: None
        if family == "elo"
        else importlib.import_module(_LOADERS[family])._load_pyfunc(
            str(folder / "members" / family)
        )
        for family in document["members"]
    }
    return EnsembleModel(members, document["weights"], document["min_weight_present"])
