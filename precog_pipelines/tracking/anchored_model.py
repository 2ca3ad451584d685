"""The stored form of a corrected market price: one season's correction as plain JSON."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_pipelines.training.calibration import Calibration, as_document, from_document
from precog_pipelines.training.logistic import Anchored, inputs_from

if TYPE_CHECKING:
    import pandas as pd

_MODEL = "anchored.json"


def save(model: Anchored, scaling: Calibration, folder: Path) -> None:
    """Write the correction and its scaling into ``folder``, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "model": model.document(),
        "calibration": as_document(scaling),
    }
    (folder / _MODEL).write_text(json.dumps(document, indent=2, sort_keys=True))


class AnchoredModel:
    """What ``mlflow.pyfunc.load_model`` wraps: features and market price in, p_home out."""

    def __init__(self, model: Anchored, scaling: Calibration) -> None:
        self.feature_names = model.feature_names
        self._model, self._scaling = model, scaling

    def predict(self, features: "pd.DataFrame", params: Any = None) -> "pd.DataFrame":
        """P(home wins) in column ``p_home``; NaN where the market has no price."""
        import pandas as pd

        p = self._scaling(self._model.predict(features))
        return pd.DataFrame({"p_home": p}, index=features.index)


def _load_pyfunc(path: str) -> AnchoredModel:
    document = json.loads((Path(path) / _MODEL).read_text())
    content = document["model"]
    model = Anchored(inputs_from(content), tuple(content["weights"]), float(content["intercept"]))
    return AnchoredModel(model, from_document(document["calibration"]))
