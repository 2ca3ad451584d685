"""Training and predicting through Dagster: partitions, checks, gates, what launches what."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from precog_core.config import set_override
from precog_dagster.partitions import league_season
from precog_dagster.resources import PostgresResource
from precog_pipelines.automation import DOWNSTREAM
from precog_pipelines.defs import automation
from precog_pipelines.defs.predictions import assets as prediction_assets
from precog_pipelines.defs.predictions import sensors
from precog_pipelines.defs.training import approval, evaluation, jobs, models
from precog_pipelines.features.store import write_features
from precog_pipelines.resources import MlflowResource
from tests.synthetic_league import GameRow, store
from tests.trained_league import AHEAD, FAMILIES, LEAGUE, SEASONS, TESTED, Home

ASSETS = dg.load_assets_from_modules([models, evaluation, approval, prediction_assets])
TRAINING = (
    "elo_model", "logistic_model", "win_probability_model", "ensemble_model",
    "market_anchored_model", "model_evaluation", "approved_model",
)  # fmt: skip
RESOURCES = {"postgres": PostgresResource(), "mlflow": MlflowResource()}


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def materialize(instance: dg.DagsterInstance, *names: str, first: str, last: str, raises=True):
    return dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets(*names),
        instance=instance,
        resources=RESOURCES,
        raise_on_error=raises,
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        },
    )


def train(instance: dg.DagsterInstance, *names: str, raises: bool = True):
    return materialize(instance, *names, first=LEAGUE, last=LEAGUE, raises=raises)


def predict(instance: dg.DagsterInstance, first: int, last: int, raises: bool = True):
    return materialize(
        instance,
        "predictions",
        first=f"{LEAGUE}|{first}",
        last=f"{LEAGUE}|{last}",
        raises=raises,
    )


def checks(result) -> dict[str, bool]:
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


def metadata(result, key: str) -> dict:
    """What a materialisation shows; a range has one per partition, alike but for its own count."""
    return result.asset_materializations_for_node(key)[0].metadata


def test_one_run_trains_judges_and_approves_and_the_next_predicts(
    league_home: Home, instance: dg.DagsterInstance
) -> None:
    result = train(instance, *TRAINING)
    assert result.success
    assert checks(result) == {
        "calibration": True, "leak_alarms": True, "sanity_bands": True, "gate_passed": True,
        "champion_quality": True,
    }  # fmt: skip
    boosted = metadata(result, "win_probability_model")
    assert boosted["dagster/row_count"].value == len(TESTED) + 1
    assert boosted["created"].value is True
    assert boosted["mlflow_run"].url.startswith("http://127.0.0.1:5000/#/experiments/")
    assert boosted["mlflow_run"].url.endswith("?workflowType=machine_learning")
    assert boosted["reliability"].md_str.startswith("![reliability](data:image/png;base64,")
    assert 0.15 < boosted["brier"].value < 0.27
    left_out = metadata(result, "market_anchored_model")["left_out"].data
    assert "has no recorded or assumed price" in left_out[LEAGUE]
    judged = metadata(result, "model_evaluation")
    assert "Better than the home rate" in judged["verdict"].md_str
    approved = metadata(result, "approved_model")
    assert approved["changed"].value is True and approved["compared_with"].text == "the home rate"
    run_ids = league_home.rows("SELECT DISTINCT dagster_run_id FROM model_training_runs")
    assert run_ids == [(result.run_id,)]

    predicted = predict(instance, SEASONS[0], AHEAD)
    assert checks(predicted) == {
        "no_leak": True, "one_per_key": True, "plausible_probabilities": True,
        "same_as_walk_forward": True,
    }  # fmt: skip
    rows = league_home.value("SELECT count(*) FROM predictions")
    shown = metadata(predicted, "predictions")
    assert shown["dagster/row_count"].value == rows > 1_000
    assert shown["rows_inserted"].value == rows
    assert shown["seasons_without_model"].data == {LEAGUE: [2009, 2010, 2011]}
    assert "champion: ncaaf-" in shown["models"].text
    by_season = {
        event.partition: event.metadata["dagster/partition_row_count"].value
        for event in predicted.asset_materializations_for_node("predictions")
        if "dagster/partition_row_count" in event.metadata
    }
    assert by_season.keys() == {f"{LEAGUE}|{season}" for season in TESTED}
    assert sum(by_season.values()) == rows


def test_again_everything_is_found_and_no_row_changes(
    trained_home: Home, instance: dg.DagsterInstance
) -> None:
    counted = (
        "SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM model_evaluations),"
        " (SELECT count(*) FROM model_training_runs), (SELECT array_agg((model_id, status, notes,"
        " activated_at)::text ORDER BY model_id) FROM probability_models)"
    )
    before = trained_home.rows(counted)
    result = train(instance, *TRAINING)
    assert metadata(result, "elo_model")["created"].value is False
    assert metadata(result, "model_evaluation")["rows_inserted"].value == 0
    assert metadata(result, "approved_model")["changed"].value is False
    assert metadata(predict(instance, 2013, 2014), "predictions")["rows_inserted"].value == 0
    assert trained_home.rows(counted) == before


@pytest.mark.requirement("ORCH-006")
def test_an_alarm_stops_the_run_before_approval(
    fitted_home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECOG__MODELS__LEAKS__MAX_TRAIN_TEST_GAP", "0")
    result = train(instance, *TRAINING, raises=False)
    assert checks(result)["leak_alarms"] is False
    assert not result.success
    assert result.asset_materializations_for_node("model_evaluation")
    assert not result.asset_materializations_for_node("approved_model")
    assert fitted_home.rows("SELECT DISTINCT status FROM probability_models") == [("draft",)]


def test_a_refused_gate_is_a_failed_run_with_the_reasons(
    trained_home: Home, instance: dg.DagsterInstance
) -> None:
    with trained_home.db.transaction() as conn:
        set_override(conn, "models.champion.min_games", 50_000, reason="test", applied_by="test")
    result = train(instance, "approved_model", raises=False)
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    description = failure.step_failure_data.user_failure_data.description
    assert "no model of ncaaf may predict for trading" in description
    assert "(at least 50000)" in description


@pytest.mark.parametrize(
    ("check", "damage"),
    [
        (
            "no_leak",
            "UPDATE features_historical SET known_at = event_ts + INTERVAL '1 second' WHERE"
            " feature_record_id = (SELECT max(f.feature_record_id) FROM features_historical f JOIN"
            " games g ON g.game_id = f.entity_id WHERE g.season = 2014)",
        ),
        ("plausible_probabilities", "UPDATE predictions SET p_home = 1 WHERE p_home > 0.8"),
        (
            "same_as_walk_forward",
            "UPDATE features_historical f SET feature_value = 0.5 FROM feature_definitions d, games"
            " g WHERE d.feature_id = f.feature_id AND d.feature_name = 'elo_prob' AND g.game_id ="
            " f.entity_id AND g.season = 2014",
        ),
    ],
)
def test_each_check_fails_on_what_it_is_there_for(
    trained_home: Home, instance: dg.DagsterInstance, check: str, damage: str
) -> None:
    with trained_home.db.transaction() as conn:
        conn.execute("ALTER TABLE predictions DISABLE TRIGGER trg_predictions_no_change")
        assert conn.execute(damage).rowcount > 0
    result = predict(instance, 2014, 2014, raises=False)
    found = checks(result)
    assert found.pop(check) is False
    assert set(found.values()) == {True}


@pytest.mark.requirement("ORCH-004")
def test_the_training_job_runs_every_week_and_once_per_league() -> None:
    assert jobs.weekly_training.default_status == dg.DefaultScheduleStatus.RUNNING
    assert jobs.weekly_training.execution_timezone == "UTC"
    tick = datetime(2026, 11, 24, 14, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=tick) as context:
        requests = jobs.weekly_training(context)
    assert [(r.run_key, r.partition_key) for r in requests] == [("nfl-2026-11-24", "nfl")]


def schedule_game(home: Home, hours: float, announced_h: float = 47) -> GameRow:
    now = datetime.now(UTC).replace(microsecond=0)
    kickoff = now + timedelta(hours=hours)
    game = GameRow(
        LEAGUE, AHEAD, kickoff.date(), "T00", "T01", kickoff,
        known_at=kickoff - timedelta(hours=announced_h),
    )  # fmt: skip
    with home.db.transaction() as conn:
        store(conn, [game], source="manual")
    return game


def tick() -> dg.SensorResult | dg.SkipReason:
    with dg.build_sensor_context(resources={"postgres": PostgresResource()}) as context:
        return sensors.games_due(context)


def test_a_game_whose_moment_has_come_launches_one_prediction_run(trained_home: Home) -> None:
    skipped = tick()
    assert isinstance(skipped, dg.SkipReason)
    game = schedule_game(trained_home, hours=3)
    result = tick()
    assert isinstance(result, dg.SensorResult)
    (request,) = result.run_requests
    assert request.partition_key == f"{LEAGUE}|{AHEAD}"
    assert (game.kickoff_at - timedelta(hours=24)).isoformat() in request.run_key
    # The same facts give the same key, so Dagster launches one run.
    assert tick().run_requests[0].run_key == request.run_key


@pytest.mark.parametrize(
    ("hours", "announced_h"),
    [(26, 47), (3, -1), (0.9, 0.5)],
    ids=["a day and more ahead", "announced after the start", "announced after the decision"],
)
def test_a_game_without_a_moment_yet_or_ever_launches_nothing(
    trained_home: Home, hours: float, announced_h: float
) -> None:
    schedule_game(trained_home, hours, announced_h)
    assert isinstance(tick(), dg.SkipReason)


def test_once_predicted_a_game_waits_for_its_next_moment(
    trained_home: Home, instance: dg.DagsterInstance
) -> None:
    schedule_game(trained_home, hours=3)
    with trained_home.db.transaction() as conn:
        write_features(conn, LEAGUE, [AHEAD], now=datetime.now(UTC), dagster_run_id="run")
    result = predict(instance, AHEAD, AHEAD)
    assert metadata(result, "predictions")["rows_inserted"].value == len(FAMILIES)
    assert isinstance(tick(), dg.SkipReason)
    # At the decision it is due again.
    with trained_home.db.transaction() as conn:
        conn.execute(
            "UPDATE games SET kickoff_at = now() + INTERVAL '50 minutes' WHERE season = %s",
            (AHEAD,),
        )
    assert isinstance(tick(), dg.SensorResult)


def upstream(check_passed: bool = True):
    """Stand-ins of the stages before: the same keys, partitions and a blocking check."""

    @dg.asset(partitions_def=league_season)
    def features_historical() -> None: ...

    @dg.asset_check(asset=features_historical, blocking=True)
    def known_in_time() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=check_passed)

    return features_historical, known_in_time


def requested(check_passed: bool, approve: bool) -> int:
    features, check = upstream(check_passed)

    @dg.asset(partitions_def=models.by_league)
    def approved_model() -> None: ...

    @dg.asset(
        deps=[
            features,
            dg.AssetDep(
                approved_model,
                partition_mapping=dg.MultiToSingleDimensionPartitionMapping("league"),
            ),
        ],
        partitions_def=league_season,
        automation_condition=DOWNSTREAM,
    )
    def predictions() -> None: ...

    definitions = dg.Definitions(
        assets=[features, approved_model, predictions], asset_checks=[check]
    )
    instance = dg.DagsterInstance.ephemeral()
    first = dg.evaluate_automation_conditions(definitions, instance)
    assert first.total_requested == 0
    season = dg.MultiPartitionKey({"league": "nfl", "season": "2020"})
    dg.materialize([features, check], partition_key=season, instance=instance, raise_on_error=False)
    if approve:
        dg.materialize([approved_model], partition_key="nfl", instance=instance)
    second = dg.evaluate_automation_conditions(definitions, instance, cursor=first.cursor)
    return second.total_requested


def test_new_features_of_an_approved_league_are_predicted_by_themselves() -> None:
    assert prediction_assets.predictions.automation_conditions_by_key[
        dg.AssetKey("predictions")
    ] == DOWNSTREAM  # fmt: skip
    assert requested(check_passed=True, approve=True) == 1


@pytest.mark.requirement("ORCH-006")
def test_nothing_is_predicted_without_an_approved_model_or_on_failed_checks() -> None:
    assert requested(check_passed=True, approve=False) == 0
    assert requested(check_passed=False, approve=True) == 0


def test_the_automation_sensor_is_on_from_the_start() -> None:
    sensor = automation.automation
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensors.games_due.default_status == dg.DefaultSensorStatus.RUNNING


def test_every_asset_says_what_it_is() -> None:
    for definition in ASSETS:
        for spec in definition.specs:
            assert spec.description and spec.owners and spec.kinds and spec.group_name != "default"
