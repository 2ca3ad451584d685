"""When an open position could next ask to be sold: thresholds searched over columns of marks.

A superset of the truth is enough: at every quote found here the engine looks, and at every other
one no condition of its plan can hold. So a season of marks costs a few comparisons of columns.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from precog_core.prices import Side, floor_to
from precog_trading.backtest.columns import NONE, Int64, microseconds, price
from precog_trading.engine.state import (
    NEVER_TRAILED,
    ExitCondition,
    ExitPlan,
    MarketFacts,
    OpenPosition,
    Prediction,
    TrailingState,
)
from precog_trading.rules.exits import stop_loss_price, target_price
from precog_trading.rules.trailing import follow

_MILLION = 1_000_000
_NEVER = int(np.iinfo(np.int64).max)
_FIRST_ROWS = 64
"""Most positions are sold or paid within these rows; each further search takes eight times more."""
_NEVER_ALONE = {ExitCondition.CIRCUIT_BREAKER, ExitCondition.REBALANCE}
"""What holds because of the account, not of the market's quotes."""
_NEEDS_PREDICTION = {ExitCondition.EARLY_EXIT, ExitCondition.EDGE_DISAPPEARED}


def marks(bid: Int64, ask: Int64) -> Int64:
    """Own-side bids of a book that is a market; NONE where it marks nothing."""
    good = (bid != NONE) & (bid > 0) & (bid < _MILLION) & ((ask == NONE) | (bid < ask))
    return np.where(good, bid, NONE)


def own_columns(quotes: Any, side: str, start: int, end: int) -> tuple[Int64, Int64]:
    """(bid, ask) of a side over some rows."""
    bid, ask = quotes.yes_bid[start:end], quotes.yes_ask[start:end]
    if side == Side.YES.value:
        return bid, ask
    return (
        np.where(ask == NONE, NONE, _MILLION - ask),
        np.where(bid == NONE, NONE, _MILLION - bid),
    )


def first_trigger(
    position: OpenPosition,
    market: MarketFacts,
    told: Sequence[Prediction],
    quotes: Any,
    start: int,
    end: int,
    config: Any,
) -> int | None:
    """The first row of [start, end) at which a condition might hold; None for none.

    ``told``: the model's predictions of the game. Raises nothing: whatever is not understood is a
    trigger at once.
    """
    plan = position.plan
    if start >= end:
        return None
    if plan is None or (
        plan.trailing.type == "atr" and ExitCondition.TRAILING_STOP in plan.conditions
    ):
        return start
    if not plan.conditions - _NEVER_ALONE:
        return None
    limits = _Limits(position, market, plan, config)
    peak, size = 0, _FIRST_ROWS
    while start < end:
        stop = min(start + size, end)
        bid, ask = own_columns(quotes, position.side.value, start, stop)
        mark = marks(bid, ask)
        peaks = np.maximum(np.maximum.accumulate(np.where(mark != NONE, mark, 0)), peak)
        hit = limits.hit(quotes, told, start, stop, bid, ask, mark, peaks)
        found = int(hit.argmax())
        if hit[found]:
            return start + found
        start, size, peak = stop, 8 * size, int(peaks[-1])
    return None


class _Limits:
    """The prices of a plan as whole numbers."""

    def __init__(
        self, position: OpenPosition, market: MarketFacts, plan: ExitPlan, config: Any
    ) -> None:
        self.position, self.market, self.plan, self.config = position, market, plan, config
        conditions, entry = plan.conditions, position.entry_price
        self.stop, self.target = -1, _NEVER
        if ExitCondition.STOP_LOSS in conditions:
            grid = market.grid.for_side(position.side)
            self.stop = _floor(stop_loss_price(plan, entry, position.confidence, grid))
        if ExitCondition.PROFIT_TARGET in conditions:
            self.target = _ceil(target_price(plan, entry, position.confidence))
        if ExitCondition.PARTIAL_EXIT_TARGET in conditions:
            stages = plan.exit.partial_exit_target
            original = position.original_quantity or position.quantity
            for stage, gain, share in (
                (1, stages.stage_1_gain, stages.stage_1_share),
                (2, stages.stage_2_gain, stages.stage_2_share),
            ):
                due = floor_to(original * share, config.sizing.qty_step)
                if due > position.stages.get(stage, Decimal(0)):
                    self.target = min(self.target, _ceil(entry * (1 + gain)))
        self.urgent = _NEVER
        if ExitCondition.TIME_BASED_URGENT in conditions and market.kickoff_at is not None:
            durations = config.league.duration
            length = durations.get(market.league or "", durations["default"])
            urgent = market.kickoff_at + timedelta(seconds=length - plan.exit.time_based_urgent)
            self.urgent = microseconds(urgent)

    def hit(
        self,
        quotes: Any,
        told: Sequence[Prediction],
        start: int,
        end: int,
        bid: Int64,
        ask: Int64,
        mark: Int64,
        peaks: Int64,
    ) -> npt.NDArray[np.bool_]:
        """Of each row whether a condition might hold; ``peaks``: the highest mark until then."""
        conditions, position = self.plan.conditions, self.position
        marked = mark != NONE
        lowest = np.full(end - start, self.stop, dtype=np.int64)
        if ExitCondition.TRAILING_STOP in conditions:
            lowest = np.maximum(lowest, _stops(position, self.plan, peaks))
        hit = (marked & (mark <= lowest)) | (mark >= self.target)
        if int(quotes.known_at[end - 1]) >= self.urgent:
            hit |= quotes.known_at[start:end] >= self.urgent
        if ExitCondition.LIQUIDITY_DRIED_UP in conditions:
            hit |= _dried_up(quotes, self.plan, start, end)
        if conditions & _NEEDS_PREDICTION:
            hit |= marked & _worth_little(
                position, self.market, told, quotes, bid + ask, bid, start, end, self.config
            )
        return hit


def trailed(position: OpenPosition, mark: Int64) -> TrailingState:
    """The trailing stop after some looks: it depends on the highest mark alone."""
    plan = position.plan
    known = mark[mark != NONE]
    if plan is None or not len(known) or ExitCondition.TRAILING_STOP not in plan.conditions:
        return position.trailing
    highest = price(int(known.max()))
    assert highest is not None  # noqa: S101 - a mark is a price
    return follow(position.trailing, plan.trailing, position.entry_price, highest, ())


def _stops(position: OpenPosition, plan: ExitPlan, peaks: Int64) -> Int64:
    """The trailing stop at each look, millionths; below every price while it is not active.
    ``peaks`` never fall."""
    starts = np.flatnonzero(np.concatenate([[True], peaks[1:] != peaks[:-1]]))
    stops: list[int] = []
    for value in peaks[starts].tolist():
        state, top = position.trailing or NEVER_TRAILED, price(value)
        if value > 0 and top is not None:
            state = follow(state, plan.trailing, position.entry_price, top, ())
        active = state.active and state.price is not None
        stops.append(_ceil(state.price) if active and state.price is not None else -1)
    return np.repeat(stops, np.diff(np.append(starts, len(peaks))))


def _dried_up(quotes: Any, plan: Any, start: int, end: int) -> Any:
    limits = plan.exit.liquidity_dried_up
    market = int(quotes.market[start])
    first = max(int(quotes.starts[market]), start - limits.observations + 1)
    bid, ask = quotes.yes_bid[first:end], quotes.yes_ask[first:end]
    volume = quotes.volume_24h[first:end]
    dry = (bid == NONE) | (ask == NONE) | (ask - bid > _floor(limits.spread))
    dry |= (volume != NONE) & (volume < int(limits.volume * 100))
    run = np.convolve(dry.astype(np.int64), np.ones(limits.observations, dtype=np.int64))
    return (run[: len(dry)] >= limits.observations)[start - first :]


def _worth_little(
    position: OpenPosition,
    market: MarketFacts,
    told: Sequence[Prediction],
    quotes: Any,
    twice_mid: Int64,
    bid: Int64,
    start: int,
    end: int,
    config: Any,
) -> Any:
    """Where p̂ - bid is below early_exit, so that with any fee p̂ - (bid - φ) might be."""
    from precog_trading.backtest.gate import _shrunk

    plan, kickoff = position.plan, market.kickoff_at
    known_at = quotes.known_at[start:end]
    low = np.zeros(end - start, dtype=bool)
    if plan is None or kickoff is None:
        return ~low
    pays_home = market.yes_is_home == (position.side is Side.YES)
    for prediction in told:
        # Any of them might be the latest: the exact choice is the engine's.
        home = int(prediction.p_home * _MILLION)
        p = np.full(end - start, home if pays_home else _MILLION - home, dtype=np.int64)
        shrunk = _shrunk(p, twice_mid, config.edge.shrink_to_market)
        spoken = known_at >= microseconds(prediction.known_at)
        low |= spoken & (shrunk - bid < _ceil(plan.exit.early_exit))
    return low & (known_at < microseconds(kickoff))


def _ceil(value: Decimal) -> int:
    return int((value * _MILLION).to_integral_value(rounding=ROUND_CEILING))


def _floor(value: Decimal) -> int:
    return int(value * _MILLION // 1)
