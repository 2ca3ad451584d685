"""The drill of a training backfill: all leagues from the interface, killed twice, compared.

    python -m scripts.drill_backfill [--screenshot FILE] [--json]

Two homes hold the same made-up seasons of four leagues, and none of the fifth. In one, `precog up`
runs the backfill of the training assets over every league undisturbed; in the other its run worker
is killed with ``kill -9`` in the middle, and after Dagster's retry everything else too (supervisor,
servers, PostgreSQL). `precog up` is then started again and nothing but that: the backfill has to
finish by itself, with the tables, MLflow runs and models of the undisturbed home. The same backfill
once more must change nothing. Takes some minutes; servers listen on loopback.
"""

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from precog_platform.bootstrap import StageBook
from precog_platform.graphql import DagsterClient
from precog_platform.provider import choose
from tests.end_to_end.conftest import Home, kill_everything, supervised
from tests.end_to_end.tables import untouched
from tests.synthetic_league import made_up_league, store

LEAGUES = ("nfl", "nba", "mlb", "nhl", "ncaaf")
MADE_UP = {"nba": 7, "mlb": 8, "nhl": 9, "ncaaf": 4}
SEASONS = list(range(2009, 2013))
ASSETS = [
    "training_datasets", "probability_matrices", "elo_model", "logistic_model",
    "win_probability_model", "ensemble_model", "market_anchored_model", "model_evaluation",
]  # fmt: skip
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE_S = 1_500
_MLFLOW = {
    "runs by status": "SELECT status, count(*) FROM runs GROUP BY 1 ORDER BY 1",
    "runs by experiment": (
        "SELECT e.name, count(*) FROM runs JOIN experiments AS e USING (experiment_id) "
        "GROUP BY 1 ORDER BY 1"
    ),
    "doubled identities": (
        "SELECT count(*) - count(DISTINCT value) FROM tags WHERE key = 'precog.identity'"
    ),
    "models by experiment": (
        # A model of a killed attempt is deleted before the next logs its own; its row stays.
        "SELECT e.name, count(*) FROM logged_models AS m JOIN experiments AS e "
        "USING (experiment_id) WHERE m.lifecycle_stage = 'active' GROUP BY 1 ORDER BY 1"
    ),
    "registered versions": "SELECT name, count(*) FROM model_versions GROUP BY 1 ORDER BY 1",
}
_BACKFILLS = (
    "{ partitionBackfillsOrError { ... on PartitionBackfills { results { id status title } } } }"
)


class Up:
    """A `precog up` that has printed its summary."""

    def __init__(self, home: Home, log: Path) -> None:
        self.home = home
        ports = [_free_port(), _free_port()]
        self.process = home.start(
            "up", "--port", str(ports[0]), "--mlflow-port", str(ports[1]), log=log
        )
        until(
            lambda: "Ctrl-C stops everything" in log.read_text() or self.process.poll() is not None,
            "precog up",
        )
        if self.process.poll() is not None:
            raise SystemExit(f"precog up ended:\n{log.read_text()}")
        self.client = DagsterClient(f"http://127.0.0.1:{ports[0]}")

    def launch(self) -> str:
        """The backfill of the training assets over every league, as the interface asks for it."""
        return self.client.launch_backfill(ASSETS, list(LEAGUES), "Training, all leagues")

    def status(self, backfill: str) -> str:
        results = self.client.call(_BACKFILLS)["partitionBackfillsOrError"]["results"]
        return next(row["status"] for row in results if row["id"] == backfill)

    def finished(self, backfill: str) -> None:
        """Wait for the backfill to succeed."""
        until(lambda: self.status(backfill).startswith(("COMPLETED", "FAILED")), "the backfill")
        status = self.status(backfill)
        if status != "COMPLETED_SUCCESS":
            runs = self.client.runs({"tags": [{"key": "dagster/backfill", "value": backfill}]})
            raise SystemExit(f"backfill {status}: {[self.client.failure(r.run_id) for r in runs]}")

    def newest_run(self, backfill: str) -> str:
        """How the last run of a backfill ended, with the reason if it failed."""
        tag = {"key": "dagster/backfill", "value": backfill}
        run = self.client.runs({"tags": [tag]})[0]
        return run.status if run.status != "FAILURE" else self.client.failure(run.run_id)

    def stop(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--screenshot", type=Path, help="PNG of the backfill's page")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="precog-drill-") as name:
        outcome = drill(Path(name), options.screenshot)
    sys.stdout.write((json.dumps(outcome) if options.json else _in_words(outcome)) + "\n")
    sys.exit(0 if outcome["passed"] else 1)


def drill(folder: Path, screenshot: Path | None) -> dict[str, Any]:
    """Both homes one after the other in the same place, so that even paths are equal."""
    home = Home(folder / "home", folder)
    home.folder.mkdir()
    say(f"made-up seasons of {', '.join(MADE_UP)}")
    add_leagues(home)
    # PostgreSQL's files belong to a user of its own when root runs this: owners must be kept.
    subprocess.run(["cp", "-a", str(home.folder), str(folder / "before")], check=True)

    say("undisturbed: precog up, one backfill over all leagues")
    up = Up(home, folder / "undisturbed.log")
    started = time.monotonic()
    backfill = up.launch()
    up.finished(backfill)
    undisturbed_s = time.monotonic() - started
    undisturbed_run = up.newest_run(backfill)
    up.stop()
    expected, expected_mlflow = home.contents(), mlflow(home)
    shutil.rmtree(home.folder)
    (folder / "before").rename(home.folder)

    before = done(home)
    up = Up(home, folder / "killed.log")
    backfill = up.launch()
    kills: list[dict[str, Any]] = []
    until(lambda: done(home) >= before + 6, "the first fits")
    kills.append({"what": "run worker", "fits": done(home) - before})
    killed = kill_workers(home)
    say(f"killed the run worker (processes {killed}) after {kills[-1]['fits']} fits")
    until(lambda: done(home) >= kills[-1]["fits"] + before + 4, "the retry")
    kills.append({"what": "everything", "fits": done(home) - before})
    kill_everything(home, up.process)
    up.client.close()
    say(f"killed everything after {kills[-1]['fits']} fits; precog up again, and nothing else")
    up = Up(home, folder / "again.log")
    until(lambda: up.status(backfill) != "REQUESTED", "the backfill to go on by itself")
    by_itself = up.status(backfill)
    if by_itself != "COMPLETED_SUCCESS":
        say(f"the backfill ended {by_itself}; requested again")
        up.finished(up.launch())
    last_run = up.newest_run(backfill)
    found, found_mlflow = home.contents(), mlflow(home)
    say("the same backfill once more")
    with home.database() as database:
        rows = untouched(database)
    up.finished(up.launch())
    with home.database() as database:
        changed = sorted(t for t, digest in untouched(database).items() if rows[t] != digest)
    if screenshot is not None:
        picture(f"{up.client.url}/runs/b/{backfill}?tab=runs", screenshot)
    up.stop()
    differing = {t: (expected[t], found[t]) for t in expected if expected[t] != found[t]}
    return {
        "leagues": list(LEAGUES),
        "undisturbed_s": round(undisturbed_s, 1),
        "kills": kills,
        "resumed_by_itself": by_itself,
        "last_run": last_run,
        "undisturbed_run": undisturbed_run,
        "tables": len(expected),
        "differing_tables": differing,
        "mlflow": found_mlflow,
        "mlflow_differences": {
            key: (expected_mlflow[key], found_mlflow[key])
            for key in expected_mlflow
            if expected_mlflow[key] != found_mlflow[key]
        },
        "changed_by_a_repetition": changed,
        "passed": not differing
        and found_mlflow == expected_mlflow
        and by_itself == "COMPLETED_SUCCESS"
        and not set(changed) - {"system_health", "alerts"},
    }


def add_leagues(home: Home) -> None:
    """Made-up seasons of four leagues, rated, with features; the NFL stays without any game.

    The home counts as filled, so that `precog up` only serves it.
    """
    from precog_pipelines.features.store import write_features
    from precog_pipelines.ratings.config import elo_config
    from precog_pipelines.ratings.history import write_ratings

    with home.database() as database, database.transaction() as conn:
        # Runs write to the tracking database anyway; its server would only cost time here.
        home.extra["MLFLOW_TRACKING_URI"] = database.url("mlflow", driver="psycopg2")
        for league, seed in MADE_UP.items():
            store(conn, made_up_league(seed=seed, league=league, seasons=SEASONS, teams=12))
            write_ratings(conn, league, SEASONS, elo_config().league(league))
            write_features(conn, league, SEASONS, now=NOW, dagster_run_id="drill")
    book = StageBook(home.folder)
    book.source, book.complete = choose(None, "sample", book).as_dict(), True
    book.save()


def done(home: Home) -> int:
    """Completed fits."""
    with home.database() as database, database.connection() as conn:
        (fits,) = conn.execute(
            "SELECT count(*) FROM model_training_runs WHERE status = 'completed'"
        ).fetchone() or (0,)
    return int(fits)


def mlflow(home: Home) -> dict[str, Any]:
    """How many runs and models the tracking store holds, by experiment."""
    import psycopg

    with home.database() as database, psycopg.connect(database.url("mlflow")) as conn:
        return {name: [list(row) for row in conn.execute(query)] for name, query in _MLFLOW.items()}


def kill_workers(home: Home) -> list[int]:
    """``kill -9`` of the processes in which the code locations run Dagster's runs."""
    killed = []
    for process in supervised(home):
        with suppress(psutil.Error):
            if "grpc" in process.cmdline():
                for child in process.children(recursive=True):
                    child.kill()
                    killed.append(child.pid)
    return killed


def picture(url: str, path: Path) -> None:
    """The page as headless Chromium shows it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        say("no chromium here, so no picture")
        return
    subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,900",
         "--virtual-time-budget=20000", f"--screenshot={path}", url],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} took more than {PATIENCE_S} s")
        time.sleep(0.3)


def say(words: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {words}\n")
    sys.stderr.flush()


def _in_words(outcome: dict[str, Any]) -> str:
    kills = ", then ".join(f"{k['what']} after {k['fits']} fits" for k in outcome["kills"])
    return (
        f"{len(outcome['leagues'])} leagues in one backfill, {outcome['undisturbed_s']} s\n"
        f"killed: {kills}; after `precog up` alone: {outcome['resumed_by_itself']}\n"
        f"tables that differ from the undisturbed home: {outcome['differing_tables'] or 'none'} "
        f"of {outcome['tables']}\n"
        f"MLflow: {outcome['mlflow_differences'] or 'the same runs, models and versions'}\n"
        f"tables changed by the same backfill once more: "
        f"{', '.join(outcome['changed_by_a_repetition']) or 'none'}\n"
        f"{'passed' if outcome['passed'] else 'FAILED'}"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
