"""Trading-rules §7: the ten conditions one by one, their ranks, and what an exit sells."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from precog_core.prices import CENT_GRID, Grid, PriceRange
from precog_trading.engine.state import Booking, ExitCondition, ExitPlan, TrailingState
from precog_trading.rules.conditions import PRIORITY, by_rank
from precog_trading.rules.exits import (
    Look,
    bookings,
    stop_loss_price,
    suppressed,
    target_price,
    tick_below,
    triggered,
)
from tests.trading.worlds import d

C = ExitCondition
CALM = Look(
    plan=ExitPlan(),
    grid=CENT_GRID,
    entry=d("0.50"),
    quantity=d(100),
    original_quantity=d(100),
    confidence="high",
    mark=d("0.50"),
    trailing=TrailingState(),
    observations=[(d("0.01"), d(1000))] * 3,
    stages={},
    remaining_edge=d("0.08"),
    seconds_to_end=9000,
)


def look(**changes: Any) -> Look:
    return replace(CALM, **changes)


def only(condition: ExitCondition, **changes: Any) -> bool:
    """Whether the condition triggers, and nothing besides what it implies."""
    return condition in triggered(look(**changes))


def test_a_calm_position_triggers_nothing() -> None:
    assert triggered(CALM) == []


@pytest.mark.requirement("RISK-005")
@pytest.mark.requirement("EXIT-002")
@pytest.mark.parametrize(
    ("confidence", "entry", "stop"),
    [
        ("high", "0.50", "0.425"),
        ("medium", "0.50", "0.44"),
        ("low", "0.50", "0.46"),
        (None, "0.50", "0.46"),
        ("high", "0.15", "0.12"),  # three ticks are more than 15 %
        ("low", "0.30", "0.27"),
    ],
)
def test_s7_stop_loss_by_confidence_and_at_least_three_ticks(
    confidence: str | None, entry: str, stop: str
) -> None:
    assert stop_loss_price(ExitPlan(), d(entry), confidence, CENT_GRID) == d(stop)
    at = {"confidence": confidence, "entry": d(entry), "remaining_edge": None}
    assert only(C.STOP_LOSS, mark=d(stop), **at)
    assert not only(C.STOP_LOSS, mark=d(stop) + d("0.001"), **at)
    assert not only(C.STOP_LOSS, mark=None, **at)


@pytest.mark.requirement("EXIT-002")
def test_s7_circuit_breaker_closes_whatever_the_price() -> None:
    assert triggered(look(breaker=True, mark=None, remaining_edge=None)) == [C.CIRCUIT_BREAKER]


@pytest.mark.requirement("EXIT-002")
def test_s7_trailing_stop_only_while_active() -> None:
    trail = TrailingState(True, "percentage", d("0.05"), d("0.5225"), d("0.55"))
    assert only(C.TRAILING_STOP, mark=d("0.52"), trailing=trail)
    assert not only(C.TRAILING_STOP, mark=d("0.53"), trailing=trail)
    assert not only(C.TRAILING_STOP, mark=d("0.52"), trailing=replace(trail, active=False))


@pytest.mark.requirement("EXIT-002")
@pytest.mark.parametrize(
    ("seconds", "fires"), [(300, False), (299, True), (-1, True), (None, False)]
)
def test_s7_time_based_urgent_in_the_last_five_minutes(seconds: int | None, fires: bool) -> None:
    assert only(C.TIME_BASED_URGENT, seconds_to_end=seconds) is fires


@pytest.mark.requirement("EXIT-002")
@pytest.mark.parametrize(
    ("observations", "fires"),
    [
        ([("0.04", "1000")] * 3, True),
        ([("0.03", "1000")] * 3, False),
        ([("0.04", "1000")] * 2, False),
        ([("0.04", "1000"), ("0.03", "1000"), ("0.04", "1000")], False),
        ([("0.03", "1000"), ("0.04", "1000"), ("0.01", "49"), (None, None)], True),
        ([("0.01", "50")] * 3, False),
        ([("0.01", None)] * 3, False),
    ],
)
def test_s7_liquidity_dried_up_three_observations_running(
    observations: list[tuple[str | None, str | None]], fires: bool
) -> None:
    seen = [tuple(None if x is None else d(x) for x in one) for one in observations]
    assert only(C.LIQUIDITY_DRIED_UP, observations=seen) is fires


@pytest.mark.requirement("EXIT-002")
@pytest.mark.parametrize(
    ("confidence", "target"), [("high", "0.675"), ("medium", "0.65"), ("low", "0.64")]
)
def test_s7_profit_target_by_confidence(confidence: str, target: str) -> None:
    assert target_price(ExitPlan(), d("0.50"), confidence) == d(target)
    assert only(C.PROFIT_TARGET, confidence=confidence, mark=d(target))
    assert not only(C.PROFIT_TARGET, confidence=confidence, mark=d(target) - d("0.001"))


def test_a_methods_profit_target_replaces_those_by_confidence() -> None:
    plan = ExitPlan(profit_target=d("0.20"))
    assert target_price(plan, d("0.50"), "high") == d("0.60")


@pytest.mark.requirement("EXIT-003")
def test_s7_partial_exit_target_each_stage_once() -> None:
    """15 % and 25 %, and a stage that is sold is over."""
    assert not only(C.PARTIAL_EXIT_TARGET, mark=d("0.5749"))
    assert only(C.PARTIAL_EXIT_TARGET, mark=d("0.575"))
    assert not only(C.PARTIAL_EXIT_TARGET, mark=d("0.60"), stages={1: d(50)})
    assert only(C.PARTIAL_EXIT_TARGET, mark=d("0.60"), stages={1: d(49)})
    assert only(C.PARTIAL_EXIT_TARGET, mark=d("0.625"), stages={1: d(50)})
    assert not only(C.PARTIAL_EXIT_TARGET, mark=d("0.90"), stages={1: d(50), 2: d(25)})


@pytest.mark.requirement("EXIT-002")
def test_s7_what_is_left_of_the_edge() -> None:
    assert triggered(look(remaining_edge=d("0.02"))) == []
    assert triggered(look(remaining_edge=d("0.0199"))) == [C.EARLY_EXIT]
    assert triggered(look(remaining_edge=d("0"))) == [C.EARLY_EXIT]
    assert triggered(look(remaining_edge=d("-0.0001"))) == [C.EDGE_DISAPPEARED, C.EARLY_EXIT]


@pytest.mark.requirement("EXIT-002")
def test_s7_rebalance_needs_a_gain_and_a_better_candidate() -> None:
    assert triggered(look(replacement=True, mark=d("0.51"))) == [C.REBALANCE]
    assert triggered(look(replacement=True, mark=d("0.50"))) == []
    assert triggered(look(mark=d("0.51"))) == []
    assert triggered(look(replacement=True, mark=d("0.51"), remaining_edge=None)) == []


@pytest.mark.requirement("EXIT-002")
def test_s7_eight_to_ten_need_a_fresh_prediction() -> None:
    low = {C.EARLY_EXIT, C.EDGE_DISAPPEARED, C.REBALANCE}
    assert not low & set(triggered(look(remaining_edge=None, replacement=True, mark=d("0.56"))))


@pytest.mark.requirement("EXIT-001")
def test_s7_priorities_and_ties() -> None:
    """critical > high > medium > low, the table's order inside, edge_disappeared before early."""
    table = list(ExitCondition)
    expected = [*table[:7], C.EDGE_DISAPPEARED, C.EARLY_EXIT, C.REBALANCE]
    assert by_rank(reversed(table)) == expected
    assert [PRIORITY[c].value for c in table] == (
        ["critical"] * 2 + ["high"] * 3 + ["medium"] * 2 + ["low"] * 3
    )


@pytest.mark.requirement("EXIT-002")
def test_s7_ev_check_holds_targets_back_while_the_edge_is_worth_it() -> None:
    both = [C.PROFIT_TARGET, C.PARTIAL_EXIT_TARGET, C.TRAILING_STOP]
    targets = {C.PROFIT_TARGET, C.PARTIAL_EXIT_TARGET}
    assert suppressed(look(remaining_edge=d("0.0201")), both) == targets
    assert suppressed(look(remaining_edge=d("0.02")), both) == set()
    assert suppressed(look(remaining_edge=None), both) == set()
    off = ExitPlan.model_validate({"exit": {"ev_check": False}})
    assert suppressed(look(plan=off), both) == set()


@pytest.mark.requirement("EXIT-002")
def test_s7_what_may_be_switched_off() -> None:
    """circuit_breaker never, stop_loss and the clock only when held to settlement."""
    hold = ExitPlan(hold_to_settlement=True, conditions=frozenset({C.CIRCUIT_BREAKER}))
    everything = {"mark": d("0.10"), "seconds_to_end": 0, "breaker": True}
    assert triggered(look(plan=hold, **everything)) == [C.CIRCUIT_BREAKER]
    managed = frozenset(C) - {C.TRAILING_STOP, C.REBALANCE}
    assert ExitPlan(conditions=managed).conditions == managed
    for conditions, hold_on in (
        (frozenset(C) - {C.CIRCUIT_BREAKER}, False),
        (frozenset(), True),
        (frozenset(C) - {C.STOP_LOSS}, False),
        (frozenset(C), True),
    ):
        with pytest.raises(ValidationError):
            ExitPlan(hold_to_settlement=hold_on, conditions=conditions)


@pytest.mark.requirement("TRAIL-002")
def test_a_plan_survives_its_column() -> None:
    plan = ExitPlan(profit_target=d("0.2"), conditions=frozenset(C) - {C.REBALANCE})
    stored = plan.model_dump(mode="json")
    assert stored["conditions"] == [c.value for c in by_rank(plan.conditions)]
    assert stored["exit"]["stop_loss"]["high"] == "0.15"
    assert ExitPlan.model_validate(stored) == plan


def booked(condition: ExitCondition, **changes: Any) -> list[tuple[str, int | None, str]]:
    found = bookings(condition, look(**changes), d(1))
    return [(b.condition.value, b.stage, str(b.quantity)) for b in found]


@pytest.mark.requirement("EXIT-003")
def test_s7_stages_are_floored_shares_of_the_original_quantity() -> None:
    at = {"original_quantity": d(7), "quantity": d(7), "mark": d("0.58")}
    assert booked(C.PARTIAL_EXIT_TARGET, **at) == [("partial_exit_target", 1, "3")]
    at |= {"quantity": d(4), "stages": {1: d(3)}, "mark": d("0.63")}
    assert booked(C.PARTIAL_EXIT_TARGET, **at) == [("partial_exit_target", 2, "1")]


@pytest.mark.requirement("EXIT-003")
def test_s7_a_stage_sells_at_most_what_is_left_and_carries_its_remainder() -> None:
    at = {"mark": d("0.58"), "quantity": d(20)}
    assert booked(C.PARTIAL_EXIT_TARGET, **at) == [("partial_exit_target", 1, "20")]
    at = {"mark": d("0.58"), "quantity": d(70), "stages": {1: d(30)}}
    assert booked(C.PARTIAL_EXIT_TARGET, **at) == [("partial_exit_target", 1, "20")]


@pytest.mark.requirement("EXIT-003")
def test_s7_profit_target_books_due_stages_first_and_closes_what_is_left() -> None:
    assert booked(C.PROFIT_TARGET, mark=d("0.70")) == [
        ("partial_exit_target", 1, "50"),
        ("partial_exit_target", 2, "25"),
        ("profit_target", None, "25"),
    ]
    at = {"mark": d("0.70"), "quantity": d(50), "stages": {1: d(50)}}
    assert booked(C.PROFIT_TARGET, **at) == [
        ("partial_exit_target", 2, "25"),
        ("profit_target", None, "25"),
    ]
    without = ExitPlan(conditions=frozenset(C) - {C.PARTIAL_EXIT_TARGET})
    assert booked(C.PROFIT_TARGET, mark=d("0.70"), plan=without) == [("profit_target", None, "100")]


def test_every_other_exit_sells_what_is_left_in_whole_contracts() -> None:
    assert booked(C.STOP_LOSS, quantity=d("62.5")) == [("stop_loss", None, "62")]
    assert booked(C.STOP_LOSS, quantity=d("0.5")) == []


@pytest.mark.requirement("EXIT-003")
@given(
    original=st.integers(1, 500),
    steps=st.lists(st.tuples(st.integers(40, 80), st.booleans()), min_size=1, max_size=8),
)
def test_s7_stage_quantities_sum_to_the_original(
    original: int, steps: list[tuple[int, bool]]
) -> None:
    """Whatever path the mark takes, no more is sold than was bought, and each stage once."""
    left, stages = Decimal(original), dict[int, Decimal]()
    for cents, fills in steps:
        at = look(
            original_quantity=Decimal(original), quantity=left, stages=dict(stages),
            mark=Decimal(cents) / 100,
        )  # fmt: skip
        wanted = [c for c in triggered(at) if c in (C.PROFIT_TARGET, C.PARTIAL_EXIT_TARGET)]
        if not wanted or not left:
            continue
        found = bookings(wanted[0], at, d(1))
        for part in found:
            sold = part.quantity if fills else part.quantity // 2
            left -= sold
            if part.stage:
                stages[part.stage] = stages.get(part.stage, d(0)) + sold
        assert left >= 0
        assert stages.get(1, 0) <= original * d("0.50")
        assert stages.get(2, 0) <= original * d("0.25")
        if fills and wanted[0] is C.PROFIT_TARGET:
            assert left == 0


def test_a_tick_is_the_grids_step_below_an_average_price() -> None:
    grid = Grid(
        (PriceRange(d("0"), d("0.10"), d("0.001")), PriceRange(d("0.10"), d("1"), d("0.01")))
    )
    steps = [tick_below(grid, d(price)) for price in ("0.505", "0.10", "0.1033", "0.05")]
    assert steps == [d("0.01"), d("0.001"), d("0.01"), d("0.001")]


def test_bookings_are_values() -> None:
    assert bookings(C.EARLY_EXIT, CALM, d(1)) == (Booking(C.EARLY_EXIT, d(100)),)
