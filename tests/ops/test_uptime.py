"""`precog report uptime`: the minutes in which trading looked, of those in which it ought to."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from precog_core.database import Database
from precog_trading.ledger.statements import change
from precog_trading.reports.uptime import Gap, measured, uptime
from tests.ops.command_line import invoke

pytestmark = pytest.mark.requirement("SYS-004", "PERF-001")
HOUR = datetime(2026, 11, 24, 14, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_missed_minutes_are_counted_and_pauses_and_the_running_minute_are_not() -> None:
    hours = [(HOUR, "1" * 20 + "0" * 30 + "1" * 10), (HOUR + 60 * MINUTE, "0" + "1" * 59)]
    until = HOUR + timedelta(hours=2, seconds=30)
    found = uptime(hours, HOUR, until, lambda at: at.minute >= 55)
    assert (found.expected, found.looked, found.paused) == (110, 79, 10)
    assert found.gaps == (
        Gap(HOUR + 20 * MINUTE, HOUR + 50 * MINUTE),
        Gap(HOUR + 60 * MINUTE, HOUR + 61 * MINUTE),
    )
    assert [gap.minutes for gap in found.gaps] == [30, 1]
    assert found.share == 79 / 110
    nothing = uptime(hours, HOUR, HOUR + 30 * MINUTE / 60, lambda _: False)
    assert nothing.share is None, "half a minute: nothing was expected yet"


def test_a_whole_hour_off_is_missed_and_not_forgotten() -> None:
    hours = [(HOUR, "1" * 60), (HOUR + 120 * MINUTE, "1" * 60)]
    found = uptime(hours, HOUR + 10 * MINUTE, HOUR + 180 * MINUTE, lambda _: False)
    assert (found.expected, found.looked) == (170, 110)
    assert found.gaps == (Gap(HOUR + 60 * MINUTE, HOUR + 120 * MINUTE),)


def test_looks_are_noted_once_a_minute_and_reported_from_the_first_one_on(
    all_databases: Database,
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    with all_databases.transaction() as conn:
        assert measured(conn, "paper", 30, now) is None

        def look(at: datetime) -> int:
            return change(conn, "reports", "note_look", environment="paper", at=at)

        first = (now - timedelta(hours=3)).replace(minute=58, second=7)
        assert [look(first), look(first + timedelta(seconds=40)), look(first + MINUTE)] == [1, 0, 1]
        look(first + 3 * MINUTE)
        found = measured(conn, "paper", 30, first + 5 * MINUTE)
        assert found is not None
        assert found.begin == first.replace(second=0)
        assert (found.expected, found.looked) == (5, 3)
        later = measured(conn, "paper", 1, first + timedelta(days=1, minutes=2))
        assert later is not None
        assert later.begin == first.replace(second=0) + 2 * MINUTE
    printed = json.loads(invoke(["report", "uptime", "--days", "30", "--json"]).output)
    assert printed["looked_minutes"] == 3
    assert printed["holds"] is False
    assert len(printed["longest_gaps"]) >= 1
