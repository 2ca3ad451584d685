"""Asset ``training_datasets``: the frozen games and features that models learn from."""

import dagster as dg

from precog_core.paths import home
from precog_dagster.metadata import LeftOut, table_metadata
from precog_dagster.partitions import league as by_league
from precog_dagster.resources import PostgresResource
from precog_pipelines.automation import DOWNSTREAM_OF_ANY_PARTITION
from precog_pipelines.training.datasets import Dataset, build_dataset, dataset_name
from precog_pipelines.training.leagues import for_each_league

TABLE = "training_datasets"


@dg.asset(
    key=TABLE,
    deps=[
        dg.AssetDep(
            "features_historical",
            partition_mapping=dg.MultiToSingleDimensionPartitionMapping("league"),
        )
    ],
    partitions_def=by_league,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=DOWNSTREAM_OF_ANY_PARTITION,
    group_name="training",
    kinds={"python", "postgres", "parquet"},
    owners=["team:precog"],
    tags={"table": TABLE},
    check_specs=[
        dg.AssetCheckSpec(
            "dataset_file",
            asset=TABLE,
            blocking=True,
            description="The file has the recorded SHA-256, row count and unique games.",
        ),
        dg.AssetCheckSpec(
            "dataset_label",
            asset=TABLE,
            blocking=True,
            description=(
                "Labels are 0 or 1, every decision lies before its result, and the home team wins "
                "between 40 and 70 % of the games, as in every league."
            ),
        ),
    ],
    description=(
        "All labelled games of a league with their features at the decision: a Parquet file named "
        "by its SHA-256 and a manifest (table training_datasets). Unchanged content keeps its "
        "version, changed content becomes the next one; holes in a season stop the build."
    ),
)
def training_datasets(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    database = postgres.database()

    def build(league: str) -> Dataset:
        with database.transaction() as conn:
            dataset = build_dataset(
                conn,
                league,
                name=dataset_name(league),
                artifact_dir=home() / "datasets",
                dagster_run_id=context.run.run_id,
            )
        context.log.info(f"{dataset.name} {dataset.version}: {len(dataset.frame)} games")
        return dataset

    left_out = LeftOut(context)
    built = list(for_each_league(context.partition_keys, build, left_out).values())
    with database.transaction() as conn:
        metadata = table_metadata(
            conn,
            TABLE,
            rows=sum(len(d.frame) for d in built),
            preview=[_line(d) for d in built],
            first=min(d.frame["decision_at"].min() for d in built).to_pydatetime(),
            last=max(d.frame["decision_at"].max() for d in built).to_pydatetime(),
            sha256=", ".join(d.sha256 for d in built),
            manifest=dg.MetadataValue.json({d.name: d.manifest for d in built}),
            parquet=dg.MetadataValue.path(str(built[-1].path)),
            **left_out.metadata(),
        )
    return dg.MaterializeResult(metadata=metadata, check_results=_checks(built))


def _line(dataset: Dataset) -> dict[str, object]:
    manifest = dataset.manifest
    return {
        "dataset": dataset.name,
        "version": dataset.version,
        "seasons": f"{manifest['season_from']}-{manifest['season_to']}",
        "games": len(dataset.frame),
        "features": len(dataset.feature_names),
        "home wins": float(dataset.frame["home_win"].mean()),
        "ties left out": manifest["exclusions"]["ties"],
        "data": ", ".join(manifest["origins"]),
        "sha256": dataset.sha256[:12],
    }


def _checks(built: list[Dataset]) -> list[dg.AssetCheckResult]:
    # The SHA-256 was verified by load_dataset; here what a right file may still get wrong.
    whole = all(len(d.frame) == d.manifest["rows"] and d.frame["game_key"].is_unique for d in built)
    home_rate = {d.name: float(d.frame["home_win"].mean()) for d in built}
    sound = all(
        set(d.frame["home_win"].unique()) <= {0, 1}
        and bool((d.frame["decision_at"] < d.frame["result_known_at"]).all())
        and 0.4 < home_rate[d.name] < 0.7
        for d in built
    )
    return [
        dg.AssetCheckResult(
            check_name="dataset_file",
            passed=whole,
            metadata={d.name: dg.MetadataValue.text(d.sha256) for d in built},
        ),
        dg.AssetCheckResult(
            check_name="dataset_label",
            passed=sound,
            metadata=home_rate,
        ),
    ]
