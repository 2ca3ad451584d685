"""Laws of exits: YES and NO alike, one runs, nothing is sold twice, the stop never falls."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precog_core.prices import Side
from precog_trading.engine.state import (
    Decision,
    ExitCondition,
    OpenBreaker,
    Outcome,
    TrailingState,
)
from precog_trading.rules.conditions import PRIORITY, by_rank
from tests.trading.held_worlds import attempt, held_world
from tests.trading.random_worlds import mirrored, turned_quote
from tests.trading.worlds import World, d

CENTS = st.integers(2, 96)
TRIED = st.sampled_from(list(ExitCondition))


@st.composite
def held_worlds(draw: st.DrawFn) -> World:
    """One position of either side on a random path, its exits somewhere on their ladders."""

    def book() -> tuple[str, str]:
        bid = draw(CENTS)
        return f"0.{bid:02d}", f"0.{min(99, bid + draw(st.integers(1, 6))):02d}"

    bid, ask = book()
    peak = draw(st.one_of(st.none(), CENTS))
    trailing = TrailingState()
    if peak is not None:
        top = Decimal(peak) / 100
        trailing = TrailingState(True, "percentage", d("0.05"), top * d("0.95"), top)
    numbers = range(1, draw(st.integers(0, 7)) + 1)
    tried = draw(TRIED)
    attempts = tuple(attempt(tried, n, 600 - 30 * n) for n in numbers)
    original = draw(st.integers(1, 200))
    found = held_world(
        bid,
        ask,
        side=draw(st.sampled_from(list(Side))),
        in_play=draw(st.booleans()),
        p=draw(st.sampled_from([None, "0.30", "0.50", "0.70"])),
        before=[book() for _ in range(draw(st.integers(0, 3)))],
        volume=draw(st.sampled_from(["1000", "40", None])),
        entry_price=Decimal(draw(CENTS)) / 100,
        original_quantity=Decimal(original),
        quantity=Decimal(draw(st.integers(1, original))),
        confidence=draw(st.sampled_from(["high", "medium", "low", None])),
        trailing=trailing,
        attempts=attempts,
    )
    if draw(st.booleans()):
        return found
    return found.with_state(breakers=(OpenBreaker("daily_loss", "close_all"),))


def turned(original: World) -> World:
    found = mirrored(original)
    recent = {i: tuple(map(turned_quote, q)) for i, q in original.state.recent_quotes.items()}
    return found.with_state(recent_quotes=recent)


def economics(decision: Decision) -> tuple[Any, ...]:
    order = decision.order
    return (
        decision.exit_condition,
        decision.skip_reason,
        decision.probability,
        decision.price,
        decision.fee,
        decision.edge,
        decision.quantity,
        None if order is None else (order.limit_price, order.bookings, order.attempt_number),
        dict(decision.inputs),
    )


@pytest.mark.requirement("EXIT-002", "TEST-002")
@given(held_worlds())
@settings(max_examples=120)
def test_1_an_exit_and_its_mirror_are_alike(original: World) -> None:
    other = turned(original)
    assert [economics(x) for x in original.exits()] == [economics(x) for x in other.exits()]
    assert original.tick_decisions().marks == other.tick_decisions().marks


@pytest.mark.requirement("EXIT-001", "EXIT-002", "EXIT-004")
@given(held_worlds())
@settings(max_examples=120)
def test_s7_exactly_one_of_what_triggers_runs_and_it_is_the_first(original: World) -> None:
    decisions = original.exits()
    triggers = [ExitCondition(str(x.exit_condition)) for x in decisions]
    assert len(set(triggers)) == len(triggers)
    running = [x for x in decisions if x.skip_reason not in ("outranked", "ev_check")]
    held_back = [x for x in decisions if x.skip_reason == "ev_check"]
    assert len(running) == (len(decisions) > len(held_back))
    if running:
        first = ExitCondition(str(running[0].exit_condition))
        others = [t for t, x in zip(triggers, decisions, strict=True) if x not in held_back]
        assert first is by_rank(others)[0]
    for decision in decisions:
        order = decision.order
        assert (order is None) == (decision.outcome is Outcome.SKIPPED)
        if order is None:
            continue
        (position,) = original.state.portfolio.positions
        assert 0 < order.quantity <= position.quantity
        assert order.quantity == sum(b.quantity for b in order.bookings)
        assert order.exit_priority is PRIORITY[ExitCondition(str(order.exit_condition))]
        assert order.quantity == order.quantity.to_integral_value()


@pytest.mark.requirement("TRAIL-003")
@given(held_worlds(), CENTS)
@settings(max_examples=60)
def test_s7_the_stop_of_a_look_never_falls_and_ignores_the_quantity(
    original: World, quantity: int
) -> None:
    (position,) = original.state.portfolio.positions
    (mark,) = original.tick_decisions().marks
    before, after = position.trailing, mark.trailing
    assert after.active >= before.active
    if before.price is not None:
        assert after.price is not None
        assert after.price >= before.price
    fewer = replace(position, quantity=d(quantity), original_quantity=d(200))
    (other,) = original.with_portfolio(positions=(fewer,)).tick_decisions().marks
    assert other.trailing == after
