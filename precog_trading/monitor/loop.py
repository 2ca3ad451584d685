"""The long-lived loop: every 30 s, or 5 s while a position is near its stop or target.

A cycle is the same tick as everywhere. Where Kalshi is enabled it first asks for the quotes of what
is held; it decides on what waits, and where nothing new came it looks at the open positions anyway,
because time alone ends rungs and games. The loop keeps no progress of its own, so it may be killed
and started at will, and beside Dagster's runs: the lock is held for a tick at a time.
"""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import psycopg

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.engine.state import Environment
from precog_trading.monitor.polling import NOT_POLLED, HeldQuotes, Pace, Polled
from precog_trading.tick.execution import ExchangeOf, directly
from precog_trading.tick.runner import RunReport, run_waiting, tick_runner
from precog_trading.tick.steps import TickRunner

LOGGER = logging.getLogger(__name__)
_ERRORS_KEPT = timedelta(minutes=5)


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> datetime:
        """UTC."""
        ...

    def sleep(self, seconds: float) -> None: ...


class WallClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one cycle did, and after how many seconds the next begins."""

    at: datetime
    report: RunReport
    looked: bool
    next_in_s: float
    polled: Polled = NOT_POLLED


@dataclass
class Monitor:
    """Use as a context manager; ``run`` loops until ``stop`` says so, ``cycle`` is one turn.

    A database that fails is waited for: the failures are counted, and too many of them trip the
    breaker ``db_errors`` as soon as it answers again.
    """

    db: Database
    environment: Environment = Environment.PAPER
    clock: Clock = field(default_factory=WallClock)
    log: Callable[[str], None] = LOGGER.info
    exchange_of: ExchangeOf = directly
    quotes: HeldQuotes | None = None
    """asks the venue for what is held; None: only quotes that others store"""
    _pace: Pace | None = None
    _runner: TickRunner | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _failures: list[datetime] = field(default_factory=list)
    _unanswered: list[datetime] = field(default_factory=list)

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Cycle after cycle. Raises PrecogError for what a person has to mend."""
        while not stop():
            self.clock.sleep(self.turn().next_in_s)

    def turn(self) -> Cycle:
        """One cycle; a database that does not answer costs this one, not the loop."""
        try:
            return self.cycle()
        except psycopg.OperationalError as error:
            now = self.clock.now()
            self._failures.append(now)
            self._disconnect()
            wait_s = 5.0
            self.log(
                f"the database does not answer ({_first_line(error)}); again in {wait_s:.0f} s"
            )
            return Cycle(now, RunReport(), False, wait_s)

    def cycle(self) -> Cycle:
        """Ask for what is held, decide on what waits; then look at what is held, unless that has
        just happened.
        """
        runner = self._connected()
        polled = self._poll(runner)
        began = self.clock.now()
        self._failures = [at for at in self._failures if at > began - _ERRORS_KEPT]
        runner.db_errors = tuple(self._failures)
        try:
            report = run_waiting(self.db, runner, now=began, log=self.log)
            clock = runner.clock
            fresh = clock is not None and clock >= began
            look = bool(runner.held) and not fresh and not report.remaining
            if look:
                found = runner.look(began)
                if found.taken or found.fills:
                    self.log(f"look at {began:%H:%M:%S}: {found.taken} orders, {found.fills} fills")
        except PrecogError:
            # What it kept in memory may be half of a step that was rolled back.
            self._disconnect()
            raise
        settings = runner.config.monitor
        interval = settings.urgent_s if runner.urgent else settings.normal_s
        spent = (self.clock.now() - began).total_seconds()
        wait_s = 0.0 if report.remaining else max(interval - spent, 0.0)
        return Cycle(began, report, look, wait_s, polled)

    def _poll(self, runner: TickRunner) -> Polled:
        """Near a stop or target only what the venue says now will do. A venue that does not answer
        counts for the breaker ``venue_errors``.
        """
        if self.quotes is None:
            return NOT_POLLED
        if self._pace is None:
            self._pace = Pace(timedelta(seconds=runner.config.monitor.urgent_s))
        if not self._pace.is_due(self.clock.now()):
            return NOT_POLLED
        polled = self.quotes.poll(fresh=runner.urgent)
        now = self.clock.now()
        self._unanswered = [at for at in self._unanswered if at > now - _ERRORS_KEPT]
        if polled.failed:
            self._unanswered.append(now)
        runner.venue_errors = {self.quotes.platform_id: tuple(self._unanswered)}
        return polled

    def _connected(self) -> TickRunner:
        if self._runner is None:
            self._runner = self._stack.enter_context(
                tick_runner(self.db, self.environment, exchange_of=self.exchange_of)
            )
        return self._runner

    def _disconnect(self) -> None:
        self._runner = None
        self._stack.close()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
