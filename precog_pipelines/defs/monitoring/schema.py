"""The schema as an asset: what the migrations describe, and a check that it still is so.

Every other table rests on it, so the check blocks: with a trigger or constraint gone, what is
written next may be wrong without anybody noticing.
"""

import dagster as dg

from precog_dagster.resources import PostgresResource

EVERY_DAY = "30 9 * * *"
"""09:30 UTC: before the daily ingest."""
_SHOWN = 20


@dg.asset(
    group_name="monitoring",
    kinds={"postgres"},
    owners=["team:precog"],
    tags={"table": "schema_migrations"},
    description=(
        "The schema of the database: tables and views with their comments, and the migrations that "
        "made them. The blocking check `schema_audit` compares it with a database freshly built "
        "from the migrations."
    ),
)
def database_schema(postgres: PostgresResource) -> dg.MaterializeResult:
    from precog_core.database import migrations
    from precog_core.database.docs import schema_page

    database = postgres.database()
    states = migrations.status(database)
    with database.connection() as conn:
        page = schema_page(conn)
    applied = [state.migration.path.name for state in states if state.applied]
    return dg.MaterializeResult(
        metadata={
            "migrations_applied": len(applied),
            "migrations_pending": len(states) - len(applied),
            "newest_migration": applied[-1] if applied else "none",
            "schema": dg.MetadataValue.md(page),
        }
    )


@dg.asset_check(
    asset=database_schema,
    name="schema_audit",
    blocking=True,
    description=(
        "Tables, columns, types, nullability, defaults, constraints, indexes, triggers, functions, "
        "views and comments are those of the migrations, as `precog db audit` says."
    ),
)
def schema_audit(postgres: PostgresResource) -> dg.AssetCheckResult:
    from precog_core.database.audit import audit

    differences = audit(postgres.database())
    listed = "\n".join(f"* {difference}" for difference in differences[:_SHOWN])
    return dg.AssetCheckResult(
        passed=not differences,
        metadata={
            "differences": len(differences),
            "first": dg.MetadataValue.md(listed or "none"),
        },
    )


audit_schema = dg.define_asset_job(
    "audit_schema",
    selection=dg.AssetSelection.assets("database_schema"),
    description="Compare the live schema with the migrations.",
    tags={"stage": "monitoring"},
)


@dg.schedule(
    job=audit_schema,
    cron_schedule=EVERY_DAY,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day, before anything is written.",
)
def daily_schema_audit(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"schema-{context.scheduled_execution_time:%Y-%m-%d}")
