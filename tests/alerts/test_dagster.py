"""Alerts in Dagster: failed runs and checks open them, a tick delivers, the asset shows them."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from precog_core.alerts import report
from precog_core.alerts.runs import STOPPED
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.monitoring.run_alerts import run_alerts as pipelines_sensor
from precog_trading.defs.alerts.assets import alert_sources, critical_alerts_taken
from precog_trading.defs.alerts.run_alerts import run_alerts as trading_sensor
from precog_trading.defs.alerts.sensors import alert_delivery
from tests.alerts.receivers import HttpReceiver, MailServer


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@dg.asset
def results(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("wish") == "fail":
        try:
            float("no score")
        except ValueError as error:
            raise PrecogError("games.csv, line 7: no score") from error


@dg.asset_check(asset=results, blocking=True)
def complete() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, metadata={"missing": 3}, description="3 games missing")


@dg.asset_check(asset=results)
def on_time() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=results)
def champion_quality() -> dg.AssetCheckResult:
    """As that of model_evaluation, which raises model_degraded itself: one cause, one alert."""
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=results)
def fine() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


LOCATION = dg.Definitions(
    assets=[results],
    asset_checks=[complete, on_time, champion_quality, fine],
    jobs=[
        dg.define_asset_job("ingest", "*"),
        dg.define_asset_job("alone", dg.AssetSelection.assets("results").without_checks()),
    ],
    executor=dg.in_process_executor,
)


def _run(instance: dg.DagsterInstance, job: str, wish: str = "succeed", **tags: str) -> str:
    names = {f"dagster/{name}": tag for name, tag in tags.items()}
    return (
        LOCATION.resolve_job_def(job)
        .execute_in_process(instance=instance, tags={"wish": wish, **names}, raise_on_error=False)
        .run_id
    )


def _tick(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None, postgres: Any
) -> Any:
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"postgres": postgres}
    ) as context:
        return sensor.evaluate_tick(context)


def _alerts(db: Database) -> dict[tuple[str, str], dict[str, Any]]:
    with db.transaction() as conn:
        rows = conn.execute(
            "SELECT alert_type, COALESCE(details->>'check', details->>'job'), severity, message, "
            "occurrence_count, details FROM alerts"
        ).fetchall()
    names = ("severity", "message", "count", "details")
    return {(row[0], row[1]): dict(zip(names, row[2:], strict=True)) for row in rows}


@pytest.mark.requirement("ORCH-010")
@pytest.mark.parametrize("sensor", [pipelines_sensor, trading_sensor])
def test_failed_runs_and_checks_open_alerts_once(
    db: Database, instance: dg.DagsterInstance, sensor: dg.SensorDefinition
) -> None:
    _run(instance, "alone")
    quiet = _tick(sensor, instance, None, PostgresResource())
    assert _alerts(db) == {}

    failed = _run(instance, "alone", "fail")
    _run(instance, "ingest")
    told = _tick(sensor, instance, quiet.cursor, PostgresResource())
    found = _alerts(db)
    assert set(found) == {
        ("run_failed", "alone"),
        ("run_failed", "ingest"),
        ("check_failed", "complete"),
        ("check_failed", "on_time"),
    }
    run = found["run_failed", "alone"]
    assert run["severity"] == "high"
    assert run["message"] == "alone failed, step results: games.csv, line 7: no score"
    assert run["details"]["run_id"] == failed
    complete_ = found["check_failed", "complete"]
    assert (complete_["severity"], complete_["details"]["found"]) == ("high", {"missing": 3})
    assert "3 games missing" in complete_["message"]
    assert found["check_failed", "on_time"]["severity"] == "medium"

    again = _tick(sensor, instance, told.cursor, PostgresResource())
    assert json.loads(again.cursor) == json.loads(told.cursor)
    assert _alerts(db) == found
    _run(instance, "alone", "fail")
    _tick(sensor, instance, again.cursor, PostgresResource())
    assert _alerts(db)["run_failed", "alone"]["count"] == 2


def test_failed_runs_that_a_later_one_made_good_close_their_alert(
    db: Database, instance: dg.DagsterInstance
) -> None:
    cursor = None

    def ticked() -> tuple[Any, ...]:
        nonlocal cursor
        cursor = _tick(pipelines_sensor, instance, cursor, PostgresResource()).cursor
        with db.transaction() as conn:
            row = conn.execute(
                "SELECT occurrence_count, resolved_by, resolution_action, resolved_notes "
                "FROM alerts WHERE alert_type = 'run_failed'"
            ).fetchone()
        assert row is not None
        return tuple(row)

    first = _run(instance, "alone", "fail", partition="2019")
    second = _run(instance, "alone", "fail", partition="2020")
    assert ticked() == (2, None, None, None)
    _run(instance, "alone", partition="2019")
    assert ticked()[1] is None, "a run of its own is no retry: why the first failed is open"
    _run(instance, "alone", root_run_id=first, parent_run_id=first)
    assert ticked()[1] is None, "the second is still to be made good"
    third = _run(instance, "alone", "fail", root_run_id=second, parent_run_id=second)
    retry = _run(instance, "alone", root_run_id=second, parent_run_id=third)
    assert ticked() == (3, "precog", "fixed", f"run {retry} made it good")


def test_what_was_cut_off_by_the_end_of_precog_is_made_good_by_the_same_work(
    db: Database, instance: dg.DagsterInstance
) -> None:
    for partition in ("2019", "2020"):
        run = instance.create_run_for_job(
            LOCATION.resolve_job_def("alone"), tags={"dagster/partition": partition}
        )
        instance.report_run_failed(run, STOPPED)
    cursor = _tick(pipelines_sensor, instance, None, PostgresResource()).cursor
    assert "Precog was stopped" in _alerts(db)["run_failed", "alone"]["message"]
    for partition, closed in (("2019", False), ("2021", False), ("2020", True)):
        _run(instance, "alone", partition=partition)
        cursor = _tick(pipelines_sensor, instance, cursor, PostgresResource()).cursor
        with db.transaction() as conn:
            row = conn.execute("SELECT resolved_at IS NOT NULL FROM alerts").fetchone()
        assert row == (closed,), partition


@pytest.mark.requirement("ORCH-010")
def test_a_failed_run_is_not_lost_while_the_database_is_away(
    db: Database, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(instance, "alone", "fail")
    with monkeypatch.context() as away:
        away.setenv("PRECOG_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/precog")
        with pytest.raises(Exception, match=r"(?i)connection|reach"):
            _tick(trading_sensor, instance, None, PostgresResource())
    assert _alerts(db) == {}
    _tick(trading_sensor, instance, None, PostgresResource())
    assert ("run_failed", "alone") in _alerts(db)


def test_a_tick_looks_delivers_and_shows_and_then_rests(
    db: Database, instance: dg.DagsterInstance, mail: MailServer, receiver: HttpReceiver
) -> None:
    with db.transaction() as conn:
        conn.execute(
            "INSERT INTO circuit_breaker_events (breaker_type, execution_environment, action, "
            "triggered_at, trigger_value) VALUES ('daily_loss', 'paper', 'close_all', now(), "
            """'{"loss": "512.40"}')"""
        )
        conn.execute("INSERT INTO sports VALUES ('quidditch', '?', false)")
    first = _tick(alert_delivery, instance, None, PostgresResource())
    assert len(mail.messages) == 1
    assert {request.host for request in receiver.requests} == {
        "api.twilio.com",
        "hooks.slack.com",
        "receiver.example.org",
    }
    (shown,) = first.asset_events
    assert shown.metadata["open"].value == 2
    assert shown.metadata["open_critical"].value == 1
    assert "Breaker daily_loss opened: close_all (loss 512.40)" in shown.metadata["alerts"].value
    with db.transaction() as conn:
        linked = conn.execute(
            "SELECT a.severity, a.source_id = e.breaker_event_id FROM circuit_breaker_events AS e "
            "INNER JOIN alerts AS a USING (alert_id)"
        ).fetchall()
    assert linked == [("critical", True)]
    second = _tick(alert_delivery, instance, first.cursor, PostgresResource())
    assert second.asset_events == []
    assert len(mail.messages) == 1
    assert _health(db) == ("healthy", [])
    mail.stop()
    with db.transaction() as conn:
        report(conn, "edge_anomaly", "another")
    for _ in range(2):
        _tick(alert_delivery, instance, first.cursor, PostgresResource())
    assert _health(db) == ("degraded", ["email"])


def _health(db: Database) -> tuple[Any, ...]:
    with db.transaction() as conn:
        row = conn.execute(
            "SELECT status, details->'failing' FROM system_health WHERE component = 'notifications'"
        ).fetchone()
    assert row is not None
    return tuple(row)


@pytest.mark.requirement("ALERT-012")
def test_the_checks_name_a_source_that_does_not_exist_and_a_critical_alert_nobody_took(
    db: Database,
) -> None:
    def results() -> list[bool]:
        checks = (alert_sources, critical_alerts_taken)
        return [bool(check(postgres=PostgresResource()).passed) for check in checks]

    with db.transaction() as conn:
        row = conn.execute("SELECT min(team_id) FROM teams").fetchone()
        assert row is not None
        team = (
            row[0]
            or conn.execute(
                "INSERT INTO teams (league, team_code, name) VALUES ('nfl', 'KC', 'KC') "
                "RETURNING team_id"
            ).fetchone()[0]
        )  # type: ignore[index]
        report(conn, "kill_switch", "stopped", source=("teams", team))
    assert results() == [True, True]
    with db.transaction() as conn:
        report(conn, "fee_mismatch", "x", source=("teams", -1))
        conn.execute(
            "UPDATE alerts SET triggered_at = triggered_at - %s WHERE severity = 'critical'",
            (timedelta(hours=2),),
        )
    assert results() == [False, False]
    with db.transaction() as conn:
        conn.execute("UPDATE alerts SET source_table = 'no_such_table' WHERE source_id = -1")
        conn.execute("UPDATE alerts SET acknowledged_at = now()")
    assert results() == [False, True]
