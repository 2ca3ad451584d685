"""Training the boosted trees of a league: dataset in, recorded walk-forward out."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.features.config import features_config
from precog_pipelines.models import ensure_model
from precog_pipelines.tracking import win_probability_model
from precog_pipelines.tracking.plots import importance_plot, reliability_plot
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.config import ModelsConfig, load_models_config
from precog_pipelines.training.datasets import Dataset, latest_dataset
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
from precog_pipelines.training.walk_forward import Fold, plan_folds, walk_forward

if TYPE_CHECKING:
    import pandas as pd
    import psycopg

FAMILY = "xgboost"
_EXAMPLE_ROWS = 3
# Longer than any embargo: a season to come trains on all results there are.
_OFF_SEASON = timedelta(days=60)


def model_name(league: str) -> str:
    """The name of a league's boosted trees in ``probability_models``."""
    return f"{league}-{FAMILY}"


def train_boosted(
    db: Database, tracking: Tracking, league: str, dagster_run_id: str | None
) -> Record:
    """Walk forward over the league's newest dataset and record it; nothing if it is recorded.

    Raises PrecogError when the league has no dataset or too few seasons.
    """
    with db.transaction() as conn:
        config = load_models_config(conn)
        dataset = latest_dataset(conn, league)
        last = int(dataset.frame["season"].max())
        known_until = dataset.frame["result_known_at"].max().to_pydatetime()
        upcoming = seasons_ahead(conn, league, last, known_until)
        model_id = ensure_model(
            conn,
            name=model_name(league),
            version=config.xgboost.version,
            model_type="ml",
            league=league,
            config={
                "family": FAMILY,
                "xgboost": config.xgboost.definition(),
                "walk_forward": config.walk_forward.definition(),
            },
        )
    try:
        plans = plan_folds(dataset.frame, config, upcoming)
    except ValueError as error:
        raise PrecogError(f"dataset {dataset.name} {dataset.version}: {error}") from error
    subject = Subject(
        league=league,
        family=FAMILY,
        model_id=model_id,
        model_name=model_name(league),
        model_version=config.xgboost.version,
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        dataset_version=dataset.version,
        sha256=dataset.sha256,
        manifest=dataset.manifest,
        dataset_frame=dataset.frame,
        dataset_path=dataset.path,
        params={
            "xgboost": config.xgboost.definition(),
            "rules": config.walk_forward.definition(),
            "features": dataset.feature_names,
        },
        feature_versions=", ".join(
            f"{feature['name']} {feature['version']}" for feature in dataset.manifest["features"]
        ),
        seed=config.xgboost.seed,
        dagster_run_id=dagster_run_id,
    )
    return record(
        db,
        tracking,
        subject,
        [SeasonPlan(plan.season, plan.trained_until, plan.train_rows) for plan in plans],
        lambda: fit_boosted(dataset, config, upcoming, league),
    )


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


def fit_boosted(
    dataset: Dataset, config: ModelsConfig, upcoming: dict[int, datetime], league: str
) -> Outcome:
    """The walk-forward and everything to be logged about it; pure, a few seconds."""
    import pandas as pd

    folds = walk_forward(dataset.frame, dataset.feature_names, config, upcoming)
    predictions = pd.concat([fold.predictions for fold in folds], ignore_index=True)
    shares = pd.DataFrame([fold.gain_shares for fold in folds]).fillna(0.0).mean()
    importance = {str(k): float(v) for k, v in shares.sort_values(ascending=False).items()}
    tested = [fold for fold in folds if len(fold.predictions)]
    rows = sum(fold.plan.train_rows for fold in tested)
    train_brier = sum(fold.train_brier * fold.plan.train_rows for fold in tested) / rows
    bins = reliability(predictions["p_home"], predictions["home_win"])
    title = f"{model_name(league)} {config.xgboost.version}"
    return Outcome(
        fits=[_season_fit(fold, dataset.frame) for fold in folds],
        predictions=predictions,
        metrics=[
            *total_metrics(predictions),
            ("train_brier", train_brier, 0),
            ("fit_seconds", sum(fold.fit_seconds for fold in folds), 0),
        ],
        figures={
            "reliability.png": reliability_plot(bins, f"{title}, out of sample"),
            "importance.png": importance_plot(importance, f"{title}, mean over folds"),
        },
        note=model_card(
            title=title,
            what="Gradient-boosted trees for P(home wins) from Elo ratings, form, rest and "
            "schedule, Platt-scaled on out-of-fold predictions; monotone in the rating lead. One "
            "model per season, trained on earlier seasons only.",
            predictions=predictions,
            manifest=dataset.manifest,
            limits="results only: no injuries, line-ups, weather or prices. A close betting "
            "market knows more; admission as champion allows paper trading, nothing else.",
        ),
        importance=importance,
    )


def _season_fit(fold: Fold, frame: "pd.DataFrame") -> SeasonFit:
    names = list(fold.model.trees.feature_names)
    # A season still to come has no rows of its own to show.
    shown = frame[frame["season"] == fold.season]
    example = (shown if len(shown) else frame).head(_EXAMPLE_ROWS)[names].reset_index(drop=True)

    def save(folder: Path) -> None:
        win_probability_model.save(fold.model, folder)

    platt = fold.model.platt
    first, last = fold.plan.train_seasons
    return SeasonFit(
        season=fold.season,
        params={
            "train_seasons": f"{first}–{last}",
            "train_rows": fold.plan.train_rows,
            "trained_until": fold.plan.trained_until.isoformat(),
            "embargo_cutoff": fold.plan.cutoff.isoformat(),
            "rounds": fold.model.trees.rounds,
            "calibration": "identity" if platt.is_identity else "platt",
            "split_rule": "walk-forward by season",
        },
        metrics={
            **season_metrics(fold.predictions),
            "train_brier": fold.train_brier,
            "rounds": float(fold.model.trees.rounds),
            "platt_slope": platt.slope,
            "platt_intercept": platt.intercept,
            "fit_seconds": fold.fit_seconds,
            **{f"gain/{name}": share for name, share in fold.gain_shares.items()},
        },
        model=LoggedModel(
            loader_module=win_probability_model.__name__,
            save=save,
            example=example,
            output=fold.model.predict(example).to_frame(),
        ),
    )
