"""What the account is worth between two lived moments, and when a loss might trip a breaker.

Bids of what is held are columns, so a hundred looks cost a few array operations. Equity is counted
in hundred-millionths of a dollar, exactly: contracts have two places, prices six.
"""

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


class Worth:
    """The course of the account's equity as columns, beside its risk book."""

    def __init__(self, setup: Setup, moments: Moments) -> None:
        self.setup, self.moments = setup, moments
        self.quotes = setup.history.quotes
        self._at = np.zeros(1 << 12, dtype=np.int64)
        self._equity = np.zeros(1 << 12, dtype=np.int64)
        self._count = 0
        self._days, self._weeks = self._calendar()
        breaker, environment = setup.config.breaker, setup.environment
        self._limits = {
            name: int(getattr(breaker, name).of(environment) * POINT)
            for name in ("daily_loss", "weekly_loss", "rapid_loss")
        }
        self._rapid = breaker.rapid_loss_window_s * 1_000_000
        self._keeps = 1 - float(breaker.drawdown)
        self._deposit = int(setup.config.paper.starting_cash_usd * POINT)

    def _calendar(self) -> tuple[Int64, Int64]:
        at, last = self.setup.history.first, self.setup.history.last + timedelta(days=2)
        days: set[int] = set()
        weeks: set[int] = set()
        while at < last:
            days.add(microseconds(day_start(at)))
            weeks.add(microseconds(week_start(at)))
            at += timedelta(hours=12)
        return np.array(sorted(days), dtype=np.int64), np.array(sorted(weeks), dtype=np.int64)

    def sync(self, book: RiskBook) -> None:
        """Take over the points that the risk book has got meanwhile."""
        for at, equity in book.course(self._count):
            self._add(microseconds(at), int(equity * POINT))

    def _add(self, at: int, equity: int) -> None:
        if self._count == len(self._at):
            self._at = np.concatenate([self._at, np.zeros_like(self._at)])
            self._equity = np.concatenate([self._equity, np.zeros_like(self._equity)])
        self._at[self._count] = at
        self._equity[self._count] = equity
        self._count += 1

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
        value = np.zeros(len(times), dtype=np.int64)
        if len(times):
            for position, first, stop, _ in pieces:
                value += self._values(position, first, stop, times)
        return value

    def _looks(self, position: Position, clock: int, at: int) -> _Piece:
        """(position, first row, end, whether a book without two sides is among them)."""
        quotes = self.quotes
        start, end = int(quotes.starts[position.market]), int(quotes.starts[position.market + 1])
        known = quotes.known_at[start:end]
        first = start + int(known.searchsorted(clock, side="right"))
        stop = start + int(known.searchsorted(at, side="left"))
        before = max(first - 1, start)
        bids, asks = quotes.yes_bid[before:stop], quotes.yes_ask[before:stop]
        silent = bool(len(bids)) and (int(bids.min()) == NONE or int(asks.min()) == NONE)
        return position, first, stop, silent

    def _slides(self, clock: int, equity: Int64, tripped: set[str]) -> bool:
        """Whether the window of the rapid loss, moving on, might begin at a higher worth: then
        the loss grows although nothing is quoted."""
        if "rapid_loss" in tripped or not self._count:
            return False
        first = int(self._at[: self._count].searchsorted(clock - self._rapid, side="right"))
        window = self._equity[max(first - 1, 0) : self._count]
        highest, lowest = int(window.max()), int(window[-1])
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

    def is_calm(self, book: RiskBook, at: int, equity: int, tripped: set[str]) -> bool:
        """Whether no loss up to this moment can trip a breaker."""
        times = np.array([at], dtype=np.int64)
        return self._alarm(book, times, np.array([equity], dtype=np.int64), tripped) is None

    def _alarm(self, book: RiskBook, times: Int64, equity: Int64, tripped: set[str]) -> int | None:
        """The first look at which a loss might trip a breaker; no window reaches back behind the
        moment its breaker was re-armed, and what is open cannot trip again."""
        hit = np.zeros(len(times), dtype=bool)
        for name, since in (
            ("daily_loss", self._days),
            ("weekly_loss", self._weeks),
            ("rapid_loss", times - self._rapid),
        ):
            if name in tripped:
                continue
            if name != "rapid_loss":
                since = since[since.searchsorted(times, side="right") - 1]
            rearmed = book.rearmed_at(name)
            if rearmed is not None:
                since = np.maximum(since, microseconds(rearmed))
            hit |= self._worth_at(since, times, equity) - equity >= self._limits[name]
        if "drawdown" not in tripped:
            peak = max(int(book.peak * POINT), self._deposit if not self._count else 0)
            peaks = np.maximum.accumulate(np.maximum(equity, peak))
            hit |= equity <= peaks * self._keeps + 1
        found = np.flatnonzero(hit)
        return int(found[0]) if len(found) else None

    def _worth_at(self, since: Int64, times: Int64, equity: Int64) -> Int64:
        """What the account was worth at some moments, the looks at hand included; the deposit
        before its first point."""
        past = self._equity[: self._count]
        place = self._at[: self._count].searchsorted(since, side="right") - 1
        worth = np.where(place >= 0, past[np.maximum(place, 0)], 0) if len(past) else 0 * since
        new = times.searchsorted(since, side="right") - 1
        worth = np.where(new >= 0, equity[np.maximum(new, 0)], worth)
        return np.where(worth == 0, self._deposit, worth)

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
        if not len(times):
            return []
        before = int(self._equity[self._count - 1]) if self._count else 0
        moved: Any = np.ones(len(times), dtype=bool)
        moved[1:] = equity[1:] != equity[:-1]
        moved[0] = int(equity[0]) != before
        if not moved.any():
            return []
        rows: list[Row] = []
        for t, v in zip(times[moved].tolist(), value[moved].tolist(), strict=True):
            rows += self.note(book, platform_id, t, cash, v)
        return rows
