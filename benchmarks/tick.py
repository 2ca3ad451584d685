"""How long a trading tick takes against PostgreSQL, and how many statements it sends.

    python benchmarks/tick.py [--markets 200] [--positions 50] [--json]

A tick with news of every market while positions are held: settle, read the facts, judge the
breakers, evaluate entries and all ten exits, write decisions, edges and marks. The same is done
with a tenth of the markets and positions: the number of statements must not differ. The database
is an embedded server in a temporary home, made-up games and quotes.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TICKS = 7
SETTINGS = {
    # Room for as many positions as asked for, and positions that are managed, so exits are judged.
    "PRECOG__TRADING__CAPS__OPEN": "1000",
    "PRECOG__TRADING__CAPS__ENTRIES_H": "1000",
    "PRECOG__TRADING__CAPS__ENTRIES_D": "1000",
    "PRECOG__TRADING__CAPS__DAY_USD": "1000000",
    "PRECOG__TRADING__CAPS__TOTAL_USD": "1000000",
    "PRECOG__TRADING__CAPS__LEAGUE_PCT": "{nfl: 1, default: 1}",
    "PRECOG__TRADING__PAPER__STARTING_CASH_USD": "1000000",
    "PRECOG__TRADING__BREAKER__TRADE_BURST": "{count: 1000, window_s: 300}",
    "PRECOG__TRADING__BREAKER__DAILY_LOSS": "100000",
    "PRECOG__TRADING__BREAKER__WEEKLY_LOSS": "100000",
    "PRECOG__TRADING__BREAKER__RAPID_LOSS": "100000",
    "PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY": "pre_game_managed",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markets", type=int, default=200)
    parser.add_argument("--positions", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print one object")
    arguments = parser.parse_args()
    results = [
        measure(markets, positions)
        for markets, positions in (
            (arguments.markets // 10, arguments.positions // 10),
            (arguments.markets, arguments.positions),
        )
    ]
    small, large = results
    found = {**large, "small": small}
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{'markets':>8}{'positions':>11}{'decisions':>11}{'ms':>8}{'statements':>12}")
    for row in results:
        print(
            f"{row['markets']:>8}{row['positions']:>11}{row['decisions']:>11}"
            f"{1000 * row['tick_seconds']:>8.0f}{row['statements']:>12}"
        )


def measure(markets: int, positions: int) -> dict[str, float]:
    """Median seconds of a tick with news of all markets, and its statements."""
    with _home() as database:
        return measure_in(database, markets, positions)


def measure_in(database, markets: int, positions: int, ticks: int = TICKS):  # type: ignore[no-untyped-def]
    """The same on a migrated, empty database, with the settings above in force."""
    from datetime import timedelta

    from precog_trading.tick.batches import Agenda, pending_batches
    from precog_trading.tick.runner import tick_runner
    from tests.trading import season

    with database.transaction() as conn:
        league = season.create_league(conn, tuple(f"T{n:03d}" for n in range(markets)))
        teams = list(league.teams)
        kickoff = season.FIRST_SUNDAY
        for number in range(markets // 2):
            game = season.add_game(
                conn, league, kickoff, teams[2 * number], teams[2 * number + 1], None
            )
            # The first games are worth buying, the others are watched.
            season.add_prediction(conn, league, game, "0.62" if number < positions else "0.50")
            for tick in range(ticks + 1):
                at = kickoff - 10 * season.HOUR + tick * timedelta(minutes=10)
                bid = f"0.{49 + tick % 2}"
                season.add_quote(conn, game.home, at, bid, f"0.{50 + tick % 2}")
                season.add_quote(conn, game.away, at, f"0.{50 - tick % 2}", f"0.{51 - tick % 2}")
    seconds: list[float] = []
    counts: list[int] = []
    with tick_runner(database) as runner, _counted() as count:
        runner.resume()
        with database.connection() as conn:
            batches = pending_batches(conn, runner.config, maximum=None)
        agenda = Agenda(batches, until=kickoff)
        runner.run_tick(agenda.next(runner.held))
        runner.conn.execute("ANALYZE")
        held = len(runner.held)
        for _ in range(ticks):
            batch = agenda.next(runner.held)
            before = count[0]
            began = time.perf_counter()
            done = runner.run_tick(batch)
            seconds.append(time.perf_counter() - began)
            counts.append(count[0] - before)
            assert done.decisions >= 2 * markets, done
    assert held == positions, f"{held} positions instead of {positions}"
    return {
        "markets": markets,
        "positions": held,
        "decisions": done.decisions,
        "tick_seconds": round(statistics.median(seconds), 4),
        "statements": max(counts),
    }


@contextmanager
def _counted() -> Iterator[list[int]]:
    """Counts what is sent to the server: every statement of every cursor."""
    import psycopg

    count = [0]
    original = psycopg.Cursor.execute

    def counted(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        count[0] += 1
        return original(self, *args, **kwargs)

    psycopg.Cursor.execute = counted  # type: ignore[method-assign]
    try:
        yield count
    finally:
        psycopg.Cursor.execute = original  # type: ignore[method-assign]


@contextmanager
def _home() -> Iterator[object]:
    """A migrated database of an embedded server in a home that is thrown away."""
    from precog_core.database import open_database

    with tempfile.TemporaryDirectory() as home:
        kept = dict(os.environ)
        os.environ.update({**SETTINGS, "PRECOG_HOME": home})
        try:
            with open_database() as database:
                yield database
        finally:
            os.environ.clear()
            os.environ.update(kept)


if __name__ == "__main__":
    main()
