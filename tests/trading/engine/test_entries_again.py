"""Entries tried again, cooled down, split between arms, drafted, or made after the result."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from precog_core.prices import Side
from precog_trading.engine.plans import plan_for
from precog_trading.engine.state import Arm, Decision, Environment, Exit, MissedEntry
from precog_trading.rules.assignment import assigned_arm
from precog_trading.strategies import build
from tests.trading.worlds import (
    AWAY,
    HOME,
    KICKOFF,
    METHOD,
    NOW,
    STRATEGY,
    World,
    d,
    market,
    quote,
    world,
)


def missed(*ago_s: int, **changes: Any) -> World:
    """Orders of the very leg that found nothing to buy, so many seconds ago."""
    one = MissedEntry(NOW, 1, 1, 1, 1, Side.YES)
    tried = [replace(one, decided_at=NOW - timedelta(seconds=s), **changes) for s in ago_s]
    return world().with_portfolio(missed=tuple(tried))


@pytest.mark.parametrize(
    ("ago_s", "attempt"),
    [
        ((5,), 2),
        ((4,), None),
        ((40, 10), 3),
        ((40, 9), None),
        ((90, 60, 30), None),
        ((3599, 3500, 3400), None),
        ((3600, 3500, 3400), 3),
    ],
)
def test_s5_three_attempts_after_five_and_ten_seconds_each_through_the_gate(
    ago_s: tuple[int, ...], attempt: int | None
) -> None:
    decision = missed(*ago_s).one()
    if attempt is None:
        assert decision.skip_reason == "cooldown"
    else:
        assert decision.order is not None
        assert decision.order.attempt_number == attempt
    counted = sum(s < 3600 for s in ago_s)
    assert decision.inputs["missed_attempts"] == str(counted)


def test_s5_another_attempt_is_another_order_and_meets_the_same_gate() -> None:
    first, second = world().one(), missed(30).one()
    assert first.order is not None
    assert second.order is not None
    assert first.decision_key == second.decision_key
    assert first.order.client_order_id != second.order.client_order_id
    wide = missed(30).with_quote(yes_bid=d("0.46"))
    assert wide.one().skip_reason == "spread_wide"


def test_s5_attempts_count_for_their_own_leg_and_version() -> None:
    for other in ({"side": Side.NO}, {"market_id": 2}, {"model_id": 2}, {"method_id": None}):
        order = missed(1, **other).one().order
        assert order is not None
        assert order.attempt_number == 1


def test_s5_after_an_exit_the_game_rests_for_an_hour() -> None:
    for ago, reason in ((3599, "cooldown"), (3600, None)):
        left = Exit(NOW - timedelta(seconds=ago), 100)
        assert world().with_portfolio(exits=(left,)).one().skip_reason == reason


def test_an_entry_carries_the_plan_of_its_method() -> None:
    managed = replace(STRATEGY, rules=build("pre_game_managed", {"without": ["rebalance"]}))
    method = replace(METHOD, strategy=managed, profit_target=d("0.20"))
    order = replace(world(), methods=(method,)).one().order
    assert order is not None
    plan = order.plan
    assert plan == plan_for(method, world().config)
    assert plan is not None
    assert (plan.profit_target, plan.hold_to_settlement) == (d("0.20"), False)
    assert "rebalance" not in plan.conditions
    held = world().one().order
    assert held is not None
    assert held.plan is not None
    assert (held.plan.hold_to_settlement, list(held.plan.conditions)) == (
        True, ["circuit_breaker"],
    )  # fmt: skip


ARMS = ("hold", "managed")


@pytest.mark.requirement("METH-008", "VER-005")
def test_s13_a_game_is_in_one_arm_for_ever() -> None:
    keys = [f"nba:2026:2026-01-{day:02d}:A{n}@B" for day in range(1, 29) for n in range(20)]
    arms = [assigned_arm("exits", ARMS, key) for key in keys]
    assert arms[:4] == [assigned_arm("exits", ARMS, key) for key in keys[:4]]
    assert 0.45 < arms.count("hold") / len(arms) < 0.55
    other = [assigned_arm("stakes", ARMS, key) for key in keys]
    agreeing = sum(a == b for a, b in zip(arms, other, strict=True))
    assert 0.45 < agreeing / len(keys) < 0.55
    # Written down: the assignment of a running experiment must not move with a release.
    assert assigned_arm("exits", ARMS, "nba:2026:2025-10-21:HOU@OKC") == "hold"
    with pytest.raises(ValueError, match="has no arms"):
        assigned_arm("exits", (), "x")


@pytest.mark.requirement("METH-008", "VER-005")
def test_s13_every_game_is_traded_by_exactly_one_arm() -> None:
    methods = tuple(
        replace(METHOD, name=name, method_id=number, arm=Arm("exits", name, ARMS))
        for number, name in enumerate(ARMS, start=1)
    )
    for key in ("nfl:2019:1", "nfl:2019:2", "nfl:2019:3", "nfl:2019:4"):
        w = replace(world([market(game_key=key)]), methods=methods)
        reasons = {x.method_id: x.skip_reason for x in w.decide() if x.side is Side.YES}
        assert sorted(reasons.values(), key=str) == [None, "other_arm"]
        chosen = methods[0 if reasons[1] is None else 1].arm
        assert chosen is not None
        assert chosen.takes(key)


@pytest.mark.parametrize("part", ["strategy", "model", "method"])
def test_s5_a_draft_is_tried_in_backtests_only(part: str) -> None:
    if part == "method":
        method = replace(METHOD, status="draft")
    else:
        method = replace(METHOD, **{part: replace(getattr(METHOD, part), status="draft")})
    w = replace(world(), methods=(method,))
    reason = "model_state" if part == "model" else "strategy_state"
    assert w.one().skip_reason == reason
    assert w.in_environment(Environment.BACKTEST).one().skip_reason is None


ARBITRAGE = replace(STRATEGY, rules=build("settlement_arbitrage", {}))
ENDED = KICKOFF + timedelta(hours=3)


def ended(bid: str = "0.87", ask: str = "0.88", **changes: Any) -> World:
    """The home team has won and we know it since a minute; the market is still open."""
    facts = {
        "game_status": "final",
        "winner_team_id": HOME,
        "result_known_at": ENDED - timedelta(minutes=1),
        **changes,
    }
    quoted = quote(1, bid, ask, observed_at=ENDED, known_at=ENDED)
    w = world([market(**facts)], [quoted], [])
    tick = replace(w.tick, decided_at=ENDED)
    return replace(w, tick=tick, methods=(replace(METHOD, strategy=ARBITRAGE),))


def decided(w: World, side: Side = Side.YES) -> Decision:
    return w.one(side)


def test_settlement_arbitrage_buys_the_known_winner_while_the_market_is_open() -> None:
    """p̂ = 0.9·0.99 + 0.1·0.875 = 0.9785, edge = 0.9785 - 0.88 - 0.0074."""
    decision = decided(ended())
    assert decision.order is not None
    assert (decision.probability, decision.prediction_id) == (d("0.9785"), None)
    assert decision.edge == d("0.9785") - d("0.88") - d("0.007393")
    assert decision.inputs["edge_auto"] == "0.02"
    assert decision.order.plan is not None
    assert decision.order.plan.hold_to_settlement
    loser = decided(ended(), Side.NO)
    assert loser.skip_reason in ("price_range", "edge_below_min")
    turned = decided(ended("0.12", "0.13", winner_team_id=AWAY), Side.NO)
    assert turned.edge == decision.edge


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"game_status": "live"}, "outside_window"),
        ({"result_known_at": ENDED - timedelta(hours=7)}, "outside_window"),
        ({"result_known_at": None}, "outside_window"),
        ({"winner_team_id": None}, "outside_window"),  # a tie pays half a dollar
        ({"status": "determined"}, "market_not_active"),
        ({"bid": "0.50", "ask": "0.51"}, "edge_quarantined"),
    ],
)
def test_settlement_arbitrage_leaves_alone_what_is_not_certain(
    changes: dict[str, Any], reason: str
) -> None:
    assert decided(ended(**changes)).skip_reason == reason
