"""One tick after the other as the only writer: lock, catch up, settle, judge, decide, execute.

A tick is one transaction (settle, judge the breakers, decide, write decisions, marks and intents)
and one more for the orders. All it needs is in the database, so a process may die anywhere: the
next one goes on with the working orders it finds and continues as if nothing had happened. Every
transaction raises the fence, so that a writer whose lock was lost unnoticed writes nothing.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import psycopg

from precog_core.errors import PrecogError
from precog_trading.config import TradingConfig
from precog_trading.engine.decide import decide
from precog_trading.engine.state import (
    Control,
    Decision,
    Environment,
    Method,
    OpenBreaker,
    Outcome,
    PositionMark,
    Purpose,
    Tick,
)
from precog_trading.ledger.holdings import dollars
from precog_trading.ledger.risk import Judgement, Surroundings, judge, odd_decision
from precog_trading.ledger.settlement import Settled, settle
from precog_trading.ledger.statements import Row, as_json, change, one, rows
from precog_trading.ledger.writing import book_cash
from precog_trading.rules.fees import FeeSchedule
from precog_trading.tick.batches import (
    Batch,
    WriterState,
    still_pending,
    tick_id,
    writer_state,
)
from precog_trading.tick.execution import (
    ExchangeOf,
    Executed,
    cancel_working,
    directly,
    execute,
)
from precog_trading.tick.loading import PlatformFacts, TickFacts, load_facts
from precog_trading.tick.reconcile import reconcile
from precog_trading.tick.recording import record
from precog_trading.tick.risk import (
    RiskBooks,
    equity_points,
    is_replay,
    surroundings,
    write_judgement,
)
from precog_trading.tick.writer_lock import process_name, writer_lock

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TickResult:
    """What one tick did."""

    tick_id: str
    decisions: int = 0
    taken: int = 0
    fills: int = 0
    settlements: int = 0
    positions_settled: int = 0


@dataclass(slots=True)
class Step:
    """One transaction of trading, and the decision time it reaches, if any."""

    decided_at: datetime | None = None


@dataclass
class TickRunner:
    """Everything a run of ticks shares: one connection, the configuration, the versions.

    Make one with :func:`tick_runner`. ``state`` is the clock and fence this run left behind; when
    the database says otherwise, somebody else has been trading in between. ``held`` are the markets
    with a position or a working order, ``books`` the risk books, ``exchange_of`` stands between us
    and the exchange in tests of faults.
    """

    conn: psycopg.Connection
    config: TradingConfig
    methods: Sequence[Method]
    schedules: Sequence[FeeSchedule]
    platforms: Sequence[str]
    environment: Environment = Environment.PAPER
    dagster_run_id: str | None = None
    controls: tuple[Control, ...] = ()
    exchange_of: ExchangeOf = directly
    state: WriterState | None = None
    settled_through: datetime | None = None
    waiting: int = 0
    doubtful: int = 0
    held: frozenset[int] = frozenset()
    urgent: bool = False
    books: RiskBooks = field(default_factory=RiskBooks)
    db_errors: tuple[datetime, ...] = ()
    venue_errors: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)

    @property
    def clock(self) -> datetime | None:
        """The decision clock as this run knows it."""
        return None if self.state is None else self.state.clock

    def run_tick(self, batch: Batch) -> TickResult:
        """Decide on one batch and carry its orders to their end, as the only writer.

        A batch that was decided on meanwhile does nothing. Raises PrecogError when another writer
        does not finish.
        """
        with self._lock() as moved:
            if moved:
                fresh = still_pending(
                    self.conn, self.config, self.environment, batch.at, self.clock
                )
                if fresh is None:
                    LOGGER.info("%s was decided on by another run", batch.tick_id)
                    return TickResult(batch.tick_id)
                batch = fresh
            decided_at = max(batch.at, self.clock) if self.clock else batch.at
            return self._run(batch.tick_id, batch.market_ids, batch.held_ids, decided_at)

    def look(self, now: datetime) -> TickResult:
        """Look at the open positions without any news: time has passed, rungs have ended."""
        with self._lock():
            decided_at = max(now, self.clock) if self.clock else now
            name = "m:" + tick_id(decided_at)[2:]
            return self._run(name, (), tuple(sorted(self.held)), decided_at)

    def resume(self) -> Executed:
        """Go on with the orders that an earlier run left behind, at their own decision times."""
        starts = self.state is None
        with self._lock():
            now = self.clock or datetime.now(UTC)
            if starts:  # afterwards every tick reconciles what it finds in doubt
                self._reconcile(now)
            if self.controls:
                with self._write():
                    self._cancel(now, "halted", "trading was halted when it started")
            done = self._execute(now)
            self._note_held()
            return done

    def cancel_all(self, code: str, why: str) -> int:
        """Take every working order back, whoever gave it; returns how many."""
        with self._lock(), self._write():
            canceled = self._cancel(self.clock or datetime.now(UTC), code, why)
        self._note_held()
        return canceled

    def by_hand(self, order: Callable[[], datetime]) -> Executed:
        """Carry out what a person ordered: ``order`` writes decision and intent, and says when."""
        with self._lock():
            with self._write() as step:
                step.decided_at = order()
            done = self._execute(step.decided_at or datetime.now(UTC))
            self._note_held()
            return done

    def cancel_exits(self, position_id: int, at: datetime, why: str) -> int:
        """Take back the working exit orders of a position; part of the caller's transaction."""
        return self._cancel(at, "replaced", why, position_id)

    def settle_everything(self, now: datetime) -> TickResult:
        """Settle whatever is known by ``now``: the last games end after the last quote."""
        with self._lock():
            self._execute(now)
            with self._write():
                settled = settle(self.conn, self.environment, through=now)
                self._write_points(self.books.settled(settled))
            self._note_held()
        return TickResult(tick_id(now), settlements=settled.markets, positions_settled=settled.paid)

    def _run(
        self,
        name: str,
        market_ids: Sequence[int],
        held_ids: Sequence[int],
        decided_at: datetime,
    ) -> TickResult:
        executed = 0
        if self.doubtful:
            self._reconcile(decided_at)
        if self.waiting:
            executed = self._execute(decided_at).fills
        result, settled = self._decide(name, market_ids, held_ids, decided_at)
        self.settled_through = decided_at
        if result.taken:
            executed += self._execute(decided_at).fills
        if executed or result.taken or settled.positions:
            self._note_held()
        return replace(result, fills=executed)

    def _decide(
        self,
        name: str,
        market_ids: Sequence[int],
        held_ids: Sequence[int],
        decided_at: datetime,
    ) -> tuple[TickResult, Settled]:
        tick = Tick(
            tick_id=name,
            decided_at=decided_at,
            environment=self.environment,
            dagster_run_id=self.dagster_run_id,
            entries=bool(market_ids),
        )
        with self._write(decided_at):
            settled = settle(
                self.conn, self.environment, through=decided_at, after=self.settled_through
            )
            facts = self._load(market_ids, held_ids, decided_at)
            if self._open_accounts(facts, decided_at):
                facts = self._load(market_ids, held_ids, decided_at)
            points = self.books.settled(settled)
            facts, breakers = self._judge(facts, market_ids, held_ids, decided_at, points)
            decided: list[Decision] = []
            marks: list[PositionMark] = []
            for bundle in facts.bundles:
                some, looked = self._decide_platform(bundle, breakers, tick)
                decided += some
                marks += looked
            self._count_odd(facts, decided)
        self.urgent = any(mark.is_urgent for mark in marks)
        return TickResult(
            name,
            decisions=len(decided),
            taken=sum(d.outcome is Outcome.TAKEN for d in decided),
            settlements=settled.markets,
            positions_settled=settled.paid,
        ), settled

    def _load(
        self, market_ids: Sequence[int], held_ids: Sequence[int], decided_at: datetime
    ) -> TickFacts:
        return load_facts(
            self.conn, self.environment, market_ids, held_ids, decided_at, self.schedules,
            self.config, sorted({method.model.model_id for method in self.methods}), self.controls,
        )  # fmt: skip

    def _judge(
        self,
        facts: TickFacts,
        market_ids: Sequence[int],
        held_ids: Sequence[int],
        decided_at: datetime,
        points: Sequence[Row],
    ) -> tuple[TickFacts, tuple[OpenBreaker, ...]]:
        """Equity, then breakers. On a trip all working orders are canceled before anything else."""
        self._write_points([*points, *equity_points(self.books, facts, decided_at)])
        self.books.rearmed(facts.rearmed)
        judgement = self._judgement(facts, frozenset(market_ids), decided_at)
        if judgement.rearmed or judgement.tripped:
            write_judgement(self.conn, self.environment, judgement)
            self.books.rearmed({event.breaker_type: event.at for event in judgement.rearmed})
        if judgement.tripped:
            LOGGER.info(
                "%s: tripped %s", tick_id(decided_at),
                ", ".join(trip.breaker_type for trip in judgement.tripped),
            )  # fmt: skip
            if self._cancel(decided_at, "breaker", "a circuit breaker tripped"):
                facts = self._load(market_ids, held_ids, decided_at)
        return facts, tuple(trip.as_open for trip in judgement.open)

    def _write_points(self, points: Sequence[Row]) -> None:
        if points:
            change(
                self.conn, "trading", "insert_equity_points",
                environment=self.environment, rows=as_json(points),
            )  # fmt: skip

    def _judgement(
        self, facts: TickFacts, entries: frozenset[int], decided_at: datetime
    ) -> Judgement:
        replayed = is_replay(facts.bundles, self.environment, self.config)
        around = {
            bundle.platform_id: surroundings(
                bundle, facts, entries, self.methods, self.environment, self.config
            )
            for bundle in facts.bundles
        }
        for platform_id, times in facts.unknown_since.items():
            around.setdefault(platform_id, Surroundings(unknown_since=times))
        return judge(
            self.books.by_platform,
            {
                platform_id: replace(
                    found,
                    db_errors=self.db_errors,
                    venue_errors=self.venue_errors.get(platform_id, ()),
                )
                for platform_id, found in around.items()
            },
            facts.breakers,
            decided_at,
            self.environment,
            self.config.breaker,
            self.config.replay.rearm_at if replayed else None,
        )

    def _decide_platform(
        self, facts: PlatformFacts, breakers: tuple[OpenBreaker, ...], tick: Tick
    ) -> tuple[list[Decision], Sequence[PositionMark]]:
        state = replace(facts.state, breakers=breakers)
        decided = decide(state, facts.quotes, facts.predictions, self.methods, tick, self.config)
        answered = {d.market_id for d in decided.decisions} | {m.market_id for m in decided.marks}
        silent = [quote.market_id for quote in facts.quotes if quote.market_id not in answered]
        if silent:
            raise PrecogError(
                f"{tick.tick_id}: no method decided on market {silent[0]} although its game has a "
                "champion's prediction; a method in testing or active state must name the league's "
                "champion (`precog config`, config/methods.yaml)"
            )
        new = record(
            self.conn,
            self.environment,
            decided.decisions,
            {quote.market_id: quote for quote in facts.quotes},
            {prediction.prediction_id: prediction for prediction in facts.predictions},
            decided.marks,
        )
        return new, decided.marks

    def _count_odd(self, facts: TickFacts, decided: Sequence[Decision]) -> None:
        """Tell the breakers about invalid books and probabilities far from the market."""
        names = {m.strategy.strategy_id: m.strategy.name for m in self.methods}
        markets = {
            market_id: market
            for bundle in facts.bundles
            for market_id, market in bundle.state.markets.items()
        }
        seen: set[tuple[datetime, int]] = set()
        for decision in decided:
            market = markets[decision.market_id]
            if decision.purpose is Purpose.ENTRY:
                row = {
                    "decided_at": decision.decided_at,
                    "market_id": decision.market_id,
                    "skip_reason": decision.skip_reason,
                    "probability": decision.inputs.get("probability"),
                    "mid": decision.inputs.get("mid"),
                    "game_id": market.game_id,
                    "league": market.league,
                    "strategy_name": names.get(decision.strategy_id),
                }
                odd = odd_decision(row, self.config.breaker.edge_anomaly_gap, seen)
                if odd is not None:
                    self.books.of(market.platform_id).odd(odd)

    def _open_accounts(self, facts: TickFacts, at: datetime) -> bool:
        """Deposit the starting cash once on each platform that is traded for the first time."""
        new = [b.platform_id for b in facts.bundles if b.platform_id not in facts.cash]
        for platform_id in new:
            amount = dollars(self.config.paper.starting_cash_usd)
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
            self.books.of(platform_id).deposited(at, amount)
        return bool(new)

    def _execute(self, clock: datetime) -> Executed:
        with self._write():
            done = execute(
                self.conn, self.environment, self.config, self.schedules, clock, self.exchange_of
            )
        self.waiting, self.doubtful = done.waiting, done.doubtful
        self.books.booked(done.booked)
        return done

    def _reconcile(self, at: datetime) -> None:
        """Look the orders in doubt up in the venue's listing."""
        booked = reconcile(
            self.conn, self.environment, self.config, self.schedules, at, self._write,
            self.exchange_of,
        )  # fmt: skip
        self.books.booked(booked)
        if booked:
            self._note_held()

    def _cancel(self, at: datetime, code: str, why: str, position_id: int | None = None) -> int:
        """Take working orders back, all or those of a position; how many. In a transaction."""
        booked = cancel_working(
            self.conn, self.environment, self.config, self.schedules, at, code, why, position_id
        )
        self.books.booked(booked)
        return len(booked)

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """The right to write; True when somebody else has written since our last time."""
        with writer_lock(self.conn, self.platforms, self.environment):
            found = writer_state(self.conn, self.environment)
            moved = self.state is not None and found.fence != self.state.fence
            if self.state is None or moved:
                self._catch_up(found)
            yield moved

    @contextmanager
    def _write(self, decided_at: datetime | None = None) -> Iterator[Step]:
        """One transaction of trading: kept only if nobody else has written since the lock."""
        if self.state is None:
            self._catch_up(writer_state(self.conn, self.environment))
        state = self.state
        assert state is not None  # noqa: S101 - just set
        step = Step(decided_at)
        with self.conn.transaction():
            yield step
            raised = one(
                self.conn, "trading", "raise_fence",
                environment=self.environment, fence=state.fence, decided_at=step.decided_at,
                holder=process_name(self.conn),
            )  # fmt: skip
            if raised is None:
                raise PrecogError(
                    f"another process has written to the {self.environment} account although this "
                    "one believed to hold its lock; nothing of this step was kept, run it again"
                )
        at = step.decided_at
        clock = state.clock if at is None else max(at, state.clock or at)
        self.state = WriterState(clock, raised["fence"])

    def _catch_up(self, found: WriterState) -> None:
        self.state = found
        self.settled_through = None
        self.books = RiskBooks.load(self.conn, self.environment, found.clock, self.config)
        self._note_held()

    def _note_held(self) -> None:
        held = rows(self.conn, "trading", "held_markets", environment=self.environment)
        self.held = frozenset(row["market_id"] for row in held)
