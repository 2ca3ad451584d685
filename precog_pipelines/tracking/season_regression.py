"""The stored form of a regression: every season's fit in one file, chosen by the row's season.

A fit is a few numbers, so one model in MLflow holds them all; logging one per season would cost
more than fitting it. A season later than every fit is predicted by the newest, one earlier than
every fit not at all.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_pipelines.training.calibration import Calibration, as_document, from_document
from precog_pipelines.training.logistic import Logistic, logistic_from

if TYPE_CHECKING:
    import pandas as pd

_MODEL = "seasons.json"


def save(
    names: Sequence[str], fits: Mapping[int, tuple[Mapping[str, Any], Calibration]], folder: Path
) -> None:
    """Write every season's fit (its document and scaling) into ``folder``, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "feature_names": list(names),
        "seasons": {
            str(season): {
                "model": model,
                "calibration": as_document(scaling),
            }
            for season, (model, scaling) in fits.items()
        },
    }
    (folder / _MODEL).write_text(json.dumps(document, indent=2, sort_keys=True))


class SeasonRegression:
    """What ``mlflow.pyfunc.load_model`` wraps: features and season in, frame with p_home out."""

    def __init__(
        self, feature_names: Sequence[str], fits: Mapping[int, tuple[Logistic, Calibration]]
    ) -> None:
        self.feature_names = tuple(feature_names)
        self._fits = dict(fits)
        self._seasons = sorted(fits)

    def predict(self, features: "pd.DataFrame", params: Any = None) -> "pd.DataFrame":
        """P(home wins) in column ``p_home``, indexed as ``features``, which has ``season`` too.

        NaN for a season before the first fit.
        """
        import pandas as pd

        p = pd.Series(float("nan"), index=features.index, dtype=float)
        for season, games in features.groupby("season"):
            place = bisect_right(self._seasons, int(season))
            if place:
                model, scaling = self._fits[self._seasons[place - 1]]
                p[games.index] = scaling(model.predict(games))
        return p.to_frame("p_home")


def _load_pyfunc(path: str) -> SeasonRegression:
    document = json.loads((Path(path) / _MODEL).read_text())
    fits = {
        int(season): (logistic_from(fit["model"]), from_document(fit["calibration"]))
        for season, fit in document["seasons"].items()
    }
    return SeasonRegression(document["feature_names"], fits)
