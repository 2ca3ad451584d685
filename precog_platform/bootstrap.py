"""Fills a new home: real games in, trades out, every step a Dagster run.

The stages are the same whoever launches them. Each is safe to repeat, so the book of finished
stages only saves time: after ``kill -9`` the interrupted stage runs again and changes nothing that
was already there.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.progress import Progress, progress
from precog_platform.launchers import PIPELINES, Launcher

LEAGUE = "nfl"
HISTORY_ASSETS = [
    "games",
    "markets",
    "market_snapshots",
    "elo_ratings",
    "features_historical",
]
_BOOK = "bootstrap.json"

Probe = Callable[[Any], tuple[int, int]]


@dataclass(frozen=True)
class Stage:
    """One step of the bootstrap: what it runs, and how to see how far it is."""

    key: str
    title: str
    run: Callable[[Launcher], None]
    probe: Probe


class StageBook:
    """``bootstrap.json`` of a home: the data it was filled from, and seconds per stage.

    ``recorded`` is the content of the recorded quotes that were loaded beside it, if any.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / _BOOK
        content = json.loads(self._path.read_text()) if self._path.exists() else {}
        self.source: dict[str, str] = content.get("source", {})
        self.seconds: dict[str, float] = content.get("stage_seconds", {})
        self.complete: bool = content.get("complete", False)
        self.recorded: str | None = content.get("recorded")

    def save(self) -> None:
        """Replace the file in one step, so that a crash leaves the old or the new one."""
        partial = self._path.with_suffix(".new")
        content = {
            "source": self.source,
            "stage_seconds": self.seconds,
            "complete": self.complete,
            "recorded": self.recorded,
        }
        with partial.open("w") as out:
            json.dump(content, out, indent=2)
            out.flush()
            os.fsync(out.fileno())
        partial.rename(self._path)


def stages(database: Database, seasons: list[int]) -> list[Stage]:
    """The stages for the seasons of the configured source, oldest first."""
    partitions = [f"{LEAGUE}|{season}" for season in seasons]
    span = f"{seasons[0]}-{seasons[-1]}"

    def pending() -> int:
        with database.connection() as conn:
            return waiting_work(conn)

    return [
        Stage(
            "history",
            f"Games, quotes, ratings, features {span}",
            lambda launcher: launcher.backfill(
                HISTORY_ASSETS, partitions, f"{LEAGUE.upper()} history {span}"
            ),
            lambda conn: _count(conn, _HISTORY_PROBE, (LEAGUE,)),
        ),
        Stage(
            "training",
            "Datasets, models, evaluation, champion",
            lambda launcher: launcher.job(PIPELINES, "train", LEAGUE),
            lambda conn: _count(conn, _TRAINING_PROBE, (len(seasons), LEAGUE)),
        ),
        Stage(
            "predictions",
            "Predictions for every game",
            lambda launcher: launcher.assets(
                PIPELINES, ["predictions"], partitions[0], partitions[-1]
            ),
            lambda conn: _count(conn, _PREDICTIONS_PROBE, (LEAGUE, LEAGUE)),
        ),
        Stage(
            "trading",
            f"Paper trading, season {seasons[-1]} replayed",
            lambda launcher: launcher.drain_trading(pending),
            _TickProbe(),
        ),
    ]


def run_stages(
    todo: list[Stage],
    launcher: Launcher,
    database: Database,
    book: StageBook,
    console: Console,
    *,
    last: bool = True,
) -> None:
    """Run the stages that the book does not list as finished, showing progress and time.

    ``last``: with them the home is complete.
    """
    for stage in todo:
        if stage.key in book.seconds:
            continue
        started = time.monotonic()
        with (
            progress(stage.title, console=console, keep=True) as report,
            _watching(stage, database, report, console),
        ):
            stage.run(launcher)
        book.seconds[stage.key] = round(time.monotonic() - started, 1)
        book.save()
    if last:
        book.complete = True
        book.save()


@contextmanager
def _watching(
    stage: Stage, database: Database, report: Progress, console: Console
) -> Iterator[None]:
    """Poll the stage's probe beside its work; the display never decides anything."""
    done = threading.Event()

    def poll() -> None:
        while not done.wait(1.0):
            try:
                with database.connection() as conn:
                    completed, total = stage.probe(conn)
            except (PrecogError, psycopg.Error) as error:
                console.log(f"progress unknown: {error}")
                return
            report(completed, max(total, 1))

    watcher = threading.Thread(target=poll, name=f"progress-{stage.key}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(timeout=5)


def _count(conn: Any, query: str, parameters: tuple[Any, ...]) -> tuple[int, int]:
    row = conn.execute(query, parameters).fetchone()
    return int(row[0]), int(row[1])


def waiting_work(conn: Any) -> int:
    """Batches nobody has decided on, or else finished positions nobody has settled."""
    from precog_core.config import load_section
    from precog_trading.config import TradingConfig
    from precog_trading.ledger.settlement import positions_due
    from precog_trading.tick.batches import pending_batches

    config = load_section("trading", TradingConfig, conn=conn)
    waiting = len(pending_batches(conn, config, "paper", maximum=None))
    return waiting or positions_due(conn, "paper", datetime.now(UTC))


class _TickProbe:
    """Ticks decided so far, against what was decided and waiting when first asked.

    Listing what waits costs more than counting what is done, so it is asked once.
    """

    def __init__(self) -> None:
        self._total: int | None = None

    def __call__(self, conn: Any) -> tuple[int, int]:
        row = conn.execute(
            "SELECT count(DISTINCT tick_id) FROM decisions WHERE execution_environment = 'paper'"
        ).fetchone()
        if self._total is None:
            self._total = int(row[0]) + waiting_work(conn)
        return int(row[0]), self._total


_HISTORY_PROBE = """
SELECT (EXISTS (SELECT FROM games))::int + (EXISTS (SELECT FROM markets))::int
     + (EXISTS (SELECT FROM market_snapshots))::int
     + (EXISTS (SELECT FROM elo_rating_history))::int
     + (EXISTS (SELECT FROM features_historical))::int,
       5
FROM leagues WHERE league = %s
"""
_TRAINING_PROBE = """
SELECT count(*) FILTER (WHERE r.status = 'completed'), greatest(2 * %s - 3, count(*))
FROM model_training_runs AS r
JOIN probability_models AS m USING (model_id)
WHERE m.league = %s
"""
_PREDICTIONS_PROBE = """
SELECT (SELECT count(DISTINCT game_id) FROM predictions JOIN games USING (game_id)
        WHERE league = %s),
       (SELECT count(*) FROM games WHERE league = %s AND kickoff_at IS NOT NULL)
"""
