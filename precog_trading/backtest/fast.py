"""The fast replay: the same decisions, and only the moments that can change something are lived.

A season is mostly moments at which nothing can happen: a quote whose candidates the gate refuses
whatever the account holds, a minute of a game in which no position comes near its stop. Columns
find the others (moments.py, triggers.py, worth.py). At those, orders are worked, the account is
weighed, breakers are judged, and ``decide`` is asked about what can come of it: candidates that
pass rows 1 to 11, positions of which a condition may hold. A refusal that was never decided is
decided when somebody reads it (lazy.py), and must then have the reason the columns gave. Some
moments are lived in full, like those of the plain replay, which runs alone where the columns do
not apply.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from precog_core.errors import PrecogError
from precog_core.prices import Side
from precog_trading.backtest.agenda import Agenda
from precog_trading.backtest.columns import NONE, instant, microseconds
from precog_trading.backtest.entries import prediction_batches
from precog_trading.backtest.gate import is_sievable
from precog_trading.backtest.lazy import LazyDecisions
from precog_trading.backtest.moments import NEVER, Moments
from precog_trading.backtest.portfolio import Position
from precog_trading.backtest.replay import (
    PlainReplay,
    Replay,
    Setup,
    replay,
)
from precog_trading.backtest.watch import Watch
from precog_trading.backtest.worth import POINT, Worth
from precog_trading.engine.decide import decide
from precog_trading.engine.state import (
    Decision,
    OpenBreaker,
    Purpose,
    Tick,
    TickDecisions,
    TradingState,
)
from precog_trading.exchanges.books import meets_own_quote
from precog_trading.ledger.risk import OddDecision
from precog_trading.rules.assumptions import takes_assumptions
from precog_trading.rules.breakers import CLOSE_ALL
from precog_trading.tick.batches import tick_id
from precog_trading.tick.loading import TickFacts

_CAP = "cap_"


def replay_fast(setup: Setup) -> Replay:
    """As :func:`precog_trading.backtest.replay.replay`, with the same result."""
    if not is_usable(setup):
        return replay(setup)
    run = FastReplay(setup)
    run.run()
    return run.result


def is_usable(setup: Setup) -> bool:
    """Whether the columns apply: see gate.is_sievable; one account, no observed books, whose age a
    breaker would watch every second, and no market that was amended, as only the last of two words
    between two lived moments would be booked."""
    history, assume = setup.history, setup.config.replay.assume
    platforms = {row["platform_id"] for row in history.markets}
    events = [row["event_id"] for row in history.markets]
    assumed = all(
        takes_assumptions(source, platform, setup.environment, assume)
        for source in history.quotes.sources
        for platform in platforms
    )
    alone = len(platforms) == 1 and len(set(events)) == len(events)
    games = {row["game_id"] for row in history.markets}
    paid = [settled.market for settled in history.settlements]
    once = len(set(paid)) == len(paid)
    return assumed and alone and once and len(games) == len(events) and is_sievable(setup)


class FastReplay(PlainReplay):
    """Lives through the moments that matter; everything else stays a row of ``candidates``."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._batches = prediction_batches(setup)
        self.moments = Moments(setup, self.facts, self._batches, self._told)
        self.candidates = self.moments.candidates
        self.worth = Worth(setup, self.moments)
        (self._account_at,) = {row["platform_id"] for row in self.history.markets}
        self.decided: dict[int, tuple[Decision, ...]] = {}
        """the candidates that were decided when they were lived, both sides or the one that passes
        the columns"""
        self.exits: dict[int, tuple[Decision, ...]] = {}
        """instant → its exit decisions"""
        self.regimes_at: list[int] = [NONE]
        self.regimes: list[tuple[OpenBreaker, ...]] = [()]
        """the breakers open from each of these instants on"""
        self.watch = Watch(setup, self.facts, self.account)
        self.agenda = Agenda(setup, self.moments, self.watch, self.account)
        self.entered = self.agenda.entered
        self._fed = 0
        self._noted: set[int] = set()
        """instants whose far games the risk book was told when they were lived"""
        self._ended = 0
        """positions that had ended when the breakers were last judged"""
        self._echo = False
        """the next tick of any market must be lived: it weighs or judges what this one left"""
        self._weighed = 0
        """fills when the account was last weighed"""
        self._last = microseconds(self.history.last)
        self._at_once = any(
            meets_own_quote(source, self._account_at, setup.environment, setup.config.replay.assume)
            for source in setup.history.quotes.sources
        )

    # -- the run -----------------------------------------------------------------------------------

    def run(self) -> None:
        """From the first candidate to the last settlement."""
        quotes = self.history.quotes
        first, last = microseconds(self.history.first), self._last
        inside = (quotes.known_at >= first) & (quotes.known_at < last)
        self.result.events = int(np.count_nonzero(inside)) + len(self._batches)
        clock = first - 1
        while True:
            at = self.agenda.next_moment(clock, self.breakers, echo=self._echo)
            at = self._weigh_until(clock, at)
            if at >= last:
                break
            self._live(at)
            self.tell(at)
            clock = at
        self.watch.catch_up(self.account.open_positions(), last)
        self.finish()
        self.result.decisions = LazyDecisions(self)  # type: ignore[assignment]

    def _live(self, at: int) -> None:
        now, before = instant(at), self.breakers
        if self.agenda.watchful or self.moments.is_odd(at):
            self._live_in_full(at, now)
        else:
            self._echo = False
            self._live_lean(at, now)
        if self.breakers != before:
            self.regimes_at.append(at)
            self.regimes.append(self.open_breakers)

    def _live_in_full(self, at: int, now: datetime) -> None:
        """As the plain replay does: every candidate is decided, every holding looked at."""
        entries = [int(self.candidates.market[row]) for row in self.moments.rows_at(at)]
        looks = sorted(m for m in self.account.held_markets() if self.watch.has_quote(m, at))
        # What is looked at, worked or paid out now must stand where its looks have left it.
        self.watch.catch_up(self.account.open_positions(), at)
        if self.moments.is_hot(at):
            self._feed(at)
        self.tick(at, entries, looks)
        concluded, self.result.decisions = self.result.decisions, []
        self._file(at, concluded)
        self._noted.add(at)
        # What was bought after the account was weighed, and what a breaker counts since it was
        # judged, shows at the next tick of any market.
        odd = any(decision.skip_reason == "book_invalid" for decision in concluded)
        self._echo = odd or len(self.account.fills) > self._weighed
        self.worth.sync(self.books.of(self._account_at))
        for position in self.account.open_positions():
            self.watch.looked(position, at)

    def _judge(
        self, facts: TickFacts, entries: Sequence[int], looks: Sequence[int], now: datetime
    ) -> tuple[TickFacts, tuple[OpenBreaker, ...]]:
        self._weighed = len(self.account.fills)
        return super()._judge(facts, entries, looks, now)

    def _live_lean(self, at: int, now: datetime) -> None:
        """Work the orders that are due, weigh, judge, and decide on what can come of it."""
        account, book = self.account, self.books.of(self._account_at)
        self.result.ticks += 1
        if self._account_at not in account.cash:
            raise PrecogError("the account must be opened by a moment that is lived in full")
        held = account.open_positions()
        pays = any(self.agenda.paid_at.get(p.market, NEVER) <= at for p in held)
        orders = [order for order in account.working if self.agenda.is_due(order, at)]
        touched = {account.place(order.row["market_id"]) for order in orders}
        self.watch.catch_up(
            held if pays else [p for market in touched for p in account.open.get(market, ())], at
        )
        if orders:
            self._execute(orders, now)
        if pays:
            self.result.equity += self.books.settled(self.settle(now))
            self.worth.sync(book)
        equity = self._weigh(at)
        calm = self._is_calm(at, equity)
        if not calm and self._judged({}, now) and account.working:
            touched |= account.working_in
            self.watch.catch_up([p for market in touched for p in account.open.get(market, ())], at)
            self._cancel(now)
        for market in touched:
            for position in account.open.get(market, ()):
                self.watch.touched(position, at)
        self.clock = now
        if self._decide_lean(at, now):
            fills = len(account.fills)
            if self._at_once or any(order.status == "resting" for order in account.working):
                self.execute(now)
            self._echo = len(account.fills) > fills
            if self._echo:
                for position in account.open_positions():
                    self.watch.looked(position, at)

    # -- deciding ----------------------------------------------------------------------------------

    def _decide_lean(self, at: int, now: datetime) -> bool:
        """Ask about the candidates and positions that matter; whether an order was committed."""
        wanted = {} if self.breakers else self.agenda.wanted(at)
        closing = any(breaker.action == CLOSE_ALL for breaker in self.breakers)
        looked = [
            position
            for position in self.account.open_positions()
            if self.watch.trigger[position.position_id] == at
            or (closing and self.watch.has_quote(position.market, at))
            or self.moments.is_again(position.market, at)
        ]
        if not wanted and not looked:
            return False
        concluded = self._decided(at, now, wanted, looked)
        # A candidate that only a cap keeps out may sell whatever is quoted now.
        if any((d.skip_reason or "").startswith(_CAP) for d in concluded.decisions):
            looked = [
                p for p in self.account.open_positions() if self.watch.has_quote(p.market, at)
            ]
            concluded = self._decided(at, now, wanted, looked)
        took = self._conclude(concluded, self._fresh, self._spoken)
        self._file(at, self.result.decisions)
        self.result.decisions = []
        for position in looked:
            self.watch.looked(position, at)
        return took

    def _decided(
        self,
        at: int,
        now: datetime,
        wanted: Mapping[int, Sequence[Side]],
        looked: Sequence[Position],
    ) -> TickDecisions:
        """What ``decide`` says of some markets' candidates and some positions."""
        history, account, quotes = self.history, self.account, self.history.quotes
        self.watch.catch_up(looked, at)
        markets = sorted({*wanted, *(position.market for position in looked)})
        newest = {}
        for market in {*markets, *account.held_markets()}:
            row = quotes.latest(market, at)
            if row is not None:
                newest[market] = quotes.quote(row, history.markets[market]["market_id"])
        games = {history.markets[market]["game_id"] for market in markets}
        cooldown = timedelta(seconds=self.setup.config.gate.cooldown)
        described = sorted({*markets, *account.held_markets()})
        ids = {market: history.markets[market]["market_id"] for market in described}
        state = TradingState(
            markets={ids[m]: self.facts.market(m, now) for m in described},
            portfolio=account.portfolio(self._account_at, games, now, cooldown),
            is_writer=True,
            breakers=self.open_breakers,
            last_quotes={ids[m]: q for m, q in newest.items() if m not in markets},
            recent_quotes={ids[m]: self.quotes_before(m, at) for m in markets if m in account.open},
        )
        self._fresh = [newest[m] for m in markets if m in newest]
        self._spoken = [p for game in sorted(games) for p in self.facts.predictions(game, now)]
        tick = Tick(
            tick_id(now), now, self.setup.environment, run_key=self.setup.run_key,
            entries=bool(wanted), legs=frozenset((ids[m], s) for m in wanted for s in wanted[m]),
        )  # fmt: skip
        method, config = self.setup.method, self.setup.config
        return decide(state, self._fresh, self._spoken, [method], tick, config)

    def _file(self, at: int, decisions: Sequence[Decision]) -> None:
        """Keep the decisions of a moment under what they decide."""
        exits = tuple(d for d in decisions if d.purpose is Purpose.EXIT)
        if exits:
            self.exits[at] = exits
        if len(exits) == len(decisions):
            return
        found = self.candidates
        place = {int(found.market[index]): index for index in self.moments.rows_at(at)}
        sides: dict[int, list[Decision]] = {}
        for decision in decisions:
            if decision.purpose is Purpose.ENTRY:
                index = place[self.account.place(decision.market_id)]
                sides.setdefault(index, []).append(decision)
        self.decided.update((index, tuple(both)) for index, both in sides.items())

    # -- worth -------------------------------------------------------------------------------------

    def _is_calm(self, at: int, equity: int) -> bool:
        """Whether judging the breakers could change nothing at a lived moment: none is to be
        re-armed, nothing ended since, no loss or event is near a limit. What else a breaker counts
        is lived in full."""
        ended = len(self.account.positions) - sum(map(len, self.account.open.values()))
        if self.breakers or ended != self._ended:
            self._ended = ended
            return False
        book = self.books.of(self._account_at)
        return book.is_eventless and self.worth.is_calm(book, at, equity)

    def _weigh(self, at: int) -> int:
        """Note what the account is worth at a lived moment; hundred-millionths of a dollar."""
        quotes, value = self.history.quotes, 0
        for position in self.account.open_positions():
            row = quotes.latest(position.market, at)
            bid = NONE if row is None else quotes.own_bid(position.row["side"], row)
            if bid == NONE:
                self.watch.catch_up([position], at)
                mark = position.row["current_price"]
                bid = int((position.row["entry_price"] if mark is None else mark) * 1_000_000)
            value += bid * int(position.row["quantity"] * 100)
        book = self.books.of(self._account_at)
        cash = self.account.cash[self._account_at].balance
        self.result.equity += self.worth.note(book, self._account_at, at, cash, value)
        return int(cash * POINT) + value

    def _weigh_until(self, clock: int, at: int) -> int:
        """Note the worth at every look in between; the moment itself, or an earlier one at which a
        breaker might trip."""
        if self._account_at not in self.account.cash:
            return at
        at, rows = self.worth.until(
            self.books.of(self._account_at), self._account_at, self.account.open_positions(),
            self.account.cash[self._account_at].balance, clock, min(at, self._last),
            {breaker.breaker_type for breaker in self.breakers},
        )  # fmt: skip
        self.result.equity += rows
        return at

    def _feed(self, at: int) -> None:
        """Tell the risk book of far games that were not noted when lived, now that they count."""
        breaker = self.setup.config.breaker
        window, gap = breaker.edge_anomaly.window_s * 1_000_000, breaker.edge_anomaly_gap
        found, far, limit = self.candidates, self.moments.far, int(gap * 1_000_000)
        while self._fed < len(far) and found.at[far[self._fed]] < at:
            index = int(far[self._fed])
            self._fed += 1
            moment = int(found.at[index])
            if moment > at - window and moment not in self._noted:
                self._note_far(moment, index, limit)

    def _note_far(self, moment: int, index: int, limit: int) -> None:
        found = self.candidates
        row = self.history.markets[int(found.market[index])]
        for distance in found.gap[index].tolist():
            if distance > limit:
                odd = OddDecision(
                    instant(moment), None, row["game_id"], self.setup.method.strategy.name,
                    Decimal(distance).scaleb(-6),
                )  # fmt: skip
                self.books.of(row["platform_id"]).odd(odd)
