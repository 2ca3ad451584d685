"""Elo games per second: our compiled kernel beside penaltyblog, elote and plain loops.

    python benchmarks/elo.py [--games 16810] [--growth 1 5 20] [--rounds 7] [--json]

Everyone rates the same made-up seasons and says each game's probability before it. The libraries
get Python lists of teams and results, which is what they loop over; the kernel starts from a table
of games as it is stored (team ids) or read from a file (team names), and its conversion to arrays
counts. They are installed into an environment of their own (build/, or --libraries), because Precog
does not need them.

Rounds alternate between the contestants, and the best round of each counts: on a shared machine
noise only adds. `penaltyblog_ratio` is ours (team ids, conversion included) over penaltyblog.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
import venv
from pathlib import Path

PINNED = ("penaltyblog==1.13.1", "elote==1.5.1")
TEAMS = 32
GAMES_A_SEASON = 272

# Runs in the libraries' environment: reads {games: [[home, away, result]]} and one name a line,
# answers with the seconds of one pass.
CHILD = """
import json, sys, time
games = [tuple(g) for g in json.load(open(sys.argv[1]))]

def penaltyblog():
    from penaltyblog.ratings import Elo
    elo = Elo(20, 48)
    started = time.perf_counter()
    for home, away, result in games:
        elo.home_win_probability(home, away)
        elo.update_ratings(home, away, result)
    return time.perf_counter() - started

def penaltyblog_update_only():
    from penaltyblog.ratings import Elo
    elo = Elo(20, 48)
    started = time.perf_counter()
    for home, away, result in games:
        elo.update_ratings(home, away, result)
    return time.perf_counter() - started

def elote():
    from elote import EloCompetitor
    teams = {t: EloCompetitor(initial_rating=1505) for g in games for t in g[:2]}
    started = time.perf_counter()
    for home, away, result in games:
        one, other = teams[home], teams[away]
        one.expected_score(other)
        if result == 0:
            one.beat(other)
        elif result == 1:
            one.tied(other)
        else:
            other.beat(one)
    return time.perf_counter() - started

for line in sys.stdin:
    print(globals()[line.strip()](), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=int, default=16_810)
    parser.add_argument("--growth", type=int, nargs="*", default=[1, 5, 20])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--libraries", type=Path, help="environment that has them, or where to make it"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    folder = options.libraries or Path(__file__).resolve().parent.parent / "build" / "elo-libraries"
    python = libraries(folder)
    results = [one_size(options.games * n, n, options.rounds, python) for n in options.growth]
    first = results[0]
    outcome = {
        "games": first["games"],
        "games_per_s": round(first["games_per_s"]["kernel, team ids"]),
        "penaltyblog_ratio": ratio(first, "penaltyblog"),
        "penaltyblog_update_only_ratio": ratio(first, "penaltyblog, no probability"),
        "names_penaltyblog_ratio": round(
            first["games_per_s"]["kernel, team names"] / first["games_per_s"]["penaltyblog"], 1
        ),
        "elote_ratio": ratio(first, "elote"),
        "plain_loop_ratio": ratio(first, "plain loop"),
        "first_call_s": first["first_call_s"],
        "growth": results,
        "processors": os.cpu_count(),
    }
    if options.json:
        print(json.dumps(outcome))
        return
    for result in results:
        print(f"\n{result['games']:,} games; best of {options.rounds} rounds")
        for name, rate in sorted(result["games_per_s"].items(), key=lambda item: -item[1]):
            print(f"  {name:<28} {rate:>13,.0f} games/s {1e9 / rate:>9,.0f} ns/game")
    print(f"\nkernel / penaltyblog {outcome['penaltyblog_ratio']}, conversion included")


def ratio(result: dict, other: str) -> float:
    rates = result["games_per_s"]
    return round(rates["kernel, team ids"] / rates[other], 1)


def one_size(games: int, growth: int, rounds: int, python: Path) -> dict:
    """Games per second of everyone on the same games."""
    import pandas as pd

    from precog_pipelines.ratings.elo import EloParameters, Era, Game, MarginForm, rate_games
    from precog_pipelines.ratings.kernel import GameColumns, expected_columns

    parameters = EloParameters(20.0, (Era(None, 48.0), Era(2020, 30.0)), 1 / 3, MarginForm.FOOTBALL)
    played = seasons(games, Game)
    by_id = pd.DataFrame(played, columns=list(Game._fields))
    by_name = by_id.assign(
        home="team " + by_id["home"].astype(str), away="team " + by_id["away"].astype(str)
    )
    results = [
        (g.home, g.away, 0 if g.home_score > g.away_score else 2 - (g.home_score == g.away_score))
        for g in played
    ]
    started = time.perf_counter()
    kernel, _ = expected_columns(GameColumns.of_frame(by_id), parameters)
    first_call = time.perf_counter() - started
    reference, _ = rate_games(played, parameters)
    assert kernel.tolist() == [game.expected for game in reference]
    contestants = {
        "kernel, team ids": timed(
            lambda: expected_columns(GameColumns.of_frame(by_id), parameters)
        ),
        "kernel, team names": timed(
            lambda: expected_columns(GameColumns.of_frame(by_name), parameters)
        ),
        "plain loop": timed(lambda: plain_loop(results)),
        "our reference": timed(lambda: rate_games(played, parameters)),
    }
    path = python.parent / f"games-{os.getpid()}.json"
    path.write_text(json.dumps(results))
    child = subprocess.Popen(
        [str(python), "-c", CHILD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip

    def asked(name: str):
        def seconds() -> float:
            child.stdin.write(name + "\n")
            child.stdin.flush()
            return float(child.stdout.readline())

        return seconds

    contestants["penaltyblog"] = asked("penaltyblog")
    contestants["penaltyblog, no probability"] = asked("penaltyblog_update_only")
    if growth <= 5:  # a minute a pass beyond
        contestants["elote"] = asked("elote")
    best = dict.fromkeys(contestants, float("inf"))
    try:
        for _ in range(rounds):
            for name, seconds in contestants.items():
                best[name] = min(best[name], seconds())
    finally:
        child.stdin.close()
        child.wait()
        path.unlink()
    return {
        "games": games,
        "first_call_s": round(first_call, 2),
        "games_per_s": {name: round(games / seconds) for name, seconds in best.items()},
    }


def timed(action):
    """Seconds of one pass, averaged over as many as fill a twentieth of a second.

    The slow contestants fill it with one or two; a pass of two milliseconds alone would mostly
    measure cold caches.
    """

    def seconds() -> float:
        passes, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < 0.05:
            action()
            passes += 1
        return elapsed / passes

    return seconds


def plain_loop(results: list[tuple[int, int, int]]) -> list[float]:
    """The least that a person would write: no margin, no seasons."""
    ratings: dict[int, float] = {}
    chances = []
    for home, away, result in results:
        one, other = ratings.get(home, 1505.0), ratings.get(away, 1505.0)
        chance = 1 / (1 + 10 ** ((other - one - 48) / 400))
        shift = 20 * ((2 - result) / 2 - chance)
        ratings[home], ratings[away] = one + shift, other - shift
        chances.append(chance)
    return chances


def seasons(count: int, game) -> list:
    """Made-up games in playing order: every team once a round."""
    rng = random.Random(7)  # noqa: S311
    strength = [rng.gauss(0, 6) for _ in range(TEAMS)]
    games = []
    while len(games) < count:
        teams = rng.sample(range(TEAMS), TEAMS)
        for home, away in zip(teams[::2], teams[1::2], strict=True):
            margin = round(rng.gauss(strength[home] - strength[away] + 2, 13))
            low = rng.randrange(0, 28)
            scores = (low + max(margin, 0), low + max(-margin, 0))
            season = 1920 + len(games) // GAMES_A_SEASON % 100
            games.append(game(season, home + 1, away + 1, *scores, rng.random() < 0.02))
    games.sort(key=lambda g: g.season)
    return games[:count]


def libraries(folder: Path) -> Path:
    """The Python of an environment with the libraries, made when it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing {', '.join(PINNED)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, *PINNED], check=True)
    return python


if __name__ == "__main__":
    main()
