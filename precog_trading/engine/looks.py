"""One look at each open position: its mark, its trailing stop, what it is still worth.

Everything the exit conditions read is worked out here, from the new quote of the position's
market; nothing is decided yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from precog_core.prices import ONE, PRICE_STEP, PROBABILITY_STEP, ZERO, best_bid_ask
from precog_trading.engine.state import (
    ExitCondition,
    ExitPlan,
    MarketFacts,
    OpenPosition,
    PositionMark,
    Prediction,
    Quote,
    TrailingState,
    model_probability,
)
from precog_trading.rules import value_gate
from precog_trading.rules.assumptions import takes_assumptions
from precog_trading.rules.breakers import CLOSE_ALL
from precog_trading.rules.edge import remaining_edge, shrink
from precog_trading.rules.entry_gate import BEFORE_START, Situation, breakers_on
from precog_trading.rules.exits import Look, Observation
from precog_trading.rules.fees import fee_per_contract
from precog_trading.rules.trailing import follow

_NOT_PLAYING = frozenset({"postponed", "suspended", "canceled", "delayed"})
"""Games whose expected end says nothing."""


@dataclass(frozen=True, slots=True)
class Valuation:
    """What the model says a held contract is worth now, beside what selling it brings."""

    prediction: Prediction
    probability: Decimal
    """p̂, shrunk, of the held side"""
    fee: Decimal
    """φ(bid), taker, per contract"""
    remaining_edge: Decimal
    notes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """An open position at a look. ``valuation``: None without a fresh prediction, a two-sided
    book or a known fee. ``replacement``: ticker and side of the better candidate."""

    position: OpenPosition
    market: MarketFacts
    quote: Quote
    look: Look
    ask: Decimal | None
    valuation: Valuation | None
    replacement: str | None = None

    @property
    def name(self) -> tuple[str, ...]:
        """In words, by which everything is ordered: ids differ by database."""
        market, position = self.market, self.position
        return market.platform_id, market.ticker, position.side, position.position_key


def look_at(
    position: OpenPosition,
    quote: Quote,
    before: Sequence[Quote],
    prediction: Prediction | None,
    at: Situation,
) -> Held:
    """A look at a position through a quote. ``before``: the market's earlier quotes, newest last.

    ``prediction``: the latest of its game and model. A bid at or above the ask is no market: such
    a quote marks nothing.
    """
    market = at.state.markets[position.market_id]
    plan = position.plan or at.plan_of_today(hold_to_settlement=position.hold_to_settlement)
    bid, ask = best_bid_ask(position.side, quote.yes_bid, quote.yes_ask)
    if bid is not None and not (ZERO < bid < ONE and (ask is None or bid < ask)):
        bid = None
    valuation = None
    if prediction is not None and bid is not None and ask is not None:
        valuation = _value(position, market, quote, (bid, ask), prediction, at)
    look = Look(
        plan=plan,
        grid=market.grid.for_side(position.side),
        entry=position.entry_price,
        quantity=position.quantity,
        original_quantity=position.original_quantity or position.quantity,
        confidence=position.confidence,
        mark=bid,
        trailing=_trailing(position, plan, bid, at),
        observations=_observations(quote, before, plan),
        stages=position.stages,
        remaining_edge=None if valuation is None else valuation.remaining_edge,
        seconds_to_end=_seconds_to_end(market, at),
        breaker=_must_close(position, market, at),
    )
    return Held(position, market, quote, look, ask, valuation)


def mark_of(held: Held, at: Situation) -> PositionMark:
    """What the look found, as the columns of ``positions``."""
    look, position = held.look, held.position
    mark, trailing = look.mark, look.trailing
    stop, target = prices_of(look)
    pnl = share = None
    if mark is not None:
        gain = mark - look.entry
        pnl = (look.quantity * gain).quantize(PRICE_STEP, rounding=ROUND_HALF_EVEN)
        share = (gain / look.entry).quantize(PROBABILITY_STEP, rounding=ROUND_HALF_EVEN)
    return PositionMark(
        position_id=position.position_id,
        market_id=position.market_id,
        checked_at=at.now,
        mark=mark,
        unrealized_pnl=pnl,
        unrealized_pnl_pct=share,
        target_price=target,
        stop_loss_price=stop,
        trailing=trailing,
        is_urgent=_is_urgent(mark, stop, target, trailing, at),
    )


def prices_of(look: Look) -> tuple[Decimal | None, Decimal | None]:
    """(stop loss, target) that apply to a look; None where one is switched off or out of reach."""
    stop = target = None
    conditions = look.plan.conditions
    if ExitCondition.STOP_LOSS in conditions and look.stop_loss_price > ZERO:
        stop = look.stop_loss_price
    if ExitCondition.PROFIT_TARGET in conditions and look.target_price <= ONE:
        target = look.target_price
    return stop, target


def _is_urgent(
    mark: Decimal | None,
    stop: Decimal | None,
    target: Decimal | None,
    trailing: TrailingState,
    at: Situation,
) -> bool:
    """Near a stop or target, or beyond it; like the view positions_urgent_monitoring."""
    if mark is None:
        return False
    near = at.config.monitor.urgent_distance
    if stop is not None and mark <= stop + near:
        return True
    if target is not None and mark >= target - near:
        return True
    if not trailing.active or trailing.price is None:
        return False
    return mark <= trailing.price * (ONE + at.config.monitor.urgent_trailing)


def _trailing(
    position: OpenPosition, plan: ExitPlan, mark: Decimal | None, at: Situation
) -> TrailingState:
    if mark is None or ExitCondition.TRAILING_STOP not in plan.conditions:
        return position.trailing
    bars = at.state.mid_bars.get(position.market_id, ()) if plan.trailing.type == "atr" else ()
    known = [bar for bar in bars if bar.end_at <= at.now]
    return follow(position.trailing, plan.trailing, position.entry_price, mark, known)


def _observations(quote: Quote, before: Sequence[Quote], plan: ExitPlan) -> list[Observation]:
    earlier = plan.exit.liquidity_dried_up.observations - 1
    seen = [q for q in before if q.observed_at < quote.observed_at][-earlier:] if earlier else []
    return [_observation(q) for q in (*seen, quote)]


def _observation(quote: Quote) -> Observation:
    bid, ask = quote.yes_bid, quote.yes_ask
    return (None if bid is None or ask is None else ask - bid), quote.volume_24h


def _seconds_to_end(market: MarketFacts, at: Situation) -> float | None:
    if market.kickoff_at is None or market.game_status in _NOT_PLAYING:
        return None
    durations = at.config.league.duration
    length = durations.get(market.league or "", durations["default"])
    return (market.kickoff_at - at.now).total_seconds() + length


def _must_close(position: OpenPosition, market: MarketFacts, at: Situation) -> bool:
    if not at.state.breakers:
        return False
    strategy = strategy_name(position)
    return any(b.action == CLOSE_ALL for b in breakers_on(market, strategy, at))


def strategy_name(position: OpenPosition) -> str:
    """The strategy's name without its version; empty for a position of nobody's."""
    return (position.strategy or "").partition("@")[0]


def _is_fresh(found: Prediction, market: MarketFacts, at: Situation) -> bool:
    """Before the start at most a day old; in play only an in-play model's, which has looked at
    the game since its start, and hardly a minute old; never after it.
    """
    if market.kickoff_at is None:
        return False
    age, gate = at.now - found.event_ts, at.config.gate
    if at.now < market.kickoff_at:
        in_time = age <= timedelta(seconds=gate.prediction_stale)
        return in_time and market.game_status in BEFORE_START
    if found.event_ts < market.kickoff_at or market.game_status == "final":
        return False
    return age <= timedelta(seconds=gate.game_state_stale)


def _value(
    position: OpenPosition,
    market: MarketFacts,
    quote: Quote,
    book: tuple[Decimal, Decimal],
    found: Prediction,
    at: Situation,
) -> Valuation | None:
    """The valuation at an own-side (bid, ask), the fee taken for the contracts held."""
    if not _is_fresh(found, market, at):
        return None
    bid, ask = book
    assume = at.config.replay.assume
    notes: dict[str, Any] = {}
    assumes = takes_assumptions(quote.source, market.platform_id, at.environment, assume)
    schedule = value_gate.schedule_of(market, assumes, at, notes)
    if schedule is None:
        return None
    trust = value_gate.market_trust(at, market.league)
    probability, mid = model_probability(market, position.side, found), (bid + ask) / 2
    shrunk = shrink(probability, mid, trust)
    precision = at.config.fees.account_precision
    fee = fee_per_contract(schedule, position.quantity, bid, precision)
    notes.update(model_probability=probability, shrink=trust, mid=mid)
    return Valuation(found, shrunk, fee, remaining_edge(shrunk, bid, lambda _: fee), notes)
