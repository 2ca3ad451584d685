"""The plain replay: every batch in the order it became known, each decided by ``decide``.

A batch is the same thing as in paper: the markets with a quote or a prediction that became known at
one instant. Around each, in the order of the paper tick: orders that waited for a quote are
finished, what is known to have ended is settled, the engine decides, and its orders are executed.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from precog_trading.backtest.account import Account
from precog_trading.backtest.columns import (
    NONE,
    Int64,
    instant,
    microseconds,
)
from precog_trading.backtest.history import FactsAtTime, History, Settled
from precog_trading.config import TradingConfig
from precog_trading.engine.decide import decide
from precog_trading.engine.state import (
    Decision,
    Environment,
    Method,
    Outcome,
    Prediction,
    Quote,
    Tick,
    TradingState,
)
from precog_trading.exchanges.books import TakenLevels
from precog_trading.exchanges.paper import PaperExchange
from precog_trading.ledger.statements import Row
from precog_trading.tick.batches import tick_id
from precog_trading.tick.execution import OrderDesk

_OBSERVATIONS = 2
"""Quotes before the new one that liquidity_dried_up looks at."""


@dataclass(frozen=True)
class Setup:
    """What is replayed, and under which rules."""

    history: History
    method: Method
    config: TradingConfig
    run_key: str = ""
    environment: Environment = Environment.BACKTEST


@dataclass
class Replay:
    """What came of it: decisions in order, each with when its facts were known, and the account."""

    account: Account
    decisions: list[Decision] = field(default_factory=list)
    known_at: dict[str, datetime] = field(default_factory=dict)
    """by decision_key, when quote and prediction were both known"""
    ticks: int = 0
    events: int = 0
    """quotes and predictions that the replay went past"""

    @property
    def taken(self) -> list[Decision]:
        return [d for d in self.decisions if d.outcome is Outcome.TAKEN]


def replay(setup: Setup) -> Replay:
    """Run the whole history and settle what is held at its end."""
    run = PlainReplay(setup)
    for at_us, markets in run.batches():
        run.tick(at_us, markets)
    run.finish()
    return run.result


def entry_candidates(setup: Setup) -> np.ndarray:
    """Which quotes make entry candidates: in the window before the start, model already heard."""
    history, config = setup.history, setup.config
    quotes = history.quotes
    opening, closing = _window_us(history, config)
    heard = np.full(len(history.markets), np.iinfo(np.int64).max, dtype=np.int64)
    tradable = np.zeros(len(history.markets), dtype=bool)
    for number, row in enumerate(history.markets):
        told = history.predictions.get(row["game_id"], ())
        if told:
            heard[number] = min(microseconds(p.known_at) for p in told)
        tradable[number] = bool(row["trading_enabled"])
    known, market = quotes.known_at, quotes.market
    first, last = microseconds(history.first), microseconds(history.last)
    return (
        (known >= opening[market])
        & (known <= closing[market])
        & (known >= heard[market])
        & tradable[market]
        & (known >= first)
        & (known < last)
    )


def prediction_batches(setup: Setup) -> list[tuple[int, int]]:
    """(instant, market) at which a new prediction meets a quote that is still fresh."""
    history, config = setup.history, setup.config
    quotes = history.quotes
    opening, closing = _window_us(history, config)
    fresh_us = config.gate.quote_stale.stored * 1_000_000
    first, last = microseconds(history.first), microseconds(history.last)
    found: list[tuple[int, int]] = []
    for number, row in enumerate(history.markets):
        if not row["trading_enabled"]:
            continue
        for prediction in history.predictions.get(row["game_id"], ()):
            at = microseconds(prediction.known_at)
            if not (first <= at < last and opening[number] <= at <= closing[number]):
                continue
            rows = quotes.following(number, NONE, at - fresh_us, at)
            if any(quotes.known_at[r] <= at for r in rows):
                found.append((at, number))
    return found


def _window_us(history: History, config: TradingConfig) -> tuple[Int64, Int64]:
    limits = config.gate.outside_window
    kickoffs = np.array(
        [microseconds(row["kickoff_at"]) for row in history.markets], dtype=np.int64
    )
    return (
        kickoffs - int(limits.from_h * 3_600_000_000),
        kickoffs - int(limits.until_h * 3_600_000_000),
    )


class PlainReplay:
    """One replay in progress. ``clock`` never goes back."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.history = setup.history
        self.facts = FactsAtTime(setup.history)
        self.account = Account(setup.method, setup.environment, setup.history.markets)
        self.result = Replay(self.account)
        self.clock: datetime | None = None
        self._platform = [row["platform_id"] for row in self.history.markets]
        self._event = [row["event_id"] for row in self.history.markets]
        self._sisters: dict[int, list[int]] = defaultdict(list)
        for number, event in enumerate(self._event):
            self._sisters[event].append(number)
        self._due = list(reversed(self.history.settlements))
        self._decided_with: dict[int, int] = {}
        """by market, the observed_at of the newest quote decided on"""

    def batches(self) -> Iterator[tuple[int, list[int]]]:
        """Each instant with something new, and its markets in order."""
        quotes = self.history.quotes
        candidate = entry_candidates(self.setup)
        order = np.lexsort((quotes.market, quotes.known_at))
        first, last = microseconds(self.history.first), microseconds(self.history.last)
        known = quotes.known_at[order]
        order = order[(known >= first) & (known < last)]
        told: dict[int, list[int]] = defaultdict(list)
        for at, market in prediction_batches(self.setup):
            told[at].append(market)
        self.result.events = len(order) + sum(map(len, told.values()))
        instants = np.unique(np.append(quotes.known_at[order], np.array(list(told), np.int64)))
        position = 0
        known = quotes.known_at[order]
        for at in instants.tolist():
            end = int(np.searchsorted(known, at, side="right"))
            markets = set(told.get(at, ()))
            for row in order[position:end].tolist():
                market = int(quotes.market[row])
                superseded = self._decided_with.get(market, NONE) >= quotes.observed_at[row]
                if not superseded and (candidate[row] or self.account.open.get(market)):
                    markets.add(market)
            position = end
            if markets:
                yield at, sorted(markets)

    def tick(self, at_us: int, markets: list[int]) -> None:
        """One batch from waiting orders to executed ones."""
        batch_at = instant(at_us)
        now = max(batch_at, self.clock) if self.clock else batch_at
        if self.account.working:
            self.execute(now)
        self.settle(now)
        tick = Tick(tick_id(batch_at), now, self.setup.environment, run_key=self.setup.run_key)
        self.result.ticks += 1
        by_platform: dict[str, list[int]] = defaultdict(list)
        for market in markets:
            by_platform[self._platform[market]].append(market)
        took = False
        for platform_id, new in sorted(by_platform.items()):
            took |= self._decide(platform_id, new, tick)
        self.clock = now
        if took:
            self.execute(now)

    def _decide(self, platform_id: str, new: list[int], tick: Tick) -> bool:
        now, now_us = tick.decided_at, microseconds(tick.decided_at)
        if platform_id not in self.account.cash:
            amount = self.setup.config.paper.starting_cash_usd
            self.account.deposit(platform_id, amount, now, self.setup.run_key)
        state, quotes = self._state(platform_id, new, now, now_us)
        if not quotes:
            return False
        playing = {state.markets[quote.market_id].game_id for quote in quotes}
        told: list[Prediction] = []
        for game_id in sorted(g for g in playing if g is not None):
            told += self.facts.predictions(game_id, now)
        concluded = decide(state, quotes, told, [self.setup.method], tick, self.setup.config)
        quoted = {quote.market_id: quote for quote in quotes}
        predicted = {prediction.prediction_id: prediction for prediction in told}
        took = False
        for decision in concluded.decisions:
            known = quoted[decision.market_id].known_at
            if decision.prediction_id is not None:
                known = max(known, predicted[decision.prediction_id].known_at)
            self.result.known_at[decision.decision_key] = known
            self.result.decisions.append(decision)
            if decision.order is not None:
                self.account.intend(decision)
                took = True
        for mark in concluded.marks:
            self.account.mark(mark)
        for market in new:
            row = self.history.quotes.latest(market, now_us)
            if row is not None:
                self._decided_with[market] = int(self.history.quotes.observed_at[row])
        return took

    def _state(
        self, platform_id: str, new: list[int], now: datetime, now_us: int
    ) -> tuple[TradingState, tuple[Quote, ...]]:
        concerned = {*new, *self.account.held_markets()}
        events = {self._event[number] for number in concerned}
        places = sorted(
            (n for event in events for n in self._sisters[event]),
            key=lambda n: self.history.markets[n]["market_id"],
        )
        places = [n for n in places if self._platform[n] == platform_id]
        markets = {}
        last_quotes: dict[int, Quote] = {}
        fresh: list[Quote] = []
        asked = set(new)
        for number in places:
            market_id = self.history.markets[number]["market_id"]
            markets[market_id] = self.facts.market(number, now)
            row = self.history.quotes.latest(number, now_us)
            if row is None:
                continue
            quote = self.history.quotes.quote(row, market_id)
            if number in asked:
                fresh.append(quote)
            else:
                last_quotes[market_id] = quote
        games = {self.history.markets[n]["game_id"] for n in new}
        cooldown = timedelta(seconds=self.setup.config.gate.cooldown)
        state = TradingState(
            markets=markets,
            portfolio=self.account.portfolio(platform_id, games, now, cooldown),
            is_writer=True,
            last_quotes=last_quotes,
            recent_quotes={
                self.history.markets[n]["market_id"]: self._before(n, now_us)
                for n in new
                if self.account.open.get(n)
            },
        )
        return state, tuple(fresh)

    def _before(self, market: int, now_us: int) -> tuple[Quote, ...]:
        """The two quotes before the newest one of a market, newest last."""
        quotes = self.history.quotes
        newest = quotes.latest(market, now_us)
        if newest is None:
            return ()
        market_id = self.history.markets[market]["market_id"]
        start = int(quotes.starts[market])
        known = [
            row for row in range(max(start, newest - 8), newest) if quotes.known_at[row] <= now_us
        ]
        return tuple(quotes.quote(row, market_id) for row in known[-_OBSERVATIONS:])

    def execute(self, clock: datetime) -> None:
        """Carry every working order as far as what is known by ``clock`` allows."""
        orders = self.account.working
        if not orders:
            return
        desk = self._desk(clock)
        exchange = PaperExchange(desk, self.setup.config.fees.account_precision)
        for booked in desk.work(exchange):
            self.account.keep(booked)

    def _desk(self, clock: datetime) -> OrderDesk:
        rows = [order.row for order in self.account.working]
        following = {r["client_order_id"]: self._following(r, clock) for r in rows}
        resting = {r["market_id"]: r["sent_at"] for r in rows if r["status"] == "resting"}
        places = {market_id: self.account.place(market_id) for market_id in resting}
        tape = self.history.tape
        return OrderDesk(
            environment=self.setup.environment,
            config=self.setup.config,
            schedules=self.history.schedules,
            clock=clock,
            orders=rows,
            own={r["client_order_id"]: self._own(r) for r in rows},
            following={key: found for key, found in following.items() if found is not None},
            taken=TakenLevels(dict(self.account.taken.contracts)),
            through={m: self.account.through[m] for m in resting},
            positions=[p.book for p in self.account.open_positions()],
            prints={m: tape.prints(places[m], since, clock) for m, since in resting.items()},
            bars={m: tape.bars(places[m], since, clock) for m, since in resting.items()},
        )

    def _own(self, order: Row) -> Row:
        """The quote an order was decided on."""
        quotes, market = self.history.quotes, self.account.place(order["market_id"])
        at = microseconds(order["quote_observed_at"])
        return quotes.book_row(quotes.following(market, NONE, at, at)[0])

    def _following(self, order: Row, clock: datetime) -> Row | None:
        """The first quote recorded at or after sending, within the wait, known by the clock."""
        quotes, market = self.history.quotes, self.account.place(order["market_id"])
        sent_at = order["sent_at"] or order["decided_at"]
        until = sent_at + timedelta(seconds=self.setup.config.paper.next_quote_s)
        decided_on = microseconds(order["quote_observed_at"])
        clock_us = microseconds(clock)
        for row in quotes.following(market, decided_on, microseconds(sent_at), microseconds(until)):
            if quotes.known_at[row] <= clock_us:
                return quotes.book_row(row)
        return None

    def settle(self, through: datetime | None) -> None:
        """Pay out what was known to have ended by then; None: everything."""
        while self._due and (through is None or self._due[-1].known_at <= through):
            ended: Settled = self._due.pop()
            self.account.settle(ended.market, ended.value, ended.revision, ended.known_at)

    def finish(self) -> None:
        """After the last quote: waiting orders end unfilled or filled, held positions settle."""
        self.execute(self.history.last + timedelta(days=366))
        self.settle(None)
