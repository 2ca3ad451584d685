"""The code location ``trading``: what it shows, what its job writes, when its sensor fires."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from precog_core.database import Database
from precog_trading.definitions import defs
from precog_trading.defs.tables.assets import tables
from tests.conftest import REPOSITORY
from tests.trading import season
from tests.trading.content import contents
from tests.trading.season import FIRST_SUNDAY, HOUR

TABLES = [
    "edges", "decisions", "orders", "fills", "trades", "positions", "settlements",
    "account_ledger",
]  # fmt: skip
CHECKS = {"ledger_balanced", "one_current_row", "no_look_ahead", "attribution_complete"}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return defs()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def one_game(db: Database, *scores: tuple[int, int] | None) -> None:
    """A game per score, a week apart, each with one quote that is bought."""
    with db.transaction() as conn:
        league = season.create_league(conn)
        for week, score in enumerate(scores or ((24, 17),)):
            kickoff = FIRST_SUNDAY + timedelta(days=7 * week)
            game = season.add_game(conn, league, kickoff, "KC", "BUF", score)
            season.add_prediction(conn, league, game, "0.62")
            season.add_quote(conn, game.home, kickoff - 2 * HOUR, "0.49", "0.50")


def evaluate(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Any:
    sensor = definitions.resolve_sensor_def("trading_sensor")
    with dg.build_sensor_context(
        instance=instance, resources={"postgres": definitions.resources["postgres"]}
    ) as context:
        return sensor.evaluate_tick(context)


def execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    run_config: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_job_def("trading")
    return job.execute_in_process(
        instance=instance, run_config=run_config, tags=tags, raise_on_error=False
    )


@pytest.mark.requirement("ORCH-008")
def test_importing_it_is_quick_and_touches_neither_database_nor_heavy_libraries(
    tmp_path: Path,
) -> None:
    program = (
        "import json, sys, time\n"
        "started = time.process_time()\n"
        "from precog_trading.definitions import defs\n"
        "built = defs()\n"
        "print(json.dumps([time.process_time() - started, sorted(sys.modules)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "PRECOG_HOME": str(tmp_path / "none"),
            "PRECOG_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, modules = json.loads(done.stdout)
    heavy = {"pandas", "matplotlib", "mlflow", "sklearn", "xgboost", "precog_pipelines"}
    assert not heavy & set(modules)
    assert seconds < 3
    assert not (tmp_path / "none").exists()


@pytest.mark.requirement("ORCH-007")
def test_the_lineage_runs_from_predictions_and_quotes_to_performance(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    chain = [
        "predictions", "edges", "decisions", "orders", "fills", "trades", "positions",
        "settlements", "account_ledger", "performance",
    ]  # fmt: skip
    for upstream, key in pairwise(chain):
        assert dg.AssetKey(upstream) in graph.get(dg.AssetKey(key)).parent_keys, key
    assert dg.AssetKey("market_snapshots") in graph.get(dg.AssetKey("edges")).parent_keys
    assert dg.AssetKey("games") in graph.get(dg.AssetKey("settlements")).parent_keys
    external = {key for key in graph.get_all_asset_keys() if not graph.get(key).is_executable}
    elsewhere = {
        "predictions", "market_snapshots", "games", "market_settlements", "kalshi_markets",
        "alerts", "notification_deliveries",
    }  # fmt: skip
    # And the tables that commands, triggers and migrations fill, each with its own specification.
    assert external == {dg.AssetKey(k) for k in elsewhere} | {spec.key for spec in tables}


def test_every_asset_has_a_group_kinds_an_owner_and_a_description(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    for key in [*TABLES, "performance"]:
        node = graph.get(dg.AssetKey(key))
        assert node.group_name == "trading", key
        assert node.kinds == {"python", "postgres"}, key
        assert list(node.owners) == ["team:precog"], key
        assert node.description, key
    assert definitions.resolve_sensor_def("trading_sensor").default_status == (
        dg.DefaultSensorStatus.RUNNING
    )
    elsewhere = {"no_look_ahead_in_replay", "alert_sources", "critical_alerts_taken"}
    assert {key.name for key in graph.asset_check_keys} == CHECKS | elsewhere


def test_the_job_writes_every_table_and_every_check_passes(
    db: Database, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    one_game(db)
    result = execute(definitions, instance)
    assert result.success
    written = {
        event.materialization.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    assert set(written) == {*TABLES, "performance"}
    counts = {table: written[table]["dagster/row_count"].value for table in TABLES}
    assert counts == {
        "edges": 2, "decisions": 2, "orders": 1, "fills": 1, "trades": 1, "positions": 1,
        "settlements": 2, "account_ledger": 4,
    }  # fmt: skip
    for table in TABLES:
        columns = written[table]["dagster/column_schema"].value.columns
        assert all(column.description for column in columns), table
        assert "|" in written[table]["preview"].value, table
    explained = written["trades"]["explained"].value
    assert "| link of trade 1 | key | verified |" in explained
    assert "`precog explain trade 1`" in explained
    report = written["performance"]
    assert report["net"].value == 241.25
    assert report["data_source"].value.startswith("simulated quotes")
    assert "data:image/png;base64," in report["equity"].value
    assert "241.25" in report["preview"].value
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == dict.fromkeys(CHECKS, True)


@pytest.mark.requirement("ORCH-006")
def test_a_ledger_that_does_not_balance_blocks_the_report(
    db: Database, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    one_game(db)
    assert execute(definitions, instance).success
    with db.transaction() as conn:
        conn.execute("ALTER TABLE positions DISABLE TRIGGER USER")
        conn.execute("UPDATE positions SET realized_pnl = 1000")
    result = execute(definitions, instance)
    assert not result.success
    failed = {c.check_name for c in result.get_asset_check_evaluations() if not c.passed}
    assert failed == {"ledger_balanced"}
    written = [e.asset_key.to_user_string() for e in result.get_asset_materialization_events()]
    assert "performance" not in written


@pytest.mark.requirement("ORCH-006")
@pytest.mark.parametrize(
    ("check", "table", "statement"),
    [
        ("one_current_row", "edges",
         "DROP INDEX uq_edges_execution_environment_backtest_run_id_edge_key, "
         "uq_edges_environment_run_edge_key_row_start_ts; "
         "UPDATE edges SET edge_key = 'same'"),
        ("no_look_ahead", "decisions",
         "UPDATE decisions SET decided_at = decided_at - interval '1 s'"),
        ("attribution_complete", "orders", "UPDATE orders SET strategy_id = NULL"),
    ],
)  # fmt: skip
def test_each_check_fails_on_what_it_is_for(
    db: Database,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    check: str,
    table: str,
    statement: str,
) -> None:
    one_game(db)
    assert execute(definitions, instance).success
    with db.transaction() as conn:
        conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        conn.execute(statement)
    result = execute(definitions, instance)
    failed = {c.check_name for c in result.get_asset_check_evaluations() if not c.passed}
    assert check in failed


def test_the_sensor_says_when_there_is_nothing_to_do(
    db: Database, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    tick = evaluate(definitions, instance)
    assert tick.run_requests == []
    assert "no batch of quotes waits" in tick.skip_message


@pytest.mark.requirement("ORCH-005")
def test_the_sensor_launches_the_waiting_batches_and_then_rests(
    db: Database, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    one_game(db, (24, 17), (17, 24))
    tick = evaluate(definitions, instance)
    (request,) = tick.run_requests
    key = "t:2019-09-08T15:00:00Z..t:2019-09-15T15:00:00Z"
    assert request.run_key == key
    assert tick.cursor == "t:2019-09-15T15:00:00Z"
    assert request.tags["precog/trading"] == key
    assert execute(definitions, instance, request.run_config, request.tags).success
    with db.transaction() as conn:
        after = contents(conn)
        assert len(after["trades"]) == 2
    assert evaluate(definitions, instance).run_requests == []
    assert execute(definitions, instance, request.run_config, request.tags).success
    with db.transaction() as conn:
        assert contents(conn) == after


@pytest.mark.requirement("ORCH-005")
def test_the_sensor_waits_while_a_run_goes_on(
    db: Database, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    one_game(db)
    job = definitions.resolve_job_def("trading")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    tick = evaluate(definitions, instance)
    assert tick.run_requests == []
    assert f"trading run {run.run_id} is started" in tick.skip_message


@pytest.mark.requirement("ORCH-005")
def test_a_failed_range_is_tried_again_under_a_new_key_and_later_less_often(
    db: Database, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    one_game(db)
    key = "t:2019-09-08T15:00:00Z..t:2019-09-08T15:00:00Z"
    job = definitions.resolve_job_def("trading")
    keys = []
    for _ in range(3):
        (request,) = evaluate(definitions, instance).run_requests
        keys.append(request.run_key)
        instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.FAILURE, tags={"precog/trading": key}
        )
    assert keys == [key, f"{key}#2", f"{key}#3"]
    tick = evaluate(definitions, instance)
    assert tick.run_requests == []
    assert "3 runs of" in tick.skip_message
    assert "the next try is at" in tick.skip_message


def test_a_finished_game_settles_without_any_new_quote(
    db: Database, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    one_game(db, None)
    assert execute(definitions, instance).success
    assert evaluate(definitions, instance).run_requests == []
    with db.transaction() as conn:
        conn.execute(
            "UPDATE games SET status = 'final', home_score = 24, away_score = 17, "
            "result_known_at = kickoff_at + interval '4 hours'"
        )
    (request,) = evaluate(definitions, instance).run_requests
    assert request.run_key is not None
    assert request.run_key.startswith("settle:1:")
    assert execute(definitions, instance, request.run_config, request.tags).success
    with db.transaction() as conn:
        assert conn.execute("SELECT status FROM positions").fetchall() == [("settled",)]
    assert evaluate(definitions, instance).run_requests == []


def test_one_chosen_batch_can_be_run_from_the_launchpad(
    db: Database, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    one_game(db, (24, 17), (17, 24))
    chosen = {"first": "t:2019-09-15T15:00:00Z", "last": "t:2019-09-15T15:00:00Z"}
    config = {"ops": {"trading_tick": {"config": chosen}}}
    assert execute(definitions, instance, config).success
    with db.transaction() as conn:
        assert conn.execute("SELECT DISTINCT tick_id FROM decisions").fetchall() == [
            (chosen["first"],)
        ]


def test_a_range_that_is_no_tick_is_refused_in_words(
    db: Database, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    result = execute(
        definitions, instance, {"ops": {"trading_tick": {"config": {"first": "yesterday"}}}}
    )
    assert not result.success
    (failure,) = result.get_step_failure_events()
    error = failure.step_failure_data.error
    assert error is not None
    assert "first and last are tick ids" in str(error.cause)
