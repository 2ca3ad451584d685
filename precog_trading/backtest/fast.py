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

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from precog_core.errors import PrecogError
from precog_trading.backtest.columns import NONE, instant, microseconds
from precog_trading.backtest.gate import is_sievable
from precog_trading.backtest.lazy import LazyDecisions
from precog_trading.backtest.moments import NEVER, Moments
from precog_trading.backtest.portfolio import Order, Position
from precog_trading.backtest.replay import (
    PlainReplay,
    Replay,
    Setup,
    prediction_batches,
    replay,
)
from precog_trading.backtest.triggers import first_trigger, marks, own_columns, trailed
from precog_trading.backtest.worth import POINT, Worth
from precog_trading.engine.decide import decide
from precog_trading.engine.looks import look_at, mark_of
from precog_trading.engine.state import (
    Decision,
    OpenBreaker,
    Portfolio,
    Purpose,
    Tick,
    TickDecisions,
    TradingState,
)
from precog_trading.exchanges.books import meets_own_quote
from precog_trading.ledger.risk import OddDecision
from precog_trading.rules.assumptions import takes_assumptions
from precog_trading.rules.breakers import CLOSE_ALL, rearmed_at
from precog_trading.rules.entry_gate import Situation
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
        """the candidates that were decided when they were lived"""
        self.exits: dict[int, tuple[Decision, ...]] = {}
        """instant → its exit decisions"""
        self.entered = np.zeros(len(self.candidates), dtype=np.int16)
        """of candidates that passed but were not lived: entries of the game by then"""
        self.regimes_at: list[int] = [NONE]
        self.regimes: list[tuple[OpenBreaker, ...]] = [()]
        """the breakers open from each of these instants on"""
        self._seen: dict[int, int] = {}
        """by position, the row of the newest quote looked at"""
        self._trigger: dict[int, int] = {}
        """by position, the instant of its next possible trigger"""
        self._wake: dict[str, int] = {}
        """by order that waits for a quote, when it can be finished"""
        self._paid_at: dict[int, int] = {}
        for ended in setup.history.settlements:
            self._paid_at.setdefault(ended.market, microseconds(ended.known_at))
        self._fed = 0
        self._noted: set[int] = set()
        """instants whose far games the risk book was told when they were lived"""
        self._next = 0
        self._closed_to: dict[int, int] = {}
        """by market whose game can be entered no more, the entries made"""
        self._ended = 0
        """positions that had ended when the breakers were last judged"""
        self._echo = False
        """the next tick of any market must be lived: it weighs or judges what this one left"""
        self._watchful = False
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
            at = self._next_moment(clock)
            at = self._weigh_until(clock, at)
            if at >= last:
                break
            self._live(at)
            clock = at
        self._catch_up(self.account.open_positions(), last)
        self.finish()
        self.result.decisions = LazyDecisions(self)  # type: ignore[assignment]

    def _live(self, at: int) -> None:
        now, before = instant(at), self.breakers
        if self._watchful or self.moments.is_odd(at):
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
        looks = sorted(m for m in self.account.held_markets() if self._has_quote(m, at))
        # What is looked at, worked or paid out now must stand where its looks have left it.
        self._catch_up(self.account.open_positions(), at)
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
            self._looked(position, at)

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
        pays = any(self._paid_at.get(p.market, NEVER) <= at for p in held)
        orders = [order for order in account.working if self._is_due(order, at)]
        touched = {account.place(order.row["market_id"]) for order in orders}
        self._catch_up(
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
            self._catch_up([p for market in touched for p in account.open.get(market, ())], at)
            self._cancel(now)
        for market in touched:
            for position in account.open.get(market, ()):
                self._touched(position, at)
        self.clock = now
        if self._decide_lean(at, now):
            fills = len(account.fills)
            if self._at_once or any(order.status == "resting" for order in account.working):
                self.execute(now)
            self._echo = len(account.fills) > fills
            if self._echo:
                for position in account.open_positions():
                    self._looked(position, at)

    # -- deciding ----------------------------------------------------------------------------------

    def _decide_lean(self, at: int, now: datetime) -> bool:
        """Ask about the candidates and positions that matter; whether an order was committed."""
        wanted = [] if self.breakers else self._wanted(at)
        closing = any(breaker.action == CLOSE_ALL for breaker in self.breakers)
        looked = [
            position
            for position in self.account.open_positions()
            if self._trigger[position.position_id] == at
            or (closing and self._has_quote(position.market, at))
            or self.moments.is_again(position.market, at)
        ]
        if not wanted and not looked:
            return False
        concluded = self._decided(at, now, wanted, looked)
        # A candidate that only a cap keeps out may sell whatever is quoted now.
        if any((d.skip_reason or "").startswith(_CAP) for d in concluded.decisions):
            looked = [p for p in self.account.open_positions() if self._has_quote(p.market, at)]
            concluded = self._decided(at, now, wanted, looked)
        took = self._conclude(concluded, self._fresh, self._spoken)
        self._file(at, self.result.decisions)
        self.result.decisions = []
        for position in looked:
            self._looked(position, at)
        return took

    def _wanted(self, at: int) -> list[int]:
        """The markets of the moment with a candidate that passes and whose game was not entered."""
        moments, cap = self.moments, self.setup.config.gate.already_entered
        wanted: list[int] = []
        while self._next < len(moments.survivors) and moments.survivors_at[self._next] <= at:
            if moments.survivors_at[self._next] == at:
                index, market = moments.survivors[self._next], moments.survivors_in[self._next]
                made = self._entries_in_game(market)
                if made >= cap:
                    self.entered[index] = made
                else:
                    wanted.append(market)
            self._next += 1
        return wanted

    def _decided(
        self, at: int, now: datetime, wanted: Sequence[int], looked: Sequence[Position]
    ) -> TickDecisions:
        """What ``decide`` says of some markets' candidates and some positions."""
        history, account, quotes = self.history, self.account, self.history.quotes
        self._catch_up(looked, at)
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
            recent_quotes={ids[m]: self._before(m, at) for m in markets if m in account.open},
        )
        self._fresh = [newest[m] for m in markets if m in newest]
        self._spoken = [p for game in sorted(games) for p in self.facts.predictions(game, now)]
        tick = Tick(
            tick_id(now), now, self.setup.environment, run_key=self.setup.run_key,
            entries=bool(wanted),
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

    # -- positions ---------------------------------------------------------------------------------

    def _touched(self, position: Position, at: int) -> None:
        """A position that was opened or changed before the look of this moment."""
        if position.position_id not in self._seen:
            row = self.history.quotes.latest(position.market, at)
            seen = -1 if row is None else row
            # The quote of this very moment is still to be looked at.
            self._seen[position.position_id] = seen - self._has_quote(position.market, at)
        self._watch(position, at)

    def _looked(self, position: Position, at: int) -> None:
        """A position that was looked at, or opened after the look: the next quote is next."""
        row = self.history.quotes.latest(position.market, at)
        self._seen[position.position_id] = -1 if row is None else row
        self._watch(position, at)

    def _watch(self, position: Position, at: int) -> None:
        """Find the position's next possible trigger."""
        quotes, market = self.history.quotes, position.market
        start, end = self._seen[position.position_id] + 1, int(quotes.starts[market + 1])
        row = self.history.markets[market]
        hit = first_trigger(
            self.account.as_seen(position), self.facts.market(market, instant(at)),
            self.history.predictions.get(row["game_id"], ()), quotes, start, end,
            self.setup.config,
        )  # fmt: skip
        self._trigger[position.position_id] = NEVER if hit is None else int(quotes.known_at[hit])

    def _catch_up(self, positions: Iterable[Position], at: int) -> None:
        """Look at positions as of the last quote before ``at`` that nobody looked at."""
        quotes = self.history.quotes
        for position in positions:
            seen = self._seen.get(position.position_id)
            if seen is None:
                continue
            last = self._rows_before(position.market, at) - 1
            if last <= seen:
                continue
            bid, ask = own_columns(quotes, position.row["side"], seen + 1, last + 1)
            mark = marks(bid, ask)
            known = self.account.as_seen(position)
            now = instant(int(quotes.known_at[last]))
            facts = self.facts.market(position.market, now)
            state = TradingState({facts.market_id: facts}, Portfolio(Decimal(0)), is_writer=True)
            situation = Situation(state, Tick("", now, self.setup.environment), self.setup.config)
            known = replace(known, trailing=trailed(known, mark[:-1]))
            quote = quotes.quote(last, facts.market_id)
            self.account.mark(mark_of(look_at(known, quote, (), None, situation), situation))
            self._seen[position.position_id] = last

    def _rows_before(self, market: int, at: int) -> int:
        """Where the rows of a market known before an instant end."""
        quotes = self.history.quotes
        start, end = int(quotes.starts[market]), int(quotes.starts[market + 1])
        return start + int(quotes.known_at[start:end].searchsorted(at, side="left"))

    def _has_quote(self, market: int, at: int) -> bool:
        quotes, row = self.history.quotes, self._rows_before(market, at)
        return row < int(quotes.starts[market + 1]) and int(quotes.known_at[row]) == at

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
        return book.is_eventless and self.worth.is_calm(book, at, equity, set())

    def _weigh(self, at: int) -> int:
        """Note what the account is worth at a lived moment; hundred-millionths of a dollar."""
        quotes, value = self.history.quotes, 0
        for position in self.account.open_positions():
            row = quotes.latest(position.market, at)
            bid = NONE
            if row is not None:
                bid = int(own_columns(quotes, position.row["side"], row, row + 1)[0][0])
            if bid == NONE:
                self._catch_up([position], at)
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

    # -- the next moment ---------------------------------------------------------------------------

    def _next_moment(self, clock: int) -> int:
        """The first instant after ``clock`` at which something must be lived."""
        account = self.account
        tripped = {breaker.breaker_type for breaker in self.breakers}
        self._watchful = (
            self._echo
            or any(order.status == "resting" for order in account.working)
            or ("edge_anomaly" not in tripped and self.moments.is_hot(clock))
            or ("trade_burst" not in tripped and self._trades_burst(clock))
        )
        if self._watchful:
            return self._next_tick(clock + 1)
        held = account.open_positions()
        moment = self.moments.next_odd(clock)
        if not self.breakers:
            moment = min(moment, self._next_survivor(clock))
        elif any(breaker.action == CLOSE_ALL for breaker in self.breakers):
            for position in held:
                moment = min(moment, self._next_quote(position.market, clock + 1))
        wake = min((self._wakes(order) for order in account.working), default=NEVER)
        for position in held:
            wake = min(wake, self._paid_at.get(position.market, NEVER))
            moment = min(
                moment, self._trigger[position.position_id],
                self.moments.next_again(position.market, clock),
            )  # fmt: skip
        # While a breaker is open every candidate is refused; the morning's first tick re-arms it.
        rearm_at = self.setup.config.replay.rearm_at
        for breaker in self.breakers:
            wake = min(wake, microseconds(rearmed_at(breaker.triggered_at, rearm_at)))
        if wake < moment:
            moment = min(moment, self._next_tick(max(wake, clock + 1)))
        return moment

    def _trades_burst(self, clock: int) -> bool:
        """Whether so many trades lie in the breaker's window that the next tick may trip it."""
        burst, trades = self.setup.config.breaker.trade_burst, self.account.trades
        if len(trades) < burst.count or clock <= 0:
            return False
        since = instant(clock) - timedelta(seconds=burst.window_s)
        return bool(trades[-burst.count]["event_ts"] > since)

    def _next_survivor(self, clock: int) -> int:
        """The next candidate that passes the gate and whose game was not entered yet."""
        moments, cap = self.moments, self.setup.config.gate.already_entered
        while self._next < len(moments.survivors):
            at = moments.survivors_at[self._next]
            if at > clock:
                market = moments.survivors_in[self._next]
                made = self._closed_to.get(market)
                if made is None:
                    made = self._entries_in_game(market)
                    # An order that waits may end without a fill and undo its entry.
                    if made < cap or (self.account.working and not self._is_filled(market)):
                        return at
                    self._closed_to[market] = made
                self.entered[moments.survivors[self._next]] = made
            self._next += 1
        return NEVER

    def _entries_in_game(self, market: int) -> int:
        return self.account.entries_in_game(self.history.markets[market]["game_id"])

    def _is_filled(self, market: int) -> bool:
        return market in self.account.open or not self.account.holds(market)

    def _is_due(self, order: Order, at: int) -> bool:
        return self._wakes(order) <= at

    def _wakes(self, order: Order) -> int:
        """When a waiting order can be finished: at its next quote, or when none has come, or at
        once when what it would sell is gone."""
        row = order.row
        name = row["client_order_id"]
        if row["reduce_only"] and self.account.place(row["market_id"]) not in self.account.open:
            return NONE
        wake = self._wake.get(name)
        if wake is None:
            sent_at = row["sent_at"] or row["decided_at"]
            until = sent_at + timedelta(seconds=self.setup.config.paper.next_quote_s)
            quotes = self.history.quotes
            rows = quotes.following(
                self.account.place(row["market_id"]), microseconds(row["quote_observed_at"]),
                microseconds(sent_at), microseconds(until),
            )  # fmt: skip
            known = [int(quotes.known_at[number]) for number in rows[:1]]
            wake = self._wake[name] = min([*known, microseconds(until)])
        return wake

    def _next_tick(self, at: int) -> int:
        """The first instant from ``at`` on with a candidate or a quote of something held."""
        found = self.moments.next_instant(at)
        for market in self.account.held_markets():
            found = min(found, self._next_quote(market, at))
        return found

    def _next_quote(self, market: int, at: int) -> int:
        quotes, row = self.history.quotes, self._rows_before(market, at)
        return int(quotes.known_at[row]) if row < int(quotes.starts[market + 1]) else NEVER
