"""The ensemble of a league: the weighted mean of its members' logits, nothing fitted.

Its members are the recorded walk-forwards of Elo, the regression and the trees. Each of their
probabilities of a season was made without that season, so the mean is out of sample too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_pipelines.models import ensure_model
from precog_pipelines.tracking import ensemble_model
from precog_pipelines.tracking.ensemble_model import combine
from precog_pipelines.tracking.models import download_model, feature_names, load_model
from precog_pipelines.tracking.plots import reliability_plot
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.config import EnsembleConfig, load_models_config
from precog_pipelines.training.datasets import Dataset, latest_dataset
from precog_pipelines.training.fitting import feature_versions, logged, model_name
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
from precog_pipelines.training.records import Record, latest_record, out_of_sample
from precog_pipelines.training.reporting import model_card, season_metrics, total_metrics

if TYPE_CHECKING:
    import pandas as pd

FAMILY = "ensemble"
_KEYS = ["game_id", "game_key", "season", "kickoff_at", "home_win"]
_EXAMPLE_ROWS = 3


@dataclass(frozen=True)
class Member:
    """One member's recorded walk-forward and its out-of-sample probabilities."""

    family: str
    weight: float
    record: Record
    predictions: "pd.DataFrame"


def train_ensemble(
    db: Database, tracking: Tracking, league: str, dagster_run_id: str | None
) -> Record:
    """Record the mean of the members' newest walk-forwards; nothing if it is recorded.

    Raises NotTrainable when the members that are trained do not carry enough weight.
    """
    with db.connection() as conn:
        config = load_models_config(conn).ensemble
    members = _members(db, tracking, league, config)
    with db.transaction() as conn:
        dataset = latest_dataset(conn, league)
        model_id = ensure_model(
            conn,
            name=model_name(league, FAMILY),
            version=config.version,
            model_type="ensemble",
            league=league,
            config={"family": FAMILY, FAMILY: config.definition()},
        )
    plans = _plans(members, config)
    names = ", ".join(sorted(member.family for member in members))
    subject = Subject(
        league=league,
        family=FAMILY,
        model_id=model_id,
        model_name=model_name(league, FAMILY),
        model_version=config.version,
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        dataset_version=dataset.version,
        sha256=dataset.sha256,
        manifest=dataset.manifest,
        dataset_frame=dataset.frame,
        dataset_path=dataset.path,
        params={
            FAMILY: config.definition(),
            "members": {member.family: member.record.walk_forward for member in members},
        },
        feature_versions=f"members: {names}; " + feature_versions(dataset, dataset.feature_names),
        seed=0,
        dagster_run_id=dagster_run_id,
    )
    return record(
        db,
        tracking,
        subject,
        plans,
        lambda: _outcome(tracking, league, dataset, config, members, plans),
    )


def ensemble_predictions(members: list[Member], config: EnsembleConfig) -> "pd.DataFrame":
    """The members' mean for every game of which enough of them speak, by season and game_key."""
    import pandas as pd

    keys = pd.concat([member.predictions[_KEYS] for member in members])
    games = keys.drop_duplicates("game_id").reset_index(drop=True)
    spoken: dict[str, pd.Series] = {}
    for member in members:
        known = dict(zip(member.predictions["game_id"], member.predictions["p_home"], strict=True))
        spoken[member.family] = games["game_id"].map(known).astype(float)
    p, _ = combine(spoken, config.weights, config.min_weight_present)
    games["p_raw"] = games["p_home"] = p
    games = games[games["p_home"].notna()]
    return games.sort_values(["season", "game_key"], kind="stable").reset_index(drop=True)


def _members(db: Database, tracking: Tracking, league: str, config: EnsembleConfig) -> list[Member]:
    with db.connection() as conn:
        models = list(load_queries("training").select_league_models(conn, league=league))
    found: dict[str, Member] = {}
    for model_id, name, *_ in models:
        family = str(name).removeprefix(f"{league}-")
        if family not in config.weights:
            continue
        newest = latest_record(db, tracking, int(model_id))
        if newest is not None:
            found[family] = Member(
                family, config.weights[family], newest, out_of_sample(tracking, newest)
            )
    present = sum(member.weight for member in found.values())
    if present < config.min_weight_present:
        raise NotTrainable(
            f"the ensemble of {league} has members of weight {present:g} "
            f"({', '.join(sorted(found)) or 'none'}), at least {config.min_weight_present:g} are "
            f"needed; train {', '.join(sorted(set(config.weights) - set(found)))} first"
        )
    return [found[family] for family in sorted(found)]


def _plans(members: list[Member], config: EnsembleConfig) -> list[SeasonPlan]:
    """Seasons in which enough members have a fit. Elo fits nothing and has its own clock."""
    seasons = sorted({run.season for member in members for run in member.record.seasons})
    plans = []
    for season in seasons:
        having = [m for m in members if m.record.run_of(season) is not None]
        judged = [m for m in having if season >= int(m.predictions["season"].min())]
        if sum(m.weight for m in judged) < config.min_weight_present:
            continue
        fitted = [m for m in judged if m.family != "elo"] or judged
        runs = [run for m in fitted if (run := m.record.run_of(season)) is not None]
        plans.append(
            SeasonPlan(
                season=season,
                trained_until=max(run.trained_until for run in runs),
                train_rows=0,
            )
        )
    return plans


def _outcome(
    tracking: Tracking,
    league: str,
    dataset: Dataset,
    config: EnsembleConfig,
    members: list[Member],
    plans: list[SeasonPlan],
) -> Outcome:
    games = ensemble_predictions(members, config)
    title = f"{model_name(league, FAMILY)} {config.version}"
    weights = ", ".join(f"{m.family} {m.weight:.2f}" for m in members)
    bins = reliability(games["p_home"], games["home_win"])
    last = plans[-1].season
    return Outcome(
        fits=[
            SeasonFit(
                season=plan.season,
                params={f"weight.{m.family}": m.weight for m in members}
                | {"calibration": "identity", "split_rule": "walk-forward by season"},
                metrics=season_metrics(games[games["season"] == plan.season]),
                model=_newest_model(tracking, dataset, config, members)
                if plan.season == last
                else None,
            )
            for plan in plans
        ],
        predictions=games,
        metrics=total_metrics(games),
        figures={"reliability.png": reliability_plot(bins, f"{title}, out of sample")},
        note=model_card(
            title=title,
            what=f"Weighted mean of the members' logits: {weights}. A missing member's weight goes "
            f"to the others while at least {config.min_weight_present:.0%} of it is present; "
            "otherwise there is no prediction.",
            predictions=games,
            manifest=dataset.manifest,
            limits="knows what its members know, results only. A close betting market knows more; "
            "admission as champion allows paper trading, nothing else.",
        ),
    )


def _newest_model(
    tracking: Tracking, dataset: Dataset, config: EnsembleConfig, members: list[Member]
) -> LoggedModel:
    """All members' newest models in one, so that it predicts without this installation."""
    runs = {m.family: m.record.latest.mlflow_run_id for m in members if m.family != "elo"}
    inputs: list[str] = ["elo_prob"] if any(m.family == "elo" for m in members) else []
    parts: dict[str, Any] = {}
    for family, run_id in runs.items():
        parts[family] = load_model(tracking, run_id)
        inputs += [name for name in feature_names(parts[family]) if name not in inputs]
    example = dataset.frame.tail(_EXAMPLE_ROWS)[inputs].reset_index(drop=True)
    spoken = {
        family: part.predict(example[feature_names(part)])["p_home"]
        for family, part in parts.items()
    }
    if "elo_prob" in inputs and any(m.family == "elo" for m in members):
        spoken["elo"] = example["elo_prob"]

    def save(folder: Path) -> None:
        for family, run_id in runs.items():
            download_model(tracking, run_id, folder / "members" / family)
        ensemble_model.save(config.weights, config.min_weight_present, list(spoken), folder)

    p, _ = combine(spoken, config.weights, config.min_weight_present)
    return logged(ensemble_model.__name__, save, example, p)


def member_records(params: Mapping[str, Any]) -> dict[str, str]:
    """The members of a recorded ensemble: family -> identity of its walk-forward."""
    members: dict[str, str] = params["members"]
    return members
