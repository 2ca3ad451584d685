"""Ten faults made on purpose while ``precog up`` runs: what is seen, what recovers, what is lost.

A small real league fills a home without disturbance; then ``precog up`` serves it, and the faults
follow one after the other, everything on loopback. Run it from a checkout:

    python -m scripts.drill_faults [--home FOLDER] [--only NAME ...] [--json]

Without ``--home`` it fills a temporary one (three minutes on two cores) and then takes about half
an hour. A home is only good for one drill. It prints a table and ends with 1 when something was
not seen, did not recover, or a row was lost or doubled. Filling the artifact folder needs root,
moving the clock a C compiler; without them these faults are skipped, saying so.
"""

import argparse
import json
import logging
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import psycopg

from precog_core.database import Database
from scripts.drill import machine, sources
from scripts.drill.bets import Fixture, add_fixtures
from scripts.drill.rig import NotSeen, Rig, Seen, fill, running, say
from scripts.drill.tables import Table, compared, rows_of
from tests.end_to_end.league import write_games

Fault = Callable[[Rig], None]


def faults(games: Path, by_hand: Callable[[], Fixture]) -> dict[str, tuple[str, Fault]]:
    """The ten by name, in order: title and what makes it. ``by_hand`` gives an unused game."""
    return {
        "database": (
            "database restarted", lambda rig: machine.database_restarted(rig, by_hand()),
        ),
        "provider": ("provider down", sources.provider_down),
        "disk": ("disk full on the artifact folder", machine.disk_full),
        "location": ("code location crash", lambda rig: machine.location_crash(rig, by_hand())),
        "yaml": ("bad YAML reload", lambda rig: machine.bad_yaml(rig, by_hand())),
        "clock": (
            "clock jump", lambda rig: machine.clock_jump(rig, by_hand(), by_hand(), by_hand()),
        ),
        "smtp": ("SMTP down", sources.mail_down),
        "download": (
            "corrupted download", lambda rig: sources.corrupted_download(rig, games),
        ),
        "quote": (
            "poisoned quote",
            lambda rig: sources.poisoned_quote(rig, by_hand(), by_hand(), by_hand()),
        ),
        "unanswered": ("unacknowledged critical alert", sources.nobody_answers),
    }  # fmt: skip


def tables(home: Path) -> dict[str, Table]:
    """All rows of the home as they are now."""
    database = Database.from_environment(home)
    conn = database.connect(autocommit=True)
    try:
        return rows_of(conn)
    finally:
        conn.close()


def drill(rig: Rig, title: str, fault: Fault) -> Seen:
    """One fault from a clean start, with the rows before and after."""
    say(f"\n{title}")
    rig.begin(title)
    rig.settle()
    before = tables(rig.home)
    try:
        fault(rig)
        rig.settle()
        seen = rig.seen
        seen.lost, seen.doubled, seen.new = compared(before, tables(rig.home))
    except (NotSeen, psycopg.Error, OSError) as error:
        rig.check(f"the drill itself: {error}", False)
    rig.check(f"no row lost {rig.seen.lost or ''}", not rig.seen.lost)
    rig.check(f"no row doubled {rig.seen.doubled or ''}", not rig.seen.doubled)
    rig.resolve_all()
    return rig.seen


def table(done: list[Seen], home: Path) -> str:
    """The result as a Markdown table, without what belongs to this one machine."""
    lines = [
        "| fault | what the operator saw | recovered by itself | after s | rows lost / doubled |",
        "|---|---|---|---|---|",
    ]
    for seen in done:
        if seen.skipped:
            lines.append(f"| {seen.fault} | skipped: {seen.skipped} | | | |")
            continue
        saw = "; ".join(words.replace("|", "\\|") for words in seen.saw)
        rows = f"{sum(seen.lost.values())} / {sum(seen.doubled.values())}"
        failed = f"; **not as expected: {'; '.join(seen.failures)}**" if seen.failures else ""
        after = "" if seen.recovered_s is None else f"{seen.recovered_s:.0f}"
        lines.append(f"| {seen.fault} | {saw}{failed} | {seen.by_itself} | {after} | {rows} |")
    text = "\n".join(lines).replace(str(home), "$PRECOG_HOME")
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", text)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    parser = argparse.ArgumentParser(description="Ten faults while precog up runs.")
    parser.add_argument("--home", type=Path, help="an empty folder, or a home filled for this")
    parser.add_argument("--games", type=Path, help="the games file such a home was filled from")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these faults, in this order")
    parser.add_argument("--patience", type=float, default=1.0, help="of a slow machine, such as 3")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    asked = parser.parse_args()
    home = asked.home or Path(tempfile.mkdtemp(prefix="precog-drill-"))
    home.mkdir(parents=True, exist_ok=True)
    games = asked.games or write_games(home / "games.csv")
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's note about its own future
    unused: list[Fixture] = []
    every = faults(games, lambda: unused.pop(0))
    wrong = set(asked.only or ()) - set(every)
    if wrong:
        parser.error(f"unknown: {', '.join(sorted(wrong))}; there are {', '.join(every)}")
    # A shell that starts this in the background makes it ignore Ctrl-C; disks must be unmounted.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    say(f"home {home}: filled first when it is empty")
    fill(home, games)
    done: list[Seen] = []
    interrupted = False
    with running(home) as rig:
        rig.patience = asked.patience
        rig.files.body = sources.published(games)
        unused += add_fixtures(rig, 9)
        for name in asked.only or every:
            try:
                done.append(drill(rig, *every[name]))
            except KeyboardInterrupt:
                interrupted = True
                break
    order = [title for title, _ in every.values()]
    done.sort(key=lambda seen: order.index(seen.fault))
    failed = [seen.fault for seen in done if seen.failures]
    if asked.json:
        sys.stdout.write(
            json.dumps({"home": str(home), "faults": list(map(asdict, done)), "failed": failed})
            + "\n"
        )
    else:
        sys.stdout.write(table(done, home) + "\n")
    if failed or interrupted:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
