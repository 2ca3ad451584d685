"""The plain replay: every batch in the order it became known, each decided by ``decide``.

A batch is the same thing as in paper: the markets with a quote or a prediction that became known at
one instant. Around each, in the order of the paper tick: orders that waited for a quote are
finished, what is known to have ended is settled, the engine decides, and its orders are executed.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from precog_trading.backtest.account import Account
from precog_trading.backtest.bars import mid_bars
from precog_trading.backtest.columns import NONE, instant, microseconds
from precog_trading.backtest.entries import entry_candidates, prediction_batches
from precog_trading.backtest.history import FactsAtTime, Settlement
from precog_trading.backtest.portfolio import Order
from precog_trading.backtest.setup import Setup as Setup
from precog_trading.engine.decide import decide
from precog_trading.engine.state import (
    Decision,
    MidBar,
    OpenBreaker,
    Outcome,
    Portfolio,
    Prediction,
    Purpose,
    Quote,
    Tick,
    TickDecisions,
    TradingState,
)
from precog_trading.exchanges.books import TakenLevels
from precog_trading.exchanges.paper import PaperExchange
from precog_trading.ledger.holdings import dollars
from precog_trading.ledger.risk import (
    Rearmed,
    Surroundings,
    TrippedBreaker,
    judge,
    odd_decision,
)
from precog_trading.ledger.settlement import Settled
from precog_trading.ledger.statements import Row
from precog_trading.tick.batches import tick_id
from precog_trading.tick.execution import OrderDesk
from precog_trading.tick.loading import PlatformFacts, TickFacts
from precog_trading.tick.risk import RiskBooks, equity_points, surroundings

_OBSERVATIONS = 2
"""Quotes before the new one that liquidity_dried_up looks at."""


@dataclass
class Replay:
    """What came of it: decisions in order, each with when its facts were known, and the account."""

    account: Account
    decisions: list[Decision] = field(default_factory=list)
    known_at: dict[str, datetime] = field(default_factory=dict)
    """by decision_key, when quote and prediction were both known"""
    equity: list[Row] = field(default_factory=list)
    """rows of ``equity_points``"""
    tripped: tuple[TrippedBreaker, ...] = ()
    rearmed: tuple[Rearmed, ...] = ()
    ticks: int = 0
    events: int = 0
    """quotes and predictions that the replay went past"""

    @property
    def taken(self) -> list[Decision]:
        return [d for d in self.decisions if d.outcome is Outcome.TAKEN]


def replay(setup: Setup) -> Replay:
    """Run the whole history and settle what is held at its end."""
    run = PlainReplay(setup)
    for at_us, entries, looks in run.batches():
        run.tick(at_us, entries, looks)
        run.tell(at_us)
    run.finish()
    return run.result


class PlainReplay:
    """One replay in progress. ``clock`` never goes back."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.history = setup.history
        self.facts = FactsAtTime(setup.history)
        self.account = Account(setup.method, setup.environment, setup.history.markets)
        self.result = Replay(self.account)
        self.books = RiskBooks()
        self.breakers: tuple[TrippedBreaker, ...] = ()
        self.open_breakers: tuple[OpenBreaker, ...] = ()
        """the same as the engine reads them"""
        self.clock: datetime | None = None
        self._platform = [row["platform_id"] for row in self.history.markets]
        self._event = [row["event_id"] for row in self.history.markets]
        self._sisters: dict[int, list[int]] = defaultdict(list)
        for number, event in enumerate(self._event):
            self._sisters[event].append(number)
        self._due = list(reversed(self.history.settlements))
        self._final: dict[int, Settlement] = {}
        self._decided_with: dict[int, int] = {}
        """by market, the observed_at of the newest quote decided on"""
        told = [p.known_at for found in setup.history.predictions.values() for p in found]
        self._told = sorted(told)

    def batches(self) -> Iterator[tuple[int, list[int], list[int]]]:
        """Each instant with something new: markets with a candidate, markets with a holding."""
        quotes = self.history.quotes
        candidate = entry_candidates(self.setup)
        order = np.lexsort((quotes.market, quotes.known_at))
        first, last = microseconds(self.history.first), microseconds(self.history.last)
        known = quotes.known_at[order]
        order = order[(known >= first) & (known < last)]
        told: dict[int, list[int]] = defaultdict(list)
        for at, market, _ in prediction_batches(self.setup):
            told[at].append(market)
        self.result.events = len(order) + sum(map(len, told.values()))
        known = quotes.known_at[order]
        instants = np.unique(np.append(known, np.array(list(told), np.int64)))
        position = 0
        for at in instants.tolist():
            end = int(np.searchsorted(known, at, side="right"))
            entries = set(told.get(at, ()))
            looks: set[int] = set()
            for row in order[position:end].tolist():
                market = int(quotes.market[row])
                superseded = self._decided_with.get(market, NONE) >= quotes.observed_at[row]
                if candidate[row] and not superseded:
                    entries.add(market)
                if self.account.holds(market):
                    looks.add(market)
            position = end
            if entries or looks:
                yield at, sorted(entries), sorted(looks)

    def tick(self, at_us: int, entries: Sequence[int], looks: Sequence[int]) -> None:
        """One batch from waiting orders to executed ones, in the order of the paper tick."""
        batch_at = instant(at_us)
        now = max(batch_at, self.clock) if self.clock else batch_at
        if self.account.working:
            self.execute(now)
        settled = self.settle(now)
        tick = Tick(
            tick_id(batch_at), now, self.setup.environment, run_key=self.setup.run_key,
            entries=bool(entries),
        )  # fmt: skip
        self.result.ticks += 1
        facts = self._load(entries, looks, now)
        for bundle in facts.bundles:
            if bundle.platform_id not in self.account.cash:
                amount = dollars(self.setup.config.paper.starting_cash_usd)
                self.account.deposit(bundle.platform_id, amount, now, self.setup.run_key)
                self.books.of(bundle.platform_id).deposited(now, amount)
                facts = self._load(entries, looks, now)
        self.result.equity += self.books.settled(settled)
        facts, breakers = self._judge(facts, entries, looks, now)
        took = False
        for bundle in facts.bundles:
            took |= self._decide(bundle, breakers, tick, entries)
        self.clock = now
        if took:
            self.execute(now)

    def _judge(
        self, facts: TickFacts, entries: Sequence[int], looks: Sequence[int], now: datetime
    ) -> tuple[TickFacts, tuple[OpenBreaker, ...]]:
        """Equity, then breakers; a simulated operator re-arms them the next morning."""
        self.result.equity += equity_points(self.books, facts, now)
        config, method = self.setup.config, self.setup.method
        ids = frozenset(self.history.markets[n]["market_id"] for n in entries)
        around = {
            bundle.platform_id: surroundings(
                bundle, facts, ids, [method], self.setup.environment, config
            )
            for bundle in facts.bundles
        }
        if self._judged(around, now) and self.account.working:
            self._cancel(now)
            facts = self._load(entries, looks, now)
        return facts, self.open_breakers

    def _judged(self, around: Mapping[str, Surroundings], now: datetime) -> bool:
        """Re-arm and trip; whether something tripped."""
        config = self.setup.config
        judgement = judge(
            self.books.by_platform, around, self.breakers, now, self.setup.environment,
            config.breaker, config.replay.rearm_at,
        )  # fmt: skip
        if judgement.open != self.breakers:
            self.breakers = judgement.open
            self.open_breakers = tuple(trip.as_open for trip in judgement.open)
        self.result.rearmed += judgement.rearmed
        self.result.tripped += judgement.tripped
        return bool(judgement.tripped)

    def _cancel(self, at: datetime) -> None:
        desk = self._desk(self.account.working, at)
        booked = [
            desk.cancel(order.row, at, "breaker", "a circuit breaker tripped")
            for order in list(self.account.working)
        ]
        for outcome in booked:
            self.account.keep(outcome)
        self.books.booked(booked)

    def _decide(
        self,
        bundle: PlatformFacts,
        breakers: tuple[OpenBreaker, ...],
        tick: Tick,
        entries: Sequence[int],
    ) -> bool:
        concluded = decide(
            replace(bundle.state, breakers=breakers), bundle.quotes, bundle.predictions,
            [self.setup.method], tick, self.setup.config,
        )  # fmt: skip
        took = self._conclude(concluded, bundle.quotes, bundle.predictions)
        self._note_odd(bundle, concluded.decisions)
        asked = set(entries)
        for quote in bundle.quotes:
            market = self.account.place(quote.market_id)
            if market in asked:
                self._decided_with[market] = microseconds(quote.observed_at)
        return took

    def _conclude(
        self,
        concluded: TickDecisions,
        quotes: Sequence[Quote],
        predictions: Sequence[Prediction],
    ) -> bool:
        """Keep what was decided and looked at; whether an order was committed."""
        quoted = {quote.market_id: quote for quote in quotes}
        predicted = {p.prediction_id: p for p in predictions}
        took = False
        for decision in concluded.decisions:
            known = quoted[decision.market_id].known_at
            if decision.prediction_id is not None:
                known = max(known, predicted[decision.prediction_id].known_at)
            self.result.known_at[decision.decision_key] = known
            if decision.order is not None:
                self.account.intend(decision)
                took = True
        self.result.decisions += concluded.decisions
        for mark in concluded.marks:
            self.account.mark(mark)
        return took

    def _note_odd(self, bundle: PlatformFacts, decisions: Sequence[Decision]) -> None:
        """Tell the risk book of invalid books and of probabilities far from the market."""
        gap = self.setup.config.breaker.edge_anomaly_gap
        seen: set[tuple[datetime, int]] = set()
        for decision in decisions:
            if decision.purpose is not Purpose.ENTRY:
                continue
            market = bundle.state.markets[decision.market_id]
            odd = odd_decision(
                {
                    "decided_at": decision.decided_at,
                    "market_id": decision.market_id,
                    "skip_reason": decision.skip_reason,
                    "probability": decision.inputs.get("probability"),
                    "mid": decision.inputs.get("mid"),
                    "game_id": market.game_id,
                    "league": market.league,
                    "strategy_name": self.setup.method.strategy.name,
                },
                gap,
                seen,
            )
            if odd is not None:
                self.books.of(bundle.platform_id).odd(odd)

    def _load(self, entries: Sequence[int], looks: Sequence[int], now: datetime) -> TickFacts:
        """What the tick reads, as of now: the same facts as in paper, from memory."""
        now_us, rows, quotes = microseconds(now), self.history.markets, self.history.quotes
        new = {*entries, *(market for market in looks if self.account.open.get(market))}
        concerned = {*entries, *looks, *self.account.held_markets()}
        events = {self._event[number] for number in concerned}
        places = sorted(
            (n for event in events for n in self._sisters[event]),
            key=lambda n: rows[n]["market_id"],
        )
        markets = {rows[n]["market_id"]: self.facts.market(n, now) for n in places}
        newest: dict[int, Quote] = {}
        for number in places:
            row = quotes.latest(number, now_us)
            if row is not None:
                newest[rows[number]["market_id"]] = quotes.quote(row, rows[number]["market_id"])
        games = {rows[n]["game_id"] for n in (*entries, *looks)}
        cooldown = timedelta(seconds=self.setup.config.gate.cooldown)
        accounts = {
            platform_id: self.account.portfolio(platform_id, games, now, cooldown)
            for platform_id in self.account.cash
        }
        bundles = []
        for platform_id in sorted({self._platform[n] for n in places}):
            ids = {rows[n]["market_id"]: n for n in places if self._platform[n] == platform_id}
            fresh = tuple(newest[i] for i, n in ids.items() if n in new and i in newest)
            if not fresh:
                continue
            playing = {markets[q.market_id].game_id for q in fresh}
            state = TradingState(
                markets={i: markets[i] for i in ids},
                portfolio=accounts.get(platform_id) or Portfolio(Decimal(0)),
                is_writer=True,
                last_quotes={i: newest[i] for i, n in ids.items() if i in newest and n not in new},
                recent_quotes={
                    i: self.quotes_before(n, now_us)
                    for i, n in ids.items()
                    if n in new and self.account.open.get(n)
                },
                mid_bars=self._mid_bars(ids, now_us),
            )
            told = tuple(
                p
                for game in sorted(g for g in playing if g is not None)
                for p in self.facts.predictions(game, now)
            )
            bundles.append(PlatformFacts(platform_id, state, fresh, told))
        heard = bisect_right(self._told, now)
        return TickFacts(
            bundles=tuple(bundles),
            cash={name: cash.balance for name, cash in self.account.cash.items()},
            accounts=accounts,
            unknown_since={},
            last_quotes=newest,
            breakers=self.breakers,
            rearmed={},
            spoken={self.setup.method.model.model_id: self._told[heard - 1] if heard else None},
        )

    def _mid_bars(self, ids: dict[int, int], now_us: int) -> dict[int, tuple[MidBar, ...]]:
        held = {i: self.account.open[n][0].plan for i, n in ids.items() if self.account.open.get(n)}
        bars = {i: mid_bars(self.history.quotes, ids[i], p, now_us) for i, p in held.items()}
        return {market_id: found for market_id, found in bars.items() if found}

    def quotes_before(self, market: int, now_us: int) -> tuple[Quote, ...]:
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
        if self.account.working:
            self._execute(self.account.working, clock)

    def _execute(self, orders: Sequence[Order], clock: datetime) -> None:
        desk = self._desk(orders, clock)
        exchange = PaperExchange(desk, self.setup.config.fees.account_precision)
        booked = desk.work(exchange)
        for outcome in booked:
            self.account.keep(outcome)
        self.books.booked(booked)

    def _desk(self, orders: Sequence[Order], clock: datetime) -> OrderDesk:
        rows = [order.row for order in orders]
        markets = sorted({row["market_id"] for row in rows})
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
            taken=TakenLevels({k: n for m in markets for k, n in self.account.taken[m].items()}),
            through={m: self.account.through[m] for m in resting},
            positions=[
                position.book
                for market in markets
                for position in self.account.open.get(self.account.place(market), ())
            ],
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

    def settle(self, through: datetime | None) -> Settled:
        """Pay out what was known to have ended by then; None: everything."""
        news: list[int] = []
        while self._due and (through is None or self._due[-1].known_at <= through):
            ended = self._due.pop()
            self._final[ended.market] = ended
            news.append(ended.market)
        return self.account.settle(self._final, news)

    def tell(self, at: int) -> None:
        """Say how much of the period is replayed at this instant."""
        first, last = microseconds(self.history.first), microseconds(self.history.last)
        self.setup.progress(at - first, last - first)

    def finish(self) -> None:
        """After the last quote: waiting orders end unfilled or filled, held positions settle."""
        self.execute(self.history.last + timedelta(days=366))
        self.result.equity += self.books.settled(self.settle(None))
