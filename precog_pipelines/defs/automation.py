"""The sensor behind every automation condition; Dagster's own one would start switched off."""

import dagster as dg

automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    run_tags={"trigger": "automation"},
    description="Materialises what is out of date, once its inputs are new and checked.",
)
