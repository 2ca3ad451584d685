"""What is held between lived moments: how far it was looked at, and when it may ask to be sold.

Looks that can lead to nothing are not lived. What they would have noted, the newest mark and the
trailing stop, is caught up with in one look when somebody needs it.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from precog_trading.backtest.account import Account
from precog_trading.backtest.columns import instant
from precog_trading.backtest.held_back import HeldBack
from precog_trading.backtest.history import FactsAtTime
from precog_trading.backtest.moments import NEVER
from precog_trading.backtest.portfolio import Position
from precog_trading.backtest.replay import Setup
from precog_trading.backtest.triggers import Triggers, marks, own_columns, trailed
from precog_trading.engine.looks import look_at, mark_of
from precog_trading.engine.state import Portfolio, Tick, TradingState
from precog_trading.rules.entry_gate import Situation

_REMEMBERED = 256
"""Positions whose search is kept before those of closed ones are dropped."""


class Watch:
    """The open positions of an account and the quotes of their markets."""

    def __init__(self, setup: Setup, facts: FactsAtTime, account: Account) -> None:
        self.setup, self.facts, self.account = setup, facts, account
        self._seen: dict[int, int] = {}
        """by position, the row of the newest quote looked at"""
        self.trigger: dict[int, int] = {}
        """by position, the instant of its next possible trigger"""
        self._triggers: dict[int, Triggers] = {}
        """by position, where its quotes are searched for that"""
        self.held_back: dict[int, list[HeldBack]] = {}
        """instant → looks that nobody lived although a target was reached"""

    def touched(self, position: Position, at: int) -> None:
        """A position that was opened or changed before the look of this moment."""
        if position.position_id not in self._seen:
            row = self.setup.history.quotes.latest(position.market, at)
            seen = -1 if row is None else row
            # The quote of this very moment is still to be looked at.
            self._seen[position.position_id] = seen - self.has_quote(position.market, at)
        self._search(position, at)

    def looked(self, position: Position, at: int) -> None:
        """A position that was looked at, or opened after the look: the next quote is next."""
        row = self.setup.history.quotes.latest(position.market, at)
        self._seen[position.position_id] = -1 if row is None else row
        self._search(position, at)

    def _search(self, position: Position, at: int) -> None:
        """Find the position's next possible trigger."""
        quotes, market = self.setup.history.quotes, position.market
        start = self._seen[position.position_id] + 1
        hit = None
        if start < int(quotes.starts[market + 1]):
            seen, facts = self.account.as_seen(position), self.facts.market(market, instant(at))
            triggers = self._triggers.get(position.position_id)
            if triggers is None or not triggers.are_of(seen, facts):
                game = self.setup.history.markets[market]["game_id"]
                told = self.setup.history.predictions.get(game, ())
                until = next((t for t in self.facts.changes(market) if t > at), NEVER)
                triggers = Triggers(seen, facts, told, quotes, start, until, self.setup.config)
                self._forget_the_closed()
                self._triggers[position.position_id] = triggers
            hit = triggers.first(seen, start)
        self.trigger[position.position_id] = NEVER if hit is None else int(quotes.known_at[hit])

    def catch_up(self, positions: Iterable[Position], at: int) -> None:
        """Look at positions as of the last quote before ``at`` that nobody looked at."""
        quotes = self.setup.history.quotes
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
            triggers = self._triggers.get(position.position_id)
            if triggers is not None:
                for row, reached in triggers.held_back(known, seen + 1, last + 1):
                    look = HeldBack(position.market, row, reached, known, seen)
                    self.held_back.setdefault(int(quotes.known_at[row]), []).append(look)
            now = instant(int(quotes.known_at[last]))
            facts = self.facts.market(position.market, now)
            state = TradingState({facts.market_id: facts}, Portfolio(Decimal(0)), is_writer=True)
            situation = Situation(state, Tick("", now, self.setup.environment), self.setup.config)
            known = replace(known, trailing=trailed(known, mark[:-1]))
            quote = quotes.quote(last, facts.market_id)
            self.account.mark(mark_of(look_at(known, quote, (), None, situation), situation))
            self._seen[position.position_id] = last

    def _forget_the_closed(self) -> None:
        if len(self._triggers) >= _REMEMBERED:
            held = {position.position_id for position in self.account.open_positions()}
            self._triggers = {key: t for key, t in self._triggers.items() if key in held}

    def _rows_before(self, market: int, at: int) -> int:
        """Where the rows of a market known before an instant end."""
        quotes = self.setup.history.quotes
        return int(quotes.starts[market]) + bisect_left(quotes.times(market)[1], at)

    def has_quote(self, market: int, at: int) -> bool:
        known = self.setup.history.quotes.times(market)[1]
        place = bisect_left(known, at)
        return place < len(known) and known[place] == at

    def next_quote(self, market: int, at: int) -> int:
        known = self.setup.history.quotes.times(market)[1]
        place = bisect_left(known, at)
        return known[place] if place < len(known) else NEVER
