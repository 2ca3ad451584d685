"""Runs ticks: finds what waits, in the order of time, and gives it to the steps one by one.

Positions open while a run goes on, so the quotes of what is held join the batches as it goes; at
the end of all, what is known by now is settled.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from precog_core.config import load_section
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.config import TradingConfig
from precog_trading.engine.state import (
    Control,
    Environment,
)
from precog_trading.ledger.statements import change
from precog_trading.registry import methods_in_force, register_configured, require_exits_fit
from precog_trading.tick.batches import (
    Agenda,
    Batch,
    pending_batches,
)
from precog_trading.tick.execution import (
    ExchangeOf,
    directly,
)
from precog_trading.tick.loading import load_fee_schedules
from precog_trading.tick.steps import TickResult, TickRunner
from precog_trading.tick.writer_lock import trading_platforms

LOGGER = logging.getLogger(__name__)
HALT_VARIABLE = "PRECOG_HALT"
_HALT_STATES = ("exits_only", "halted")
_REPORT_EVERY = 100
_FRESH_STATISTICS_AFTER = frozenset({10, 50, 200})
"""Ticks of a run after which a replay has outgrown the plans that its statements were given."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run of ticks did; ``remaining`` says whether batches were left for the next."""

    ticks: int = 0
    first_tick: str | None = None
    last_tick: str | None = None
    decisions: int = 0
    taken: int = 0
    fills: int = 0
    settlements: int = 0
    positions_settled: int = 0
    resumed_orders: int = 0
    remaining: bool = False

    def plus(self, tick: TickResult) -> "RunReport":
        return replace(
            self,
            ticks=self.ticks + 1,
            first_tick=self.first_tick or tick.tick_id,
            last_tick=tick.tick_id,
            decisions=self.decisions + tick.decisions,
            taken=self.taken + tick.taken,
            fills=self.fills + tick.fills,
            settlements=self.settlements + tick.settlements,
            positions_settled=self.positions_settled + tick.positions_settled,
        )


@contextmanager
def tick_runner(
    db: Database,
    environment: Environment = Environment.PAPER,
    dagster_run_id: str | None = None,
    exchange_of: ExchangeOf = directly,
) -> Iterator[TickRunner]:
    """A runner on a connection of its own, with configured versions registered.

    Raises PrecogError for an invalid configuration or halt command, before anything is written,
    and for demo and live: only the paper exchange exists, and it must never stand in for a venue.
    """
    if environment is not Environment.PAPER:
        raise PrecogError(
            f"there is no exchange for {environment} orders yet; only paper trades, and the paper "
            "exchange never stands in for a venue"
        )
    conn = db.connect(autocommit=True)
    try:
        name = f"precog trading {dagster_run_id[:8] if dagster_run_id else os.getpid()}"
        conn.execute("SELECT set_config('application_name', %s, false)", (name,))
        # Statements are planned once and kept, often while the tables are still empty, because
        # planning over all the months of quotes takes longer than reading them. A tick reads few
        # rows by key whatever the sizes, so no plan may ever read a whole table.
        conn.execute("SET plan_cache_mode = force_generic_plan")
        for setting in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"):
            conn.execute(f"SET enable_{setting} = off")
        # Nothing outside this database sees a paper order: a crash of the machine loses the last
        # commits whole and in order, and the next run makes them again. Never elsewhere.
        conn.execute("SET synchronous_commit = off")
        with conn.transaction():
            config = load_section("trading", TradingConfig, conn=conn)
            created = register_configured(conn)
            methods = methods_in_force(conn)
            require_exits_fit(methods, config)
        for version in created:
            LOGGER.info("registered %s", version)
        yield TickRunner(
            conn=conn,
            config=config,
            methods=methods,
            schedules=load_fee_schedules(conn),
            platforms=trading_platforms(conn),
            environment=environment,
            dagster_run_id=dagster_run_id,
            controls=_halt_command(),
            exchange_of=exchange_of,
        )
    finally:
        conn.close()


def run_pending(
    db: Database,
    *,
    first: datetime | None = None,
    last: datetime | None = None,
    maximum: int = 500,
    environment: Environment = Environment.PAPER,
    dagster_run_id: str | None = None,
    log: Callable[[str], None] = LOGGER.info,
) -> RunReport:
    """Finish leftovers, then decide on the oldest waiting batches; at the end of all, settle.

    ``first`` and ``last`` (instants) narrow the batches, ``maximum`` bounds them. ``log`` gets
    progress in words.
    """
    with tick_runner(db, environment, dagster_run_id) as runner:
        return run_waiting(db, runner, first=first, last=last, maximum=maximum, log=log)


def run_waiting(
    db: Database,
    runner: TickRunner,
    *,
    first: datetime | None = None,
    last: datetime | None = None,
    maximum: int = 500,
    now: datetime | None = None,
    log: Callable[[str], None] = LOGGER.info,
) -> RunReport:
    """:func:`run_pending` with a runner that goes on living. ``now`` is the wall clock."""
    now = now or datetime.now(UTC)
    resumed = runner.resume().orders
    summary = RunReport(resumed_orders=resumed)
    if resumed:
        log(f"finished {resumed} orders of an interrupted run")
    # Listing reads wide, on a connection whose planner may choose freely.
    with db.connection() as conn:
        batches = pending_batches(
            conn, runner.config, runner.environment,
            maximum=None if last else maximum + 1, now=now,
        )  # fmt: skip
    agenda = Agenda(
        (b for b in batches if (not first or b.at >= first) and (not last or b.at <= last)),
        until=min(now, last) if last else now,
    )
    batch = None
    while summary.ticks < maximum:
        if runner.clock is not None:
            agenda.watch(runner.conn, runner.held, runner.clock)
        following = agenda.next(runner.held)
        if following is None:
            break
        batch = following
        summary = summary.plus(runner.run_tick(batch))
        if summary.ticks in _FRESH_STATISTICS_AFTER:
            change(runner.conn, "trading", "refresh_statistics")
        if summary.ticks % _REPORT_EVERY == 0:
            log(_progress(summary, batch))
    if batch is not None and summary.ticks % _REPORT_EVERY:
        log(_progress(summary, batch))
    with db.connection() as conn:
        remaining = bool(
            pending_batches(conn, runner.config, runner.environment, maximum=1, now=now)
        )
    if not remaining:
        final = runner.settle_everything(now)
        summary = replace(
            summary,
            settlements=summary.settlements + final.settlements,
            positions_settled=summary.positions_settled + final.positions_settled,
        )
    return replace(summary, remaining=remaining)


def _progress(summary: RunReport, batch: Batch) -> str:
    return (
        f"{summary.ticks} ticks, to {batch.at:%Y-%m-%d %H:%M}: {summary.decisions} decisions, "
        f"{summary.taken} orders, {summary.fills} fills, "
        f"{summary.positions_settled} positions settled"
    )


def _halt_command() -> tuple[Control, ...]:
    """``PRECOG_HALT`` as one more control. Raises PrecogError for a word it does not know."""
    state = os.environ.get(HALT_VARIABLE, "")
    if not state:
        return ()
    if state not in _HALT_STATES:
        raise PrecogError(
            f"{HALT_VARIABLE} is {state!r}; expected {' or '.join(_HALT_STATES)}, or unset it"
        )
    return (Control("global", "*", state),)
