"""Exits as ``decide`` makes them: marks, triggers, the one that runs, its order (§7, §8, §12)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from precog_core.prices import Action, Side
from precog_trading.engine.state import (
    Control,
    Environment,
    ExitCondition,
    ExitPriority,
    OpenBreaker,
    OpenOrder,
    Outcome,
    Purpose,
    TrailingState,
)
from tests.trading.held_worlds import (
    HOLD,
    IN_PLAY,
    attempt,
    held_position,
    held_world,
    outcomes,
    the_mark,
    the_order,
)
from tests.trading.worlds import AWAY, KICKOFF, METHOD, World, d, market, order, prediction, quote

CLOSE_ALL = (OpenBreaker("daily_loss", "close_all"),)
TRAIL = TrailingState(True, "percentage", d("0.05"), d("0.5225"), d("0.55"))
NEAR_END = {"kickoff_at": IN_PLAY - timedelta(seconds=11400 - 299)}


def at_the_end(w: World) -> World:
    return w.with_market(**NEAR_END)


def with_breaker(w: World) -> World:
    return w.with_state(breakers=CLOSE_ALL)


TEN: list[tuple[str, dict[str, Any], Callable[[World], World], str]] = [
    ("stop_loss", {"bid": "0.42", "ask": "0.43"}, lambda w: w, "ioc"),
    ("circuit_breaker", {}, with_breaker, "ioc"),
    ("trailing_stop", {"bid": "0.52", "ask": "0.53", "trailing": TRAIL}, lambda w: w, "ioc"),
    ("time_based_urgent", {}, at_the_end, "ioc"),
    (
        "liquidity_dried_up",
        {"bid": "0.49", "ask": "0.53", "before": [("0.49", "0.53")] * 2},
        lambda w: w,
        "ioc",
    ),
    ("profit_target", {"bid": "0.68", "ask": "0.70"}, lambda w: w, "gtc"),
    ("partial_exit_target", {"bid": "0.58", "ask": "0.60"}, lambda w: w, "gtc"),
    ("early_exit", {"p": "0.50", "in_play": False}, lambda w: w, "gtc"),
    ("edge_disappeared", {"p": "0.45", "in_play": False}, lambda w: w, "gtc"),
]


@pytest.mark.requirement("EXIT-001", "EXIT-002", "EXIT-004", "TEST-002")
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("condition", "facts", "change", "force"), TEN, ids=[t[0] for t in TEN])
def test_s7_each_condition_runs_on_both_sides(
    condition: str, facts: dict[str, Any], change: Callable[[World], World], force: str, side: Side
) -> None:
    found = change(held_world(side=side, **facts))
    taken = the_order(found)
    assert taken.exit_condition == condition
    assert (taken.purpose, taken.side, taken.position_id) == (Purpose.EXIT, side, 1)
    intent = taken.order
    assert intent is not None
    assert (intent.action, intent.reduce_only, intent.time_in_force) == (Action.SELL, True, force)
    assert intent.side is side
    assert intent.quantity == sum(b.quantity for b in intent.bookings) == taken.quantity
    others = {c: r for c, r in outcomes(found).items() if c != condition}
    assert set(others.values()) <= {"outranked", "ev_check"}
    assert {str(c) for c in intent.conflicting_triggers} == set(others)
    mirror = held_world(side=side.opposite, **facts)
    other = the_order(change(mirror)).order
    assert other is not None
    assert (other.limit_price, other.quantity) == (intent.limit_price, intent.quantity)


@pytest.mark.requirement("EXIT-001", "EXIT-004")
def test_s7_one_runs_and_every_other_trigger_is_a_row_of_its_own() -> None:
    w = at_the_end(with_breaker(held_world("0.30", "0.36", before=[("0.30", "0.36")] * 2)))
    assert outcomes(w) == {
        "stop_loss": None,
        "circuit_breaker": "outranked",
        "time_based_urgent": "outranked",
        "liquidity_dried_up": "outranked",
    }
    decisions = w.exits()
    assert len({x.decision_key for x in decisions}) == 4
    for decision in decisions:
        assert decision.inputs["triggers"].split(",") == list(outcomes(w))
        assert decision.inputs["stop_loss_price"] == "0.425000"
        assert decision.inputs["spreads"] == "0.06,0.06,0.06"
    assert decisions[1].inputs["outranked_by"] == "stop_loss"


@pytest.mark.requirement("EXIT-002", "EXIT-003")
def test_s7_targets_wait_while_a_fresh_prediction_says_there_is_more() -> None:
    """Before the start the model is asked; in play a pre-game prediction is none."""
    facts: dict[str, Any] = {"bid": "0.68", "ask": "0.70", "p": "0.80"}
    waiting = held_world(in_play=False, **facts)
    assert outcomes(waiting) == {"profit_target": "ev_check", "partial_exit_target": "ev_check"}
    (first, _) = waiting.exits()
    # p̂ = 0.9·0.80 + 0.1·0.69 = 0.789; φ(0.68) = 0.0153 up to 0.0001 for 100 contracts
    assert (first.probability, first.fee) == (d("0.7890"), d("0.015232"))
    assert first.edge == d("0.789") - (d("0.68") - d("0.015232"))
    assert outcomes(held_world(in_play=True, **facts))["profit_target"] is None
    old = waiting.with_prediction(event_ts=waiting.tick.decided_at - timedelta(hours=25))
    assert outcomes(old)["profit_target"] is None


@pytest.mark.requirement("EXIT-002")
def test_s7_in_play_only_an_in_play_prediction_counts_and_only_for_a_minute() -> None:
    w = held_world("0.50", "0.51", p="0.40")
    assert w.exits() == []
    live = w.with_prediction(event_ts=IN_PLAY - timedelta(seconds=60), known_at=IN_PLAY)
    assert outcomes(live) == {"edge_disappeared": None, "early_exit": "outranked"}
    older = w.with_prediction(event_ts=IN_PLAY - timedelta(seconds=61), known_at=IN_PLAY)
    assert older.exits() == []


@pytest.mark.requirement("EXIT-002")
def test_s7_a_prediction_made_just_before_the_start_is_no_in_play_prediction() -> None:
    w = held_world("0.50", "0.51", p="0.40").with_market(kickoff_at=IN_PLAY - timedelta(seconds=30))
    for ago, known in ((40, []), (20, ["edge_disappeared", "early_exit"])):
        at = IN_PLAY - timedelta(seconds=ago)
        assert list(outcomes(w.with_prediction(event_ts=at, known_at=at))) == known


@pytest.mark.requirement("EXIT-003")
def test_s7_profit_target_is_one_order_booked_to_due_stages_first() -> None:
    intent = the_order(held_world("0.68", "0.70")).order
    assert intent is not None
    assert [(b.condition.value, b.stage, int(b.quantity)) for b in intent.bookings] == [
        ("partial_exit_target", 1, 50),
        ("partial_exit_target", 2, 25),
        ("profit_target", None, 25),
    ]
    assert (intent.quantity, intent.limit_price, intent.timeout_s) == (d(100), d("0.69"), 30)


@pytest.mark.requirement("EXIT-002")
def test_s7_a_position_held_to_settlement_is_sold_by_a_breaker_only() -> None:
    w = at_the_end(held_world("0.05", "0.15", before=[("0.05", "0.15")] * 2, plan=HOLD))
    assert w.exits() == []
    assert outcomes(with_breaker(w)) == {"circuit_breaker": None}
    without_plan = held_world("0.05", "0.06", plan=None, hold_to_settlement=True)
    assert without_plan.exits() == []
    assert outcomes(held_world("0.05", "0.06", plan=None)) == {"stop_loss": None}


@pytest.mark.requirement("EXIT-002")
@pytest.mark.parametrize(
    ("breaker", "closes"),
    [
        (OpenBreaker("daily_loss", "close_all"), True),
        (OpenBreaker("weekly_loss", "exits_only"), False),
        (OpenBreaker("x", "close_all", league="nba"), False),
        (OpenBreaker("x", "close_all", strategies=("pre_game_managed",)), True),
        (OpenBreaker("x", "close_all", strategies=("pre_game",)), False),
    ],
)
def test_s12_a_breaker_closes_what_it_concerns(breaker: OpenBreaker, closes: bool) -> None:
    assert bool(held_world().with_state(breakers=(breaker,)).exits()) is closes


@pytest.mark.requirement("MON-002", "MON-003", "TRAIL-004")
def test_s7_the_mark_of_a_look() -> None:
    mark = the_mark(held_world("0.56", "0.57", quantity=d(75)))
    assert (mark.mark, mark.unrealized_pnl, mark.unrealized_pnl_pct) == (
        d("0.56"), d("4.5"), d("0.12"),
    )  # fmt: skip
    assert (mark.stop_loss_price, mark.target_price) == (d("0.425"), d("0.675"))
    assert mark.trailing == TrailingState(True, "percentage", d("0.05"), d("0.532"), d("0.56"))
    assert mark.checked_at == IN_PLAY
    assert not mark.no_bid


@pytest.mark.requirement("MON-003")
@pytest.mark.parametrize(
    ("bid", "trailing", "urgent"),
    [
        ("0.46", None, False),
        ("0.445", None, True),
        ("0.43", None, True),
        ("0.65", None, False),
        ("0.655", None, True),
        ("0.5329", TRAIL, True),
        ("0.54", TRAIL, False),
    ],
)
def test_s7_urgent_near_a_stop_a_target_or_an_active_trailing_stop(
    bid: str, trailing: TrailingState | None, urgent: bool
) -> None:
    far = TrailingState(True, "percentage", d("0.02"), d("0.30"), d("0.70"))
    w = held_world(bid, "0.90", trailing=trailing or far)
    assert the_mark(w).is_urgent is urgent


@pytest.mark.requirement("MON-002")
def test_without_a_bid_or_with_a_crossed_book_there_is_no_mark() -> None:
    for bid, ask in ((None, "0.10"), ("0.60", "0.60")):
        mark = the_mark(held_world(bid, ask, trailing=TRAIL))
        assert mark.no_bid
        assert (mark.unrealized_pnl, mark.unrealized_pnl_pct) == (None, None)
        assert mark.trailing == TRAIL
        assert not mark.is_urgent


@pytest.mark.requirement("EXEC-001")
def test_s8_an_exit_that_cannot_be_sent_is_blocked_without_an_attempt() -> None:
    stopped = held_world("0.40", "0.41")
    maintained = stopped.with_market(platform_status="maintenance")
    assert outcomes(maintained) == {"stop_loss": "exit_blocked"}
    assert maintained.exits()[0].inputs["blocked_by"] == "maintenance_window"
    nobody = with_breaker(held_world(None, "0.10"))
    assert outcomes(nobody) == {"circuit_breaker": "exit_blocked"}
    assert nobody.exits()[0].inputs["blocked_by"] == "no_bid"
    deep = (attempt(ExitCondition.STOP_LOSS, trigger_mark=d("0.44")),)
    collapsed = held_world("0.20", "0.21", attempts=deep)
    assert outcomes(collapsed)["stop_loss"] == "exit_blocked"
    assert collapsed.exits()[0].inputs["blocked_by"] == "critical_floor"
    assert all(x.order is None for w in (maintained, nobody, collapsed) for x in w.exits())


@pytest.mark.requirement("EXIT-004")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: w.with_state(controls=(Control("global", "*", "halted"),)), "halted"),
        (lambda w: w.with_state(controls=(Control("global", "*", "exits_only"),)), None),
        (lambda w: w.with_state(breakers=(OpenBreaker("db_errors", "halted"),)), "breaker_open"),
        (lambda w: w.with_state(breakers=(OpenBreaker("rejects", "exits_only"),)), None),
        (lambda w: w.with_state(is_writer=False), "not_writer"),
        (
            lambda w: w.in_environment(Environment.LIVE).with_state(
                controls=(Control("global", "*", "running"),)
            ),
            "live_not_enabled",
        ),
        (lambda w: w.with_market(platform_status="inactive"), "exit_blocked"),
        (lambda w: w.with_market(status="paused"), "market_not_active"),
        (lambda w: w.with_portfolio(orders=(order(status="unknown"),)), "market_frozen"),
        (
            lambda w: w.with_quote(observed_at=IN_PLAY - timedelta(seconds=301)),
            "quote_stale",
        ),
        (lambda w: w.with_portfolio(positions=(held_position(quantity=d("0.4")),)), "size_zero"),
    ],
)
def test_s12_what_stops_an_exit_and_what_does_not(
    change: Callable[[World], World], reason: str | None
) -> None:
    assert outcomes(change(held_world("0.40", "0.41"))) == {"stop_loss": reason}


def working(condition: ExitCondition | str, priority: str | None, **changes: Any) -> OpenOrder:
    facts: dict[str, Any] = {
        "client_order_id": "a" * 32,
        "action": Action.SELL,
        "purpose": Purpose.EXIT,
        "position_id": 1,
        "exit_condition": condition,
        "exit_priority": None if priority is None else ExitPriority(priority),
    }
    return order(**{**facts, **changes})


@pytest.mark.requirement("EXEC-004")
def test_s8_the_next_order_waits_for_the_one_before_unless_it_is_more_urgent() -> None:
    stopped = held_world("0.40", "0.41")

    def beside(one: OpenOrder) -> World:
        return stopped.with_portfolio(orders=(one,))

    target = working("profit_target", "medium")
    replacing = the_order(beside(target)).order
    assert replacing is not None
    assert replacing.replaces == "a" * 32
    assert outcomes(beside(working("stop_loss", "critical"))) == {"stop_loss": "exit_working"}
    assert outcomes(beside(replace(target, status="sent"))) == {"stop_loss": "exit_working"}
    assert outcomes(beside(working("manual", None))) == {"stop_loss": "exit_working"}
    assert outcomes(beside(replace(target, position_id=2))) == {"stop_loss": None}


@pytest.mark.requirement("EXEC-001", "EXEC-004")
def test_s8_an_exit_goes_on_where_its_attempts_stand() -> None:
    """Critical: 1, 3, 5 ticks below the bid, and the remainder of a partial fill only."""
    again = attempt(ExitCondition.STOP_LOSS, 2, 10, filled=d(40), timeout_s=5)
    first = attempt(ExitCondition.STOP_LOSS, 1, 20, timeout_s=5)
    w = held_world("0.40", "0.41", attempts=(first, again), quantity=d(60))
    intent = the_order(w).order
    assert intent is not None
    assert (intent.attempt_number, intent.limit_price) == (3, d("0.35"))
    assert (intent.quantity, intent.trigger_mark) == (d(60), d("0.50"))
    early = attempt(ExitCondition.STOP_LOSS, 1, 4, timeout_s=5)
    assert outcomes(held_world("0.40", "0.41", attempts=(early,))) == {"stop_loss": "waiting"}


@pytest.mark.requirement("EXEC-001")
def test_s8_a_target_that_gave_up_stays_open_until_it_triggers_anew() -> None:
    tried = (
        attempt(ExitCondition.PARTIAL_EXIT_TARGET, 1, 900),
        attempt(ExitCondition.PARTIAL_EXIT_TARGET, 6),
    )
    facts: dict[str, Any] = {"bid": "0.58", "ask": "0.60", "attempts": tried}
    still = held_world(before=[("0.58", "0.60")], **facts)
    assert outcomes(still) == {"partial_exit_target": "gave_up"}
    came_back = the_order(held_world(before=[("0.55", "0.56")], **facts)).order
    assert came_back is not None
    assert (came_back.attempt_number, came_back.trigger_mark) == (1, d("0.58"))


def test_a_position_of_nobody_is_marked_and_never_sold() -> None:
    w = held_world("0.10", "0.11", strategy_id=None, model_id=None, strategy=None, model=None)
    assert w.exits() == []
    assert the_mark(w).mark == d("0.10")


def test_in_play_a_held_market_is_no_candidate_and_before_the_start_it_is() -> None:
    w = replace(held_world("0.50", "0.51", p="0.62"), methods=(METHOD,))
    assert w.decide() == []
    early = replace(held_world("0.50", "0.51", p="0.62", in_play=False), methods=(METHOD,))
    assert [x.skip_reason for x in early.decide()] == ["already_entered", "edge_below_min"]
    quiet = replace(early, tick=replace(early.tick, entries=False))
    assert quiet.decide() == []
    assert quiet.tick_decisions().marks != ()


def full(better: str = "0.62", **changes: Any) -> World:
    """A gaining position with some edge left, in another game than a good candidate, and no room
    for a second position."""
    held = held_world("0.52", "0.53", p="0.56", in_play=False, **changes)
    other = {"home_team_id": 30, "away_team_id": 40, "yes_team_id": 30}
    markets = {**held.state.markets, 2: market(2, 30, 200, **other)}
    found = replace(
        held,
        quotes=(*held.quotes, quote(2)),
        predictions=(*held.predictions, prediction(better, 200)),
        methods=(METHOD,),
    )
    return found.with_state(markets=markets).with_config("caps", open="1")


@pytest.mark.requirement("EXIT-002")
def test_s7_rebalance_makes_room_for_a_candidate_that_only_a_cap_keeps_out() -> None:
    """Remaining edge 0.9·0.56 + 0.1·0.525 - 0.52 + φ = 0.054; the candidate has 0.09, 0.108."""
    assert full().one(market_id=2).skip_reason == "cap_open"
    assert full().exits() == []
    taken = the_order(full("0.64"))
    assert (taken.exit_condition, taken.inputs["replacement"]) == ("rebalance", "G200-HOME:yes")
    assert taken.edge == d("0.5565") - d("0.52") + d("0.017472")
    assert full("0.64", entry_price=d("0.52")).exits() == []


@pytest.mark.requirement("EXIT-002")
def test_s7_rebalance_sells_only_what_loosens_the_cap() -> None:
    """A team's cap is not loosened by another team, and one's own game never is."""
    w = full("0.64").with_config("caps", team_usd="5")
    assert w.one(market_id=2).skip_reason == "cap_team"
    assert w.exits() == []
    shared = {i: replace(m, away_team_id=10 if i == 2 else 20) for i, m in w.state.markets.items()}
    assert outcomes(w.with_state(markets=shared)) == {"rebalance": None}


@pytest.mark.requirement("EXIT-002")
def test_s7_rebalance_never_sells_for_its_own_game() -> None:
    """NO of the mirror market at 0.41 is the same bet and cheaper, but the game would rest."""
    held = held_world("0.52", "0.53", p="0.555", in_play=False, strategy_id=9)
    markets = {**held.state.markets, 2: market(2, AWAY)}
    w = replace(held, quotes=(*held.quotes, quote(2, "0.59", "0.60")), methods=(METHOD,))
    w = w.with_state(markets=markets).with_config("caps", open="1")
    candidate = w.one(Side.NO, 2)
    assert candidate.skip_reason == "cap_open"
    assert candidate.edge is not None
    assert candidate.edge > d("0.0495") + d("0.05")
    assert w.exits() == []


def test_ids_of_exits_name_the_condition_the_position_and_the_attempt() -> None:
    w = held_world("0.40", "0.41")
    first = the_order(w)
    again = the_order(w)
    assert first == again
    assert first.order is not None
    other = the_order(w.with_portfolio(positions=(held_position(position_key="p9"),)))
    assert other.order is not None
    assert other.decision_key != first.decision_key
    assert other.order.client_order_id != first.order.client_order_id
    assert first.outcome is Outcome.TAKEN


def test_the_expected_end_follows_the_league_and_a_suspended_game_has_none() -> None:
    w = at_the_end(held_world())
    assert outcomes(w) == {"time_based_urgent": None}
    assert w.with_market(game_status="suspended").exits() == []
    assert w.with_market(league="ncaaf").exits() == []
    assert w.with_market(kickoff_at=KICKOFF).exits() == []
