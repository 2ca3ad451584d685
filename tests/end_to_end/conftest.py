"""The product as a user runs it: the `precog` command in homes of its own, on a small league."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from precog_core.database import Database, open_database
from tests.end_to_end.league import write_games
from tests.end_to_end.tables import contents

PRECOG = Path(sys.executable).with_name("precog")
TIMEOUT_S = 300


@dataclass
class Home:
    """One installation: a home folder and the games file it is filled from."""

    folder: Path
    games: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PRECOG_", "DAGSTER_", "MLFLOW_"))
            or name.startswith("PRECOG_DATA")
        }
        own = {
            "PRECOG_HOME": str(self.folder),
            "COLUMNS": "200",
        }
        return {**clean, **own, **self.extra}

    def start(self, *arguments: str, log: Path | None = None) -> "subprocess.Popen[bytes]":
        """Start `precog ARGUMENTS`; its output goes to ``log`` when given."""
        out = log.open("wb") if log else subprocess.DEVNULL
        return subprocess.Popen(
            [str(PRECOG), *arguments],
            env=self.environment,
            cwd=self.folder.parent,
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `precog ARGUMENTS` to its end."""
        done = subprocess.run(
            [str(PRECOG), *arguments],
            env=self.environment,
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"precog {' '.join(arguments)}: {done.stdout}\n{done.stderr}")
        return done

    def bootstrap(self) -> dict[str, Any]:
        """Fill the home headless; returns the summary."""
        self.run("bootstrap", "--games", str(self.games))
        summary: dict[str, Any] = json.loads(self.run("summary", "--json").stdout)
        return summary

    def contents(self) -> dict[str, tuple[int, str]]:
        """Every table's natural content."""
        with self.database() as database:
            return contents(database)

    def database(self) -> Any:
        return _opened(self.folder)


def supervised(home: Home) -> list[psutil.Process]:
    """The processes that a supervisor of this home has started and their descendants."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get("PRECOG_SUPERVISED_HOME") == str(home.folder):
                found.append(process)
    return found


def kill_everything(home: Home, supervisor: "subprocess.Popen[bytes]") -> None:
    """``kill -9`` of the supervisor, of all it started, and of PostgreSQL."""
    supervisor.kill()
    supervisor.wait()
    for process in supervised(home):
        with suppress(psutil.Error):
            process.kill()
    kill_postgresql(home)


def kill_postgresql(home: Home) -> None:
    """``kill -9`` of the embedded server of a home, if it runs."""
    pid_file = home.folder / "postgres" / "postmaster.pid"
    if not pid_file.exists():
        return
    lines = pid_file.read_text().splitlines()
    if lines and psutil.pid_exists(int(lines[0])):
        os.kill(int(lines[0]), signal.SIGKILL)


class _opened:
    """``open_database`` on a home, whatever the test process's own environment says."""

    def __init__(self, folder: Path) -> None:
        self._context = open_database(folder)

    def __enter__(self) -> Database:
        return self._context.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)


@pytest.fixture(scope="session")
def league_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic league as a games.csv."""
    return write_games(tmp_path_factory.mktemp("league") / "games.csv")


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, league_file: Path) -> Iterator[Home]:
    """A home that one undisturbed headless bootstrap has filled."""
    home = Home(tmp_path_factory.mktemp("filled") / "home", league_file)
    home.bootstrap()
    yield home
