"""`precog bootstrap`: the whole path in one process, with no server but PostgreSQL."""

import logging
from pathlib import Path

from rich.console import Console

from precog_core.database import open_database
from precog_core.paths import home as precog_home
from precog_platform.bootstrap import StageBook, run_stages, stages
from precog_platform.instance import close_orphaned_runs, prepare_home
from precog_platform.processes import kill_leftovers, naming_a_lost_server, sole_user
from precog_platform.provider import choose, record
from precog_platform.recorded import open_recording, recorded_stages, remember
from precog_platform.summary import build_summary, render_summary, save_summary


def run_bootstrap(
    console: Console, games: Path | None, source: str | None, recorded: Path | None = None
) -> None:
    """Fill the home (or what is missing of it) and print the summary.

    ``recorded`` is a folder of recorded quotes to load beside the games, if any.

    Raises PrecogError with the reason when a stage fails; running it again continues there.
    """
    home = precog_home()
    recording = open_recording(recorded) if recorded else None
    with sole_user(home):
        book = StageBook(home)
        choice = choose(games, source, book)
        seasons = seasons_of(choice.provider, choice.path)
        kill_leftovers(home)
        with open_database(home) as database:
            prepare_home(database, home)
            record(database, choice)
            if recording:
                remember(database, book, recording)
            if not book.complete or recording:
                import dagster as dg

                from precog_platform.launchers import HeadlessLauncher

                log_libraries_to_file(home)
                with naming_a_lost_server(home), dg.DagsterInstance.get() as instance:
                    close_orphaned_runs(instance)
                    book.source = choice.as_dict()
                    book.save()
                    todo = [] if book.complete else stages(database, seasons)
                    todo += recorded_stages(recording) if recording else []
                    run_stages(todo, HeadlessLauncher(instance), database, book, console)
            content = build_summary(database, seasons, book)
            save_summary(home, content)
            render_summary(console, content)


def log_libraries_to_file(home: Path) -> None:
    """What libraries log at the root goes to a file instead of between the progress bars."""
    path = home / "logs" / "bootstrap.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)


def seasons_of(provider: str, path: Path | None) -> list[int]:
    """The seasons of the chosen source, ascending; reads and so validates a games file."""
    from precog_pipelines.sources import open_game_source
    from precog_platform.bootstrap import LEAGUE

    return sorted(open_game_source(provider, path).seasons(LEAGUE))
