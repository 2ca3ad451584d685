"""The boosted trees of a league as a family: one stored model per season."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from precog_core.database import Database
from precog_pipelines.features.config import features_config
from precog_pipelines.features.registry import registered
from precog_pipelines.tracking import win_probability_model
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.config import ModelsConfig
from precog_pipelines.training.datasets import Dataset
from precog_pipelines.training.estimator import Trees
from precog_pipelines.training.fitting import Family, example_of, logged, train_family
from precog_pipelines.training.records import Record
from precog_pipelines.training.walk_forward import Fold, boosted_trees

if TYPE_CHECKING:
    import pandas as pd

    from precog_pipelines.training.recording import LoggedModel

FAMILY = "xgboost"


def train_boosted(
    db: Database, tracking: Tracking, league: str, dagster_run_id: str | None
) -> Record:
    """Walk forward over the league's newest dataset and record it; nothing if it is recorded."""

    def family_of(config: ModelsConfig, dataset: Dataset) -> Family:
        # models.md: the trees read feature set v1.0, whatever else the dataset carries.
        first = {feature.name for feature in registered(league, features_config())}
        return boosted_family(config, [name for name in dataset.feature_names if name in first])

    return train_family(db, tracking, league, family_of, dagster_run_id)


def boosted_family(config: ModelsConfig, inputs: Sequence[str]) -> Family:
    """The trees over ``inputs``."""
    return Family(
        name=FAMILY,
        model_type="ml",
        version=config.xgboost.version,
        definition=config.xgboost.definition(),
        inputs=tuple(inputs),
        fit=boosted_trees(config),
        store=_store,
        what="Gradient-boosted trees for P(home wins) from Elo ratings, form, rest and schedule, "
        "Platt-scaled on out-of-fold predictions; monotone in the rating lead. One model per "
        "season, trained on earlier seasons only.",
        limits="results only: no injuries, line-ups, weather or prices. A close betting market "
        "knows more; admission as champion allows paper trading, nothing else.",
        seed=config.xgboost.seed,
    )


def _store(number: int, folds: Sequence[Fold], frame: "pd.DataFrame") -> "LoggedModel":
    fold = folds[number]
    trees = cast(Trees, fold.model.estimator)
    example = example_of(frame, fold, trees.feature_names)

    def save(folder: Path) -> None:
        win_probability_model.save(trees, fold.model.calibration, folder)

    return logged(win_probability_model.__name__, save, example, fold.model.predict(example))
