"""Recorded quotes in a home: chosen once, then loaded, rated and predicted by Dagster runs.

They fill one league beside the games the home was filled from. The folder is kept in the database,
so that assets, schedules and the user interface find it again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from precog_core.database import Database
from precog_platform.bootstrap import Probe, Stage, StageBook, run_stages
from precog_platform.launchers import PIPELINES, Launcher

ASSETS = [
    "games",
    "markets",
    "market_snapshots",
    "market_settlements",
    "elo_ratings",
    "features_historical",
]
_KEYS = ("recorded_history", "recorded_training", "recorded_predictions")
_CANDLES_WRITTEN = """
SELECT coalesce(max(last_value), 0)
FROM pg_sequences
WHERE sequencename = 'market_candles_candle_id_seq'
"""
_TRAINED = """
SELECT count(*) FILTER (WHERE r.status = 'completed'), count(*)
FROM model_training_runs AS r
JOIN probability_models AS m USING (model_id)
WHERE m.league = %s
"""
_PREDICTED = """
SELECT (SELECT count(DISTINCT game_id) FROM predictions JOIN games USING (game_id)
        WHERE league = %s),
       (SELECT count(*) FROM games WHERE league = %s AND kickoff_at IS NOT NULL)
"""


@dataclass(frozen=True)
class Recording:
    """A folder of recorded quotes that was read and found in order; ``sha256`` of both files."""

    folder: Path
    league: str
    seasons: tuple[int, ...]
    candles: int
    sha256: str

    @property
    def partitions(self) -> list[str]:
        return [f"{self.league}|{season}" for season in self.seasons]


def open_recording(folder: Path) -> Recording:
    """The recording in ``folder``. Reads its file of games, and so refuses a damaged one early.

    Raises PrecogError naming file, line and column.
    """
    from precog_pipelines.sources.config import sources_config
    from precog_pipelines.sources.kalshi_recorded.files import RecordedFolder, digest
    from precog_pipelines.sources.kalshi_recorded.games import RecordedGames

    folder = folder.expanduser().resolve()
    league = sources_config().recorded_quotes.league
    source = RecordedGames(folder, league)
    files = RecordedFolder.open(folder)
    return Recording(
        folder=folder,
        league=league,
        seasons=tuple(source.seasons(league)),
        candles=sum(market.candles for market in source.file().markets),
        sha256=f"{source.file().sha256}:{digest(files.candles)}",
    )


def remember(database: Database, book: StageBook, recording: Recording) -> None:
    """Keep the folder where assets read it. Another recording is loaded anew, the same is not."""
    from precog_core.config import get_override, set_override

    with database.transaction() as conn:
        for key, value in (
            ("sources.recorded_quotes.path", str(recording.folder)),
            ("sources.recorded_quotes.league", recording.league),
        ):
            if get_override(conn, key) != value:
                set_override(conn, key, value, reason="recorded quotes", applied_by="bootstrap")
    if book.recorded != recording.sha256:
        for key in _KEYS:
            book.seconds.pop(key, None)
        book.recorded = recording.sha256
    book.save()


def recorded_stages(recording: Recording) -> list[Stage]:
    """Load, rate and predict the recorded games, oldest season first."""
    league, partitions = recording.league, recording.partitions
    name = f"{league.upper()} {recording.seasons[0]}-{recording.seasons[-1]}"

    def predict(launcher: Launcher) -> None:
        launcher.assets(PIPELINES, ["predictions"], partitions[0], partitions[-1])

    return [
        Stage(
            "recorded_history",
            f"Recorded quotes {name}",
            lambda launcher: launcher.backfill(ASSETS, partitions, f"Recorded quotes {name}"),
            _candle_probe(recording.candles),
        ),
        Stage(
            "recorded_training",
            f"Elo of {name} recorded, judged, approved",
            lambda launcher: launcher.job(PIPELINES, "train_elo", league),
            lambda conn: _pair(conn, _TRAINED, (league,)),
        ),
        Stage(
            "recorded_predictions",
            f"Predictions {name}",
            predict,
            lambda conn: _pair(conn, _PREDICTED, (league, league)),
        ),
    ]


def run_load(console: Console, folder: Path) -> None:
    """Load a recording into this home, headless, and print what is there now.

    Raises PrecogError when the folder is damaged, Precog runs on this home, or a stage fails.
    """
    import dagster as dg

    from precog_core.database import open_database
    from precog_core.paths import home as precog_home
    from precog_platform.headless import log_libraries_to_file
    from precog_platform.instance import close_orphaned_runs, prepare_home
    from precog_platform.launchers import HeadlessLauncher
    from precog_platform.processes import kill_leftovers, naming_a_lost_server, sole_user

    recording = open_recording(folder)
    home = precog_home()
    with sole_user(home):
        kill_leftovers(home)
        with open_database(home) as database:
            prepare_home(database, home)
            book = StageBook(home)
            remember(database, book, recording)
            log_libraries_to_file(home)
            with naming_a_lost_server(home), dg.DagsterInstance.get() as instance:
                close_orphaned_runs(instance)
                launcher = HeadlessLauncher(instance)
                run_stages(
                    recorded_stages(recording), launcher, database, book, console, last=False
                )
            console.print(report(database, recording))


def report(database: Database, recording: Recording) -> str:
    """What the home holds of the recorded league, and how good its prices were at the start."""
    from precog_pipelines.sources.kalshi_recorded.accuracy import price_accuracy

    with database.transaction() as conn:
        games, markets, matched, candles, quotes, settled = (
            conn.execute(_HELD, {"league": recording.league}).fetchone() or (0,) * 6
        )
        accuracy = price_accuracy(conn, recording.league, (0,))
    brier = f"{accuracy[0].brier:.4f}" if accuracy else "unknown"
    return (
        f"{recording.league.upper()}: {games} games, {markets} markets ({matched} matched with a "
        f"game), {candles:,} candles, {quotes:,} quotes, {settled} settlements. Brier score of "
        f"the last price before the start: {brier}."
    )


_HELD = """
WITH held AS (
    SELECT m.market_id, m.yes_team_id, e.game_id
    FROM markets AS m
    JOIN events AS e USING (event_id)
    JOIN series AS s USING (series_id)
    WHERE s.league = %(league)s
      AND m.platform_id = 'kalshi'
)
SELECT (SELECT count(*) FROM games WHERE league = %(league)s),
       (SELECT count(*) FROM held),
       (SELECT count(*) FROM held WHERE game_id IS NOT NULL AND yes_team_id IS NOT NULL),
       (SELECT count(*) FROM market_candles JOIN held USING (market_id)),
       (SELECT count(*) FROM market_snapshots JOIN held USING (market_id)),
       (SELECT count(*) FROM settlements JOIN held USING (market_id))
"""


def _candle_probe(total: int) -> Probe:
    """Candles written so far: the sequence of their keys shows them before the transaction ends."""
    started: list[int] = []

    def probe(conn: Any) -> tuple[int, int]:
        written = int(conn.execute(_CANDLES_WRITTEN).fetchone()[0])
        if not started:
            started.append(written)
        return min(written - started[0], total), total

    return probe


def _pair(conn: Any, query: str, parameters: tuple[Any, ...]) -> tuple[int, int]:
    row = conn.execute(query, parameters).fetchone()
    return int(row[0]), int(row[1])
