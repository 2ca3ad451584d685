"""Quotes of finished games: candidates of the strategies that look there, and of no others."""

from typing import Any

import numpy as np
import numpy.typing as npt

from precog_trading.backtest.columns import microseconds
from precog_trading.backtest.history import History
from precog_trading.engine.state import Method


def after_the_result(history: History, method: Method) -> npt.NDArray[np.bool_]:
    """Which quotes became known while the method looks at a game whose winner is known.

    As statement ``finished_batches``; ``latest`` of such a strategy is negative: its hours after
    the result.
    """
    quotes, rules = history.quotes, method.strategy.rules
    found = np.zeros(len(quotes), dtype=bool)
    if rules.certainty is None:
        return found
    looks_us = -int(rules.latest.total_seconds() * 1_000_000)
    first, last = microseconds(history.first), microseconds(history.last)
    for number, row in enumerate(history.markets):
        if not _has_a_winner(row):
            continue
        start, end = int(quotes.starts[number]), int(quotes.starts[number + 1])
        known, result = quotes.known_at[start:end], microseconds(row["result_known_at"])
        found[start:end] = (known >= max(result, first)) & (known <= result + looks_us)
    return found & (quotes.known_at < last)


def _has_a_winner(row: dict[str, Any]) -> bool:
    return (
        bool(row["trading_enabled"])
        and row["game_status"] == "final"
        and row["home_score"] != row["away_score"]
    )
