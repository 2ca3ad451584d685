"""Which moment is lived next: the first at which an order, a holding, a candidate or a breaker may
change something."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import numpy as np

from precog_core.prices import Side
from precog_trading.backtest.account import Account
from precog_trading.backtest.columns import NONE, instant, microseconds
from precog_trading.backtest.moments import NEVER, Moments
from precog_trading.backtest.portfolio import Order
from precog_trading.backtest.replay import Setup
from precog_trading.backtest.watch import Watch
from precog_trading.engine.state import Portfolio
from precog_trading.ledger.risk import TrippedBreaker
from precog_trading.rules.account_gate import may_try_again
from precog_trading.rules.breakers import CLOSE_ALL, rearmed_at


class Agenda:
    """The candidates that pass and were not come to yet, the orders that wait, the payments due."""

    def __init__(self, setup: Setup, moments: Moments, watch: Watch, account: Account) -> None:
        self.setup, self.moments, self.watch, self.account = setup, moments, watch, account
        self.watchful = False
        """whether the next moment must be lived in full, whatever it is"""
        self.entered = np.zeros(len(moments.candidates), dtype=np.int16)
        """of candidates that passed but were not lived: entries of the game by then"""
        self.cooling: dict[int, Portfolio] = {}
        """candidates that passed but must wait after orders that found nothing to buy, each with
        those orders"""
        self.paid_at: dict[int, int] = {}
        """by market, when it pays"""
        for ended in setup.history.settlements:
            self.paid_at.setdefault(ended.market, microseconds(ended.known_at))
        self._wake: dict[str, int] = {}
        """by order that waits for a quote, when it can be finished"""
        self._next = 0
        self._closed_to: dict[int, int] = {}
        """by market whose game can be entered no more, the entries made"""

    def next_moment(self, clock: int, breakers: Sequence[TrippedBreaker], *, echo: bool) -> int:
        """The first instant after ``clock`` at which something must be lived."""
        account = self.account
        tripped = {breaker.breaker_type for breaker in breakers}
        self.watchful = (
            echo
            or any(order.status == "resting" for order in account.working)
            or ("edge_anomaly" not in tripped and self.moments.is_hot(clock))
            or ("trade_burst" not in tripped and self._trades_burst(clock))
        )
        if self.watchful:
            return self._next_tick(clock + 1)
        held = account.open_positions()
        moment = self.moments.next_odd(clock)
        if not breakers:
            moment = min(moment, self._next_survivor(clock))
        elif any(breaker.action == CLOSE_ALL for breaker in breakers):
            for position in held:
                moment = min(moment, self.watch.next_quote(position.market, clock + 1))
        wake = min((self._wakes(order) for order in account.working), default=NEVER)
        for position in held:
            wake = min(wake, self.paid_at.get(position.market, NEVER))
            moment = min(
                moment, self.watch.trigger[position.position_id],
                self.moments.next_again(position.market, clock),
            )  # fmt: skip
        # While a breaker is open every candidate is refused; the morning's first tick re-arms it.
        rearm_at = self.setup.config.replay.rearm_at
        for breaker in breakers:
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
        """The next candidate that passes the gate and may be bought as far as its game goes."""
        moments, cap = self.moments, self.setup.config.gate.already_entered
        while self._next < len(moments.survivors):
            at = moments.survivors_at[self._next]
            if at > clock:
                market = moments.survivors_in[self._next]
                made = self._closed_to.get(market)
                if made is None:
                    made = self._entries_in_game(market)
                    # An order that waits may end without a fill and undo its entry.
                    if self.account.working and not self._is_filled(market):
                        return at
                    if made < cap:
                        if not self._cools(self._next, market, at):
                            return at
                        self._next += 1
                        continue
                    self._closed_to[market] = made
                self.entered[moments.survivors[self._next]] = made
            self._next += 1
        return NEVER

    def _cools(self, number: int, market: int, at: int) -> bool:
        """Whether every side that passes must wait after its orders that found nothing to buy;
        then it is refused for that, whatever else the account holds. Where no entry stands, nothing
        was sold, and until then nothing can change but by a candidate of the market before it."""
        account = self.account
        if not account.has_missed(market) or self._entries_in_game(market):
            return False
        now, config = instant(at), self.setup.config
        cooldown = timedelta(seconds=config.gate.cooldown)
        missed = account.missed_in(market, now - cooldown)
        for side in self.moments.sides(number):
            times = [one.decided_at for one in missed if one.side is side]
            if not times or may_try_again(times, now, config.exec):
                return False
        self.cooling[self.moments.survivors[number]] = Portfolio(Decimal(0), missed=missed)
        return True

    def _entries_in_game(self, market: int) -> int:
        return self.account.entries_in_game(self.setup.history.markets[market]["game_id"])

    def _is_filled(self, market: int) -> bool:
        return market in self.account.open or not self.account.holds(market)

    def is_due(self, order: Order, at: int) -> bool:
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
            quotes = self.setup.history.quotes
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
            found = min(found, self.watch.next_quote(market, at))
        return found

    def wanted(self, at: int) -> dict[int, list[Side]]:
        """The sides that pass, by market, of the moment's candidates that may be bought as far as
        their game goes."""
        moments, cap = self.moments, self.setup.config.gate.already_entered
        wanted: dict[int, list[Side]] = {}
        while self._next < len(moments.survivors) and moments.survivors_at[self._next] <= at:
            if moments.survivors_at[self._next] == at:
                index, market = moments.survivors[self._next], moments.survivors_in[self._next]
                made = self._entries_in_game(market)
                if made >= cap:
                    self.entered[index] = made
                elif not self._cools(self._next, market, at):
                    wanted[market] = moments.sides(self._next)
            self._next += 1
        return wanted
