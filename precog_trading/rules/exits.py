"""The ten exit conditions: which of them hold, which one runs, what it sells (trading-rules §7).

All ten are evaluated at every look; only one runs and the others are reported. Prices are those of
the held contract, so the rules are the same for YES and NO, and gains are compared without a
division: gain >= g is mark >= entry·(1 + g).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cached_property

from precog_core.prices import ONE, PRICE_STEP, ZERO, Grid, floor_to
from precog_trading.config_exits import ByConfidence, ExitSettings
from precog_trading.engine.holding import Booking, TrailingState
from precog_trading.rules.conditions import ExitCondition, by_rank
from precog_trading.rules.confidence import HIGH, MEDIUM
from precog_trading.rules.exit_plan import ExitPlan
from precog_trading.rules.trailing import has_fired

Observation = tuple[Decimal | None, Decimal | None]
"""(spread, 24 h volume) of one quote; a spread of None is a book with an empty side."""


@dataclass(frozen=True)
class Look:
    """One position at one moment. ``mark`` None: nobody bids.

    ``trailing`` has already followed the mark. ``remaining_edge`` is None without a fresh
    prediction. ``observations``: newest last, this look's included. ``seconds_to_end`` is to the
    expected end of the game. ``breaker``: one with action close_all is open. ``replacement``: a
    better candidate waits for the room this position takes.
    """

    plan: ExitPlan
    grid: Grid
    entry: Decimal
    quantity: Decimal
    original_quantity: Decimal
    confidence: str | None
    mark: Decimal | None
    trailing: TrailingState
    observations: Sequence[Observation]
    stages: Mapping[int, Decimal]
    remaining_edge: Decimal | None = None
    seconds_to_end: float | None = None
    breaker: bool = False
    replacement: bool = False

    @cached_property
    def stop_loss_price(self) -> Decimal:
        return stop_loss_price(self.plan, self.entry, self.confidence, self.grid)

    @cached_property
    def target_price(self) -> Decimal:
        return target_price(self.plan, self.entry, self.confidence)


def stop_loss_price(plan: ExitPlan, entry: Decimal, confidence: str | None, grid: Grid) -> Decimal:
    """min(entry·(1 - L), entry - 3 ticks), down to six places; at or below 0 it never triggers."""
    settings = plan.exit.stop_loss
    share = entry * (ONE - by_confidence(settings, confidence))
    ticks = entry - settings.min_ticks * tick_below(grid, entry)
    return min(share, ticks).quantize(PRICE_STEP, rounding=ROUND_FLOOR)


def target_price(plan: ExitPlan, entry: Decimal, confidence: str | None) -> Decimal:
    """The mark at which profit_target triggers, up to six places; it may be beyond a dollar."""
    gain = plan.profit_target
    if gain is None:
        gain = by_confidence(plan.exit.profit_target, confidence)
    return (entry * (ONE + gain)).quantize(PRICE_STEP, rounding=ROUND_CEILING)


def triggered(look: Look) -> list[ExitCondition]:
    """Every condition of the plan that holds, the one of highest rank first."""
    allowed = look.plan.conditions
    return by_rank(c for c, holds in _CONDITIONS.items() if c in allowed and holds(look))


def suppressed(look: Look, conditions: Iterable[ExitCondition]) -> frozenset[ExitCondition]:
    """The targets that ``exit.ev_check`` holds back: the position is still worth more than its
    price. Without a fresh prediction nothing is held back.
    """
    settings, edge = look.plan.exit, look.remaining_edge
    if not settings.ev_check or edge is None or edge <= settings.early_exit:
        return frozenset()
    return _TARGETS.intersection(conditions)


def bookings(condition: ExitCondition, look: Look, step: Decimal) -> tuple[Booking, ...]:
    """What one order of ``condition`` sells, in whole ``step`` contracts, in booking order.

    Stages are floored shares of the original quantity and at most what is left. profit_target
    closes what is left, due stages first. Empty when less than a step is left.
    """
    left = floor_to(look.quantity, step)
    booked: list[Booking] = []
    if condition in _TARGETS and ExitCondition.PARTIAL_EXIT_TARGET in look.plan.conditions:
        for stage, due in due_stages(look, step):
            quantity = min(due, left)
            if quantity > ZERO:
                booked.append(Booking(ExitCondition.PARTIAL_EXIT_TARGET, quantity, stage))
                left -= quantity
    if condition is not ExitCondition.PARTIAL_EXIT_TARGET and left > ZERO:
        booked.append(Booking(condition, left))
    return tuple(booked)


def due_stages(look: Look, step: Decimal = ONE) -> list[tuple[int, Decimal]]:
    """(stage, contracts) of the stages whose gain is reached and that are not sold yet."""
    if look.mark is None:
        return []
    settings = look.plan.exit.partial_exit_target
    found: list[tuple[int, Decimal]] = []
    for stage, gain, share in (
        (1, settings.stage_1_gain, settings.stage_1_share),
        (2, settings.stage_2_gain, settings.stage_2_share),
    ):
        if look.mark >= look.entry * (ONE + gain):
            due = floor_to(look.original_quantity * share, step) - look.stages.get(stage, ZERO)
            if due > ZERO:
                found.append((stage, due))
    return found


def is_dried_up(observation: Observation, settings: ExitSettings) -> bool:
    """A wide or one-sided book, or hardly any volume; an unknown volume says nothing."""
    spread, volume = observation
    limits = settings.liquidity_dried_up
    if spread is None or spread > limits.spread:
        return True
    return volume is not None and volume < limits.volume


def by_confidence(table: ByConfidence, confidence: str | None) -> Decimal:
    """The value of a confidence level; an unknown one counts as low."""
    if confidence == HIGH:
        return table.high
    return table.medium if confidence == MEDIUM else table.low


def tick_below(grid: Grid, price: Decimal) -> Decimal:
    """The grid's step just below ``price``, dollars; average prices may lie between two points."""
    for part in reversed(grid.ranges):
        if price > part.start:
            return part.step
    return grid.ranges[0].step if grid.ranges else ZERO


def _stop_loss(look: Look) -> bool:
    return look.mark is not None and look.mark <= look.stop_loss_price


def _circuit_breaker(look: Look) -> bool:
    return look.breaker


def _trailing_stop(look: Look) -> bool:
    return look.mark is not None and has_fired(look.trailing, look.mark)


def _time_based_urgent(look: Look) -> bool:
    left = look.seconds_to_end
    return left is not None and left < look.plan.exit.time_based_urgent


def _liquidity_dried_up(look: Look) -> bool:
    count = look.plan.exit.liquidity_dried_up.observations
    running = look.observations[-count:] if count else ()
    return (
        count > 0
        and len(running) == count
        and all(is_dried_up(one, look.plan.exit) for one in running)
    )


def _profit_target(look: Look) -> bool:
    return look.mark is not None and look.mark >= look.target_price


def _partial_exit_target(look: Look) -> bool:
    return bool(due_stages(look))


def _early_exit(look: Look) -> bool:
    return look.remaining_edge is not None and look.remaining_edge < look.plan.exit.early_exit


def _edge_disappeared(look: Look) -> bool:
    return look.remaining_edge is not None and look.remaining_edge < look.plan.exit.edge_disappeared


def _rebalance(look: Look) -> bool:
    if not look.replacement or look.remaining_edge is None:
        return False
    return look.mark is not None and look.mark > look.entry


_TARGETS = frozenset({ExitCondition.PROFIT_TARGET, ExitCondition.PARTIAL_EXIT_TARGET})
_CONDITIONS: dict[ExitCondition, Callable[[Look], bool]] = {
    ExitCondition.STOP_LOSS: _stop_loss,
    ExitCondition.CIRCUIT_BREAKER: _circuit_breaker,
    ExitCondition.TRAILING_STOP: _trailing_stop,
    ExitCondition.TIME_BASED_URGENT: _time_based_urgent,
    ExitCondition.LIQUIDITY_DRIED_UP: _liquidity_dried_up,
    ExitCondition.PROFIT_TARGET: _profit_target,
    ExitCondition.PARTIAL_EXIT_TARGET: _partial_exit_target,
    ExitCondition.EARLY_EXIT: _early_exit,
    ExitCondition.EDGE_DISAPPEARED: _edge_disappeared,
    ExitCondition.REBALANCE: _rebalance,
}
