"""What the account is worth between two lived moments, and when a loss might trip a breaker.

Bids of what is held are columns, so a hundred looks cost a few array operations. Equity is counted
in hundred-millionths of a dollar, exactly: contracts have two places, prices six. Whether any loss
of a stretch could reach a limit is asked of its lowest and highest worth first, and of every look
only then.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from precog_trading.backtest.columns import NONE, Int64, instant, microseconds
from precog_trading.backtest.moments import Moments
from precog_trading.backtest.portfolio import Position
from precog_trading.backtest.replay import Setup
from precog_trading.backtest.triggers import marks, own_columns
from precog_trading.ledger.risk import RiskBook, day_start, week_start
from precog_trading.ledger.statements import Row

POINT = 10**8
_Piece = tuple[Position, int, int, bool]
_NO_TIMES: Int64 = np.zeros(0, dtype=np.int64)
_NOTHING: frozenset[str] = frozenset()


class Worth:
    """The course of the account's equity, beside its risk book."""

    def __init__(self, setup: Setup, moments: Moments) -> None:
        self.setup, self.moments = setup, moments
        self.quotes = setup.history.quotes
        self._at: list[int] = []
        self._equity: list[int] = []
        self._days, self._weeks = self._calendar()
        breaker, environment = setup.config.breaker, setup.environment
        self._limits = {
            name: int(getattr(breaker, name).of(environment) * POINT)
            for name in ("daily_loss", "weekly_loss", "rapid_loss")
        }
        self._rapid = breaker.rapid_loss_window_s * 1_000_000
        self._keeps = 1 - float(breaker.drawdown)
        self._deposit = int(setup.config.paper.starting_cash_usd * POINT)
        one_sided = (self.quotes.yes_bid == NONE) | (self.quotes.yes_ask == NONE)
        self._one_sided: list[int] = np.flatnonzero(one_sided).tolist()
        """rows whose book lacks a side"""

    def _calendar(self) -> tuple[list[int], list[int]]:
        """The beginnings of New York's days and weeks in the period."""
        at, last = self.setup.history.first, self.setup.history.last + timedelta(days=2)
        days: set[int] = set()
        weeks: set[int] = set()
        while at < last:
            days.add(microseconds(day_start(at)))
            weeks.add(microseconds(week_start(at)))
            at += timedelta(hours=12)
        return sorted(days), sorted(weeks)

    def sync(self, book: RiskBook) -> None:
        """Take over the points that the risk book has got meanwhile."""
        for at, equity in book.course(len(self._at)):
            self._add(microseconds(at), int(equity * POINT))

    def _add(self, at: int, equity: int) -> None:
        self._at.append(at)
        self._equity.append(equity)

    def note(
        self, book: RiskBook, platform_id: str, at: int, cash: Decimal, value: int
    ) -> list[Row]:
        """Note the account's worth at a moment in the book; the row of ``equity_points`` if new."""
        worth, moment = Decimal(value).scaleb(-8), instant(at)
        if not book.point(moment, cash, worth):
            return []
        self._add(at, int(cash * POINT) + value)
        return [
            {"platform_id": platform_id, "event_ts": moment, "cash": cash, "portfolio_value": worth}
        ]

    def until(
        self,
        book: RiskBook,
        platform_id: str,
        held: Sequence[Position],
        cash: Decimal,
        clock: int,
        at: int,
        tripped: set[str],
    ) -> tuple[int, list[Row]]:
        """Note every look after ``clock`` and before ``at``, up to one that might trip a breaker.

        Returns the moment to live, ``at`` or that look, and the rows of ``equity_points``.
        """
        pieces = [self._looks(position, clock, at) for position in held]
        silent = any(piece[3] for piece in pieces)
        # Without a bid a contract is worth its last mark at the look, and its cost after it,
        # which the next tick of any market finds out.
        times = self._times(pieces, clock, at, every=silent)
        value = self._value(pieces, times)
        base = int(cash * POINT)
        if not silent and self._slides(clock, base + value, tripped):
            times = self._times(pieces, clock, at, every=True)
            value = self._value(pieces, times)
        if not len(times):
            return at, []
        equity = base + value
        first, last = int(times[0]), int(times[-1])
        if self._might_trip(book, first, last, int(equity.min()), int(equity.max()), tripped):
            alarm = self._alarm(book, times, equity, tripped)
            if alarm is not None:
                at = int(times[alarm])
                times, equity, value = times[:alarm], equity[:alarm], value[:alarm]
        return at, self._append(book, platform_id, cash, times, equity, value)

    def _times(self, pieces: Sequence[_Piece], clock: int, at: int, *, every: bool) -> Int64:
        looks = [self.quotes.known_at[a:b] for _, a, b, _ in pieces if a < b]
        if every:
            looks.append(self.moments.between(clock, at))
        if not looks:
            return _NO_TIMES
        if len(looks) == 1:
            return looks[0]
        times = np.concatenate(looks)
        times.sort()
        fresh = np.ones(len(times), dtype=bool)
        np.not_equal(times[1:], times[:-1], out=fresh[1:])
        return times[fresh]

    def _value(self, pieces: Sequence[_Piece], times: Int64) -> Int64:
        if len(times) and len(pieces) == 1 and not pieces[0][3]:
            position, first, stop, _ = pieces[0]
            if len(times) == stop - first:  # its own looks and no others
                bid, _ = own_columns(self.quotes, position.row["side"], first, stop)
                return bid * int(position.row["quantity"] * 100)
        value = np.zeros(len(times), dtype=np.int64)
        if len(times):
            for position, first, stop, _ in pieces:
                value += self._values(position, first, stop, times)
        return value

    def _looks(self, position: Position, clock: int, at: int) -> _Piece:
        """(position, first row, end, whether a book without two sides is among them)."""
        start, (_, known) = (
            int(self.quotes.starts[position.market]),
            self.quotes.times(position.market),
        )
        first = start + bisect_right(known, clock)
        stop = start + bisect_left(known, at)
        next_silent = bisect_left(self._one_sided, max(first - 1, start))
        silent = next_silent < len(self._one_sided) and self._one_sided[next_silent] < stop
        return position, first, stop, silent

    def _slides(self, clock: int, equity: Int64, tripped: set[str]) -> bool:
        """Whether the window of the rapid loss, moving on, might begin at a higher worth: then
        the loss grows although nothing is quoted."""
        if "rapid_loss" in tripped or not self._at:
            return False
        first = bisect_right(self._at, clock - self._rapid)
        window = self._equity[max(first - 1, 0) :]
        highest, lowest = max(window), window[-1]
        if len(equity):
            highest, lowest = max(highest, int(equity.max())), min(lowest, int(equity.min()))
        return highest - lowest >= self._limits["rapid_loss"]

    def _values(self, position: Position, first: int, stop: int, times: Int64) -> Int64:
        """The worth of a position at each time, hundred-millionths of a dollar."""
        quotes, row = self.quotes, position.row
        start = max(first - 2, int(quotes.starts[position.market]))
        bid, ask = own_columns(quotes, row["side"], start, stop)
        mark = marks(bid, ask)
        entry = int(row["entry_price"] * 1_000_000)
        if not len(bid):
            last = row["current_price"]
            flat = entry if last is None else int(last * 1_000_000)
            return np.full(len(times), flat * int(row["quantity"] * 100), dtype=np.int64)
        # The look before says what a contract was worth when nobody bids.
        earlier = np.concatenate([[NONE], mark[:-1]])
        worth_at_look = np.where(bid != NONE, bid, np.where(earlier != NONE, earlier, entry))
        worth_later = np.where(bid != NONE, bid, np.where(mark != NONE, mark, entry))
        known = quotes.known_at[start:stop]
        place = known.searchsorted(times, side="right") - 1
        safe = np.maximum(place, 0)
        found = np.where(known[safe] == times, worth_at_look[safe], worth_later[safe])
        return np.where(place < 0, entry, found) * int(row["quantity"] * 100)

    def is_calm(self, book: RiskBook, at: int, equity: int) -> bool:
        """Whether no loss up to this moment can trip a breaker, none being open."""
        return not self._might_trip(book, at, at, equity, equity, _NOTHING)

    def _might_trip(
        self,
        book: RiskBook,
        first: int,
        last: int,
        lowest: int,
        highest: int,
        tripped: set[str] | frozenset[str],
    ) -> bool:
        """Whether a look between two moments, at which the account is worth between ``lowest`` and
        ``highest``, could lose so much that a breaker trips. True where that takes a closer look.
        """
        for name, begins in (("daily_loss", self._days), ("weekly_loss", self._weeks)):
            if name in tripped:
                continue
            place = bisect_right(begins, last) - 1
            since = self._since(book, name, begins[place])
            if begins[place] > first:
                return True
            before = self._worth_on(since)
            if since >= first:
                before = max(before, highest)
            if before - lowest >= self._limits[name]:
                return True
        if "rapid_loss" not in tripped:
            since = self._since(book, "rapid_loss", first - self._rapid)
            window = self._equity[max(bisect_right(self._at, since) - 1, 0) :]
            before = max(self._worth_on(since), highest, *window)
            if before - lowest >= self._limits["rapid_loss"]:
                return True
        if "drawdown" in tripped:
            return False
        return bool(lowest <= max(self._peak(book), highest) * self._keeps + 1)

    def _since(self, book: RiskBook, name: str, begin: int) -> int:
        """A window's beginning: no window reaches back behind the moment of its re-arming."""
        rearmed = book.rearmed_at(name)
        return begin if rearmed is None else max(begin, microseconds(rearmed))

    def _worth_on(self, since: int) -> int:
        """What the account was worth at a noted moment; the deposit before its first point."""
        place = bisect_right(self._at, since) - 1
        return (self._equity[place] if place >= 0 else 0) or self._deposit

    def _peak(self, book: RiskBook) -> int:
        return max(int(book.peak * POINT), 0 if self._at else self._deposit)

    def _alarm(self, book: RiskBook, times: Int64, equity: Int64, tripped: set[str]) -> int | None:
        """The first look at which a loss might trip a breaker; what is open cannot trip again."""
        hit = np.zeros(len(times), dtype=bool)
        for name, begins in (("daily_loss", self._days), ("weekly_loss", self._weeks)):
            if name not in tripped:
                listed = np.array(begins, dtype=np.int64)
                since = listed[listed.searchsorted(times, side="right") - 1]
                hit |= self._loses(book, name, since, times, equity)
        if "rapid_loss" not in tripped:
            hit |= self._loses(book, "rapid_loss", times - self._rapid, times, equity)
        if "drawdown" not in tripped:
            peaks = np.maximum.accumulate(np.maximum(equity, self._peak(book)))
            hit |= equity <= peaks * self._keeps + 1
        found = np.flatnonzero(hit)
        return int(found[0]) if len(found) else None

    def _loses(self, book: RiskBook, name: str, since: Int64, times: Int64, equity: Int64) -> Any:
        """Of each look whether the loss since a moment reaches its limit, the looks at hand
        included."""
        rearmed = book.rearmed_at(name)
        if rearmed is not None:
            since = np.maximum(since, microseconds(rearmed))
        first = max(bisect_right(self._at, int(since[0])) - 1, 0)
        past = np.array(self._equity[first:], dtype=np.int64)
        place = np.array(self._at[first:], dtype=np.int64).searchsorted(since, side="right") - 1
        worth = np.where(place >= 0, past[np.maximum(place, 0)], 0) if len(past) else 0 * since
        new = times.searchsorted(since, side="right") - 1
        worth = np.where(new >= 0, equity[np.maximum(new, 0)], worth)
        return np.where(worth == 0, self._deposit, worth) - equity >= self._limits[name]

    def _append(
        self,
        book: RiskBook,
        platform_id: str,
        cash: Decimal,
        times: Int64,
        equity: Int64,
        value: Int64,
    ) -> list[Row]:
        """Points where the account's worth changed, for the book and for the table."""
        rows: list[Row] = []
        before = self._equity[-1] if self._equity else 0
        for at, worth, held in zip(times.tolist(), equity.tolist(), value.tolist(), strict=True):
            if worth != before:
                rows += self.note(book, platform_id, at, cash, held)
                before = worth
        return rows
