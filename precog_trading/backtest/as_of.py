"""What was known at each of many candidates: the newest prediction, the facts of the market."""

from typing import Any

import numpy as np

from precog_trading.backtest.columns import Int64, microseconds
from precog_trading.backtest.history import FactsAtTime
from precog_trading.engine.state import Prediction


def by_market(market: Int64) -> Int64:
    """The order of candidates by market, as they are within one; sixteen bits sort fastest."""
    narrow = len(market) and int(market.max()) < 1 << 15
    return np.argsort(market.astype(np.int16) if narrow else market, kind="stable")


def latest_predictions(
    setup: Any, at: Int64, market: Int64, order: Int64
) -> tuple[list[Prediction], Int64]:
    """Of each candidate's game the prediction with the latest inputs known by then."""
    chosen = np.full(len(at), -1, dtype=np.int64)
    found: list[Prediction] = []
    bounds = np.searchsorted(market[order], np.arange(len(setup.history.markets) + 1))
    for number, row in enumerate(setup.history.markets):
        mine = order[bounds[number] : bounds[number + 1]]
        told = setup.history.predictions.get(row["game_id"], ())
        if not len(mine) or not told:
            continue
        ordered = sorted(told, key=lambda p: p.known_at)
        best: list[Prediction] = []
        for prediction in ordered:
            key = (prediction.event_ts, prediction.known_at, prediction.prediction_id)
            top = best[-1] if best else None
            newer = top is None or key > (top.event_ts, top.known_at, top.prediction_id)
            best.append(prediction if newer or top is None else top)
        known = np.array([microseconds(p.known_at) for p in ordered], dtype=np.int64)
        place = np.searchsorted(known, at[mine], side="right") - 1
        chosen[mine] = np.where(place >= 0, place + len(found), -1)
        found += best
    return found, chosen


def eras_of(
    facts: FactsAtTime, at: Int64, market: Int64, order: Int64
) -> tuple[list[tuple[int, int]], Int64]:
    """(market, a moment in it) of each era in which a market's facts stay the same, and each
    candidate's era."""
    eras: list[tuple[int, int]] = []
    era = np.zeros(len(at), dtype=np.int64)
    sorted_market, sorted_at = market[order], at[order]
    sorted_era = np.zeros(len(at), dtype=np.int64)
    starts = np.flatnonzero(np.diff(sorted_market, prepend=-1))
    ends = [*starts[1:].tolist(), len(order)]
    for start, end in zip(starts.tolist(), ends, strict=True):
        number = int(sorted_market[start])
        changes = np.array(facts.changes(number), dtype=np.int64)
        # Times ascend within a market, so an era is a run of its candidates.
        cuts = start + sorted_at[start:end].searchsorted(changes, side="left")
        for first in sorted({start, *(cut for cut in cuts.tolist() if start < cut < end)}):
            sorted_era[first:end] = len(eras)
            eras.append((number, int(sorted_at[first])))
    era[order] = sorted_era
    return eras, era
