"""Uptime of trading: the minutes in which its sensor looked, against those in which it ought to.

It ought to look in every minute from its first look on, or from the beginning of the period where
that was earlier, except while a venue takes no orders. A minute on which Precog was switched off on
purpose is a minute missed: nobody but a person knows the purpose.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from precog_core.config import load_section
from precog_trading.config import TradingConfig
from precog_trading.ledger.statements import rows, value
from precog_trading.rules.controls import in_maintenance
from precog_trading.tick.writer_lock import trading_platforms

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Gap:
    """Expected minutes without a look, one after the other: from the first to after the last."""

    begin: datetime
    end: datetime

    @property
    def minutes(self) -> int:
        return round((self.end - self.begin) / _MINUTE)


@dataclass(frozen=True, slots=True)
class Uptime:
    """Whole minutes of a period; ``gaps`` longest first."""

    begin: datetime
    end: datetime
    expected: int
    looked: int
    paused: int
    gaps: tuple[Gap, ...]

    @property
    def share(self) -> float | None:
        """Of the expected minutes; None when none was expected."""
        return self.looked / self.expected if self.expected else None


def uptime(
    looks: Iterable[tuple[datetime, str]],
    begin: datetime,
    until: datetime,
    is_paused: Callable[[datetime], bool],
) -> Uptime:
    """Uptime from ``begin`` on, a whole minute in which it ran or had run before.

    ``looks``: rows of ``trading_looks`` (hour, one character 0 or 1 per minute). The minute that
    is running at ``until`` is not counted: it may still be looked at.
    """
    seen = {
        hour + number * _MINUTE
        for hour, minutes in looks
        for number, looked in enumerate(minutes)
        if looked == "1"
    }
    at = begin
    expected = looked = paused = 0
    gaps: list[Gap] = []
    while at + _MINUTE <= until:
        following = at + _MINUTE
        if is_paused(at):
            paused += 1
        else:
            expected += 1
            if at in seen:
                looked += 1
            elif gaps and gaps[-1].end == at:
                gaps[-1] = Gap(gaps[-1].begin, following)
            else:
                gaps.append(Gap(at, following))
        at = following
    longest = sorted(gaps, key=lambda gap: (-gap.minutes, gap.begin))
    return Uptime(begin, until, expected, looked, paused, tuple(longest))


def measured(conn: psycopg.Connection, environment: str, days: int, now: datetime) -> Uptime | None:
    """Uptime of the last ``days``, or since the first look when that is later; None before it."""
    first = value(conn, "reports", "first_look", environment=environment)
    if first is None:
        return None
    begin = max(first, (now - timedelta(days=days)).replace(second=0, microsecond=0))
    config = load_section("trading", TradingConfig, conn=conn)
    windows = [
        window
        for platform in trading_platforms(conn)
        for window in config.gate.maintenance_window.get(platform, ())
    ]
    found = rows(conn, "reports", "looks", environment=environment, since=begin, until=now)
    return uptime(
        ((row["hour_ts"], row["minutes"]) for row in found),
        begin,
        now,
        lambda at: in_maintenance(at, windows),
    )
