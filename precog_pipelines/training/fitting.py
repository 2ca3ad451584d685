"""Training one family of models of a league: dataset in, recorded walk-forward out.

What differs between boosted trees, a regression and a corrected market price is a ``Family``: its
inputs, how one fold is fitted, and how its models are stored. Everything else is here once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.features.config import features_config
from precog_pipelines.models import ModelType, ensure_model
from precog_pipelines.tracking.plots import importance_plot, reliability_plot
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.config import ModelsConfig, load_models_config
from precog_pipelines.training.datasets import Dataset, latest_dataset
from precog_pipelines.training.estimator import Platt
from precog_pipelines.training.leagues import NotTrainable
from precog_pipelines.training.metrics import reliability
from precog_pipelines.training.recording import (
    LoggedModel,
    Outcome,
    SeasonFit,
    SeasonPlan,
    Subject,
    record,
)
from precog_pipelines.training.records import Record
from precog_pipelines.training.reporting import model_card, season_metrics, total_metrics
from precog_pipelines.training.walk_forward import (
    Fit,
    Fold,
    TooFewSeasons,
    plan_folds,
    walk_forward,
)

if TYPE_CHECKING:
    import pandas as pd
    import psycopg

_EXAMPLE_ROWS = 3
# Longer than any embargo: a season to come trains on all results there are.
_OFF_SEASON = timedelta(days=60)

# Number of a fold, all folds, the rows -> the model to log with that fold's run, or None.
Store = Callable[[int, Sequence[Fold], "pd.DataFrame"], "LoggedModel | None"]


@dataclass(frozen=True)
class Family:
    """One kind of model and all that is particular about it.

    ``definition`` is what the model version stores; ``inputs`` are columns of the frame, in order.
    ``extra`` decides the outcome besides dataset and definition, and so belongs to the identity of
    a fit.
    """

    name: str
    model_type: ModelType
    version: str
    definition: Mapping[str, Any]
    inputs: tuple[str, ...]
    fit: Fit
    store: Store
    what: str
    limits: str
    seed: int = 0
    calibrate: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


def model_name(league: str, family: str) -> str:
    """The name of a league's family in ``probability_models``."""
    return f"{league}-{family}"


def train_family(
    db: Database,
    tracking: Tracking,
    league: str,
    family_of: Callable[[ModelsConfig, Dataset], Family],
    dagster_run_id: str | None,
    *,
    rows_of: "Callable[[psycopg.Connection, Dataset], pd.DataFrame] | None" = None,
) -> Record:
    """Walk forward over the league's newest dataset and record it; nothing if it is recorded.

    ``rows_of`` may add columns to the dataset's rows, or leave rows out. Raises NotTrainable
    when the league has no dataset or too few seasons.
    """
    with db.transaction() as conn:
        config = load_models_config(conn)
        dataset = latest_dataset(conn, league)
        frame = rows_of(conn, dataset) if rows_of else dataset.frame
        family = family_of(config, dataset)
        last = int(frame["season"].max())
        known_until = frame["result_known_at"].max().to_pydatetime()
        upcoming = seasons_ahead(conn, league, last, known_until)
        model_id = ensure_model(
            conn,
            name=model_name(league, family.name),
            version=family.version,
            model_type=family.model_type,
            league=league,
            config={
                "family": family.name,
                family.name: dict(family.definition),
                "walk_forward": config.walk_forward.definition(),
            },
        )
    try:
        plans = plan_folds(frame, config, upcoming)
    except TooFewSeasons as error:
        raise NotTrainable(f"dataset {dataset.name} {dataset.version}: {error}") from error
    except ValueError as error:
        raise PrecogError(f"dataset {dataset.name} {dataset.version}: {error}") from error
    subject = Subject(
        league=league,
        family=family.name,
        model_id=model_id,
        model_name=model_name(league, family.name),
        model_version=family.version,
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        dataset_version=dataset.version,
        sha256=dataset.sha256,
        manifest=dataset.manifest,
        dataset_frame=dataset.frame,
        dataset_path=dataset.path,
        params={
            family.name: dict(family.definition),
            "rules": config.walk_forward.definition(),
            "features": list(family.inputs),
            **family.extra,
        },
        feature_versions=feature_versions(dataset, family.inputs),
        seed=family.seed,
        dagster_run_id=dagster_run_id,
    )
    return record(
        db,
        tracking,
        subject,
        [SeasonPlan(plan.season, plan.trained_until, plan.train_rows) for plan in plans],
        lambda: fit_family(frame, dataset, family, config, upcoming, league),
    )


def feature_versions(dataset: Dataset, inputs: Sequence[str]) -> str:
    """The inputs with their versions; an input that is no feature of the dataset by name alone."""
    versions = {feature["name"]: feature["version"] for feature in dataset.manifest["features"]}
    return ", ".join(f"{name} {versions[name]}" if name in versions else name for name in inputs)


def seasons_ahead(
    conn: "psycopg.Connection", league: str, last: int, known_until: datetime
) -> dict[int, datetime]:
    """Seasons after ``last``, the last one with results, that get a model before they begin.

    Announced seasons, and the next one as soon as ``last`` is over, so that a game announced
    tomorrow meets a model. Values are the first decision times (UTC); for a season that nobody
    announced, a time by which everything known now (``known_until``) is known.
    """
    queries, lead = load_queries("training"), features_config().lead("decision")
    ahead = {
        int(season): kickoff_at - lead
        for season, kickoff_at in queries.upcoming_seasons(conn, league=league)
        if season > last
    }
    if not ahead and not queries.open_games(conn, league=league, season=last):
        ahead[last + 1] = known_until + _OFF_SEASON
    return ahead


def fit_family(
    frame: "pd.DataFrame",
    dataset: Dataset,
    family: Family,
    config: ModelsConfig,
    upcoming: dict[int, datetime],
    league: str,
) -> Outcome:
    """The walk-forward and everything to be logged about it; pure."""
    import pandas as pd

    folds = walk_forward(
        frame, family.inputs, config, upcoming, family.fit, calibrate=family.calibrate
    )
    predictions = pd.concat([fold.predictions for fold in folds], ignore_index=True)
    shares = pd.DataFrame([fold.gain_shares for fold in folds]).fillna(0.0).mean()
    importance = {str(k): float(v) for k, v in shares.sort_values(ascending=False).items()}
    tested = [fold for fold in folds if len(fold.predictions)]
    rows = sum(fold.plan.train_rows for fold in tested)
    train_brier = sum(fold.train_brier * fold.plan.train_rows for fold in tested) / rows
    bins = reliability(predictions["p_home"], predictions["home_win"])
    title = f"{model_name(league, family.name)} {family.version}"
    figures = {"reliability.png": reliability_plot(bins, f"{title}, out of sample")}
    if importance:
        figures["importance.png"] = importance_plot(importance, f"{title}, mean over folds")
    return Outcome(
        fits=[
            _season_fit(fold, family.store(number, folds, frame))
            for number, fold in enumerate(folds)
        ],
        predictions=predictions,
        metrics=[
            *total_metrics(predictions),
            ("train_brier", train_brier, 0),
            ("fit_seconds", sum(fold.fit_seconds for fold in folds), 0),
        ],
        figures=figures,
        note=model_card(
            title=title,
            what=family.what,
            predictions=predictions,
            manifest=dataset.manifest,
            limits=family.limits,
        ),
        importance=importance,
    )


def example_of(frame: "pd.DataFrame", fold: Fold, columns: Sequence[str]) -> "pd.DataFrame":
    """A few rows to show with a stored model; a season still to come borrows earlier ones."""
    shown = frame[frame["season"] == fold.season]
    chosen = shown if len(shown) else frame
    return chosen.head(_EXAMPLE_ROWS)[list(columns)].reset_index(drop=True)


def logged(
    loader_module: str,
    save: Callable[[Path], None],
    example: "pd.DataFrame",
    output: "pd.Series",
) -> LoggedModel:
    """A model to log: what ``save`` writes, with an example and what it predicts for it."""
    return LoggedModel(loader_module, save, example, output.rename("p_home").to_frame())


def _season_fit(fold: Fold, model: LoggedModel | None) -> SeasonFit:
    scaling = fold.model.calibration
    line = (
        {"platt_slope": scaling.slope, "platt_intercept": scaling.intercept}
        if isinstance(scaling, Platt)
        else {}
    )
    details = fold.model.estimator.details()
    first, last = fold.plan.train_seasons
    return SeasonFit(
        season=fold.season,
        params={
            "train_seasons": f"{first}–{last}",
            "train_rows": fold.plan.train_rows,
            "trained_until": fold.plan.trained_until.isoformat(),
            "embargo_cutoff": fold.plan.cutoff.isoformat(),
            "calibration": scaling.kind,
            "split_rule": "walk-forward by season",
        },
        metrics={
            **season_metrics(fold.predictions),
            "train_brier": fold.train_brier,
            **line,
            "fit_seconds": fold.fit_seconds,
            **details,
        },
        model=model,
    )
