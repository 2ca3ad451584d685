"""How fast a season of recorded quotes replays through the full rule engine.

Builds the season from the development data (``PRECOG_DATA_DIR``, default ../shared/data) in
memory: every traded minute is a quote of close ∓ 0.01, probabilities are Elo's from 1505 with an
interval from the games before. Prints a table and, with ``--json``, one object. Times are CPU
seconds of the process that replays. ``engine`` is the replay alone; ``total`` adds reading the
files and building what the engine reads, not storing the result: a run that stores is
``precog backtest``. With ``--with-nautilus`` nautilus_trader is installed into an environment made
for this run and replays the same minutes beside it (replay_nautilus.py); ``--nautilus-python``
names the Python of an environment that has it already. A refusal is made into a decision row when
it is read: what that costs is measured over the first of them. The plain loop touches every quote
in Python and decides nothing: it is there for scale.

    python benchmarks/replay.py --copies 1,5 --with-nautilus --json
"""

import argparse
import csv
import gzip
import itertools
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from precog_trading.backtest.columns import NONE, instant, microseconds, quote_columns
from precog_trading.backtest.fast import FastReplay
from precog_trading.backtest.history import History, Settlement
from precog_trading.backtest.replay import PlainReplay, Setup
from precog_trading.backtest.tape import tape_of
from precog_trading.config import TradingConfig
from precog_trading.engine.state import Method, ModelVersion, Prediction, StrategyVersion
from precog_trading.strategies import build

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("PRECOG_DATA_DIR") or ROOT.parent / "shared" / "data") / "kalshi"
GRID = [{"start": "0.00", "end": "1.00", "step": "0.01"}]
YEAR = timedelta(days=364)
CANDLES = DATA / "kalshi_nba_2025_candles_1m.csv.gz"
NAUTILUS = "nautilus_trader==1.221.0"
PLAIN_MARKETS = 6
READ = 50_000
_TABLE = ("strategy", "copies", "events", "decisions", "moments_lived", "positions", "engine_s",
          "engine_events_per_s", "total_events_per_s", "microseconds_per_decision",
          "peak_mb")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--copies", default="1", help="seasons in a row: 1,5,20,50; 50 take minutes"
    )
    parser.add_argument(
        "--with-nautilus", action="store_true", help=f"replay beside {NAUTILUS}, installed for it"
    )
    parser.add_argument("--nautilus-python", help="Python of an environment that has it")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    started = time.process_time()
    games, bars = read_games(), read_bars()
    read_s = time.process_time() - started
    report: dict[str, Any] = {"read_s": round(read_s, 2), "growth": []}
    # Ascending, because the peak of memory is that of the process so far.
    for copies in sorted(int(text) for text in arguments.copies.split(",")):
        for strategy in ("pre_game_managed", "pre_game"):
            started = time.process_time()
            setup = season(games, bars, copies, strategy)
            built_s = time.process_time() - started
            started = time.process_time()
            run = FastReplay(setup)
            run.run()
            engine_s = time.process_time() - started
            found = {
                "strategy": strategy,
                "copies": copies,
                "events": run.result.events,
                "decisions": len(run.result.decisions),
                "moments_lived": run.result.ticks,
                "positions": len(run.account.positions),
                "exits": len(run.account.exits),
                "engine_s": round(engine_s, 3),
                "engine_events_per_s": round(run.result.events / engine_s),
                "total_events_per_s": round(run.result.events / (engine_s + built_s + read_s)),
                "microseconds_per_decision": round(1e6 * engine_s / len(run.result.decisions), 2),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
            report["growth"].append(found)
            if len(report["growth"]) == 1:
                report["microseconds_to_read_a_decision"] = reading(run.result.decisions)
                report["loop_events_per_s"] = loop(setup)
            del setup, run
    first = report["growth"][0]  # all the rules, exits included
    report["engine_events_per_s"] = first["engine_events_per_s"]
    report["total_events_per_s"] = first["total_events_per_s"]
    report["plain_events_per_s"] = plain(games, bars)
    wanted = arguments.with_nautilus or arguments.nautilus_python
    report["nautilus"] = nautilus(arguments.nautilus_python) if wanted else None
    report["nautilus_ratio"] = (
        round(report["engine_events_per_s"] / report["nautilus"]["engine_events_per_s"], 2)
        if report["nautilus"]
        else None
    )
    if arguments.json:
        print(json.dumps(report))
    else:
        print_table(report)


def print_table(report: dict[str, Any]) -> None:
    """The replays beside each other, then what else was measured."""
    lines = [_TABLE, *([row[name] for name in _TABLE] for row in report["growth"])]
    texts = [[f"{v:,}" if isinstance(v, int) else str(v) for v in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for line in texts:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))
    print(f"plain replay, every moment lived: {report['plain_events_per_s']:,} events/s")
    print(f"a Python loop over the quotes that decides nothing: {report['loop_events_per_s']:,}")
    print(f"reading a decision: {report['microseconds_to_read_a_decision']} microseconds")
    if report["nautilus"] is None:
        print("nautilus_trader: not measured (--with-nautilus)")
        return
    found = report["nautilus"]
    print(
        f"{NAUTILUS}, a trivial strategy: {found['engine_events_per_s']:,} events/s engine, "
        f"{found['total_events_per_s']:,} in all; ratio of the engines {report['nautilus_ratio']}"
    )


def reading(decisions: Iterable[Any]) -> float:
    """Microseconds to make a decision row of a refusal, over the first of them."""
    started = time.process_time()
    count = sum(1 for _ in itertools.islice(decisions, READ))
    return round(1e6 * (time.process_time() - started) / count, 1)


def loop(setup: Setup) -> int:
    """Events per second of a loop that looks at bid and ask of every quote and does nothing."""
    quotes = setup.history.quotes
    started = time.process_time()
    wide = 0
    for bid, ask in zip(quotes.yes_bid.tolist(), quotes.yes_ask.tolist(), strict=True):
        if bid == NONE or ask == NONE or ask - bid > 30_000:
            wide += 1
    return round(len(quotes) / (time.process_time() - started))


def nautilus(installed: str | None) -> dict[str, Any]:
    """The same minutes through nautilus_trader, in an environment of its own that is removed after
    where none is named."""
    with tempfile.TemporaryDirectory(prefix="precog-nautilus-") as folder:
        python = installed or f"{folder}/bin/python"
        if installed is None:
            venv.create(folder, with_pip=True)
            install = [python, "-m", "pip", "install", "--quiet", NAUTILUS]
            subprocess.run(install, check=True, cwd=folder, stdout=sys.stderr)
        script = Path(__file__).resolve().with_name("replay_nautilus.py")
        replay = [python, str(script), str(CANDLES)]
        done = subprocess.run(replay, check=True, cwd=folder, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def plain(games: list[dict[str, Any]], bars: dict[str, np.ndarray]) -> int:
    """Events per second of the plain replay, over a few markets."""
    run = PlainReplay(season(games[:PLAIN_MARKETS], bars, 1, "pre_game_managed"))
    started = time.process_time()
    for batch in run.batches():
        run.tick(*batch)
    run.finish()
    return round(run.result.events / (time.process_time() - started))


def read_games() -> list[dict[str, Any]]:
    """Games in order of their start, with Elo's probability and its interval."""
    with (DATA / "kalshi_nba_2025_games.csv").open() as file:
        games = sorted(csv.DictReader(file), key=lambda row: (row["tipoff_utc"], row["ticker"]))
    ratings: dict[str, float] = {}
    record: list[tuple[float, int]] = []
    for game in games:
        home, away = (ratings.setdefault(game[side], 1505.0) for side in ("home", "away"))
        p = 1 / (1 + 10 ** (-(home - away + 70) / 400))
        near = [won for said, won in record if int(said * 10) == int(p * 10)]
        game["p"], game["half"] = p, _half_width(near)
        won, margin = int(game["home_win"]), abs(int(game["home_pts"]) - int(game["away_pts"]))
        edge = (home - away + 70) * (1 if won else -1)
        moved = 20 * ((margin + 3) ** 0.8 / (7.5 + 0.006 * edge)) * (won - p)
        ratings[game["home"]] += moved
        ratings[game["away"]] -= moved
        record.append((p, won))
    return games


def _half_width(results: list[int]) -> float:
    """Half the 90 % Wilson interval of the record so far; unknown without one."""
    n = len(results)
    if not n:
        return 0.5
    share, z2 = sum(results) / n, 1.6449**2
    return 1.6449 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)


def read_bars() -> dict[str, np.ndarray]:
    """(end, low, high, close, volume) of each ticker's minutes; seconds, cents, contracts."""
    rows: dict[str, list[tuple[int, ...]]] = {}
    with gzip.open(CANDLES, "rt") as file:
        for ticker, end, _, high, low, close, volume in list(csv.reader(file))[1:]:
            rows.setdefault(ticker, []).append(
                (int(end), int(low), int(high), int(close), int(float(volume)))
            )
    return {ticker: np.array(sorted(found), dtype=np.int64) for ticker, found in rows.items()}


def season(
    games: list[dict[str, Any]], bars: dict[str, np.ndarray], copies: int, strategy: str
) -> Setup:
    """``copies`` of the season, a year apart."""
    markets, predictions, attributes, settlements = [], {}, {}, []
    quotes, tape = [], []
    for copy in range(copies):
        for number, game in enumerate(games):
            place, shift = copy * len(games) + number, copy * YEAR
            tip = datetime.fromisoformat(game["tipoff_utc"]).astimezone(UTC) + shift
            minutes = bars[game["ticker"]]
            at = minutes[:, 0] * 1_000_000 + shift // timedelta(microseconds=1)
            close = minutes[:, 3]
            bid = np.where(close > 1, (close - 1) * 10_000, NONE)
            ask = np.where(close < 99, (close + 1) * 10_000, NONE)
            fill = np.full(len(at), place)
            none = np.full(len(at), NONE)
            traded = np.cumsum(minutes[:, 4]) * 100
            quotes.append(np.stack([fill, at, at, bid, ask, none, none, traded, none, fill * 0]))
            tape.append(
                np.stack([fill, at - 60_000_000, at, at, minutes[:, 1] * 10_000,
                          minutes[:, 2] * 10_000, minutes[:, 4] * 100])
            )  # fmt: skip
            yes_home = game["yes_team"] == game["home"]
            markets.append(_market(place, game["ticker"], tip, yes_home))
            attributes[place + 1] = (
                {"market_id": place + 1, "known_at": instant(int(at[0])) - timedelta(days=9),
                 "status": "open", "price_ranges": GRID},
            )  # fmt: skip
            predictions[place + 1] = tuple(
                _prediction(place, game, tip, hours) for hours in (24, 1)
            )
            paid = max(tip + timedelta(hours=3), instant(int(at[-1])))
            settlements.append(Settlement(place, paid, Decimal(f"{game['yes_won']}.000000")))
    columns = np.concatenate(quotes, axis=1)
    first = instant(int(columns[1].min())) - timedelta(days=1)
    history = History(
        "nba", first, instant(int(columns[1].max())) + timedelta(days=2), tuple(markets),
        attributes, quote_columns(*columns, sources=["recorded_candle"], markets=len(markets)),
        predictions, tuple(sorted(settlements, key=lambda s: (s.known_at, s.market))), (),
        tape_of(list(np.concatenate(tape, axis=1)), {}),
    )  # fmt: skip
    method = Method(
        StrategyVersion(1, strategy, "v1.0", "testing", build(strategy, {})),
        ModelVersion(1, "nba-elo", "v1.0", "testing", "nba"), 1, "benchmark", "v1.0", "testing",
    )  # fmt: skip
    return Setup(history, method, TradingConfig(), run_key="benchmark")


def _market(place: int, ticker: str, tip: datetime, yes_home: bool) -> dict[str, Any]:
    return {
        "market_id": place + 1, "ticker": f"{place:06d}-{ticker}", "platform_id": "kalshi",
        "market_type": "binary", "event_id": place + 1, "yes_team_id": 2 * place + (not yes_home),
        "series_id": 1, "platform_status": "active", "platform_type": "trading",
        "venue_environment": "prod", "game_id": place + 1, "game_key": f"nba:{place}",
        "league": "nba", "trading_enabled": True, "game_type": "regular", "kickoff_at": tip,
        "home_team_id": 2 * place, "away_team_id": 2 * place + 1, "game_status": "scheduled",
        "result_known_at": None, "home_score": None, "away_score": None, "game_source": "file",
    }  # fmt: skip


def _prediction(place: int, game: dict[str, Any], tip: datetime, hours: int) -> Prediction:
    at = tip - timedelta(hours=hours)
    p = Decimal(round(game["p"] * 10_000)).scaleb(-4)
    half = Decimal(round(game["half"] * 10_000)).scaleb(-4)
    low, high = max(p - half, Decimal(0)), min(p + half, Decimal(1))
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    number = 2 * place + (hours == 1)
    return Prediction(number, place + 1, 1, 1, p, low, high, long_ago, at, at)


assert microseconds(datetime(1970, 1, 1, tzinfo=UTC)) == 0

if __name__ == "__main__":
    main()
