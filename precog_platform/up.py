"""`precog up`: every server of one home, and on a new home the bootstrap through Dagster."""

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from precog_core.database import Database, open_database
from precog_core.database.server import EmbeddedServer
from precog_core.paths import home as precog_home
from precog_pipelines.tracking.runs import MODEL_VIEW
from precog_platform.bootstrap import StageBook, run_stages, stages
from precog_platform.clock import WallClock
from precog_platform.environment import dagster_home, mlflow_artifacts
from precog_platform.graphql import DagsterClient
from precog_platform.headless import seasons_of
from precog_platform.instance import close_orphaned_runs, prepare_home
from precog_platform.keeper import Keeper, Restart
from precog_platform.launchers import OURS, PIPELINES, TRADING, ServedLauncher
from precog_platform.processes import (
    Server,
    Supervisor,
    kill_leftovers,
    naming_a_lost_server,
    require_free_port,
    require_postgresql,
    sole_user,
)
from precog_platform.provider import choose, record
from precog_platform.recorded import open_recording, recorded_stages, remember
from precog_platform.reporter import Reporter
from precog_platform.summary import build_summary, render_summary, save_summary

_MODULES = {PIPELINES: "precog_pipelines.definitions", TRADING: "precog_trading.definitions"}
_START_TIMEOUT_S = 300.0
"""Generous: a server that dies ends the wait at once, and a busy machine is no failure."""


def run_up(
    console: Console,
    games: Path | None,
    source: str | None,
    exit_when_done: bool,
    port: int,
    mlflow_port: int,
    recorded: Path | None = None,
) -> None:
    """Start everything, fill a new home, print the summary, stay until Ctrl-C.

    Raises PrecogError, with everything stopped again, when a port is taken, another Precog has
    this home, the database is unreachable or newer than the code, or a server or stage fails.
    """
    home = precog_home()
    recording = open_recording(recorded) if recorded else None
    # A shell that starts this in the background makes it ignore Ctrl-C; being told to stop counts.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        stack.enter_context(sole_user(home))
        require_free_port(port, "the Dagster user interface", "--port")
        own_mlflow = "MLFLOW_TRACKING_URI" not in os.environ
        if own_mlflow:
            require_free_port(mlflow_port, "the MLflow user interface", "--mlflow-port")
        book = StageBook(home)
        choice = choose(games, source, book)
        seasons = seasons_of(choice.provider, choice.path)
        kill_leftovers(home)
        started = time.monotonic()
        with console.status("Starting PostgreSQL, Dagster and MLflow …"):
            database = stack.enter_context(open_database(home))
            environment = prepare_home(database, home)
            environment["PRECOG_MLFLOW_UI_URL"] = f"http://127.0.0.1:{mlflow_port}"
            record(database, choice)
            if recording:
                remember(database, book, recording)
            supervisor = Supervisor(home, environment)
            stack.callback(supervisor.stop)
            client = _start_servers(supervisor, database, home, port, mlflow_port, own_mlflow)
            stack.callback(client.close)
        if not book.complete or recording:
            book.source = choice.as_dict()
            book.seconds.setdefault("start", round(time.monotonic() - started, 1))
            book.save()
            console.print(f"Dagster: {client.url} (Ctrl-C stops; the same command goes on)")
            watch = _watch(supervisor, home)
            try:
                with naming_a_lost_server(home):
                    todo = [] if book.complete else stages(database, seasons)
                    todo += recorded_stages(recording) if recording else []
                    run_stages(todo, ServedLauncher(client, watch), database, book, console)
            except KeyboardInterrupt:
                console.print("Stopping …; finished stages stay, and the same command goes on.")
                raise
        if own_mlflow:
            mlflow = supervisor.server("mlflow")
            supervisor.wait_until(mlflow, _answers(mlflow_port), _START_TIMEOUT_S)
        content = build_summary(database, seasons, book)
        save_summary(home, content)
        render_summary(console, content)
        console.print(f"Dagster  {client.url}")
        if own_mlflow:
            where = f"{environment['PRECOG_MLFLOW_UI_URL']}/#/experiments?{MODEL_VIEW}"
            console.print(f"MLflow   {where}", soft_wrap=True)
        if exit_when_done:
            return
        console.print("Ctrl-C stops everything.")
        own_database = not os.environ.get("PRECOG_DATABASE_URL")
        keeper = Keeper(supervisor, EmbeddedServer(home) if own_database else None)
        try:
            _keep_running(keeper, Reporter(database, client, home, console), console)
        except KeyboardInterrupt:
            console.print("Stopping …")


def _start_servers(
    supervisor: Supervisor,
    database: Database,
    home: Path,
    port: int,
    mlflow_port: int,
    own_mlflow: bool,
) -> DagsterClient:

    import dagster as dg

    # Creates the instance's tables here, once, before four servers would race to do it.
    with dg.DagsterInstance.get() as instance:
        close_orphaned_runs(instance)
    ports = {name: _free_port() for name in _MODULES}
    locations = [
        supervisor.start(
            name,
            ["-m", "dagster", "api", "grpc", "--module-name", module, "--location-name", name,
             "--host", "127.0.0.1", "--port", str(ports[name])],
        )
        for name, module in _MODULES.items()
    ]  # fmt: skip
    workspace = _write_workspace(home, ports)

    for server, name in zip(locations, _MODULES, strict=True):
        supervisor.wait_until(server, _listening(ports[name]), _START_TIMEOUT_S)
    webserver = supervisor.start(
        "webserver",
        ["-m", "dagster_webserver", "-w", str(workspace), "--host", "127.0.0.1",
         "--port", str(port), "--log-level", "warning"],
    )  # fmt: skip
    client = DagsterClient(f"http://127.0.0.1:{port}")
    supervisor.wait_until(webserver, client.is_up, _START_TIMEOUT_S)
    supervisor.wait_until(
        webserver, lambda: client.require_locations(set(_MODULES)), _START_TIMEOUT_S
    )
    # What a killed bootstrap requested would run beside what we are to launch. A person's backfill
    # stays: the daemon takes it up again.
    client.cancel_open_backfills(OURS)
    supervisor.start("daemon", ["-m", "dagster._daemon", "run", "-w", str(workspace)])
    if own_mlflow:
        # Runs write to its database directly, so nothing has to wait until it answers.
        _start_mlflow(supervisor, database, home, mlflow_port)
    return client


def _start_mlflow(supervisor: Supervisor, database: Database, home: Path, port: int) -> Server:
    return supervisor.start(
        "mlflow",
        ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
         "--backend-store-uri", database.url("mlflow", driver="psycopg2"),
         "--default-artifact-root", mlflow_artifacts(home).as_uri()],
    )  # fmt: skip


def _write_workspace(home: Path, ports: dict[str, int]) -> Path:
    lines = ["# Written by `precog up` at every start.", "load_from:"]
    for name, port in ports.items():
        lines += [
            "  - grpc_server:",
            "      host: 127.0.0.1",
            f"      port: {port}",
            f"      location_name: {name}",
        ]
    path = dagster_home(home) / "workspace.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _watch(supervisor: Supervisor, home: Path) -> Callable[[], None]:
    """A function that raises PrecogError when any server, PostgreSQL included, has died."""

    def require_alive() -> None:
        supervisor.require_alive()
        require_postgresql(home)

    return require_alive


def _keep_running(keeper: Keeper, reporter: Reporter, console: Console) -> None:
    """Until Ctrl-C: start again what dies; the reporter sees what else is wrong and writes it."""
    clock = WallClock()
    with reporter.reporting():
        while True:
            restarts = keeper.look()
            for restart in restarts:
                console.print(_news(restart))
            if (jump_s := clock.jump()) < 0:
                keeper.renew("daemon")  # its pauses end at times of the wall clock
            reporter.hear(restarts, jump_s)
            time.sleep(1)


def _news(restart: Restart) -> str:
    now = datetime.now().astimezone().strftime("%H:%M:%S")
    again = "" if restart.number == 1 else f" (for the {restart.number}th time in ten minutes)"
    return f"{now} {restart.name} {restart.reason}; started again{again}"


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listening(port: int) -> Any:
    def ready() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return ready


def _answers(port: int) -> Any:
    def ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    return ready


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
