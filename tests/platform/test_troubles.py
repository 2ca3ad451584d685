"""What fails before there is a run is found: in the answers Dagster gives, and on the disk."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from precog_core.errors import PrecogError
from precog_platform.graphql import DagsterClient
from precog_platform.troubles import (
    LOW_DISK_BYTES,
    SILENT_S,
    Silence,
    Trouble,
    full_disks,
    troubles,
)


def _answer(**changes: Any) -> dict[str, Any]:
    """An answer of a healthy Dagster, as its webserver words it."""
    healthy = {
        "workspaceOrError": {
            "__typename": "Workspace",
            "locationEntries": [
                {"name": name, "locationOrLoadError": {"__typename": "RepositoryLocation"}}
                for name in ("pipelines", "trading")
            ],
        },
        "repositoriesOrError": {
            "__typename": "RepositoryConnection",
            "nodes": [_repository("trading", "RUNNING")],
        },
        "t0": _last_tick("SUCCESS"),
        "t1": NO_TICK_YET,
        "instance": {
            "daemonHealth": {
                "allDaemonStatuses": [
                    {
                        "daemonType": "SENSOR", "required": True, "healthy": True,
                        "lastHeartbeatErrors": [],
                    }
                ]
            }
        },
    }  # fmt: skip
    return healthy | changes


def _repository(location: str, state: str) -> dict[str, Any]:
    return {
        "name": "__repository__",
        "location": {"name": location},
        "sensors": [
            {"name": "trading_sensor", "sensorState": {"status": state}},
            {"name": "new_sensor", "sensorState": {"status": "RUNNING"}},
        ],
        "schedules": [],
    }


def _last_tick(status: str, error: Any = None) -> dict[str, Any]:
    return {"sensorState": {"ticks": [{"status": status, "error": error}]}}


NO_TICK_YET: dict[str, Any] = {"sensorState": {"ticks": []}}


class _Dagster:
    """An HTTP server on loopback that answers every question with the same data."""

    def __init__(self) -> None:
        self.data = _answer()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                body = json.dumps({"data": owner.data}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def dagster() -> Iterator[_Dagster]:
    served = _Dagster()
    yield served
    served.server.shutdown()
    served.server.server_close()


def test_a_healthy_platform_has_no_troubles(dagster: _Dagster) -> None:
    assert troubles(DagsterClient(dagster.url)) == []


def test_each_trouble_is_named_with_its_reason(dagster: _Dagster) -> None:
    error = {
        "message": "dagster._core.errors.SensorExecutionError: Error occurred",
        "causes": [
            {"message": "precog_core.errors.PrecogError: trading.yaml, line 4: edges\n"},
            {"message": "pydantic_core.ValidationError: 1 validation error for TradingConfig"},
        ],
    }
    dagster.data = _answer(
        workspaceOrError={
            "__typename": "Workspace",
            "locationEntries": [
                {
                    "name": "pipelines",
                    "locationOrLoadError": {
                        "__typename": "PythonError",
                        "message": "SyntaxError: invalid syntax\n",
                    },
                }
            ],
        },
        repositoriesOrError={
            "__typename": "RepositoryConnection",
            "nodes": [_repository("trading", "RUNNING")],
        },
        t0=_last_tick("FAILURE", error),
        instance={
            "daemonHealth": {
                "allDaemonStatuses": [
                    {
                        "daemonType": "ASSET", "required": True, "healthy": False,
                        "lastHeartbeatErrors": [{"message": "OperationalError: gone"}],
                    },
                    {
                        "daemonType": "BACKFILL", "required": True, "healthy": False,
                        "lastHeartbeatErrors": [],
                    },
                ]
            }
        },
    )  # fmt: skip
    client = DagsterClient(dagster.url)
    assert troubles(client) == [
        Trouble(
            "location_down", "dagster",
            "code location pipelines does not load: invalid syntax", {"location": "pipelines"},
        ),
        Trouble(
            "tick_failed", "dagster",
            "the sensor trading_sensor of trading fails: trading.yaml, line 4: edges",
            {"sensor": "trading_sensor"},
        ),
        Trouble(
            "daemon_unhealthy", "dagster", "Dagster's asset daemon reports: gone",
            {"daemon": "ASSET"},
        ),
    ]  # fmt: skip


def test_a_failing_sensor_that_was_switched_off_is_no_trouble(dagster: _Dagster) -> None:
    dagster.data = _answer(
        repositoriesOrError={
            "__typename": "RepositoryConnection",
            "nodes": [_repository("trading", "STOPPED")],
        },
        t0=NO_TICK_YET,
    )
    assert troubles(DagsterClient(dagster.url)) == []


def test_each_full_disk_under_the_home_is_named_once(tmp_path: Path) -> None:
    artifacts = tmp_path / "mlflow" / "artifacts"
    artifacts.mkdir(parents=True)
    (tmp_path / "datasets").mkdir()
    assert full_disks(tmp_path, lambda _: LOW_DISK_BYTES) == []
    assert full_disks(tmp_path, lambda _: LOW_DISK_BYTES - 1) == [
        Trouble(
            "disk_low", "database",
            f"1074 MB are free on the disk of {tmp_path}; make room, or move it",
            {"folder": "home"},
        )
    ]  # fmt: skip


def test_a_webserver_that_stays_silent_is_a_trouble_a_short_silence_is_not(
    dagster: _Dagster,
) -> None:
    now = 0.0
    silence = Silence(clock=lambda: now)
    nobody = DagsterClient("http://127.0.0.1:9")
    assert silence.troubles(nobody) == []
    now = SILENT_S
    [trouble] = silence.troubles(nobody)
    assert (trouble.alert_type, trouble.stable_keys) == (
        "daemon_unhealthy",
        {"daemon": "WEBSERVER"},
    )
    assert "has not answered for 90 s" in trouble.message
    assert silence.troubles(DagsterClient(dagster.url)) == []
    assert silence.troubles(nobody) == []


def test_a_webserver_that_is_away_is_an_error_of_its_own() -> None:
    with pytest.raises(PrecogError, match="does not answer"):
        troubles(DagsterClient("http://127.0.0.1:9"))
