"""How far a probability can be trusted: what happened when the model said about the same before.

The interval is the 90 % Wilson interval of the frequency of home wins in the probability's
reliability bin, over the model's out-of-fold predictions of earlier seasons only. It is wide where
the model seldom speaks, and need not contain the probability itself: then the model is off there.
"""

from collections.abc import Mapping
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
