"""Asset ``approved_model``: it can materialise only when a model passed the champion gate."""

from typing import Any

import dagster as dg

from precog_dagster.metadata import LeftOut, table_metadata
from precog_dagster.partitions import league as by_league
from precog_dagster.resources import PostgresResource
from precog_pipelines.resources import MlflowResource
from precog_pipelines.tracking.runs import tracking_of
from precog_pipelines.training.leagues import for_each_league

TABLE = "probability_models"


@dg.asset(
    deps=["model_evaluation"],
    partitions_def=by_league,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="training",
    group_name="training",
    kinds={"mlflow", "postgres"},
    owners=["team:precog"],
    tags={"table": TABLE},
    check_specs=[
        dg.AssetCheckSpec(
            "gate_passed",
            asset="approved_model",
            description=(
                "The champion passed the gate. Where Elo is the only model of a league with too "
                "few games (models.elo_alone), it trades on paper without: then this fails."
            ),
        )
    ],
    description=(
        "The league's champion: the best model that passed the gate holds the MLflow alias "
        "champion and status testing (paper trading only), the others watch as challengers. When "
        "none passes this fails with the reasons, and the champion stays, except where Elo is the "
        "league's only model: the check gate_passed says so. Never judged against the market: that "
        "gate guards live trading."
    ),
)
def approved_model(
    context: dg.AssetExecutionContext, postgres: PostgresResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    from precog_pipelines.training.approval import Approval, GateRefused, approve

    tracking, database = tracking_of(mlflow), postgres.database()
    preview: list[dict[str, Any]] = []
    metadata: dict[str, Any] = {}
    exceptions: dict[str, str] = {}
    refusals: list[GateRefused] = []
    left_out = LeftOut(context)

    approved: dict[str, Approval] = {}

    def decide(league: str) -> None:
        try:
            approved[league] = approve(database, tracking, league)
        except GateRefused as refusal:
            refusals.append(refusal)

    for_each_league(context.partition_keys, decide, left_out)
    if refusals:
        # After the other leagues have got their champions. A retry would meet the same facts.
        raise dg.Failure(description="\n\n".join(map(str, refusals)), allow_retries=False)
    for league, approval in approved.items():
        champion = approval.champion
        context.log.info(
            f"{league}: champion is {champion.title} (registry version {approval.version.number}), "
            f"{'changed' if approval.moved else 'as before'}"
        )
        if not approval.admitted:
            exceptions[league] = approval.reasons[champion.name]
            context.log.warning(f"{league}: {exceptions[league]}")
        titles = {"champion": f"{champion.title}, {approval.version.name}"}
        preview.append(_line(league, "champion", titles["champion"], approval.version.number))
        preview += [
            _line(league, "challenger", f"{name}, {version.name}", version.number)
            for name, version in approval.challengers.items()
        ]
        metadata |= {
            "champion": champion.title,
            "registry_version": approval.version.number,
            "changed": approval.moved,
            "compared_with": approval.compared_with,
            "reasons": dg.MetadataValue.md("\n\n".join(approval.reasons.values())),
            "verdict": champion.words(),
            "mlflow_run": dg.MetadataValue.url(
                tracking.run_url(
                    champion.record.experiment_id, champion.record.latest.mlflow_run_id
                )
            ),
        }
    metadata |= left_out.metadata()
    with database.transaction() as conn:
        return dg.MaterializeResult(
            metadata=table_metadata(conn, TABLE, rows=len(preview), preview=preview, **metadata),
            check_results=[
                dg.AssetCheckResult(
                    check_name="gate_passed",
                    passed=not exceptions,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"exceptions": dg.MetadataValue.json(exceptions)},
                )
            ],
        )


def _line(league: str, role: str, model: str, version: int) -> dict[str, Any]:
    return {"league": league, "role": role, "model": model, "registry version": str(version)}
