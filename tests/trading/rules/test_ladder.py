"""Trading-rules §8: rung after rung, from what was tried before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_core.prices import CENT_GRID, Grid, PriceRange
from precog_trading.config_exits import ExecutionSettings
from precog_trading.engine.state import ExitAttempt, ExitCondition, ExitPriority
from precog_trading.rules.conditions import PRIORITY
from precog_trading.rules.ladder import (
    Rung,
    SellerBook,
    Standstill,
    next_rung,
    running_episode,
    ticks_below,
)
from tests.trading.worlds import d

SETTINGS = ExecutionSettings()
START = datetime(2019, 9, 8, 18, tzinfo=UTC)
STOP, TRAIL, DRY = (
    ExitCondition.STOP_LOSS,
    ExitCondition.TRAILING_STOP,
    ExitCondition.LIQUIDITY_DRIED_UP,
)
TARGET, EARLY = ExitCondition.PROFIT_TARGET, ExitCondition.EARLY_EXIT


def book(
    bid: str | None = "0.40", ask: str | None = "0.44", trigger: str | None = None
) -> SellerBook:
    return SellerBook(
        None if bid is None else d(bid),
        None if ask is None else d(ask),
        CENT_GRID,
        d(trigger or bid or "0.40"),
    )


def climb(
    condition: ExitCondition, books: list[SellerBook], fill: str = "0"
) -> tuple[list[Rung], Standstill | None]:
    """Unfilled attempts one after the other, each as soon as the one before it timed out."""
    attempts: list[ExitAttempt] = []
    rungs: list[Rung] = []
    now = START
    for each in books:
        found = next_rung(condition, attempts, each, now, SETTINGS)
        if isinstance(found, Standstill):
            return rungs, found
        rungs.append(found)
        ended = now + timedelta(seconds=found.timeout_s)
        attempts.append(
            ExitAttempt(
                condition, PRIORITY[condition], found.number, found.limit_price, d(10), d(fill),
                now, ended, found.timeout_s, d("0.40"),
            )
        )  # fmt: skip
        now = ended
    return rungs, None


def seen(rungs: list[Rung]) -> list[tuple[str, str, int]]:
    return [(str(r.limit_price), r.time_in_force, r.timeout_s) for r in rungs]


@pytest.mark.requirement("EXEC-001", "EXEC-004")
def test_s8_critical_goes_one_three_five_ticks_below_the_bid_and_never_gives_up() -> None:
    rungs, end = climb(STOP, [book()] * 6)
    assert end is None
    assert seen(rungs) == [
        ("0.39", "ioc", 5), ("0.37", "ioc", 5), *[("0.35", "ioc", 5)] * 4,
    ]  # fmt: skip
    assert [r.number for r in rungs] == [1, 2, 3, 4, 5, 6]


@pytest.mark.requirement("EXEC-001")
def test_s8_critical_is_quoted_anew_each_cycle() -> None:
    rungs, _ = climb(STOP, [book("0.40"), book("0.30"), book("0.33")])
    assert [str(r.limit_price) for r in rungs] == ["0.39", "0.27", "0.28"]


@pytest.mark.requirement("EXEC-001")
def test_s8_below_half_of_the_trigger_mark_an_exit_is_blocked_instead() -> None:
    """The limit never goes below the floor, and with the bid below it nothing is sent."""
    floor = book("0.21", trigger="0.40")
    assert climb(STOP, [floor, floor, floor])[0][2].limit_price == d("0.20")
    assert climb(STOP, [book("0.19", trigger="0.40")])[1] == Standstill(
        "exit_blocked", "critical_floor"
    )
    assert climb(STOP, [book(None)])[1] == Standstill("exit_blocked", "no_bid")


@pytest.mark.requirement("EXEC-001", "EXEC-002", "EXEC-004")
@pytest.mark.parametrize(("condition", "walks", "wait"), [(TRAIL, 2, 10), (DRY, 3, 15)])
def test_s8_high_crosses_to_the_bid_walks_and_goes_on_as_critical(
    condition: ExitCondition, walks: int, wait: int
) -> None:
    rungs, end = climb(condition, [book()] * (walks + 4))
    walked = [(str(d("0.40") - Decimal(n) / 100), "ioc", wait) for n in range(walks + 1)]
    assert end is None
    assert seen(rungs) == [*walked, ("0.39", "ioc", 5), ("0.37", "ioc", 5), ("0.35", "ioc", 5)]


@pytest.mark.requirement("EXEC-001", "EXEC-002", "EXEC-004")
def test_s8_medium_starts_at_the_mid_rounded_up_and_gives_up_after_five_walks() -> None:
    rungs, end = climb(TARGET, [book("0.40", "0.45")] * 9)
    assert seen(rungs) == [
        ("0.43", "gtc", 30), ("0.42", "gtc", 15), ("0.41", "gtc", 15),
        *[("0.40", "gtc", 15)] * 3,
    ]  # fmt: skip
    assert end == Standstill("gave_up")


@pytest.mark.requirement("EXEC-001", "EXEC-002", "EXEC-004")
def test_s8_low_starts_at_the_ask_and_gives_up_after_ten_walks() -> None:
    rungs, end = climb(EARLY, [book("0.40", "0.52")] * 20)
    assert [str(r.limit_price) for r in rungs] == [f"0.{n}" for n in range(52, 41, -1)]
    assert [r.timeout_s for r in rungs] == [60, *[30] * 10]
    assert end == Standstill("gave_up")


@pytest.mark.requirement("EXEC-002")
def test_s8_medium_and_low_stay_within_three_cents_of_the_trigger_mark() -> None:
    falling = [book("0.40", "0.42"), *[book("0.30", "0.32", "0.40")] * 8]
    for condition in (TARGET, EARLY):
        rungs, _ = climb(condition, falling)
        assert min(r.limit_price for r in rungs) == d("0.37")


def test_s8_a_resting_exit_follows_the_bid_up() -> None:
    rungs, _ = climb(TARGET, [book("0.40", "0.44"), book("0.46", "0.48", "0.40")])
    assert [str(r.limit_price) for r in rungs] == ["0.42", "0.46"]


def test_s8_a_one_sided_book_has_no_mid_and_no_ask() -> None:
    assert climb(TARGET, [book("0.40", None)])[1] == Standstill("no_quote")
    assert climb(EARLY, [book("0.40", None)])[1] == Standstill("no_quote")


@pytest.mark.requirement("EXEC-004")
def test_s8_a_rung_is_given_its_time_and_one_call_climbs_one_rung() -> None:
    (first,), _ = climb(TARGET, [book()])
    attempt = ExitAttempt(
        TARGET, ExitPriority.MEDIUM, 1, first.limit_price, d(10), d(3), START,
        START + timedelta(seconds=30), 30, d("0.40"),
    )  # fmt: skip
    early = START + timedelta(seconds=29)
    assert next_rung(TARGET, [attempt], book(), early, SETTINGS) == Standstill("waiting")
    late = next_rung(TARGET, [attempt], book(), START + timedelta(minutes=9), SETTINGS)
    assert isinstance(late, Rung)
    assert late.number == 2


def test_s8_another_class_and_a_full_fill_begin_a_new_ladder() -> None:
    attempt = ExitAttempt(
        EARLY, ExitPriority.LOW, 1, d("0.44"), d(10), d(0), START, START, 60, d("0.40")
    )
    second = replace(attempt, number=2)
    older = replace(attempt, number=7)
    assert running_episode([older, attempt, second], ExitPriority.LOW) == (attempt, second)
    assert running_episode([attempt, second], ExitPriority.CRITICAL) == ()
    assert running_episode([attempt, replace(second, filled=d(10))], ExitPriority.LOW) == ()
    assert running_episode([], ExitPriority.LOW) == ()


def test_ticks_follow_a_tapered_grid() -> None:
    grid = Grid(
        (
            PriceRange(d("0"), d("0.10"), d("0.001")),
            PriceRange(d("0.10"), d("0.90"), d("0.01")),
            PriceRange(d("0.90"), d("1"), d("0.001")),
        )
    )
    assert ticks_below(grid, d("0.12"), 3) == d("0.099")
    assert ticks_below(grid, d("0.002"), 5) == d("0.001")


@pytest.mark.requirement("EXEC-002")
@given(
    condition=st.sampled_from(list(ExitCondition)),
    tops=st.lists(st.tuples(st.integers(1, 97), st.integers(1, 30)), min_size=1, max_size=16),
)
def test_s8_no_rung_leaves_the_grid_or_its_bounds(
    condition: ExitCondition, tops: list[tuple[int, int]]
) -> None:
    trigger = Decimal(tops[0][0]) / 100
    books = [
        SellerBook(Decimal(b) / 100, Decimal(min(99, b + w)) / 100, CENT_GRID, trigger)
        for b, w in tops
    ]
    rungs, end = climb(condition, books)
    for rung, at in zip(rungs, books, strict=False):
        assert CENT_GRID.contains(rung.limit_price)
        assert at.bid is not None
        if rung.time_in_force == "gtc":
            assert rung.limit_price >= max(at.bid, trigger - SETTINGS.exit_slippage)
        else:
            assert rung.limit_price <= at.bid
    if end is not None:
        expected = "exit_blocked" if PRIORITY[condition] in ("critical", "high") else "gave_up"
        assert end.reason == expected
