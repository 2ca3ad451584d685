"""Asset ``predictions``: the champion's and the challengers' probabilities, where trading reads."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from precog_core.database.queries import load_queries
from precog_dagster.metadata import table_metadata
from precog_dagster.partitions import league_season, seasons_by_league
from precog_dagster.resources import PostgresResource
from precog_pipelines.automation import DOWNSTREAM
from precog_pipelines.resources import MlflowResource
from precog_pipelines.tracking.runs import tracking_of

if TYPE_CHECKING:
    import psycopg

    from precog_pipelines.predictions.issue import Issued

TABLE = "predictions"
# Half a unit of the table's fourth decimal: more is another probability.
_ROUNDING = 5e-5


@dg.asset(
    key=TABLE,
    deps=[
        "features_historical",
        dg.AssetDep(
            "approved_model",
            partition_mapping=dg.MultiToSingleDimensionPartitionMapping("league"),
        ),
    ],
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=DOWNSTREAM,
    group_name="predictions",
    kinds={"python", "mlflow", "postgres"},
    owners=["team:precog"],
    tags={"table": TABLE},
    check_specs=[
        dg.AssetCheckSpec(
            "no_leak",
            asset=TABLE,
            blocking=True,
            description=(
                "Every prediction was trained on results known before its moment, used no feature "
                "known after it, and lies before the start."
            ),
        ),
        dg.AssetCheckSpec(
            "one_per_key",
            asset=TABLE,
            blocking=True,
            description="A fit speaks once per game and moment.",
        ),
        dg.AssetCheckSpec(
            "plausible_probabilities",
            asset=TABLE,
            blocking=True,
            description="No probability is 0 or 1, and an interval has both ends or none.",
        ),
        dg.AssetCheckSpec(
            "same_as_walk_forward",
            asset=TABLE,
            blocking=True,
            description=(
                "At the decision, each probability equals the out-of-sample one its model was "
                "judged by."
            ),
        ),
    ],
    description=(
        "P(home wins) of the champion and its challengers a day before and at the decision, with "
        "a 90 % interval, the fit that made it and the last result it knew (table predictions). "
        "Season S is predicted by the fit that saw only earlier seasons. What was issued is never "
        "changed."
    ),
)
def predictions(
    context: dg.AssetExecutionContext, postgres: PostgresResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    from precog_pipelines.predictions.issue import issue_predictions
    from precog_pipelines.predictions.serving import serving_models

    tracking, database = tracking_of(mlflow), postgres.database()
    by_league = seasons_by_league(list(context.partition_keys))
    served = {league: serving_models(database, tracking, league) for league in by_league}
    issued: dict[str, Issued] = {}
    with database.transaction() as conn:
        for league, seasons in by_league.items():
            issued[league] = issue_predictions(
                conn, tracking, league, seasons, served[league], dagster_run_id=context.run_id
            )
            _report(context, league, issued[league])
            for season, count in load_queries(TABLE).predictions_by_season(
                conn, league=league, seasons=seasons
            ):
                context.add_asset_metadata(
                    {"dagster/partition_row_count": count}, partition_key=f"{league}|{season}"
                )
        metadata = _metadata(conn, by_league, issued)
        metadata["models"] = ", ".join(
            f"{one.role}: {one.title}" for league in served for one in served[league]
        )
        checks = _checks(conn, by_league, issued)
    return dg.MaterializeResult(metadata=metadata, check_results=checks)


def _report(context: dg.AssetExecutionContext, league: str, issued: "Issued") -> None:
    context.log.info(f"{league}: {issued.predictions} predictions, {issued.inserted} new")
    if issued.without_model:
        context.log.info(
            f"{league}: no model for seasons {list(issued.without_model)}: too few seasons before"
        )
    if issued.differing:
        context.log.warning(
            f"{league}: {issued.differing} stored predictions would come out differently today, "
            "because a source was corrected; they stay as they were issued"
        )


def _metadata(
    conn: "psycopg.Connection", by_league: dict[str, list[int]], issued: "dict[str, Issued]"
) -> dict[str, Any]:
    queries = load_queries(TABLE)
    rows, first, last = 0, None, None
    preview: list[dict[str, Any]] = []
    names = ("game", "model", "p_home", "p_low", "p_high", "as of", "known at")
    for league, seasons in by_league.items():
        count, begins, ends = queries.predictions_span(conn, league=league, seasons=seasons)
        rows += count
        first = min(filter(None, (first, begins)), default=None)
        last = max(filter(None, (last, ends)), default=None)
        preview += [
            dict(zip(names, row, strict=True))
            for row in queries.predictions_preview(conn, league=league, seasons=seasons)
        ]
    without = {league: list(one.without_model) for league, one in issued.items()}
    return table_metadata(
        conn,
        TABLE,
        rows=rows,
        preview=preview,
        first=first,
        last=last,
        rows_inserted=sum(one.inserted for one in issued.values()),
        rows_differing=sum(one.differing for one in issued.values()),
        games_without_history=sum(one.without_history for one in issued.values()),
        seasons_without_model=dg.MetadataValue.json(without),
    )


def _checks(
    conn: "psycopg.Connection", by_league: dict[str, list[int]], issued: "dict[str, Issued]"
) -> list[dg.AssetCheckResult]:
    queries = load_queries(TABLE)
    results = []
    for name, count_violations in (
        ("no_leak", queries.count_leaking),
        ("one_per_key", queries.count_ambiguous),
        ("plausible_probabilities", queries.count_implausible),
    ):
        violations = sum(
            count_violations(conn, league=league, seasons=seasons)
            for league, seasons in by_league.items()
        )
        results.append(
            dg.AssetCheckResult(
                check_name=name, passed=violations == 0, metadata={"violations": violations}
            )
        )
    gap = max((one.largest_gap for one in issued.values()), default=0.0)
    results.append(
        dg.AssetCheckResult(
            check_name="same_as_walk_forward",
            passed=gap < _ROUNDING,
            metadata={
                "compared": sum(one.compared for one in issued.values()),
                "largest_gap": gap,
            },
        )
    )
    return results
