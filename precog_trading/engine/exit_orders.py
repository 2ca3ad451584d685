"""Which order an exit sends now, or why it sends none (trading-rules §8).

Nothing is remembered: where an exit stands follows from its finished attempts, what it sells from
what is left, so a tick that never came, came late or came twice changes nothing.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from precog_core.prices import Action
from precog_trading.engine.candidate import known
from precog_trading.engine.looks import Held, look_at, strategy_name
from precog_trading.engine.state import (
    Booking,
    Environment,
    ExitAttempt,
    ExitCondition,
    ExitPriority,
    OpenOrder,
    OpenPosition,
    Prediction,
)
from precog_trading.rules import exits
from precog_trading.rules.conditions import PRIORITY
from precog_trading.rules.controls import HALTED
from precog_trading.rules.entry_gate import (
    Situation,
    breakers_on,
    control_state,
    exchange_closed,
    quote_is_stale,
)
from precog_trading.rules.ladder import (
    EXIT_BLOCKED,
    Rung,
    SellerBook,
    Standstill,
    next_rung,
    running_episode,
)

_URGENCY = (ExitPriority.LOW, ExitPriority.MEDIUM, ExitPriority.HIGH, ExitPriority.CRITICAL)


@dataclass(frozen=True, slots=True)
class ExitOrder:
    """What an exit sends now."""

    rung: Rung
    bookings: tuple[Booking, ...]
    trigger_mark: Decimal
    replaces: str | None


def next_order(
    held: Held,
    condition: ExitCondition,
    prediction: Prediction | None,
    notes: dict[str, Any],
    at: Situation,
) -> ExitOrder | str:
    """The order of the condition that runs, or the reason why there is none now."""
    reason = _forbidden(held, notes, at)
    if reason is not None:
        return reason
    replaces: str | None = None
    for order in _working_exits(held.position, at):
        if not _gives_way(order, PRIORITY[condition]):
            notes["working_order"] = order.client_order_id
            return "exit_working"
        replaces = order.client_order_id
    bookings = exits.bookings(condition, held.look, at.config.sizing.qty_step)
    if not bookings:
        return "size_zero"
    episode = _episode(held, condition, prediction, at)
    trigger_mark = episode[0].trigger_mark if episode else held.look.mark
    book = SellerBook(held.look.mark, held.ask, held.look.grid, trigger_mark)
    rung = next_rung(condition, episode, book, at.now, at.config.exec)
    notes["trigger_mark"] = trigger_mark
    notes["attempts"] = len(episode)
    if isinstance(rung, Standstill):
        if rung.blocked_by is not None:
            notes["blocked_by"] = rung.blocked_by
        return rung.reason
    return ExitOrder(rung, bookings, known(trigger_mark), replaces)


def _forbidden(held: Held, notes: dict[str, Any], at: Situation) -> str | None:
    """Why no exit may be sent at all: kill switch, venue, market, or an old quote."""
    market, strategy = held.market, strategy_name(held.position)
    notes["control"] = control = control_state(market, strategy, at)
    if control == HALTED:
        return "halted"
    if any(breaker.action == HALTED for breaker in breakers_on(market, strategy, at)):
        return "breaker_open"
    if at.environment is Environment.LIVE and not at.state.live_enabled:
        return "live_not_enabled"
    if not at.state.is_writer:
        return "not_writer"
    closed = exchange_closed(market, at)
    if closed is not None:
        notes["blocked_by"] = closed
        return EXIT_BLOCKED
    if market.market_id in at.frozen_markets:
        return "market_frozen"
    notes["market_status"] = market.status
    if market.status != "open":
        return "market_not_active"
    notes["quote_age_s"] = int((at.now - held.quote.observed_at).total_seconds())
    return "quote_stale" if quote_is_stale(held.quote, at) else None


def _working_exits(position: OpenPosition, at: Situation) -> list[OpenOrder]:
    """Sales of the position that are not terminal; one without a position is taken for it."""
    return [
        order
        for order in at.state.portfolio.orders
        if order.action is Action.SELL
        and order.market_id == position.market_id
        and order.side is position.side
        and order.position_id in (None, position.position_id)
    ]


def _gives_way(order: OpenOrder, priority: ExitPriority) -> bool:
    """Whether a working exit order may be canceled for one of ``priority``."""
    if order.status != "resting" or order.exit_priority is None:
        return False
    return _URGENCY.index(order.exit_priority) < _URGENCY.index(priority)


def _episode(
    held: Held,
    condition: ExitCondition,
    prediction: Prediction | None,
    at: Situation,
) -> tuple[ExitAttempt, ...]:
    """The attempts this exit continues: none when nothing of its class held one quote earlier,
    because then the trigger is a new one.
    """
    position = held.position
    episode = running_episode(position.attempts, PRIORITY[condition])
    if not episode:
        return ()
    before = at.state.recent_quotes.get(position.market_id, ())
    earlier = [q for q in before if q.observed_at < held.quote.observed_at]
    if not earlier or earlier[-1].observed_at <= episode[0].placed_at:
        return episode
    then = look_at(position, earlier[-1], earlier[:-1], prediction, at)
    look = replace(then.look, trailing=position.trailing, replacement=held.look.replacement)
    held_before = {PRIORITY[c] for c in exits.triggered(look)}
    return episode if PRIORITY[condition] in held_before else ()
