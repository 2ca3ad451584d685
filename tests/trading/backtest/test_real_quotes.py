"""Recorded quotes of real games through both replays: the same rows, to the last digit."""

import csv
import gzip
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from precog_trading.backtest.replay import Setup
from tests.trading.backtest.test_fast import same

REPOSITORY = Path(__file__).resolve().parents[3]
GAMES = (
    "KXNBAGAME-25OCT27CLEDET-DET",
    "KXNBAGAME-25OCT27ATLCHI-CHI",
    "KXNBAGAME-25OCT27PHXUTA-UTA",
)
"""Three games of one evening, all bought before their start by the method."""


@pytest.fixture(scope="module")
def evening(data_dir: Path) -> Any:
    """(benchmark module, the games, their minutes)."""
    bench = _benchmark()
    if not bench.CANDLES.exists():
        pytest.skip(f"no {bench.CANDLES.name} in {data_dir / 'kalshi'}")
    games = [game for game in bench.read_games() if game["ticker"] in GAMES]
    rows: dict[str, list[tuple[int, ...]]] = {ticker: [] for ticker in GAMES}
    with gzip.open(bench.CANDLES, "rt") as file:
        wanted = (line for line in file if line[: line.index(",")] in rows)
        for ticker, end, _, high, low, close, volume in csv.reader(wanted):
            rows[ticker].append((int(end), int(low), int(high), int(close), int(float(volume))))
    return bench, games, {t: np.array(sorted(found), np.int64) for t, found in rows.items()}


@pytest.mark.requirement("TEST-004")
@pytest.mark.parametrize("strategy", ["pre_game", "pre_game_managed"])
def test_an_evening_of_recorded_games_comes_out_the_same(evening: Any, strategy: str) -> None:
    bench, games, bars = evening
    world: Setup = bench.season(games, bars, 1, strategy)
    found = same(world)
    assert len(found["positions"]) == 3
    assert len(found["decisions"]) > 2_000
    assert bool(found["exits"]) == (strategy == "pre_game_managed")


def _benchmark() -> ModuleType:
    path = REPOSITORY / "benchmarks" / "replay.py"
    spec = importlib.util.spec_from_file_location("replay_benchmark", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
