"""`precog up`: every server, the bootstrap through Dagster, a quote by hand, and a clean stop."""

import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from precog_platform.inspection import status
from tests.end_to_end.conftest import Home, kill_everything, kill_postgresql, supervised
from tests.end_to_end.tables import untouched

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_SUMMARY_S = 420
_CUT_SHORT = {"FAILURE", "CANCELED", "CANCELING"}
_TRADE_S = 60
"""Generous: the product's aim is 20 s, and a test asserts no time."""


@dataclass
class Running:
    """A `precog up` that has printed its summary and stays."""

    home: Home
    process: "subprocess.Popen[bytes]"
    log: Path
    dagster: str
    mlflow: str

    def graphql(self, query: str) -> dict[str, Any]:
        answer = httpx.post(f"{self.dagster}/graphql", json={"query": query}, timeout=30).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, league_file: Path) -> Iterator[Running]:
    """What every test looks at survived the death of PostgreSQL, of a run, and of everything."""
    folder = tmp_path_factory.mktemp("up")
    home, log = Home(folder / "home", league_file), folder / "up.log"
    port, mlflow_port = _free_port(), _free_port()
    games = ["--games", str(league_file)]
    up = ["up", *games, "--port", str(port), "--mlflow-port", str(mlflow_port)]
    moment = random.Random(20261124)

    begun = home.start("bootstrap", *games, log=folder / "no_database.log")
    _until_begun(home, begun)
    time.sleep(moment.uniform(1, 4))
    kill_postgresql(home)
    assert begun.wait(120) != 0
    said = (folder / "no_database.log").read_text()
    assert "PostgreSQL ended unexpectedly; run the same command again" in said
    assert "Traceback" not in said

    begun = home.start(*up, log=folder / "nothing.log")
    _until(lambda: _run_workers(home) != [] or begun.poll() is not None, 120)
    time.sleep(moment.uniform(1, 4))
    for worker in _run_workers(home):
        worker.kill()
    time.sleep(moment.uniform(2, 8))
    assert begun.poll() is None, (folder / "nothing.log").read_text()
    kill_everything(home, begun)

    process = home.start(*up, log=log)
    try:
        _until(
            lambda: "Ctrl-C stops everything" in log.read_text() or process.poll() is not None,
            _SUMMARY_S,
        )
        assert process.poll() is None, log.read_text()
        yield Running(
            home, process, log, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{mlflow_port}"
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.mark.requirement("LEDGER-004")
def test_after_every_kind_of_kill_it_ends_in_the_rows_of_an_undisturbed_run(
    running: Running, filled: Home
) -> None:
    expected, found = filled.contents(), running.home.contents()
    assert {t: (expected[t], found[t]) for t in expected if expected[t] != found[t]} == {}


@pytest.mark.requirement("ORCH-008", "ORCH-003")
def test_the_user_interface_has_both_locations_and_a_completed_backfill(running: Running) -> None:
    workspace = running.graphql(
        "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
    )["workspaceOrError"]
    assert {entry["name"] for entry in workspace["locationEntries"]} == {"pipelines", "trading"}

    def completed() -> bool:
        backfills = running.graphql(
            "{ partitionBackfillsOrError { ... on PartitionBackfills"
            " { results { status numPartitions } } } }"
        )["partitionBackfillsOrError"]["results"]
        newest, *interrupted = [b["status"] for b in backfills]
        return newest == "COMPLETED_SUCCESS" and set(interrupted) <= {
            "COMPLETED_SUCCESS", "COMPLETED_FAILED", "CANCELED", "FAILED",
        }  # fmt: skip

    _until(completed, 90)


@pytest.mark.requirement("ORCH-007")
def test_one_lineage_joins_games_to_performance(running: Running) -> None:
    nodes = running.graphql("{ assetNodes { assetKey { path } dependencyKeys { path } } }")[
        "assetNodes"
    ]
    upstream: dict[str, set[str]] = {}
    for node in nodes:
        name = "/".join(node["assetKey"]["path"])
        upstream.setdefault(name, set()).update(
            "/".join(key["path"]) for key in node["dependencyKeys"]
        )
    reached, frontier = set(), {"performance"}
    while frontier:
        name = frontier.pop()
        reached.add(name)
        frontier |= upstream.get(name, set()) - reached
    assert {
        "games", "elo_ratings", "features_historical", "training_datasets", "win_probability_model",
        "model_evaluation", "approved_model", "predictions", "market_snapshots", "edges",
        "decisions", "orders", "trades", "positions", "settlements",
    } <= reached  # fmt: skip


def test_no_check_failed_and_the_sensor_launched_the_trading_runs(running: Running) -> None:
    sensor = running.graphql(
        '{ sensorOrError(sensorSelector: {repositoryLocationName: "trading", repositoryName:'
        ' "__repository__", sensorName: "trading_sensor"}) { ... on Sensor { sensorState'
        " { status ticks(limit: 100) { status runIds } } } } }"
    )["sensorOrError"]["sensorState"]
    assert sensor["status"] == "RUNNING"
    assert any(tick["runIds"] for tick in sensor["ticks"])
    runs = running.graphql("{ runsOrError { ... on Runs { results { jobName status } } } }")[
        "runsOrError"
    ]["results"]
    # The runs that the kill cut short are on record as failed; what followed was not.
    after = itertools.takewhile(lambda run: run["status"] not in _CUT_SHORT, runs)
    assert {run["status"] for run in after} <= {"SUCCESS", "STARTED", "QUEUED", "STARTING"}
    assert "trading" in {run["jobName"] for run in runs}


def test_mlflow_shows_registered_models_and_one_champion(running: Running) -> None:
    found = httpx.get(
        f"{running.mlflow}/api/2.0/mlflow/registered-models/search", timeout=30
    ).json()["registered_models"]
    aliases = {
        model["name"]: {alias["alias"] for alias in model.get("aliases", [])} for model in found
    }
    families = ("elo", "ensemble", "logistic", "xgboost")
    assert set(aliases) == {f"precog-nfl-{family}" for family in families}
    assert sorted(alias for names in aliases.values() for alias in names) == [
        "challenger", "challenger", "challenger", "champion",
    ]  # fmt: skip


def test_killed_servers_come_back_and_no_row_is_lost_or_doubled(running: Running) -> None:
    with running.home.database() as database:
        before = untouched(database)
    postgresql = int((running.home.folder / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postgresql, signal.SIGKILL)
    _until(lambda: "postgresql ended unexpectedly; started again" in running.log.read_text(), 60)
    for process in supervised(running.home):
        if "precog_trading.definitions" in process.cmdline():
            process.kill()
    _until(lambda: "trading ended unexpectedly" in running.log.read_text(), 30)
    _until(lambda: _locations_answer(running), 90)
    with running.home.database() as database:
        after = untouched(database)
    assert [table for table in before if before[table] != after[table]] == []


def test_a_second_precog_on_the_same_home_is_refused(running: Running) -> None:
    servers = status.running(running.home.folder)["servers"]
    assert {server["name"] for server in servers} == {
        "Dagster web server", "Dagster daemon", "MLflow",
        "code location pipelines", "code location trading",
    }  # fmt: skip
    done = running.home.run("up", "--exit-when-done", check=False)
    assert done.returncode != 0
    assert f"another Precog (process {running.process.pid})" in done.stderr


@pytest.mark.requirement("UX-003")
def test_a_taken_port_is_refused_and_nothing_is_left(
    running: Running, tmp_path: Path, league_file: Path
) -> None:
    port = running.dagster.rsplit(":", 1)[1]
    other = Home(tmp_path / "home", league_file)
    done = other.run("up", "--port", port, check=False)
    assert done.returncode != 0
    assert f"port {port} for the Dagster user interface is in use" in done.stderr
    assert not (other.folder / "postgres").exists()


def test_a_quote_by_hand_becomes_one_position_and_again_changes_nothing(running: Running) -> None:
    home = running.home
    kickoff = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    added = home.run(
        "games", "add", "--away", "BUF", "--home", "KC", "--kickoff", kickoff.isoformat()
    ).stdout
    ticker = re.findall(r"[A-Z0-9-]+-KC\b", added)[0]
    _until(lambda: _prediction(home) is not None, 120)
    probability = _prediction(home)
    assert probability is not None
    # The ask leaves an edge between the automatic band (0.08) and quarantine (a gap of 0.15).
    ask = (probability - Decimal("0.12")).quantize(Decimal("0.01"))
    at = datetime.now(UTC).isoformat()
    quote = [
        "quotes", "add", "--ticker", ticker, "--bid", str(ask - Decimal("0.01")),
        "--ask", str(ask), "--volume", "5000", "--open-interest", "5000", "--at", at,
    ]  # fmt: skip
    before = _count(home, "positions")
    home.run(*quote)
    _until(lambda: _count(home, "positions") == before + 1, _TRADE_S)
    trades = _count(home, "trades")
    decisions = _count(home, "decisions")
    home.run(*quote)
    time.sleep(12)  # two turns of the sensor
    assert _count(home, "positions") == before + 1
    assert _count(home, "trades") == trades
    assert _count(home, "decisions") == decisions


def test_ctrl_c_ends_every_process_of_the_home(running: Running) -> None:
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0
    assert [process.cmdline() for process in supervised(running.home)] == []
    assert not (running.home.folder / "postgres" / "postmaster.pid").exists()
    summary = json.loads(running.home.run("summary", "--json").stdout)
    assert summary["ledger_balanced"] is True


def _locations_answer(running: Running) -> bool:
    """Whether both code locations can run their sensors and jobs again."""
    try:
        nodes = running.graphql(
            "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus"
            " locationOrLoadError { __typename } } } } }"
        )["workspaceOrError"]["locationEntries"]
    except (AssertionError, httpx.TransportError):
        return False  # a connection to the killed server that the webserver still had
    return all(
        node["loadStatus"] == "LOADED"
        and node["locationOrLoadError"]["__typename"] == "RepositoryLocation"
        for node in nodes
    )


def _prediction(home: Home) -> Decimal | None:
    """The champion's newest probability for the game added by hand."""
    with home.database() as database, database.transaction() as conn:
        row = conn.execute(
            "SELECT p_home FROM predictions JOIN games USING (game_id)"
            " JOIN probability_models USING (model_id)"
            " WHERE games.source = 'manual' AND probability_models.status = 'testing'"
            " ORDER BY predictions.event_ts DESC LIMIT 1"
        ).fetchone()
    return row[0] if row else None


def _count(home: Home, table: str) -> int:
    with home.database() as database, database.transaction() as conn:
        row = conn.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def _run_workers(home: Home) -> list[psutil.Process]:
    """The processes of Dagster runs that are under way."""
    found = []
    for process in supervised(home):
        with suppress(psutil.Error):
            if "--multiprocessing-fork" in process.cmdline():
                found.append(process)
    return found


def _until_begun(home: Home, process: "subprocess.Popen[bytes]") -> None:
    """Until the home knows what it is to be filled from."""
    _until(lambda: (home.folder / "bootstrap.json").exists() or process.poll() is not None, 120)
    assert process.poll() is None


def _until(happened: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"did not happen within {timeout_s} s"
        time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
