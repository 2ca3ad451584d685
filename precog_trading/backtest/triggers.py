"""When an open position could next ask to be sold: thresholds searched over columns of marks.

A superset of the truth is enough: at every quote found here the engine looks, and at every other
one no condition of its plan can sell. So a season of marks costs a few comparisons of columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from precog_core.prices import ONE, ZERO, Side, floor_to
from precog_trading.backtest.columns import (
    NONE,
    Int64,
    QuoteColumns,
    microseconds,
    price,
    shrunk,
)
from precog_trading.config import TradingConfig
from precog_trading.engine.state import (
    ExitCondition,
    ExitPlan,
    MarketFacts,
    OpenPosition,
    Prediction,
    TrailingState,
)
from precog_trading.rules.assumptions import assumed_fee_schedule
from precog_trading.rules.entry_gate import BEFORE_START
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
    compared at each question; everything else follows from the entry and the quotes alone. Rows at
    which nothing but a target is reached while the position is surely worth more than its price are
    left out: ``exit.ev_check`` holds those back, which changes nothing (see held_back).
    """

    def __init__(
        self,
        position: OpenPosition,
        market: MarketFacts,
        told: Sequence[Prediction],
        quotes: QuoteColumns,
        start: int,
        until: int,
        config: TradingConfig,
    ) -> None:
        """``start``: the first row not looked at yet; ``until``: when the market's facts may
        change, microseconds; ``told``: the model's predictions of the game."""
        self._fixed = _fixed(position)
        self._market, self._told, self._quotes, self._config = market, told, quotes, config
        self._next = start
        self._end = int(quotes.starts[int(quotes.market[start]) + 1])
        self._size, self._peak = _FIRST_ROWS, 0
        self._stretches: list[_Stretch] = []
        plan = position.plan
        self._at_once = plan is None or (
            plan.trailing.type == "atr" and ExitCondition.TRAILING_STOP in plan.conditions
        )
        self._limits = None
        if plan is not None and not self._at_once and plan.conditions - _NEVER_ALONE:
            self._limits = _Limits(position, market, plan, until, config)

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
        target = min(limits.target, limits.next_stage(position))
        for known in self._known(limits):
            if known.stop <= start:
                continue
            skipped = max(start - known.start, 0)
            hit = known.alone[skipped:]
            if target != _NEVER:
                hit = hit | ((known.mark[skipped:] >= target) & ~known.worthy[skipped:])
            found = int(hit.argmax())
            if hit[found]:
                return known.start + skipped + found
        return None

    def held_back(self, position: OpenPosition, start: int, stop: int) -> list[tuple[int, int]]:
        """(row, targets reached) of the rows in [start, stop) that ``exit.ev_check`` holds back;
        none of them may lie beyond the first trigger."""
        limits = self._limits
        if limits is None:
            return []
        stage = limits.next_stage(position)
        found: list[tuple[int, int]] = []
        for known in self._stretches:
            first, end = max(start, known.start), min(stop, known.stop)
            if first >= end:
                continue
            here = slice(first - known.start, end - known.start)
            mark = known.mark[here]
            back = (mark >= min(limits.target, stage)) & known.worthy[here] & ~known.alone[here]
            for place in np.flatnonzero(back).tolist():
                reached = int(mark[place])
                found.append((first + place, (reached >= limits.target) + (reached >= stage)))
        return found

    def _known(self, limits: "_Limits") -> Iterator["_Stretch"]:
        """The stretches found before, then further ones, each eight times longer."""
        yield from self._stretches
        while self._next < self._end:
            start, stop = self._next, min(self._next + self._size, self._end)
            bid, ask = own_columns(self._quotes, limits.position.side.value, start, stop)
            mark = marks(bid, ask)
            peaks = np.maximum(np.maximum.accumulate(mark), self._peak)
            book = _Book(self._quotes, start, stop, bid, ask, mark)
            alone, worthy = limits.judge(book, self._told, peaks)
            self._next, self._size, self._peak = stop, 8 * self._size, int(peaks[-1])
            self._stretches.append(_Stretch(start, stop, alone, worthy, mark))
            yield self._stretches[-1]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What was found over rows [start, stop): ``alone``, a condition other than a target might
    hold; ``worthy``, a target that is reached is surely held back."""

    start: int
    stop: int
    alone: Hits
    worthy: Hits
    mark: Int64


@dataclass(frozen=True, slots=True)
class _Book:
    """The own side over rows [start, stop)."""

    quotes: QuoteColumns
    start: int
    stop: int
    bid: Int64
    ask: Int64
    mark: Int64

    @property
    def known_at(self) -> Int64:
        return self.quotes.known_at[self.start : self.stop]


def _fixed(position: OpenPosition) -> tuple[Any, ...]:
    """What no sale changes."""
    return position.entry_price, position.original_quantity, position.confidence, position.plan


class _Limits:
    """The prices of a plan as whole numbers."""

    def __init__(
        self,
        position: OpenPosition,
        market: MarketFacts,
        plan: ExitPlan,
        until: int,
        config: TradingConfig,
    ) -> None:
        self.position, self.market, self.plan, self.config = position, market, plan, config
        self.until = until
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

    def judge(self, book: "_Book", told: Sequence[Prediction], peaks: Int64) -> tuple[Hits, Hits]:
        """(alone, worthy) of each row; ``peaks``: the highest mark until then."""
        conditions, mark, known_at = self.plan.conditions, book.mark, book.known_at
        lowest: Any = self.stop
        if ExitCondition.TRAILING_STOP in conditions:
            lowest = np.maximum(_stops(self.position, self.plan, peaks), self.stop)
        marked = mark != NONE
        alone: Hits = marked & (mark <= lowest)
        if int(known_at[-1]) >= self.urgent:
            alone |= known_at >= self.urgent
        if ExitCondition.LIQUIDITY_DRIED_UP in conditions:
            alone |= _dried_up(book.quotes, self.plan, book.start, book.stop)
        kickoff = self.market.kickoff_at
        if kickoff is None:
            return alone | bool(conditions & _NEEDS_PREDICTION), np.zeros(len(mark), dtype=bool)
        before = marked & (known_at < microseconds(kickoff))
        if not before.any():
            return alone, before
        least, fresh = self._worth(book, told)
        settings = self.plan.exit
        floor = _ceil(settings.early_exit)  # edge_disappeared is at most that
        if conditions & _NEEDS_PREDICTION:
            # With any fee, what is left of the edge might be below.
            alone |= before & (least < floor)
        worthy = before & fresh & (least > floor) & (known_at < self.until) & self._checks
        return alone, worthy & (book.ask != NONE)

    @cached_property
    def _checks(self) -> bool:
        """Whether targets are held back at all, and columns can tell how many are reached."""
        market, assume = self.market, self.config.replay.assume
        schedule = market.fee_schedule or assumed_fee_schedule(market.platform_id, assume)
        priced = schedule is not None and schedule.is_known and market.game_status in BEFORE_START
        return self.plan.exit.ev_check and priced and self.config.sizing.qty_step == ONE

    def _worth(self, book: "_Book", told: Sequence[Prediction]) -> tuple[Int64, Hits]:
        """p̂ - bid by the prediction that leaves least of those spoken by then, and whether the
        latest of them is fresh: any of them might be the latest, the choice is the engine's."""
        least = np.full(len(book.mark), _NEVER, dtype=np.int64)
        fresh: Hits = np.zeros(len(book.mark), dtype=bool)
        trust = self.config.edge.shrink_to_market
        oldest = self.config.gate.prediction_stale * _MILLION
        twice_mid = book.bid + book.ask
        pays_home = self.market.yes_is_home == (self.position.side is Side.YES)
        for prediction in told:
            spoken = book.known_at >= microseconds(prediction.known_at)
            if not spoken.any():
                continue
            home = int(prediction.p_home * _MILLION)
            p = np.int64(home if pays_home else _MILLION - home)
            worth = shrunk(p, twice_mid, trust) - book.bid
            least = np.where(spoken & (worth < least), worth, least)
            fresh |= spoken & (book.known_at - microseconds(prediction.event_ts) <= oldest)
        return least, fresh


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


def _ceil(value: Decimal) -> int:
    return int((value * _MILLION).to_integral_value(rounding=ROUND_CEILING))


def _floor(value: Decimal) -> int:
    return int(value * _MILLION // 1)
