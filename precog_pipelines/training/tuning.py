"""Searching the trees' hyper-parameters with Optuna: resumable, every trial a run in MLflow.

A trial is judged by the log loss of an inner walk-forward over seasons before the held-out ones,
which no trial and no pruning ever sees. Trials are kept in a file of the home, so a search that was
stopped goes on; the same dataset and the same space continue the same search. Nothing is changed by
a search: a person copies what it found into ``config/models.yaml`` under a new version.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from precog_core.build_info import git_sha
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.paths import home
from precog_core.progress import Progress, unseen
from precog_pipelines.features.config import features_config
from precog_pipelines.features.registry import registered
from precog_pipelines.searches import continue_study, open_study
from precog_pipelines.tracking.runs import (
    GROUP_TAG,
    IDENTITY_TAG,
    NOTE_TAG,
    Tracking,
)
from precog_pipelines.training.config import ModelsConfig, XGBoostConfig, load_models_config
from precog_pipelines.training.datasets import Dataset, latest_dataset
from precog_pipelines.training.metrics import brier, log_loss
from precog_pipelines.training.walk_forward import boosted_trees, walk_forward

if TYPE_CHECKING:
    import optuna
    import pandas as pd

EXPERIMENT_FAMILY = "xgboost-search"
_SPACE_VERSION = 1


@dataclass(frozen=True)
class Tuned:
    """What a search ended with; scores are of the inner folds, ``seasons`` the ones predicted."""

    identity: str
    trials: int
    seasons: tuple[int, int]
    held_out: tuple[int, ...]
    configured: Mapping[str, float]
    best: Mapping[str, float]
    best_params: Mapping[str, Any]
    address: str

    def as_dict(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "trials": self.trials,
            "seasons": list(self.seasons),
            "held_out": list(self.held_out),
            "configured": dict(self.configured),
            "best": dict(self.best),
            "best_params": dict(self.best_params),
            "mlflow_run": self.address,
        }

    def in_words(self) -> str:
        """The outcome and what to do with it."""
        first, last = self.seasons
        lines = [
            f"{self.trials} trials over seasons {first}–{last}, held out "
            f"{', '.join(map(str, self.held_out))}: log loss {self.configured['log_loss']:.5f} as "
            f"configured, {self.best['log_loss']:.5f} found.",
            *(f"  {name}: {value}" for name, value in self.best_params.items()),
            "A gain smaller than a season's noise (0.01 in Brier for the NFL) is none. To use it, "
            "copy the values into config/models.yaml under xgboost and raise its version.",
        ]
        return "\n".join(lines)


def tune_boosted(
    db: Database,
    tracking: Tracking,
    league: str,
    trials: int | None = None,
    progress: Progress = unseen,
) -> Tuned:
    """Continue the league's search until it has ``trials`` trials (default: models.tuning)."""
    with db.connection() as conn:
        config = load_models_config(conn)
        dataset = latest_dataset(conn, league)
    first_set = {feature.name for feature in registered(league, features_config())}
    inputs = [name for name in dataset.feature_names if name in first_set]
    frame, held_out, tested = _inner(dataset, config)
    identity = _identity(dataset, config, tested)
    experiment_id = tracking.experiment(league, EXPERIMENT_FAMILY)
    parent = _parent_run(tracking, experiment_id, identity, dataset, league)
    journal = home() / "searches" / f"xgboost-{league}-{identity[:12]}.journal"
    study = open_study(journal, identity, config.tuning.seed)
    if not study.trials:
        study.enqueue_trial(_as_trial(config.xgboost))

    def objective(trial: "optuna.Trial") -> float:
        candidate = config.model_copy(update={"xgboost": _suggested(trial, config.xgboost)})
        values = _score(frame, inputs, candidate, tested)
        trial.set_user_attr("brier", values["brier"])
        _record_trial(tracking, experiment_id, parent, identity, trial.number, trial.params, values)
        return values["log_loss"]

    continue_study(study, objective, trials or config.tuning.trials, progress)
    return _found(tracking, study, experiment_id, parent, identity, tested, held_out)


def _inner(
    dataset: Dataset, config: ModelsConfig
) -> "tuple[pd.DataFrame, tuple[int, ...], tuple[int, int]]":
    """Rows without the held-out seasons, those seasons, and the first and last season tested."""
    seasons = sorted({int(season) for season in dataset.frame["season"]})
    kept = seasons[: -config.tuning.holdout_seasons]
    needed = config.walk_forward.min_train_seasons + 1
    if len(kept) < needed:
        raise PrecogError(
            f"a search needs {needed} seasons besides {config.tuning.holdout_seasons} held out; "
            f"dataset {dataset.name} {dataset.version} holds {len(seasons)}"
        )
    earliest = kept[config.walk_forward.min_train_seasons]
    first = max(earliest, kept[-min(config.tuning.first_test_season_back, len(kept))])
    frame = dataset.frame[dataset.frame["season"].isin(kept)]
    return frame, tuple(seasons[len(kept):]), (first, kept[-1])  # fmt: skip


def _score(
    frame: "pd.DataFrame", inputs: list[str], config: ModelsConfig, tested: tuple[int, int]
) -> dict[str, float]:
    import pandas as pd

    folds = walk_forward(frame, inputs, config, fit=boosted_trees(config), first_season=tested[0])
    games = pd.concat([fold.predictions for fold in folds])
    p, y = games["p_raw"].to_numpy(), games["home_win"].to_numpy()
    rounds = sum(fold.model.estimator.details()["rounds"] for fold in folds) / len(folds)
    return {"log_loss": log_loss(p, y), "brier": brier(p, y), "n": len(y), "rounds": rounds}


def _suggested(trial: "optuna.trial.BaseTrial", configured: XGBoostConfig) -> XGBoostConfig:
    return configured.model_copy(
        update={
            "max_depth": trial.suggest_int("max_depth", 1, 6),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 100.0, log=True),
            "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 100.0, log=True),
        }
    )


def _as_trial(configured: XGBoostConfig) -> dict[str, Any]:
    names = (
        "max_depth", "learning_rate", "subsample", "colsample_bytree", "reg_lambda",
        "min_child_weight",
    )  # fmt: skip
    return {name: getattr(configured, name) for name in names}


def _identity(dataset: Dataset, config: ModelsConfig, tested: tuple[int, int]) -> str:
    said = [
        _SPACE_VERSION, dataset.sha256, list(tested), config.walk_forward.definition(),
        config.xgboost.definition(), config.tuning.seed,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _parent_run(
    tracking: Tracking, experiment_id: str, identity: str, dataset: Dataset, league: str
) -> str:
    existing = tracking.runs_of_group(experiment_id, identity).get(identity)
    if existing is not None:
        return existing.info.run_id
    tags = {
        IDENTITY_TAG: identity,
        GROUP_TAG: identity,
        "league": league,
        "family": "xgboost",
        "precog.kind": "hyper-parameter search",
        "dataset_sha256": dataset.sha256,
        "dataset_version": f"{dataset.name} {dataset.version}",
        "git_sha": git_sha(),
    }
    return tracking.start_run(experiment_id, f"search {identity[:8]}", tags)


def _record_trial(
    tracking: Tracking,
    experiment_id: str,
    parent: str,
    group: str,
    number: int,
    params: Mapping[str, Any],
    values: Mapping[str, float],
) -> None:
    tags = {GROUP_TAG: group, IDENTITY_TAG: f"{group}-{number}", "precog.kind": "trial"}
    run_id = tracking.start_run(experiment_id, f"trial {number}", tags, parent)
    tracking.log(run_id, params=params, metrics=[(k, float(v), 0) for k, v in values.items()])
    tracking.finish(run_id)


def _found(
    tracking: Tracking,
    study: "optuna.Study",
    experiment_id: str,
    parent: str,
    identity: str,
    tested: tuple[int, int],
    held_out: tuple[int, ...],
) -> Tuned:
    finished = [t for t in study.trials if t.value is not None]
    first, best = finished[0], study.best_trial
    found = Tuned(
        identity=identity,
        trials=len(finished),
        seasons=tested,
        held_out=held_out,
        configured={"log_loss": float(first.value or 0.0), "brier": first.user_attrs["brier"]},
        best={"log_loss": float(best.value or 0.0), "brier": best.user_attrs["brier"]},
        best_params=dict(best.params),
        address=tracking.run_url(experiment_id, parent),
    )
    tracking.log(
        parent,
        metrics=[
            ("configured_log_loss", found.configured["log_loss"], found.trials),
            ("best_log_loss", found.best["log_loss"], found.trials),
        ],
        tags={NOTE_TAG: found.in_words()} | {f"best.{k}": v for k, v in best.params.items()},
    )
    tracking.finish(parent)
    return found
