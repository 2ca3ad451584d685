"""How far a probability can be trusted: what happened when the model said about the same before.

The interval is the 90 % Wilson interval of the frequency of home wins in the probability's
reliability bin, over the model's out-of-fold predictions of earlier seasons only. It is wide where
the model seldom speaks, and need not contain the probability itself: then the model is off there.

A league without earlier seasons (models.elo_alone) counts its own games so far instead: those whose
result was known at the moment of the prediction.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from precog_pipelines.training.metrics import BINS, bin_index, wilson

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.90


def bin_intervals(history: "pd.DataFrame", season: int) -> dict[int, tuple[float, float]]:
    """(low, high) by bin number from the predictions before ``season``; empty bins are absent.

    ``history`` has season, home_win and p_home.
    """
    past = history[history["season"] < season]
    if past.empty:
        return {}
    grouped = past["home_win"].groupby(bin_index(past["p_home"].to_numpy()))
    return {
        int(number): wilson(int(wins), int(n), CONFIDENCE)
        for number, wins, n in zip(grouped.sum().index, grouped.sum(), grouped.count(), strict=True)
    }


def interval_of(
    p: float, intervals: Mapping[int, tuple[float, float]]
) -> tuple[float, float] | None:
    """The interval of the bin that ``p`` falls into, None while nothing is known about it."""
    return intervals.get(int(bin_index([p], BINS)[0]))


class GamesSoFar:
    """Intervals at any moment from the games whose results were known by then."""

    def __init__(self, games: Iterable[tuple[datetime, float, int]]) -> None:
        """``games``: when the result became known, the probability before, 1 for a home win."""
        self._known: dict[int, list[datetime]] = {}
        self._wins: dict[int, list[int]] = {}
        for known_at, p, home_win in sorted(games):
            number = int(bin_index([p], BINS)[0])
            wins = self._wins.setdefault(number, [0])
            wins.append(wins[-1] + home_win)
            self._known.setdefault(number, []).append(known_at)

    def interval_of(self, p: float, at: datetime) -> tuple[float, float] | None:
        """The interval of the bin that ``p`` falls into; None before the first known game of it."""
        number = int(bin_index([p], BINS)[0])
        n = bisect_right(self._known.get(number, []), at)
        return wilson(self._wins[number][n], n, CONFIDENCE) if n else None
