"""How an exit is sold: rung after rung, each a little more willing (trading-rules §8).

The ladder remembers nothing. Which rung is next follows from the finished attempts of the episode
and the book of now; what it sells is the position that is left, so a partial fill carries its
remainder by itself. All prices are of the held contract.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from precog_core.prices import ONE, Grid
from precog_trading.config_exits import ExecutionSettings, Ladder
from precog_trading.engine.holding import ExitAttempt
from precog_trading.rules.conditions import PRIORITY, ExitCondition, ExitPriority

IOC, GTC = "ioc", "gtc"
EXIT_BLOCKED, GAVE_UP, WAITING, NO_QUOTE = "exit_blocked", "gave_up", "waiting", "no_quote"


@dataclass(frozen=True, slots=True)
class Rung:
    """The next exit order's price and patience; ``number`` counts from 1 in its episode."""

    number: int
    limit_price: Decimal
    time_in_force: str
    timeout_s: int


@dataclass(frozen=True, slots=True)
class Standstill:
    """Why there is no next order now; ``blocked_by`` says what blocks an exit that must go on."""

    reason: str
    blocked_by: str | None = None


@dataclass(frozen=True, slots=True)
class SellerBook:
    """The top of the own-side book, its grid, and the mark that the episode began at."""

    bid: Decimal | None
    ask: Decimal | None
    grid: Grid
    trigger_mark: Decimal | None


def running_episode(
    attempts: Sequence[ExitAttempt], priority: ExitPriority
) -> tuple[ExitAttempt, ...]:
    """The attempts that an exit of ``priority`` would continue, none when it begins anew.

    An episode is over once an order filled whole, and another class climbs its own ladder. A
    newer trigger of the same class goes on where the older one stood.
    """
    if not attempts or attempts[-1].priority is not priority or attempts[-1].succeeded:
        return ()
    first = len(attempts) - 1
    while first > 0 and attempts[first].number > 1:
        first -= 1
    return tuple(attempts[first:])


def next_rung(
    condition: ExitCondition,
    episode: Sequence[ExitAttempt],
    book: SellerBook,
    now: datetime,
    settings: ExecutionSettings,
) -> Rung | Standstill:
    """The next order of the episode, or why none can be sent at ``now``.

    One rung per call, so a rung shorter than the caller's period advances once per cycle. The
    previous order must be terminal.
    """
    last = episode[-1] if episode else None
    if last is not None and now < last.placed_at + timedelta(seconds=last.timeout_s):
        return Standstill(WAITING)
    number = 1 if last is None else last.number + 1
    priority = PRIORITY[condition]
    if priority is ExitPriority.CRITICAL:
        return _critical(number, number, book, settings)
    if priority is ExitPriority.HIGH:
        dried = condition is ExitCondition.LIQUIDITY_DRIED_UP
        ladder = settings.liquidity_dried_up if dried else settings.high
        if number > 1 + ladder.walks:
            return _critical(number, number - 1 - ladder.walks, book, settings)
        return _crossing(number, last, book, ladder)
    ladder = settings.medium if priority is ExitPriority.MEDIUM else settings.low
    if number > 1 + ladder.walks:
        return Standstill(GAVE_UP)
    return _resting(number, last, priority, book, ladder, settings)


def _critical(
    number: int, step: int, book: SellerBook, settings: ExecutionSettings
) -> Rung | Standstill:
    """IOC some ticks below the bid, deeper each time, never below the floor."""
    if book.bid is None or book.trigger_mark is None:
        return Standstill(EXIT_BLOCKED, "no_bid")
    floor = settings.critical_floor * book.trigger_mark
    if book.bid < floor:
        return Standstill(EXIT_BLOCKED, "critical_floor")
    ticks = settings.critical.ticks
    limit = ticks_below(book.grid, book.bid, ticks[min(step, len(ticks)) - 1])
    lowest = book.grid.ceil(floor)
    if lowest is not None:
        limit = max(limit, min(lowest, book.bid))
    return Rung(number, limit, IOC, settings.critical.wait_s)


def _crossing(
    number: int, last: ExitAttempt | None, book: SellerBook, ladder: Ladder
) -> Rung | Standstill:
    """IOC at the bid, then each time a tick below the lower of the bid and the last limit."""
    if book.bid is None:
        return Standstill(EXIT_BLOCKED, "no_bid")
    if last is None:
        return Rung(number, book.bid, IOC, ladder.wait_s)
    limit = ticks_below(book.grid, min(book.bid, last.limit_price), 1)
    return Rung(number, limit, IOC, ladder.walk_s)


def _resting(
    number: int,
    last: ExitAttempt | None,
    priority: ExitPriority,
    book: SellerBook,
    ladder: Ladder,
    settings: ExecutionSettings,
) -> Rung | Standstill:
    """Resting at the mid or the ask, then a tick lower each time, never below the bid nor more
    than ``exec.exit_slippage`` below the mark of the trigger.
    """
    if book.bid is None or book.ask is None or book.trigger_mark is None:
        return Standstill(NO_QUOTE)
    if last is None:
        medium = priority is ExitPriority.MEDIUM
        wanted = book.grid.ceil((book.bid + book.ask) / 2) if medium else book.ask
        timeout_s = ladder.wait_s
    else:
        wanted = ticks_below(book.grid, last.limit_price, 1)
        timeout_s = ladder.walk_s
    lowest = book.grid.ceil(book.trigger_mark - settings.exit_slippage)
    limit = max(price for price in (wanted, book.bid, lowest) if price is not None)
    return Rung(number, min(limit, _highest(book.grid)), GTC, timeout_s)


def ticks_below(grid: Grid, price: Decimal, ticks: int) -> Decimal:
    """``ticks`` grid points below ``price``, or the lowest price there is."""
    for _ in range(ticks):
        lower = grid.next_below(price)
        if lower is None:
            break
        price = lower
    return price


def _highest(grid: Grid) -> Decimal:
    return grid.floor(ONE) or ONE
