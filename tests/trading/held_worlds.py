"""Worlds with a managed position: bought at 0.50 the evening before, looked at during the game."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from precog_core.prices import Side
from precog_trading.engine.state import (
    Decision,
    ExitAttempt,
    ExitCondition,
    ExitPlan,
    OpenPosition,
    Outcome,
    PositionMark,
    Quote,
)
from precog_trading.rules.conditions import PRIORITY
from tests.trading.random_worlds import turned_quote
from tests.trading.worlds import KICKOFF, TICK, World, d, market, prediction, quote, world

IN_PLAY = KICKOFF + timedelta(hours=1)
BEFORE = KICKOFF - timedelta(hours=2)
MANAGED = ExitPlan()
HOLD = ExitPlan(hold_to_settlement=True, conditions=frozenset({ExitCondition.CIRCUIT_BREAKER}))


def held_position(market_id: int = 1, side: Side = Side.YES, **changes: Any) -> OpenPosition:
    """100 contracts at 0.50, high confidence, of a managed strategy."""
    base = OpenPosition(
        position_id=market_id,
        position_key=f"p{market_id}",
        market_id=market_id,
        side=side,
        quantity=d(100),
        original_quantity=d(100),
        entry_price=d("0.50"),
        fees=d("1.75"),
        strategy_id=1,
        model_id=1,
        method_id=1,
        strategy="pre_game_managed@v1.0",
        model="nfl-elo@v1.0",
        method="m@v1.0",
        entry_time=KICKOFF - timedelta(hours=20),
        confidence="high",
        plan=MANAGED,
    )
    return replace(base, **changes)


def own_quote(
    side: Side, bid: str | None, ask: str | None, market_id: int = 1, **changes: Any
) -> Quote:
    """A quote given as the side sees it."""
    base = quote(market_id, bid, ask, **changes)
    return base if side is Side.YES else turned_quote(base)


def held_world(
    bid: str | None = "0.50",
    ask: str | None = "0.51",
    *,
    side: Side = Side.YES,
    in_play: bool = True,
    p: str | None = None,
    before: Sequence[tuple[str, str]] = (),
    volume: str | None = "1000",
    **changes: Any,
) -> World:
    """One position and one new quote of its market, both as the held side sees them.

    ``p``: the model's probability of the held side, None for no prediction; ``before``: earlier
    (bid, ask), a minute apart, the newest last.
    """
    now = IN_PLAY if in_play else BEFORE
    volume_24h = None if volume is None else d(volume)
    seen = [
        own_quote(
            side, b, a, observed_at=now - timedelta(minutes=len(before) - n),
            known_at=now - timedelta(minutes=len(before) - n), volume_24h=volume_24h,
        )
        for n, (b, a) in enumerate(before)
    ]  # fmt: skip
    newest = own_quote(side, bid, ask, observed_at=now, known_at=now, volume_24h=volume_24h)
    predictions = []
    if p is not None:
        p_home = p if side is Side.YES else str(1 - d(p))
        at = now - timedelta(hours=1)
        predictions = [prediction(p_home, event_ts=at, known_at=at)]
    status = "live" if in_play else "scheduled"
    found = world([market(game_status=status)], [newest], predictions)
    found = replace(found, tick=replace(TICK, decided_at=now), methods=())
    return found.with_portfolio(positions=(held_position(side=side, **changes),)).with_state(
        recent_quotes={1: tuple(seen)}
    )


def attempt(
    condition: ExitCondition, number: int = 1, ago_s: int = 300, **changes: Any
) -> ExitAttempt:
    """An unfilled order of 100 contracts at 0.50, placed ``ago_s`` seconds before the look."""
    placed = IN_PLAY - timedelta(seconds=ago_s)
    base = ExitAttempt(
        condition=condition,
        priority=PRIORITY[condition],
        number=number,
        limit_price=d("0.50"),
        quantity=d(100),
        filled=d(0),
        placed_at=placed,
        ended_at=placed + timedelta(seconds=30),
        timeout_s=30,
        trigger_mark=d("0.50"),
    )
    return replace(base, **changes)


def the_mark(found: World) -> PositionMark:
    (mark,) = found.tick_decisions().marks
    return mark


def the_order(found: World) -> Decision:
    (taken,) = [x for x in found.exits() if x.outcome is Outcome.TAKEN]
    return taken


def outcomes(found: World) -> dict[str, str | None]:
    """Skip reason by condition, None for the one that runs."""
    return {str(x.exit_condition): x.skip_reason for x in found.exits()}


def cents(value: Decimal) -> str:
    return f"{value:.2f}"
