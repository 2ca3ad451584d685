"""Trading rules §5 row 2 and §12: whose word stops trading, and New York's clock."""

from datetime import UTC, datetime, time

import pytest

from precog_trading.config import ClockRange, GateSettings
from precog_trading.rules.controls import (
    default_state,
    in_clock_range,
    in_maintenance,
    strictest,
    trading_day,
)


@pytest.mark.requirement("LEDGER-011")
def test_12_the_strictest_state_wins() -> None:
    assert strictest([]) == "running"
    assert strictest(["running", "exits_only", "running"]) == "exits_only"
    assert strictest(["halted", "exits_only"]) == "halted"
    with pytest.raises(ValueError, match="paused"):
        strictest(["paused"])


@pytest.mark.parametrize(
    ("environment", "state"),
    [("live", "halted"), ("demo", "running"), ("paper", "running"), ("backtest", "running")],
)
def test_12_silence_halts_real_money_only(environment: str, state: str) -> None:
    assert default_state(environment) == state


def test_the_clock_follows_new_york_through_the_change_to_winter_time() -> None:
    """09:00 is 13:00 UTC on 2025-11-01 and 14:00 UTC on 2025-11-03."""
    hours = ClockRange(start=time(9), until=time(23))
    assert in_clock_range(datetime(2025, 11, 1, 13, 0, tzinfo=UTC), hours)
    assert not in_clock_range(datetime(2025, 11, 3, 13, 59, tzinfo=UTC), hours)
    assert in_clock_range(datetime(2025, 11, 3, 14, 0, tzinfo=UTC), hours)


def test_maintenance_is_thursday_in_new_york_not_in_utc() -> None:
    windows = GateSettings().maintenance_window["kalshi"]
    assert in_maintenance(datetime(2025, 11, 6, 8, 0, tzinfo=UTC), windows)  # Thursday 03:00
    assert not in_maintenance(datetime(2025, 11, 6, 10, 0, tzinfo=UTC), windows)  # 05:00
    assert not in_maintenance(datetime(2025, 11, 5, 8, 0, tzinfo=UTC), windows)  # Wednesday


def test_a_monday_night_game_belongs_to_monday() -> None:
    """Kick-off at 20:15 in New York is already Tuesday in UTC."""
    assert trading_day(datetime(2025, 11, 4, 1, 15, tzinfo=UTC)) == "2025-11-03"
