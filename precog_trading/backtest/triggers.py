"""When an open position could next ask to be sold: thresholds searched over columns of marks.

A superset of the truth is enough: at every quote found here the engine looks, and at every other
one no condition of its plan can hold. So a season of marks costs a few comparisons of columns.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from precog_core.prices import ZERO, Side, floor_to
from precog_trading.backtest.columns import NONE, Int64, QuoteColumns, microseconds, price
from precog_trading.config import TradingConfig
from precog_trading.engine.state import (
    ExitCondition,
    ExitPlan,
    MarketFacts,
    OpenPosition,
    Prediction,
    TrailingState,
)
from precog_trading.rules.exits import stop_loss_price, target_price
from precog_trading.rules.trailing import activation_price, follow

Hits = npt.NDArray[np.bool_]

_MILLION = 1_000_000
_NEVER = int(np.iinfo(np.int64).max)
_FIRST_ROWS = 64
"""Most positions are sold or paid within these rows; each further stretch is eight times longer."""
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


class Triggers:
    """The rows of its market at which a position could ask to be sold, found as far as anybody
    asks, each stretch once.

    A superset of the truth: what depends on the sales so far, the stages of partial_exit_target, is
    compared at each question; everything else follows from the entry and the quotes alone.
    """

    def __init__(
        self,
        position: OpenPosition,
        market: MarketFacts,
        told: Sequence[Prediction],
        quotes: QuoteColumns,
        start: int,
        config: TradingConfig,
    ) -> None:
        """``start``: the first row not looked at yet; ``told``: the model's predictions of the
        game."""
        self._fixed = _fixed(position)
        self._market, self._told, self._quotes, self._config = market, told, quotes, config
        self._next = start
        self._end = int(quotes.starts[int(quotes.market[start]) + 1])
        self._size, self._peak = _FIRST_ROWS, 0
        self._stretches: list[tuple[int, int, Hits, Int64]] = []
        """(first row, end, whether a condition might hold whatever was sold, marks)"""
        plan = position.plan
        self._at_once = plan is None or (
            plan.trailing.type == "atr" and ExitCondition.TRAILING_STOP in plan.conditions
        )
        self._limits = None
        if plan is not None and not self._at_once and plan.conditions - _NEVER_ALONE:
            self._limits = _Limits(position, market, plan, config)

    def are_of(self, position: OpenPosition, market: MarketFacts) -> bool:
        """Whether they still hold for a position: neither bought more, nor its market changed."""
        return market is self._market and _fixed(position) == self._fixed

    def first(self, position: OpenPosition, start: int) -> int | None:
        """The first row from ``start`` on at which a condition might hold; None for none.

        Whatever is not understood is a trigger at once.
        """
        if self._at_once:
            return start
        limits = self._limits
        if limits is None:
            return None
        target = limits.next_stage(position)
        for first, stop, hits, mark in self._known(limits):
            if stop <= start:
                continue
            skipped = max(start - first, 0)
            hit = hits[skipped:]
            if target != _NEVER:
                hit = hit | (mark[skipped:] >= target)
            found = int(hit.argmax())
            if hit[found]:
                return first + skipped + found
        return None

    def _known(self, limits: "_Limits") -> Iterator[tuple[int, int, Hits, Int64]]:
        """The stretches found before, then further ones, each eight times longer."""
        yield from self._stretches
        while self._next < self._end:
            start, stop = self._next, min(self._next + self._size, self._end)
            bid, ask = own_columns(self._quotes, limits.position.side.value, start, stop)
            mark = marks(bid, ask)
            peaks = np.maximum(np.maximum.accumulate(mark), self._peak)
            hits = limits.hit(self._quotes, self._told, start, stop, bid, ask, mark, peaks)
            self._next, self._size, self._peak = stop, 8 * self._size, int(peaks[-1])
            self._stretches.append((start, stop, hits, mark))
            yield self._stretches[-1]


def _fixed(position: OpenPosition) -> tuple[Any, ...]:
    """What no sale changes."""
    return position.entry_price, position.original_quantity, position.confidence, position.plan


class _Limits:
    """The prices of a plan as whole numbers."""

    def __init__(
        self, position: OpenPosition, market: MarketFacts, plan: ExitPlan, config: TradingConfig
    ) -> None:
        self.position, self.market, self.plan, self.config = position, market, plan, config
        conditions, entry = plan.conditions, position.entry_price
        self.stop, self.target = -1, _NEVER
        if ExitCondition.STOP_LOSS in conditions:
            grid = market.grid.for_side(position.side)
            self.stop = _floor(stop_loss_price(plan, entry, position.confidence, grid))
        if ExitCondition.PROFIT_TARGET in conditions:
            self.target = _ceil(target_price(plan, entry, position.confidence))
        self._stages: list[tuple[int, Decimal, int]] = []
        """(stage, contracts it sells, its price)"""
        if ExitCondition.PARTIAL_EXIT_TARGET in conditions:
            stages = plan.exit.partial_exit_target
            original = position.original_quantity or position.quantity
            for stage, gain, share in (
                (1, stages.stage_1_gain, stages.stage_1_share),
                (2, stages.stage_2_gain, stages.stage_2_share),
            ):
                due = floor_to(original * share, config.sizing.qty_step)
                self._stages.append((stage, due, _ceil(entry * (1 + gain))))
        self.urgent = _NEVER
        if ExitCondition.TIME_BASED_URGENT in conditions and market.kickoff_at is not None:
            durations = config.league.duration
            length = durations.get(market.league or "", durations["default"])
            urgent = market.kickoff_at + timedelta(seconds=length - plan.exit.time_based_urgent)
            self.urgent = microseconds(urgent)

    def next_stage(self, position: OpenPosition) -> int:
        """The lowest price of a stage of partial_exit_target that is not sold."""
        sold = position.stages
        return min(
            (at for stage, due, at in self._stages if due > sold.get(stage, ZERO)), default=_NEVER
        )

    def hit(
        self,
        quotes: QuoteColumns,
        told: Sequence[Prediction],
        start: int,
        end: int,
        bid: Int64,
        ask: Int64,
        mark: Int64,
        peaks: Int64,
    ) -> Hits:
        """Of each row whether a condition might hold, stages apart; ``peaks``: the highest mark
        until then."""
        conditions, position = self.plan.conditions, self.position
        marked = mark != NONE
        lowest: Any = self.stop
        if ExitCondition.TRAILING_STOP in conditions:
            lowest = np.maximum(_stops(position, self.plan, peaks), self.stop)
        hit: Hits = (marked & (mark <= lowest)) | (mark >= self.target)
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
    trailing, entry = position.trailing, position.entry_price
    moves_from = _ceil(activation_price(plan.trailing, entry))
    if trailing.active and trailing.peak is not None:
        moves_from = _floor(trailing.peak) + 1
    unmoved = _ceil(trailing.price) if trailing.active and trailing.price is not None else -1
    if int(peaks[-1]) < moves_from:
        return np.full(len(peaks), unmoved, dtype=np.int64)
    starts = np.flatnonzero(np.concatenate([[True], peaks[1:] != peaks[:-1]]))
    stops: list[int] = []
    for value in peaks[starts].tolist():
        top = price(value) if value >= moves_from else None
        stop = unmoved
        if top is not None:
            state = follow(trailing, plan.trailing, entry, top, ())
            if state.active and state.price is not None:
                stop = _ceil(state.price)
        stops.append(stop)
    return np.repeat(stops, np.diff(np.append(starts, len(peaks))))


def _dried_up(quotes: QuoteColumns, plan: ExitPlan, start: int, end: int) -> Hits:
    limits = plan.exit.liquidity_dried_up
    market = int(quotes.market[start])
    first = max(int(quotes.starts[market]), start - limits.observations + 1)
    bid, ask = quotes.yes_bid[first:end], quotes.yes_ask[first:end]
    volume = quotes.volume_24h[first:end]
    dry = (bid == NONE) | (ask == NONE) | (ask - bid > _floor(limits.spread))
    dry |= (volume != NONE) & (volume < int(limits.volume * 100))
    run = dry.copy()
    for back in range(1, limits.observations):
        run[back:] &= dry[:-back]
    run[: limits.observations - 1] = False
    return run[start - first :]


def _worth_little(
    position: OpenPosition,
    market: MarketFacts,
    told: Sequence[Prediction],
    quotes: QuoteColumns,
    twice_mid: Int64,
    bid: Int64,
    start: int,
    end: int,
    config: TradingConfig,
) -> Hits:
    """Where p̂ - bid is below early_exit, so that with any fee p̂ - (bid - φ) might be."""
    from precog_trading.backtest.gate import _shrunk

    plan, kickoff = position.plan, market.kickoff_at
    known_at = quotes.known_at[start:end]
    low: Hits = np.zeros(end - start, dtype=bool)
    if plan is None or kickoff is None:
        return ~low
    if int(known_at[0]) >= microseconds(kickoff):
        return low
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
