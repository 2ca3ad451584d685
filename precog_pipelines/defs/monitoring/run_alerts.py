"""Failed runs and failed checks of this code location become alerts."""

from precog_dagster.run_alerts import run_alerts_sensor

run_alerts = run_alerts_sensor("pipelines")
