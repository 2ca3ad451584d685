"""What breakers count: windows on the decision clock, never behind the last re-arming."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_trading.config_exits import BreakerSettings
from precog_trading.ledger.risk import (
    RiskBook,
    Surroundings,
    TrippedBreaker,
    day_start,
    judge,
    odd_decision,
    week_start,
)

NOON = datetime(2019, 9, 11, 16, tzinfo=UTC)  # a Wednesday, 12:00 in New York
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SETTINGS = BreakerSettings()
NOBODY = Surroundings()


def book(*points: tuple[datetime, int], deposit: int = 10_000) -> RiskBook:
    made = RiskBook()
    made.deposited(points[0][0] - MINUTE, Decimal(deposit))
    for at, equity in points:
        made.point(at, Decimal(equity), Decimal(0))
    return made


def tripped(
    made: RiskBook, now: datetime, clock: time | None = None, *open_: TrippedBreaker
) -> set[str]:
    found = judge({"p": made}, {"p": NOBODY}, open_, now, "paper", SETTINGS, clock)
    return {trip.breaker_type for trip in found.tripped}


def test_days_and_weeks_begin_in_new_york() -> None:
    assert day_start(NOON) == datetime(2019, 9, 11, 4, tzinfo=UTC)
    assert week_start(NOON) == datetime(2019, 9, 9, 4, tzinfo=UTC)
    assert day_start(datetime(2019, 9, 11, 3, 59, tzinfo=UTC)) == datetime(
        2019, 9, 10, 4, tzinfo=UTC
    )


@pytest.mark.requirement("RISK-002")
def test_s12_losses_are_measured_from_the_start_of_their_window() -> None:
    made = book((NOON - 13 * HOUR, 10_000), (NOON - 2 * HOUR, 9_600), (NOON, 9_499))
    assert made.pnl_since(day_start(NOON)) == -501
    assert made.pnl_since(NOON - 15 * MINUTE) == -101
    assert tripped(made, NOON) == {"daily_loss"}
    assert tripped(book((NOON - 3 * HOUR, 10_000), (NOON, 9_800)), NOON) == {"rapid_loss"}


def test_money_put_in_or_taken_out_is_no_gain_and_no_loss() -> None:
    made = book((NOON - HOUR, 10_000), (NOON - 5 * MINUTE, 10_000))
    made.deposited(NOON - MINUTE, Decimal(-3_000))
    made.point(NOON, Decimal(7_000), Decimal(0))
    assert made.pnl_since(day_start(NOON)) == 0
    assert "daily_loss" not in tripped(made, NOON)


def test_a_rearmed_drawdown_counts_from_what_was_left() -> None:
    made = book((NOON - 90 * HOUR, 10_000), (NOON - 80 * HOUR, 8_400), (NOON, 8_390))
    assert "drawdown" in tripped(made, NOON)
    made.rearm("drawdown", NOON)
    assert "drawdown" not in tripped(made, NOON)
    made.point(NOON + 8 * HOUR, Decimal(7_131), Decimal(0))
    assert "drawdown" in tripped(made, NOON + 8 * HOUR), "15 % of 8,390 are gone"


@pytest.mark.requirement("RISK-001")
def test_a_losing_run_ends_with_a_gain_and_with_rearming() -> None:
    made = book((NOON - HOUR, 10_000))

    def ended(number: int, pnl: int) -> None:
        made.closed(
            {
                "position_key": f"p{number:02d}", "exit_time": NOON + number * MINUTE,
                "realized_pnl": Decimal(pnl), "entry_price": Decimal("0.50"),
                "fees": Decimal(0), "original_quantity": Decimal(10),
            }
        )  # fmt: skip

    for number in range(9):
        ended(number, -1)
    assert "consecutive_losses" not in tripped(made, NOON + 20 * MINUTE), "0.5^9 is 0.002"
    ended(9, -1)
    assert "consecutive_losses" in tripped(made, NOON + 20 * MINUTE)
    ended(10, 1)
    assert "consecutive_losses" not in tripped(made, NOON + 20 * MINUTE)
    ended(10, -1)  # amended
    assert "consecutive_losses" in tripped(made, NOON + 20 * MINUTE)
    made.rearm("consecutive_losses", NOON + 10 * MINUTE)
    assert "consecutive_losses" not in tripped(made, NOON + 20 * MINUTE)


def test_the_operator_rearms_at_nine_and_only_where_there_is_none() -> None:
    made = book((NOON - HOUR, 10_000))
    trip = TrippedBreaker("rejects", "exits_only", NOON, {})
    nine = datetime(2019, 9, 12, 13, tzinfo=UTC)
    for now, clock, expected in (
        (nine - MINUTE, time(9), 0), (nine, time(9), 1), (nine + HOUR, None, 0),
    ):  # fmt: skip
        found = judge({"p": made}, {"p": NOBODY}, [trip], now, "paper", SETTINGS, clock)
        assert len(found.rearmed) == expected
        assert len(found.open) == 1 - expected
    assert found.open == (trip,)


def test_a_breaker_that_is_open_does_not_trip_again_and_bursts_leave_the_window() -> None:
    made = book((NOON - HOUR, 10_000))
    for number in range(3):
        made.rejected(NOON + number * MINUTE)
    assert tripped(made, NOON + 2 * MINUTE) == {"rejects"}
    open_ = TrippedBreaker("rejects", "exits_only", NOON, {})
    assert tripped(made, NOON + 2 * MINUTE, None, open_) == set()
    assert tripped(made, NOON + 11 * MINUTE) == set()


def test_an_invalid_book_counts_once_a_tick_and_a_gap_only_when_it_is_wide() -> None:
    row = {
        "decided_at": NOON, "market_id": 1, "skip_reason": "book_invalid", "probability": None,
        "mid": None, "game_id": 7, "league": "nfl", "strategy_name": "pre_game",
    }  # fmt: skip
    seen: set[tuple[datetime, int]] = set()
    first = odd_decision(row, Decimal("0.30"), seen)
    assert first is not None
    assert first.league == "nfl"
    assert odd_decision(row, Decimal("0.30"), seen) is None
    wide = {**row, "skip_reason": "edge_quarantined", "probability": "0.85", "mid": "0.50"}
    found = odd_decision(wide, Decimal("0.30"), seen)
    assert found is not None
    assert (found.game_id, found.gap, found.strategy) == (7, Decimal("0.35"), "pre_game")
    assert odd_decision({**wide, "mid": "0.55"}, Decimal("0.30"), seen) is None


@given(st.lists(st.integers(0, 800), min_size=1, max_size=12))
def test_gains_never_trip(gains: list[int]) -> None:
    made, equity = book((NOON - HOUR, 10_000)), 10_000
    for number, gain in enumerate(gains, start=1):
        equity += gain
        made.point(NOON + number * MINUTE, Decimal(equity), Decimal(0))
        assert tripped(made, NOON + number * MINUTE) == set()
