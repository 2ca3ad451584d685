"""Building and storing features: games a second, and how close that is to copying finished rows.

    python benchmarks/features.py [--games 60000] [--growth 1 5 20] [--runs 3] [--json]

Made-up seasons of a league with 20 features (the NBA's set) are written into ``games`` and rated;
that is not measured. Measured is what the asset does with all of them: read games and ratings,
build every feature of every game, store them. Beside it a raw COPY of exactly those rows, encoded
beforehand, into the same empty table, in one statement. `copy_ratio` is the median of
build-and-store over the median of the raw COPY; the asset writes its seasons over two connections,
and `one_connection_ratio` is the same over one. The runs alternate. Games are announced after
their day-before moment, so each has its 20 features once; `--both-moments` gives the store's usual
40 values a game.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
import warnings
from datetime import UTC, date, datetime, timedelta

LEAGUE = "nba"
TEAMS = 30
GAMES_A_SEASON = 1_230
FIRST_DAY = date(1960, 10, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=int, default=60_000)
    parser.add_argument(
        "--growth", type=int, nargs="*", default=[1],
        help="sizes as multiples; `--games 3000 --growth 1 5 20` ends with 60,000 games",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--both-moments", action="store_true", help="40 values a game, not 20")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    results = []
    for growth in options.growth:
        with tempfile.TemporaryDirectory(prefix="precog-bench-") as folder:
            os.environ["PRECOG_HOME"] = folder
            results.append(one_size(options.games * growth, growth, options))
    # The largest is what the aim is about.
    outcome = results[-1] | {"growth": results, "processors": os.cpu_count()}
    if options.json:
        print(json.dumps(outcome))
        return
    for result in results:
        print(
            f"{result['games']:>9,} games {result['rows']:>11,} rows: build and store "
            f"{result['seconds']:.2f} s (of it building {result['build_seconds']:.2f}), raw COPY "
            f"{result['copy_seconds']:.2f} s, ratio {result['copy_ratio']:.2f} (one connection "
            f"{result['one_connection_ratio']:.2f}); "
            f"again, unchanged {result['again_seconds']:.2f} s"
        )


def one_size(games: int, growth: int, options: argparse.Namespace) -> dict:
    """Medians over alternating runs on one fresh database."""
    from precog_core.database import open_database
    from precog_pipelines.defs.features.assets import write_in_two
    from precog_pipelines.ratings.config import elo_config
    from precog_pipelines.ratings.history import write_ratings

    with open_database() as database:
        with database.transaction() as conn:
            seasons = write_games(conn, games, growth, not options.both_moments)
        with database.transaction() as conn:
            write_ratings(conn, LEAGUE, seasons, elo_config().league(LEAGUE))
        with database.transaction() as conn:
            conn.execute("ANALYZE")
        stored, single, copied, built, again = [], [], [], [], []
        for _ in range(options.runs):
            empty(database)
            started = time.perf_counter()
            written = write_in_two(database, LEAGUE, seasons, RUN, ("v1.0",))
            stored.append(time.perf_counter() - started)
            empty(database)
            single.append(store_features(database, seasons)[0])
            again.append(store_features(database, seasons)[0])
            empty(database)
            build, encoded = encode(database, seasons)
            built.append(build)
            copied.append(raw_copy(database, encoded))
        empty(database)
    seconds, copy = statistics.median(stored), statistics.median(copied)
    return {
        "games": games,
        "rows": written.rows,
        "seconds": round(seconds, 2),
        "build_seconds": round(statistics.median(built), 2),
        "copy_seconds": round(copy, 2),
        "copy_ratio": round(seconds / copy, 3),
        "one_connection_seconds": round(statistics.median(single), 2),
        "one_connection_ratio": round(statistics.median(single) / copy, 3),
        "again_seconds": round(statistics.median(again), 2),
        "seconds_all": [round(s, 2) for s in stored],
        "copy_seconds_all": [round(s, 2) for s in copied],
    }


def empty(database) -> None:
    """An empty table, and nothing of the last run left to write back during the next."""
    with database.transaction() as conn:
        conn.execute("TRUNCATE features_historical")
    with database.connection() as conn:
        conn.autocommit = True
        conn.execute("CHECKPOINT")
        conn.autocommit = False


def store_features(database, seasons: list[int]):
    """Seconds of what the asset does over one connection, and what it says it wrote."""
    from precog_pipelines.features.store import write_features

    started = time.perf_counter()
    with database.transaction() as conn:
        written = write_features(
            conn, LEAGUE, seasons, now=datetime.now(UTC), dagster_run_id=RUN, sets=("v1.0",)
        )
    return time.perf_counter() - started, written


RUN = "00000000-0000-0000-0000-000000000000"


def encode(database, seasons: list[int]) -> tuple[float, list]:
    """Seconds of reading and building alone, and the columns of each COPY."""
    from precog_pipelines.features import store
    from precog_pipelines.features.config import features_config
    from precog_pipelines.features.registry import registered
    from precog_pipelines.ratings.config import elo_config

    config = features_config()
    features = registered(LEAGUE, config)
    with database.transaction() as conn:
        feature_ids = store.ensure_definitions(conn, features)
        started = time.perf_counter()
        table = store.compute_features(
            conn, LEAGUE, seasons, features, now=datetime.now(UTC),
            elo=elo_config().league(LEAGUE), config=config,
        )  # fmt: skip
        seconds = time.perf_counter() - started
    same = {"entity_type": "game", "dagster_run_id": RUN}
    return seconds, [(columns | same, nulls) for columns, nulls in store.blocks(table, feature_ids)]


def raw_copy(database, encoded: list) -> float:
    """Seconds of one COPY of bytes that are ready."""
    from precog_core.database.copying import row_encoder

    names = [name for name in encoded[0][0] if name != "season"]
    with database.transaction() as conn:
        encode_rows = row_encoder(conn, "features_historical", names)
        content = [
            block
            for columns, nulls in encoded
            for block in encode_rows([columns[name] for name in names], nulls)
        ]
        started = time.perf_counter()
        statement = f"COPY features_historical ({', '.join(names)}) FROM STDIN (FORMAT BINARY)"
        with conn.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for block in content:
                copy.write(block)
            copy.write(b"\xff\xff")
    return time.perf_counter() - started


def write_games(conn, count: int, growth: int, decisions_only: bool) -> list[int]:
    """``count`` finished games of made-up seasons; returns the seasons.

    A league ``growth`` times as large has that many more teams, not more years.
    """
    from precog_core.database.copying import copy_rows

    rng = random.Random(7)  # noqa: S311
    team_count, a_season = TEAMS * growth, GAMES_A_SEASON * growth
    for n in range(team_count):
        conn.execute(
            "INSERT INTO teams (league, team_code, name, conference, division)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (LEAGUE, f"T{n:03d}", f"Team {n}", "AB"[n % 2], str(n % 6)),
        )
    teams = [row[0] for row in conn.execute(
        "SELECT team_id FROM teams WHERE league = %s AND team_code LIKE 'T___'"
        " ORDER BY team_code", (LEAGUE,))]  # fmt: skip
    (snapshot,) = conn.execute(
        "INSERT INTO source_snapshots (source, dataset, uri, sha256, row_count, fetched_at)"
        " VALUES ('synthetic', 'games', 'memory:', %s, %s, now()) RETURNING source_snapshot_id",
        ("0" * 64, count),
    ).fetchone()
    rows = []
    seasons = []
    while len(rows) < count:
        season = FIRST_DAY.year + 1 + len(seasons)
        seasons.append(season)
        day = FIRST_DAY.replace(year=season - 1)
        played = 0
        while played < a_season and len(rows) < count:
            pairs = rng.sample(range(team_count), 16 * growth)
            for home, away in zip(pairs[::2], pairs[1::2], strict=True):
                if played == a_season or len(rows) == count:
                    break
                kickoff = datetime(day.year, day.month, day.day, 23, tzinfo=UTC)
                margin = round(rng.gauss((home - away) % 20 - 8, 12)) or 1
                rows.append((
                    f"{LEAGUE}:{season}:{day}:t{away:03d}@t{home:03d}", LEAGUE, season, "regular",
                    kickoff, teams[home], teams[away], False, 100 + max(margin, 0),
                    100 + max(-margin, 0), "final", "synthetic", f"{season}-{played}",
                    kickoff - timedelta(hours=1 if decisions_only else 48),
                    kickoff + timedelta(hours=3), snapshot,
                ))  # fmt: skip
                played += 1
            day += timedelta(days=1)
    copy_rows(
        conn,
        "games",
        (
            "game_key", "league", "season", "game_type", "kickoff_at", "home_team_id",
            "away_team_id", "neutral_site", "home_score", "away_score", "status", "source",
            "source_game_id", "known_at", "result_known_at", "source_snapshot_id",
        ),
        rows,
    )  # fmt: skip
    return seasons


if __name__ == "__main__":
    # Dagster says of its own decorators that they are beta.
    warnings.simplefilter("ignore")
    main()
