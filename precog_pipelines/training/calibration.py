"""Calibrating probabilities on out-of-fold predictions: two numbers (Platt) or a step curve.

Platt scaling is the default. Isotonic regression may follow any monotone distortion and needs many
games for it; below ``isotonic_min_games`` Platt is used all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from precog_pipelines.training.config import WalkForwardConfig
from precog_pipelines.training.estimator import Platt, fit_platt

if TYPE_CHECKING:
    import numpy as np

# A block without an upset says "never"; no league is that sure, and one upset would cost ln of it.
_SUREST = 0.99


@dataclass(frozen=True)
class Isotonic:
    """p -> a curve through (``x``, ``y``) that never falls, straight between its corners.

    Outside its corners it stays at the outermost value (Zadrozny and Elkan 2002).
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    @property
    def is_identity(self) -> bool:
        return False

    @property
    def kind(self) -> str:
        return "isotonic"

    def __call__(self, p: "np.ndarray") -> "np.ndarray":
        import numpy as np

        # interp gives a number for NaN too; a game without a probability keeps having none.
        return np.where(np.isnan(p), np.nan, np.interp(p, self.x, self.y))


Calibration = Platt | Isotonic


def fit_calibration(
    p: "np.ndarray", home_win: "np.ndarray", rules: WalkForwardConfig
) -> Calibration:
    """The configured calibration, fitted on out-of-fold ``p`` and outcomes (0 or 1) only."""
    if rules.calibration == "isotonic" and len(p) >= rules.isotonic_min_games:
        return fit_isotonic(p, home_win)
    return fit_platt(p, home_win)


def fit_isotonic(p: "np.ndarray", home_win: "np.ndarray") -> Isotonic:
    """The nearest curve to the outcomes, by least squares, that never falls; kept off 0 and 1."""
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=1 - _SUREST, y_max=_SUREST, out_of_bounds="clip").fit(
        np.asarray(p, dtype=float), np.asarray(home_win, dtype=float)
    )
    return Isotonic(
        tuple(map(float, fitted.X_thresholds_)), tuple(map(float, fitted.y_thresholds_))
    )


def as_document(calibration: Calibration) -> dict[str, Any]:
    """What is stored with a model."""
    if isinstance(calibration, Isotonic):
        return {"x": list(calibration.x), "y": list(calibration.y)}
    return {"slope": calibration.slope, "intercept": calibration.intercept}


def from_document(document: Mapping[str, Any]) -> Calibration:
    """The calibration that ``as_document`` wrote."""
    if "x" in document:
        return Isotonic(tuple(document["x"]), tuple(document["y"]))
    return Platt(**document)
