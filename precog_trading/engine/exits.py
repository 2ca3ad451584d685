"""Exits of one tick: every condition that triggers is a decision, one of them may be an order.

A position is looked at whenever its market has a new quote. A position that nobody of ours bought
is marked and never sold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from precog_core.prices import Action
from precog_trading.engine.candidate import Candidate, Inputs, known
from precog_trading.engine.exit_orders import ExitOrder, next_order
from precog_trading.engine.looks import Held, look_at, mark_of
from precog_trading.engine.state import (
    Decision,
    ExitCondition,
    MarketFacts,
    OpenPosition,
    OrderIntent,
    Outcome,
    PositionMark,
    Prediction,
    Purpose,
    Quote,
)
from precog_trading.rules import exits
from precog_trading.rules.conditions import PRIORITY
from precog_trading.rules.controls import trading_day
from precog_trading.rules.entry_gate import (
    Situation,
)
from precog_trading.rules.ids import client_order_id, decision_key

_CAP = "cap_"


@dataclass(frozen=True, slots=True)
class Blocked:
    """A candidate that only a cap keeps out; ``reason`` is that cap's."""

    candidate: Candidate
    reason: str


def blocked_by_caps(reasons: Iterable[tuple[Candidate, str | None]]) -> list[Blocked]:
    """Of judged candidates those that a cap refused, best edge first."""
    found = [Blocked(c, reason) for c, reason in reasons if reason and reason.startswith(_CAP)]
    return sorted(found, key=lambda b: (-known(b.candidate.edge).value, _leg_name(b.candidate)))


def decide_exits(
    quotes: Mapping[int, Quote],
    predictions: Mapping[tuple[int, int], Prediction],
    blocked: Sequence[Blocked],
    at: Situation,
) -> tuple[list[Decision], list[PositionMark]]:
    """The exit decisions and marks of the positions whose market has a new quote.

    ``quotes`` by market; ``predictions``: the latest by game and model. Both results are sorted
    by market, side and position.
    """
    looked: list[Held] = []
    for position in at.state.portfolio.positions:
        quote = quotes.get(position.market_id)
        if quote is not None:
            before = at.state.recent_quotes.get(position.market_id, ())
            looked.append(look_at(position, quote, before, _of(predictions, position, at), at))
    looked.sort(key=lambda held: held.name)
    if blocked:
        looked = _with_replacements(looked, blocked, at)
    decisions: list[Decision] = []
    for held in looked:
        if held.position.strategy_id is not None and held.position.model_id is not None:
            decisions += _decide_one(held, _of(predictions, held.position, at), at)
    return decisions, [mark_of(held, at) for held in looked]


def _of(
    predictions: Mapping[tuple[int, int], Prediction], position: OpenPosition, at: Situation
) -> Prediction | None:
    game_id = at.state.markets[position.market_id].game_id
    if game_id is None or position.model_id is None:
        return None
    return predictions.get((game_id, position.model_id))


def _with_replacements(
    looked: Sequence[Held], blocked: Sequence[Blocked], at: Situation
) -> list[Held]:
    """Give each blocked candidate the position that is worth least beyond its price, if selling
    it makes room and the candidate is better by ``exit.rebalance``; one position each.
    """
    chosen: dict[int, str] = {}
    for block in blocked:
        edge = known(block.candidate.edge).value
        best: tuple[Decimal, int] | None = None
        for index, held in enumerate(looked):
            worth, plan = held.look.remaining_edge, held.look.plan
            if index in chosen or worth is None or edge < worth + plan.exit.rebalance:
                continue
            profitable = held.look.mark is not None and held.look.mark > held.look.entry
            usable = ExitCondition.REBALANCE in plan.conditions and profitable
            if usable and _makes_room(block, held.market) and (best is None or worth < best[0]):
                best = worth, index
        if best is not None:
            chosen[best[1]] = _leg_name(block.candidate)
    return [
        replace(held, look=replace(held.look, replacement=True), replacement=chosen[index])
        if index in chosen
        else held
        for index, held in enumerate(looked)
    ]


def _makes_room(block: Blocked, held: MarketFacts) -> bool:
    """Whether selling in the held market loosens the cap. Never in the candidate's own game:
    the cooldown after the exit would keep the candidate out.
    """
    wanted = block.candidate.market
    if held.game_id == wanted.game_id:
        return False
    match block.reason:
        case "cap_total" | "cap_open":
            return True
        case "cap_league":
            return held.league == wanted.league
        case "cap_day":
            starts = (held.kickoff_at, wanted.kickoff_at)
            return None not in starts and len({trading_day(t) for t in starts if t}) == 1
        case "cap_team":
            mine = {held.home_team_id, held.away_team_id}
            return bool(mine & {wanted.home_team_id, wanted.away_team_id})
        case _:
            return False


def _decide_one(held: Held, prediction: Prediction | None, at: Situation) -> list[Decision]:
    """One decision per condition that triggers, the one that runs first."""
    triggers = exits.triggered(held.look)
    if not triggers:
        return []
    waits = exits.suppressed(held.look, triggers)
    running = [condition for condition in triggers if condition not in waits]
    common = _notes(held, triggers, at)
    decisions: list[Decision] = []
    if running:
        first = running[0]
        notes: dict[str, Any] = {}
        order = next_order(held, first, prediction, notes, at)
        conflicting = tuple(condition for condition in triggers if condition is not first)
        decisions.append(_decision(held, first, order, {**common, **notes}, conflicting, at))
    for condition in triggers:
        if condition in waits:
            decisions.append(_decision(held, condition, "ev_check", common, (), at))
        elif condition is not running[0]:
            notes = {**common, "outranked_by": running[0].value}
            decisions.append(_decision(held, condition, "outranked", notes, (), at))
    return decisions


def _notes(held: Held, triggers: Sequence[ExitCondition], at: Situation) -> dict[str, Any]:
    """Every value the conditions looked at, the same for each decision of the look."""
    look, position, quote = held.look, held.position, held.quote
    settings = look.plan.exit
    notes: dict[str, Any] = {
        "settings": at.config.fingerprint,
        "quote_source": quote.source,
        "position": position.position_key,
        "triggers": ",".join(triggers),
        "quantity": look.quantity,
        "original_quantity": look.original_quantity,
        "entry_price": look.entry,
        "confidence": look.confidence,
        "hold_to_settlement": look.plan.hold_to_settlement,
        "mark": look.mark,
        "ask": held.ask,
        "stop_loss_price": look.stop_loss_price,
        "target_price": look.target_price,
        "trailing.active": look.trailing.active,
        "trailing.type": look.trailing.type,
        "trailing.peak": look.trailing.peak,
        "trailing.distance": look.trailing.distance,
        "trailing.price": look.trailing.price,
        "stages_sold": ",".join(f"{n}:{sold}" for n, sold in sorted(look.stages.items())),
        "spreads": ",".join("none" if s is None else str(s) for s, _ in look.observations),
        "volumes_24h": ",".join("none" if v is None else str(v) for _, v in look.observations),
        "seconds_to_end": None if look.seconds_to_end is None else int(look.seconds_to_end),
        "close_all": look.breaker,
        "ev_check": settings.ev_check,
        "remaining_edge": look.remaining_edge,
        "replacement": held.replacement,
    }
    if held.valuation is not None:
        notes["prediction_event_ts"] = held.valuation.prediction.event_ts
        notes["shrunk"] = held.valuation.probability
        notes["fee"] = held.valuation.fee
        notes.update(held.valuation.notes)
    return notes


def _decision(
    held: Held,
    condition: ExitCondition,
    order: ExitOrder | str,
    notes: Mapping[str, Any],
    conflicting: tuple[ExitCondition, ...],
    at: Situation,
) -> Decision:
    position, market, tick = held.position, held.market, at.tick
    market_name = f"{market.platform_id}:{market.ticker}"
    key = decision_key(
        environment=tick.environment,
        run_key=tick.run_key,
        tick_id=tick.tick_id,
        market=market_name,
        side=position.side,
        purpose=Purpose.EXIT,
        strategy=position.strategy or "",
        model=position.model or "",
        method=position.method,
        exit_condition=condition,
        position_key=position.position_key,
    )
    intent = None
    if isinstance(order, ExitOrder):
        intent = _intent(held, condition, order, conflicting, key, market_name, at)
        notes = {
            **notes,
            "limit": intent.limit_price,
            "attempt": intent.attempt_number,
            "timeout_s": intent.timeout_s,
            "replaces": intent.replaces,
        }
    value = held.valuation
    return Decision(
        decision_key=key,
        tick_id=tick.tick_id,
        decided_at=tick.decided_at,
        environment=tick.environment,
        backtest_run_id=tick.backtest_run_id,
        dagster_run_id=tick.dagster_run_id,
        market_id=market.market_id,
        platform_id=market.platform_id,
        side=position.side,
        purpose=Purpose.EXIT,
        strategy_id=known(position.strategy_id),
        model_id=known(position.model_id),
        method_id=position.method_id,
        prediction_id=None if value is None else value.prediction.prediction_id,
        outcome=Outcome.SKIPPED if intent is None else Outcome.TAKEN,
        skip_reason=order if isinstance(order, str) else None,
        probability=None if value is None else value.probability,
        price=held.look.mark,
        fee=None if value is None else value.fee,
        edge=held.look.remaining_edge,
        stake=None,
        quantity=None if intent is None else intent.quantity,
        quote_observed_at=held.quote.observed_at,
        confidence=position.confidence,
        edge_row=None,
        order=intent,
        inputs=Inputs(notes),
        exit_condition=condition,
        position_id=position.position_id,
    )


def _intent(
    held: Held,
    condition: ExitCondition,
    order: ExitOrder,
    conflicting: tuple[ExitCondition, ...],
    key: str,
    market_name: str,
    at: Situation,
) -> OrderIntent:
    position, rung = held.position, order.rung
    return OrderIntent(
        client_order_id=client_order_id(
            environment=at.tick.environment,
            strategy=position.strategy or "",
            model=position.model or "",
            market=market_name,
            side=position.side,
            purpose=Purpose.EXIT,
            decision_key=key,
            attempt=rung.number,
        ),
        market_id=position.market_id,
        side=position.side,
        action=Action.SELL,
        purpose=Purpose.EXIT,
        limit_price=rung.limit_price,
        quantity=sum((booking.quantity for booking in order.bookings), Decimal(0)),
        time_in_force=rung.time_in_force,
        reduce_only=True,
        attempt_number=rung.number,
        exit_condition=condition,
        exit_priority=PRIORITY[condition],
        position_id=position.position_id,
        timeout_s=rung.timeout_s,
        trigger_mark=order.trigger_mark,
        bookings=order.bookings,
        conflicting_triggers=conflicting,
        replaces=order.replaces,
    )


def _leg_name(candidate: Candidate) -> str:
    return f"{candidate.market.ticker}:{candidate.side}"
