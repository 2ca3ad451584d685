"""Assets of the models: fits recorded in MLflow and the database, one asset per family."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from precog_core.database import Database
from precog_dagster.metadata import LeftOut, table_metadata
from precog_dagster.partitions import league as by_league
from precog_dagster.resources import PostgresResource
from precog_pipelines.resources import MlflowResource
from precog_pipelines.tracking.runs import Tracking, tracking_of
from precog_pipelines.training.leagues import for_each_league
from precog_pipelines.training.records import Record, artifact, out_of_sample
from precog_pipelines.training.reporting import by_season_rows, season_metrics

TABLE = "model_training_runs"
ANY_SEASON = dg.MultiToSingleDimensionPartitionMapping("league")

family_assets: list[str] = []
"""The assets of this module in their order: what is trained, judged and recorded together."""

Train = Callable[[Database, Tracking, str, str | None], Record]
_Body = Callable[..., dg.MaterializeResult]


def _family(
    *, deps: Sequence[str | dg.AssetDep], kinds: set[str], description: str
) -> Callable[[_Body], dg.AssetsDefinition]:
    """An asset of a model family: what all of them share, and what tells them apart."""

    def made(body: _Body) -> dg.AssetsDefinition:
        family_assets.append(body.__name__)
        return dg.asset(
            deps=deps,
            partitions_def=by_league,
            backfill_policy=dg.BackfillPolicy.single_run(),
            pool="training",
            group_name="training",
            kinds=kinds,
            owners=["team:precog"],
            tags={"part_of": TABLE},
            description=description,
        )(body)

    return made


@_family(
    deps=[dg.AssetDep("elo_ratings", partition_mapping=ANY_SEASON)],
    kinds={"python", "mlflow", "postgres"},
    description=(
        "Elo as a model among models: one MLflow run and one row of model_training_runs per season "
        "pass, its probabilities before each game as the out-of-sample record, and the ratings "
        "after the last game as a model that can be loaded. Nothing is rated here."
    ),
)
def elo_model(
    context: dg.AssetExecutionContext, postgres: PostgresResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    from precog_pipelines.training.elo_passes import train_elo

    return _train(context, postgres.database(), tracking_of(mlflow), train_elo)


@_family(
    deps=["training_datasets"],
    kinds={"xgboost", "mlflow", "postgres"},
    description=(
        "Gradient-boosted trees, walked forward by season: the model of season S is trained on "
        "earlier seasons only and is the one that predicts S. One MLflow run and one row of "
        "model_training_runs per season. The same dataset, parameters and commit fit only once; an "
        "interrupted run continues where it stopped."
    ),
)
def win_probability_model(
    context: dg.AssetExecutionContext, postgres: PostgresResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    from precog_pipelines.training.boosted import train_boosted

    return _train(context, postgres.database(), tracking_of(mlflow), train_boosted)


@_family(
    deps=["training_datasets"],
    kinds={"scikitlearn", "mlflow", "postgres"},
    description=(
        "Logistic regression on a few features, walked forward by season like the trees. One "
        "MLflow run and one row of model_training_runs per season; the newest run's model holds "
        "every season's fit."
    ),
)
def logistic_model(
    context: dg.AssetExecutionContext, postgres: PostgresResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    from precog_pipelines.training.regression import train_logistic

    return _train(context, postgres.database(), tracking_of(mlflow), train_logistic)


@_family(
    deps=["training_datasets", "elo_model", "logistic_model", "win_probability_model"],
    kinds={"python", "mlflow", "postgres"},
    description=(
        "The weighted mean of the logits of Elo, regression and trees, from their recorded "
        "walk-forwards; nothing is fitted. A missing member's weight goes to the others while "
        "60 % of it is present."
    ),
)
def ensemble_model(
    context: dg.AssetExecutionContext, postgres: PostgresResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    from precog_pipelines.training.ensemble import train_ensemble

    return _train(context, postgres.database(), tracking_of(mlflow), train_ensemble)


@_family(
    deps=[
        "training_datasets",
        dg.AssetDep("market_snapshots", partition_mapping=ANY_SEASON),
    ],
    kinds={"python", "mlflow", "postgres"},
    description=(
        "The market's last price before the start, moved by a correction learned from earlier "
        "seasons and shrunk towards none. It says what our numbers add to the market; it is "
        "compared and never predicts for trading. A league whose prices are simulated, or that "
        "has too few seasons of prices, is left out and named."
    ),
)
def market_anchored_model(
    context: dg.AssetExecutionContext, postgres: PostgresResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    from precog_pipelines.training.anchored import train_anchored

    # Compared and never served: a league without prices lacks nothing.
    return _train(
        context, postgres.database(), tracking_of(mlflow), train_anchored, may_be_empty=True
    )


def _train(
    context: dg.AssetExecutionContext,
    database: Database,
    tracking: Tracking,
    train: Train,
    *,
    may_be_empty: bool = False,
) -> dg.MaterializeResult:
    """Train each league; those that cannot be yet are left out and named in the metadata."""
    preview: list[dict[str, Any]] = []
    metadata: dict[str, Any] = {}
    left_out = LeftOut(context)
    first = last = None
    rows = 0
    recorded = for_each_league(
        context.partition_keys,
        lambda league: train(database, tracking, league, context.run_id),
        left_out,
        may_be_empty=may_be_empty,
    )
    for league, record in recorded.items():
        predictions = out_of_sample(tracking, record)
        total = season_metrics(predictions)
        url = tracking.run_url(record.experiment_id, record.parent_run_id)
        context.log.info(
            f"{league}: {len(record.seasons)} fits {'recorded' if record.created else 'there'}; "
            f"Brier {total['brier']:.4f} over {int(total['n'])} games out of sample; {url}"
        )
        rows += len(record.seasons)
        preview += [{"league": league} | row for row in by_season_rows(predictions)]
        metadata |= {
            "mlflow_run": dg.MetadataValue.url(url),
            "created": record.created,
            "walk_forward": record.walk_forward,
            "trained_until": dg.MetadataValue.timestamp(record.latest.trained_until),
        }
        metadata |= {name: value for name, value in total.items() if name != "n"}
        metadata["games_out_of_sample"] = int(total["n"])
        for picture in ("reliability", "importance"):
            content = artifact(tracking, record, f"{picture}.png")
            if content is not None:
                encoded = base64.b64encode(content).decode()
                metadata[picture] = dg.MetadataValue.md(
                    f"![{picture}](data:image/png;base64,{encoded})"
                )
        first = predictions["kickoff_at"].min().to_pydatetime()
        last = predictions["kickoff_at"].max().to_pydatetime()
    metadata |= left_out.metadata()
    with database.transaction() as conn:
        return dg.MaterializeResult(
            metadata=table_metadata(
                conn, TABLE, rows=rows, preview=preview[-10:], first=first, last=last, **metadata
            )
        )
