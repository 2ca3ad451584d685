"""Made-up histories in memory: games with one market each, minute quotes, predictions, results."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from precog_trading.backtest.columns import NONE, microseconds, quote_columns
from precog_trading.backtest.history import History, Settlement
from precog_trading.backtest.replay import Setup
from precog_trading.backtest.tape import tape_of
from precog_trading.config import TradingConfig
from precog_trading.engine.state import Method, ModelVersion, Prediction, StrategyVersion
from precog_trading.strategies import build

START = datetime(2025, 11, 3, 18, tzinfo=UTC)
GRID = [{"start": "0.00", "end": "1.00", "step": "0.01"}]
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def made_up_season(
    seed: int,
    games: int = 6,
    source: str = "recorded_candle",
    step: int = 7,
    trend: float = 0.012,
) -> History:
    """``games`` two or three a day, quoted about every ``step`` minutes from a day before the start
    to the end; the model's error is drawn so that some edges are there and some are not."""
    rng = random.Random(seed)
    markets: list[dict[str, Any]] = []
    rows: list[tuple[int, ...]] = []
    bars: list[tuple[int, ...]] = []
    predictions: dict[int, tuple[Prediction, ...]] = {}
    settlements: list[Settlement] = []
    attributes: dict[int, tuple[dict[str, Any], ...]] = {}
    for number in range(games):
        kickoff = START + timedelta(hours=9 * number + rng.choice((0, 1, 2)))
        markets.append(_market(number, kickoff))
        attributes[100 + number] = (
            {
                "market_id": 100 + number,
                "known_at": kickoff - timedelta(days=3),
                "status": "open",
                "price_ranges": GRID,
            },
        )
        p = rng.uniform(0.25, 0.75)
        mid, minute, traded = p, -1500, 0
        while minute < 165:
            minute += rng.randint(1, 2 * step - 1)
            sigma = trend if minute < 0 else 3 * trend
            mid = min(max(mid + rng.gauss(0, sigma), 0.01), 0.99)
            cents = min(max(round(mid * 100), 1), 99)
            bid = None if cents <= 1 else (cents - 1) * 10_000
            ask = None if cents >= 99 else (cents + 1) * 10_000
            if rng.random() < 0.05 and ask is not None and ask < 970_000:
                ask += 20_000
            at = microseconds(kickoff + minute * MINUTE)
            traded += rng.choice((0, 5, 40, 900))
            rows.append(
                (
                    number, at, at, NONE if bid is None else bid, NONE if ask is None else ask,
                    rng.choice((NONE, 5_000, 40_000, 500)), rng.choice((NONE, 7_000, 40_000)),
                    traded * 100, NONE, 0,
                )
            )  # fmt: skip
            bars.append((number, at - 60_000_000, at, at, cents * 10_000 - 10_000,
                         cents * 10_000 + 20_000, 90_000))  # fmt: skip
        predictions[number] = tuple(
            _prediction(number, kickoff, hours, p + rng.gauss(0, 0.07), rng, index)
            for index, hours in enumerate((24, 5, 1))
        )
        won = rng.random() < p
        paid = kickoff + timedelta(hours=3, minutes=rng.randint(0, 50))
        settlements.append(Settlement(number, paid, Decimal("1.000000" if won else "0.000000")))
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    tape = [np.array(column, dtype=np.int64) for column in zip(*bars, strict=True)]
    return History(
        league="nba",
        first=START - timedelta(days=2),
        last=START + timedelta(hours=9 * games + 48),
        markets=tuple(markets),
        attributes=attributes,
        quotes=quote_columns(*columns, sources=[source], markets=games),
        predictions=predictions,
        settlements=tuple(sorted(settlements, key=lambda s: (s.known_at, s.market))),
        schedules=(),
        tape=tape_of(tape, {}),
    )


def setup(history: History, strategy: str = "pre_game_managed", **config: Any) -> Setup:
    """The history with a method of ``strategy`` on it."""
    rules = build(strategy, {})
    method = Method(
        StrategyVersion(1, strategy, "v1.0", "testing", rules),
        ModelVersion(1, "nba-elo", "v1.0", "testing", "nba"),
        1, "nba_made_up", "v1.0", "testing",
    )  # fmt: skip
    return Setup(history, method, TradingConfig.model_validate(config), run_key="made up")


def _market(number: int, kickoff: datetime) -> dict[str, Any]:
    home, away = 2 * number, 2 * number + 1
    return {
        "market_id": 100 + number, "ticker": f"M{number:04d}", "platform_id": "simulated",
        "market_type": "binary", "event_id": 500 + number,
        "yes_team_id": home if number % 3 else away, "series_id": 1,
        "platform_status": "active", "platform_type": "trading", "venue_environment": "none",
        "game_id": number, "game_key": f"nba:2025:{number}", "league": "nba",
        "trading_enabled": True, "game_type": "regular", "kickoff_at": kickoff,
        "home_team_id": home, "away_team_id": away, "game_status": "scheduled",
        "result_known_at": None, "home_score": None, "away_score": None, "game_source": "made up",
    }  # fmt: skip


def _prediction(
    game: int, kickoff: datetime, hours: int, p: float, rng: random.Random, index: int
) -> Prediction:
    at = kickoff - timedelta(hours=hours)
    p_home = Decimal(round(min(max(p if game % 3 else 1 - p, 0.03), 0.97) * 10_000)).scaleb(-4)
    half = Decimal(rng.choice((200, 300, 600, 900, 1300))).scaleb(-4)
    low, high = max(p_home - half, Decimal("0.0000")), min(p_home + half, Decimal("1.0000"))
    return Prediction(game * 10 + index, game, 1, 1, p_home, low, high, LONG_AGO, at, at)
