"""Which quotes and predictions of the past make entry candidates."""

import numpy as np

from precog_trading.backtest.columns import Int64, microseconds
from precog_trading.backtest.finished import after_the_result
from precog_trading.backtest.history import History
from precog_trading.backtest.setup import Setup
from precog_trading.config import TradingConfig


def entry_candidates(setup: Setup) -> np.ndarray:
    """Which quotes make entry candidates: in the window before the start, model already heard; or
    after the result, for a strategy that looks there."""
    history, config = setup.history, setup.config
    quotes = history.quotes
    opening, closing = _window_us(history, config)
    heard = np.full(len(history.markets), np.iinfo(np.int64).max, dtype=np.int64)
    tradable = np.zeros(len(history.markets), dtype=bool)
    for number, row in enumerate(history.markets):
        told = history.predictions.get(row["game_id"], ())
        if told:
            heard[number] = min(microseconds(p.known_at) for p in told)
        tradable[number] = bool(row["trading_enabled"])
    known, market = quotes.known_at, quotes.market
    first, last = microseconds(history.first), microseconds(history.last)
    before = (
        (known >= opening[market])
        & (known <= closing[market])
        & (known >= heard[market])
        & tradable[market]
        & (known >= first)
        & (known < last)
    )
    return before | after_the_result(history, setup.method)


def prediction_batches(setup: Setup) -> list[tuple[int, int, int]]:
    """(instant, market, newest quote's row) at which a new prediction meets a quote that is still
    fresh."""
    history, config = setup.history, setup.config
    quotes = history.quotes
    opening, closing = _window_us(history, config)
    fresh_us = config.gate.quote_stale.stored * 1_000_000
    first, last = microseconds(history.first), microseconds(history.last)
    found: list[tuple[int, int, int]] = []
    for number, row in enumerate(history.markets):
        if not row["trading_enabled"]:
            continue
        start, end = int(quotes.starts[number]), int(quotes.starts[number + 1])
        told = [
            at
            for prediction in history.predictions.get(row["game_id"], ())
            if first <= (at := microseconds(prediction.known_at)) < last
            and opening[number] <= at <= closing[number]
        ]
        observed, newest = quotes.observed_at[start:end], start - 1
        for at, place in zip(told, observed.searchsorted(told, side="right").tolist(), strict=True):
            newest = start + place - 1
            while newest >= start and quotes.observed_at[newest] >= at - fresh_us:
                if quotes.known_at[newest] <= at:
                    found.append((at, number, newest))
                    break
                newest -= 1
    return found


def _window_us(history: History, config: TradingConfig) -> tuple[Int64, Int64]:
    limits = config.gate.outside_window
    kickoffs = np.array(
        [microseconds(row["kickoff_at"]) for row in history.markets], dtype=np.int64
    )
    return (
        kickoffs - int(limits.from_h * 3_600_000_000),
        kickoffs - int(limits.until_h * 3_600_000_000),
    )
