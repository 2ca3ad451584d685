"""Runs ticks: one batch after the other, each decided once, each carried to its end.

A tick is one transaction (settle, decide, write decisions, edges and intents) and then one per
order. All it needs is in the database, so a run may die anywhere: the next one finishes the
intents it finds, asks which batches still wait, and goes on as if nothing had happened.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import psycopg

from precog_core.config import load_section
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.config import TradingConfig
from precog_trading.engine.decide import decide
from precog_trading.engine.state import Control, Decision, Environment, Method, Outcome, Tick
from precog_trading.ledger.booking import book_cash
from precog_trading.ledger.settlement import settle
from precog_trading.ledger.statements import change, rows
from precog_trading.registry import methods_in_force, register_configured
from precog_trading.rules.fees import FeeSchedule
from precog_trading.tick.batches import (
    Batch,
    decision_clock,
    pending_batches,
    still_pending,
    tick_id,
)
from precog_trading.tick.execution import Executed, execute_intents
from precog_trading.tick.loading import PlatformFacts, load_facts, load_fee_schedules
from precog_trading.tick.recording import record
from precog_trading.tick.writer_lock import trading_platforms, writer_lock

LOGGER = logging.getLogger(__name__)
HALT_VARIABLE = "PRECOG_HALT"
_HALT_STATES = ("exits_only", "halted")
_REPORT_EVERY = 100
_FRESH_STATISTICS_AFTER = frozenset({10, 50, 200})
"""Ticks of a run after which a replay has outgrown the plans that its statements were given."""


@dataclass(frozen=True, slots=True)
class TickResult:
    """What one tick did."""

    tick_id: str
    decisions: int = 0
    taken: int = 0
    fills: int = 0
    settlements: int = 0
    positions_settled: int = 0


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


@dataclass
class TickRunner:
    """Everything a run of ticks shares: one connection, the configuration, the versions.

    Make one with :func:`tick_runner`. ``clock`` is the decision clock this run left behind; when
    the database says otherwise, somebody else has been trading in between.
    """

    conn: psycopg.Connection
    config: TradingConfig
    methods: Sequence[Method]
    schedules: Sequence[FeeSchedule]
    platforms: Sequence[str]
    environment: Environment = Environment.PAPER
    dagster_run_id: str | None = None
    controls: tuple[Control, ...] = ()
    clock: datetime | None = None
    settled_through: datetime | None = None
    waiting: int = 0

    def run_tick(self, batch: Batch) -> TickResult:
        """Decide on one batch and carry its orders to their end, as the only writer.

        A batch that was decided on meanwhile does nothing. Raises PrecogError when another writer
        does not finish.
        """
        with writer_lock(self.conn, self.platforms, self.environment):
            clock = decision_clock(self.conn, self.environment)
            if clock != self.clock:
                fresh = still_pending(self.conn, self.config, self.environment, batch.at)
                if fresh is None:
                    LOGGER.info("%s was decided on by another run", batch.tick_id)
                    return TickResult(batch.tick_id)
                batch = fresh
            decided_at = max(batch.at, clock) if clock else batch.at
            if self.waiting:
                self._execute(decided_at)
            result = self._decide(batch, decided_at)
            self.clock, self.settled_through = decided_at, decided_at
            if result.taken:
                result = replace(result, fills=self._execute(decided_at).fills)
        return result

    def resume(self) -> Executed:
        """Finish the intents that an earlier run left behind, at their own decision times."""
        with writer_lock(self.conn, self.platforms, self.environment):
            self.clock = decision_clock(self.conn, self.environment)
            return self._execute(self.clock or datetime.now(UTC))

    def settle_everything(self) -> TickResult:
        """Settle whatever is known by now: the last games end after the last quote."""
        now = datetime.now(UTC)
        with writer_lock(self.conn, self.platforms, self.environment):
            self._execute(now)
            with self.conn.transaction():
                markets, positions = settle(self.conn, self.environment, through=now)
        return TickResult(tick_id(now), settlements=markets, positions_settled=positions)

    def _decide(self, batch: Batch, decided_at: datetime) -> TickResult:
        tick = Tick(
            tick_id=batch.tick_id,
            decided_at=decided_at,
            environment=self.environment,
            dagster_run_id=self.dagster_run_id,
        )
        with self.conn.transaction():
            markets, positions = settle(
                self.conn, self.environment, through=decided_at, after=self.settled_through
            )
            cash = {
                row["platform_id"]: row["balance"]
                for row in rows(self.conn, "ledger", "balances", environment=self.environment)
            }
            bundles = load_facts(
                self.conn, self.environment, batch.market_ids, decided_at, cash,
                self.schedules, self.controls,
            )  # fmt: skip
            if self._open_accounts(bundles, cash, decided_at):
                bundles = load_facts(
                    self.conn, self.environment, batch.market_ids, decided_at, cash,
                    self.schedules, self.controls,
                )  # fmt: skip
            decided: list[Decision] = []
            for bundle in bundles:
                decided += self._decide_platform(bundle, tick)
        return TickResult(
            batch.tick_id,
            decisions=len(decided),
            taken=sum(d.outcome is Outcome.TAKEN for d in decided),
            settlements=markets,
            positions_settled=positions,
        )

    def _decide_platform(self, facts: PlatformFacts, tick: Tick) -> list[Decision]:
        decided = decide(
            facts.state, facts.quotes, facts.predictions, self.methods, tick, self.config
        )
        answered = {d.market_id for d in decided.decisions} | {m.market_id for m in decided.marks}
        silent = [quote.market_id for quote in facts.quotes if quote.market_id not in answered]
        if silent:
            raise PrecogError(
                f"{tick.tick_id}: no method decided on market {silent[0]} although its game has a "
                "champion's prediction; a method in testing or active state must name the league's "
                "champion (`precog config`, config/methods.yaml)"
            )
        return record(
            self.conn,
            self.environment,
            decided.decisions,
            {quote.market_id: quote for quote in facts.quotes},
            {prediction.prediction_id: prediction for prediction in facts.predictions},
        )

    def _open_accounts(
        self, bundles: Sequence[PlatformFacts], cash: dict[str, Decimal], at: datetime
    ) -> bool:
        """Deposit the starting cash once on each platform that is traded for the first time."""
        new = [b.platform_id for b in bundles if b.platform_id not in cash]
        for platform_id in new:
            amount = self.config.paper.starting_cash_usd
            entry = {
                "entry_key": f"deposit:{self.environment}:{platform_id}:start",
                "platform_id": platform_id,
                "entry_type": "deposit",
                "amount": amount,
                "event_ts": at,
                "known_at": at,
                "note": "starting cash of the paper account",
            }
            book_cash(self.conn, self.environment, [entry])
            cash[platform_id] = amount
        return bool(new)

    def _execute(self, clock: datetime) -> Executed:
        done = execute_intents(self.conn, self.environment, self.config, self.schedules, clock)
        self.waiting = done.waiting
        return done


@contextmanager
def tick_runner(
    db: Database,
    environment: Environment = Environment.PAPER,
    dagster_run_id: str | None = None,
) -> Iterator[TickRunner]:
    """A runner on a connection of its own, with configured versions registered.

    Raises PrecogError for an invalid configuration or halt command, before anything is written.
    """
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
        if environment is Environment.PAPER:
            # Nothing outside this database sees a paper order: a crash of the machine loses the
            # last commits whole and in order, and the next run makes them again. Never elsewhere.
            conn.execute("SET synchronous_commit = off")
        with conn.transaction():
            config = load_section("trading", TradingConfig, conn=conn)
            created = register_configured(conn)
        for version in created:
            LOGGER.info("registered %s", version)
        yield TickRunner(
            conn=conn,
            config=config,
            methods=methods_in_force(conn),
            schedules=load_fee_schedules(conn),
            platforms=trading_platforms(conn),
            environment=environment,
            dagster_run_id=dagster_run_id,
            controls=_halt_command(),
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
    report = RunReport()
    with tick_runner(db, environment, dagster_run_id) as runner:
        report = replace(report, resumed_orders=runner.resume().orders)
        if report.resumed_orders:
            log(f"finished {report.resumed_orders} orders of an interrupted run")
        # Listing reads wide, on a connection whose planner may choose freely.
        with db.connection() as conn:
            batches = pending_batches(
                conn, runner.config, environment, maximum=None if last else maximum + 1
            )
        chosen = [
            b for b in batches if (not first or b.at >= first) and (not last or b.at <= last)
        ][:maximum]
        for number, batch in enumerate(chosen, start=1):
            report = report.plus(runner.run_tick(batch))
            if number in _FRESH_STATISTICS_AFTER:
                change(runner.conn, "trading", "refresh_statistics")
            if number % _REPORT_EVERY == 0 or number == len(chosen):
                log(
                    f"{number} of {len(chosen)} ticks, to {batch.at:%Y-%m-%d %H:%M}: "
                    f"{report.decisions} decisions, {report.taken} orders, {report.fills} fills, "
                    f"{report.positions_settled} positions settled"
                )
        with db.connection() as conn:
            remaining = bool(pending_batches(conn, runner.config, environment, maximum=1))
        if not remaining:
            final = runner.settle_everything()
            report = replace(
                report,
                settlements=report.settlements + final.settlements,
                positions_settled=report.positions_settled + final.positions_settled,
            )
    return replace(report, remaining=remaining)


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
