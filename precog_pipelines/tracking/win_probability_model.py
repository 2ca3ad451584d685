"""The stored form of a win-probability model: trees and calibration in one MLflow model.

MLflow loads it through ``_load_pyfunc`` of this module, so the files are plain JSON that any
XGBoost of the same major version reads, not a pickle bound to one Python. Predicting needs the
features by name and returns ``p_home``, calibrated.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_pipelines.training.calibration import Calibration, as_document, from_document
from precog_pipelines.training.estimator import Trees, predict_raw

if TYPE_CHECKING:
    import pandas as pd


_BOOSTER = "booster.json"
_MODEL = "model.json"


def save(trees: Trees, scaling: Calibration, folder: Path) -> None:
    """Write the model's two files into ``folder``, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _BOOSTER).write_bytes(trees.document)
    description = {
        "feature_names": list(trees.feature_names),
        "rounds": trees.rounds,
        "calibration": as_document(scaling),
    }
    (folder / _MODEL).write_text(json.dumps(description, indent=2, sort_keys=True))


class WinProbabilityModel:
    """What ``mlflow.pyfunc.load_model`` wraps: ``predict(features) -> frame with p_home``."""

    def __init__(self, trees: Trees, scaling: Calibration) -> None:
        self.feature_names = trees.feature_names
        self._booster = trees.booster()
        self._scaling = scaling

    def predict(self, features: "pd.DataFrame", params: Any = None) -> "pd.DataFrame":
        """P(home wins) in column ``p_home``, float64, indexed as ``features``."""
        import pandas as pd

        raw = predict_raw(self._booster, features, self.feature_names)
        return pd.DataFrame({"p_home": self._scaling(raw)}, index=features.index)


def _load_pyfunc(path: str) -> WinProbabilityModel:
    folder = Path(path)
    description = json.loads((folder / _MODEL).read_text())
    trees = Trees(
        document=(folder / _BOOSTER).read_bytes(),
        feature_names=tuple(description["feature_names"]),
        rounds=int(description["rounds"]),
    )
    return WinProbabilityModel(trees, from_document(description["calibration"]))
