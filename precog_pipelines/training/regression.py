"""Logistic regression of a league as a family: one stored model for all its seasons."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_pipelines.tracking import season_regression
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.config import LogisticConfig, ModelsConfig
from precog_pipelines.training.datasets import Dataset
from precog_pipelines.training.fitting import Family, example_of, logged, train_family
from precog_pipelines.training.logistic import Logistic, fit_logistic
from precog_pipelines.training.records import Record
from precog_pipelines.training.walk_forward import Estimator, Fit, Fold

if TYPE_CHECKING:
    import pandas as pd

    from precog_pipelines.training.recording import LoggedModel

FAMILY = "logistic"


def train_logistic(
    db: Database, tracking: Tracking, league: str, dagster_run_id: str | None
) -> Record:
    """Walk forward over the league's newest dataset and record it; nothing if it is recorded."""

    def family_of(config: ModelsConfig, dataset: Dataset) -> Family:
        return logistic_family(config, _inputs(config.logistic, dataset))

    return train_family(db, tracking, league, family_of, dagster_run_id)


def logistic_family(config: ModelsConfig, inputs: Sequence[str]) -> Family:
    """The regression over ``inputs``."""
    return Family(
        name=FAMILY,
        model_type="regression",
        version=config.logistic.version,
        definition=config.logistic.definition(),
        inputs=tuple(inputs),
        fit=regression(config.logistic),
        store=_store,
        what="Logistic regression for P(home wins), L2-penalised, inputs standardised on the "
        "training window only; a missing value is the training median and says so with a flag. "
        "Platt-scaled on out-of-fold predictions. One fit per season, trained on earlier seasons "
        f"only. Inputs: {', '.join(inputs)}.",
        limits="results only: no injuries, line-ups, weather or prices; a quarterback is expected "
        "from earlier starts, the one who plays is unknown. A close betting market knows more; "
        "admission as champion allows paper trading, nothing else.",
    )


def regression(config: LogisticConfig) -> Fit:
    """The regression as walk_forward calls it."""

    def fit(train: "pd.DataFrame", feature_names: Sequence[str]) -> Estimator:
        return fit_logistic(train[list(feature_names)], train["home_win"], config)

    return fit


def _inputs(config: LogisticConfig, dataset: Dataset) -> list[str]:
    inputs = [name for name in dataset.feature_names if name in config.features]
    if not inputs:
        raise PrecogError(
            f"dataset {dataset.name} {dataset.version} has none of the inputs of the regression "
            f"({', '.join(config.features)}); see models.logistic.features"
        )
    return inputs


def _store(number: int, folds: Sequence[Fold], frame: "pd.DataFrame") -> "LoggedModel | None":
    # A fit is a few numbers: the newest run's model holds every season's.
    if number < len(folds) - 1:
        return None
    fold = folds[number]
    names = fold.model.estimator.feature_names
    example = example_of(frame, fold, names)
    fits = {
        one.season: (cast(Logistic, one.model.estimator).document(), one.model.calibration)
        for one in folds
    }

    def save(folder: Path) -> None:
        season_regression.save(names, fits, folder)

    return logged(
        season_regression.__name__,
        save,
        example.assign(season=fold.season),
        fold.model.predict(example),
    )
