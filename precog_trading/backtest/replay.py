"""The plain replay: every batch in the order it became known, each decided by ``decide``.

A batch is the same thing as in paper: the markets with a quote or a prediction that became known at
one instant. Around each, in the order of the paper tick: orders that waited for a quote are
finished, what is known to have ended is settled, the engine decides, and its orders are executed.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from precog_core.prices import Action, Side, complement
from precog_trading.backtest.account import Account, Order
from precog_trading.backtest.columns import (
    NONE,
    Int64,
    contracts,
    instant,
    microseconds,
    price,
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
from precog_trading.exchanges.paper import Book, PaperExchange, consumed_bids
from precog_trading.exchanges.port import OrderTicket
from precog_trading.rules.assumptions import assumed_fee_schedule, takes_assumptions
from precog_trading.rules.fees import FeeSchedule, schedule_in_force
from precog_trading.tick.batches import tick_id
from precog_trading.tick.execution import MANUAL, StillWaiting, _level, _without


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
        decided = decide(
            state, quotes, told, [self.setup.method], tick, self.setup.config
        ).decisions
        quoted = {quote.market_id: quote for quote in quotes}
        predicted = {prediction.prediction_id: prediction for prediction in told}
        took = False
        for decision in decided:
            known = quoted[decision.market_id].known_at
            if decision.prediction_id is not None:
                known = max(known, predicted[decision.prediction_id].known_at)
            self.result.known_at[decision.decision_key] = known
            self.result.decisions.append(decision)
            if decision.outcome is Outcome.TAKEN:
                self.account.intend(decision)
                took = True
        for market in new:
            row = self.history.quotes.latest(market, now_us)
            if row is not None:
                self._decided_with[market] = int(self.history.quotes.observed_at[row])
        return took

    def _state(
        self, platform_id: str, new: list[int], now: datetime, now_us: int
    ) -> tuple[TradingState, tuple[Quote, ...]]:
        concerned = {*new, *self.account.exposed_markets()}
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
        state = TradingState(
            markets=markets,
            portfolio=self.account.portfolio(platform_id, games, now),
            is_writer=True,
            last_quotes=last_quotes,
        )
        return state, tuple(fresh)

    def execute(self, clock: datetime) -> None:
        """Finish every order that can be finished, the oldest first."""
        for order in list(self.account.working):
            try:
                self._execute(order, clock)
            except StillWaiting:
                continue

    def _execute(self, order: Order, clock: datetime) -> None:
        row = order.row
        side, action = Side(row["side"]), Action(row["action"])
        market = self.account.place(row["market_id"])
        ticket = OrderTicket(
            client_order_id=row["client_order_id"],
            environment=self.setup.environment,
            platform_id=row["platform_id"],
            market_id=row["market_id"],
            side=side,
            action=action,
            limit_price=row["limit_price"],
            quantity=row["quantity"],
            time_in_force=row["time_in_force"],
            sent_at=row["decided_at"],
            reduce_only=row["reduce_only"],
            post_only=row["post_only"],
            held_quantity=self.account.held(market, side) if row["reduce_only"] else Decimal(0),
        )
        books = RememberedBooks(self, order, market, clock)
        outcome = PaperExchange(books, self.setup.config.fees.account_precision).submit(ticket)
        self.account.book(order, outcome)

    def settle(self, through: datetime | None) -> None:
        """Pay out what was known to have ended by then; None: everything."""
        while self._due and (through is None or self._due[-1].known_at <= through):
            ended: Settled = self._due.pop()
            self.account.settle(ended.market, ended.value, ended.revision, ended.known_at)

    def finish(self) -> None:
        """After the last quote: waiting orders end unfilled or filled, held positions settle."""
        self.execute(datetime.max.replace(tzinfo=self.history.last.tzinfo))
        self.settle(None)


@dataclass(frozen=True)
class RememberedBooks:
    """The quote an order meets, as a book without what our earlier fills took from it."""

    run: PlainReplay
    order: Order
    market: int
    clock: datetime

    def book(self, ticket: OrderTicket) -> Book | None:
        """The decision's own quote, or for recorded quotes the next one.

        Raises StillWaiting when the next one may still arrive.
        """
        quotes, config = self.run.history.quotes, self.run.setup.config
        decided_on = microseconds(self.order.row["quote_observed_at"])
        row = quotes.following(self.market, NONE, decided_on, decided_on)[0]
        source = quotes.sources[quotes.source[row]]
        assumed = takes_assumptions(
            source, ticket.platform_id, self.run.setup.environment, config.replay.assume
        )
        if not assumed and source != MANUAL:
            wait = timedelta(seconds=config.paper.next_quote_s)
            clock_us = microseconds(min(self.clock, self.run.history.last))
            later = quotes.following(
                self.market, decided_on, microseconds(ticket.sent_at),
                microseconds(ticket.sent_at + wait),
            )  # fmt: skip
            known = [r for r in later if quotes.known_at[r] <= clock_us]
            if not known:
                if self.clock < ticket.sent_at + wait:
                    raise StillWaiting
                return None
            row = known[0]
        return self._as_book(ticket, row, config.replay.assume.size if assumed else None)

    def fee_schedule(self, ticket: OrderTicket) -> FeeSchedule | None:
        """The schedule in force when the order was sent, else the one assumed on its platform."""
        known = schedule_in_force(
            self.run.history.schedules,
            ticket.sent_at,
            platform_id=ticket.platform_id,
            series_id=self.order.row["series_id"],
            event_id=self.order.row["event_id"],
        )
        assume = self.run.setup.config.replay.assume
        environment = self.run.setup.environment
        if known is None and takes_assumptions("", ticket.platform_id, environment, assume):
            return assumed_fee_schedule(ticket.platform_id, assume)
        return known

    def _as_book(self, ticket: OrderTicket, row: int, assumed: Decimal | None) -> Book:
        quotes = self.run.history.quotes
        observed_at = instant(int(quotes.observed_at[row]))
        consumes = consumed_bids(ticket.action, ticket.side)
        taken = self.run.account.taken(self.market, observed_at, consumes)
        bid, ask = price(int(quotes.yes_bid[row])), price(int(quotes.yes_ask[row]))
        levels = {
            "yes": _level(bid, contracts(int(quotes.yes_bid_size[row])), assumed),
            "no": _level(
                None if ask is None else complement(ask),
                contracts(int(quotes.yes_ask_size[row])),
                assumed,
            ),
        }
        levels[consumes] = _without(levels[consumes], taken)
        return Book(
            observed_at,
            instant(int(quotes.known_at[row])),
            quotes.sources[quotes.source[row]],
            levels["yes"],
            levels["no"],
        )
