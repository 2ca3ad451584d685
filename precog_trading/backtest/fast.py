"""The fast replay: the same decisions, and only the moments that can change something are lived.

A season is mostly moments at which nothing can happen: a quote whose candidates the gate refuses
whatever the account holds, a minute of a game in which no position comes near its stop. Columns
find the others (gate.py, triggers.py, and the account's worth between them), and those go the plain
way through ``decide``. A refusal that was never decided is decided when somebody reads it, and must
then have the reason the columns gave. Where the columns do not apply the plain replay runs instead.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from precog_core.prices import Side
from precog_trading.backtest.account import Position
from precog_trading.backtest.columns import NONE, Int64, instant, microseconds
from precog_trading.backtest.gate import Candidates, is_sievable, judge_all
from precog_trading.backtest.replay import (
    PlainReplay,
    Replay,
    Setup,
    entry_candidates,
    prediction_batches,
    replay,
)
from precog_trading.backtest.triggers import first_trigger, marks, own_columns, trailed
from precog_trading.engine.decide import decide
from precog_trading.engine.looks import look_at, mark_of
from precog_trading.engine.state import (
    Decision,
    Entry,
    OpenBreaker,
    Portfolio,
    Tick,
    TradingState,
)
from precog_trading.ledger.risk import OddDecision, day_start, week_start
from precog_trading.rules.assumptions import takes_assumptions
from precog_trading.rules.breakers import CLOSE_ALL, rearmed_at
from precog_trading.rules.entry_gate import Situation
from precog_trading.tick.batches import tick_id

_NEVER = int(np.iinfo(np.int64).max)
BLOCKED = "breaker_open"
_POINT = 10**8
"""Equity is counted in hundred-millionths of a dollar: contracts have two places, prices six."""


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
        self.candidates = self._candidates()
        found = self.candidates
        self.instants, first = np.unique(found.at, return_index=True)
        self._slices = [*first.tolist(), len(found)]
        passed = (found.reason == 0).any(axis=1)
        gap = int(setup.config.breaker.edge_anomaly_gap * 1_000_000)
        self._far = np.flatnonzero((found.gap > gap).any(axis=1))
        self._echo = False
        self._fed = 0
        self._hot = self._anomalous()
        odd = (found.reason == found.code("book_invalid")).any(axis=1)
        odd |= self._unspoken(found.at)
        for since, until in self._hot:
            odd |= (found.at >= since) & (found.at <= until)
        # A prediction that meets an older quote makes the engine look at what is held once more.
        again = np.flatnonzero(setup.history.quotes.known_at[found.row] != found.at)
        self._again: dict[int, list[int]] = {}
        for index in again.tolist():
            self._again.setdefault(int(found.market[index]), []).append(int(found.at[index]))
        self._survivors = np.flatnonzero(passed & ~odd)
        # The first moment opens the account.
        self._odd = np.unique(np.concatenate([found.at[:1], found.at[odd]]))
        self._lived: dict[int, tuple[int, int]] = {}
        """instant → its decisions in ``result.decisions``"""
        self.entered = np.zeros(len(found), dtype=np.int16)
        """of survivors that were not lived: entries of the game by then"""
        self.blocked: list[tuple[int, int, tuple[OpenBreaker, ...]]] = []
        """(from, until, breakers): between them, both lived, every candidate was refused"""
        self._seen: dict[int, int] = {}
        """by position, the row of the newest quote looked at"""
        self._trigger: dict[int, int] = {}
        """by position, the instant of its next possible trigger"""
        self._paid_at: dict[int, int] = {}
        for ended in setup.history.settlements:
            self._paid_at.setdefault(ended.market, microseconds(ended.known_at))
        self._next = 0
        self._next_odd = 0
        self._points_at = np.zeros(1 << 16, dtype=np.int64)
        self._points = np.zeros(1 << 16, dtype=np.int64)
        self._count = 0
        self._days: list[int] = []
        self._weeks: list[int] = []
        self._calendar()

    # -- what is prepared --------------------------------------------------------------------------

    def _candidates(self) -> Candidates:
        quotes = self.history.quotes
        rows = np.flatnonzero(entry_candidates(self.setup))
        at, market = quotes.known_at[rows], quotes.market[rows]
        told = [
            (t, m, r)
            for t, m in prediction_batches(self.setup)
            if (r := quotes.latest(m, t)) is not None and quotes.known_at[r] != t
        ]
        if told:
            extra = np.array(told, dtype=np.int64)
            at, market, rows = (
                np.concatenate([column, extra[:, number]])
                for number, column in enumerate((at, market, rows))
            )
        order = np.lexsort((market, at))
        return judge_all(self.setup, self.facts, at[order], market[order], rows[order])

    def _anomalous(self) -> list[tuple[int, int]]:
        """When so many games are far from their markets at once that a breaker might trip: from
        then on every moment is lived until the window has passed."""
        limit = self.setup.config.breaker.edge_anomaly
        window, found = limit.window_s * 1_000_000, self.candidates
        newest: dict[int, int] = {}
        hot: list[tuple[int, int]] = []
        for at, market in zip(
            found.at[self._far].tolist(), found.market[self._far].tolist(), strict=True
        ):
            newest[market] = at
            if sum(at - seen < window for seen in newest.values()) >= limit.count:
                if hot and at <= hot[-1][1]:
                    hot[-1] = (hot[-1][0], at + window)
                else:
                    hot.append((at, at + window))
                newest = {m: t for m, t in newest.items() if at - t < window}
        return hot

    def _is_hot(self, at: int) -> bool:
        return any(since <= at <= until for since, until in self._hot)

    def _feed(self, at: int) -> None:
        """Tell the risk book of far games that were not lived through, now that they count."""
        window = self.setup.config.breaker.edge_anomaly.window_s * 1_000_000
        found, name = self.candidates, self.setup.method.strategy.name
        gap = int(self.setup.config.breaker.edge_anomaly_gap * 1_000_000)
        while self._fed < len(self._far) and found.at[self._far[self._fed]] < at:
            index = int(self._far[self._fed])
            self._fed += 1
            moment = int(found.at[index])
            if moment <= at - window or moment in self._lived:
                continue
            row = self.history.markets[int(found.market[index])]
            for distance in found.gap[index].tolist():
                if distance > gap:
                    odd = OddDecision(
                        instant(moment), None, row["game_id"], name, Decimal(distance).scaleb(-6)
                    )
                    self.books.of(row["platform_id"]).odd(odd)

    def _unspoken(self, at: Int64) -> Any:
        """Where the model had been silent for so long that a breaker watches it."""
        limit = self.setup.config.breaker.model_stale * 1_000_000
        told = np.array([microseconds(t) for t in self._told], dtype=np.int64)
        place = np.searchsorted(told, at, side="right") - 1
        return (place < 0) | (at - told[np.maximum(place, 0)] > limit)

    def _calendar(self) -> None:
        at, last = self.history.first, self.history.last + timedelta(days=2)
        while at < last:
            self._days.append(microseconds(day_start(at)))
            self._weeks.append(microseconds(week_start(at)))
            at += timedelta(hours=12)
        self._days = sorted(set(self._days))
        self._weeks = sorted(set(self._weeks))

    # -- the run -----------------------------------------------------------------------------------

    def run(self) -> None:
        """From the first candidate to the last settlement."""
        quotes = self.history.quotes
        first, last = microseconds(self.history.first), microseconds(self.history.last)
        inside = (quotes.known_at >= first) & (quotes.known_at < last)
        self.result.events = int(inside.sum()) + len(prediction_batches(self.setup))
        self._last = last
        clock = first - 1
        while True:
            at = self._next_moment(clock)
            at = self._worth_until(clock, at)
            if at >= last:
                break
            self._live(at)
            clock = at
        self._catch_up(self.account.open_positions(), last)
        self.finish()
        self.result.decisions = LazyDecisions(self)  # type: ignore[assignment]

    def _live(self, at: int) -> None:
        entries, looks = self._news(at)
        now = instant(at)
        looked = [p for market in looks for p in self.account.open.get(market, ())]
        # What is looked at now, or paid out now, must stand where its looks have left it.
        due = self._settles_by(at)
        self._catch_up(self.account.open_positions() if due else looked, at)
        before = len(self.result.decisions)
        stopped, fills = self.breakers, len(self.account.fills)
        if self._hot and self._is_hot(at):
            self._feed(at)
        self.tick(at, entries, looks)
        # What was bought after the account was weighed shows at the next tick of any market.
        self._echo = len(self.account.fills) > fills
        if self.breakers != stopped:
            if stopped:
                since, _, found = self.blocked[-1]
                self.blocked[-1] = (since, at, found)
            if self.breakers:
                self.blocked.append((at, _NEVER, tuple(b.as_open for b in self.breakers)))
        if len(self.result.decisions) > before:
            self._lived[at] = (before, len(self.result.decisions))
        self._note_points()
        changed = {*looks, *entries}
        for position in self.account.open_positions():
            if position.position_id not in self._seen:
                changed.add(position.market)
            if position.market in changed:
                # Bought or looked at on the newest quote of this moment: the next one comes after.
                row = self.history.quotes.latest(position.market, at)
                self._seen[position.position_id] = -1 if row is None else row
                self._watch(position, now)

    def _watch(self, position: Position, now: datetime) -> None:
        """Find the position's next possible trigger."""
        quotes, market = self.history.quotes, position.market
        start, end = self._seen[position.position_id] + 1, int(quotes.starts[market + 1])
        row = self.history.markets[market]
        hit = first_trigger(
            self.account.as_seen(position), self.facts.market(market, now),
            self.history.predictions.get(row["game_id"], ()), quotes, start, end,
            self.setup.config,
        )  # fmt: skip
        self._trigger[position.position_id] = _NEVER if hit is None else int(quotes.known_at[hit])

    def _news(self, at: int) -> tuple[list[int], list[int]]:
        """The markets with a candidate and those with a holding that have something new."""
        place = int(np.searchsorted(self.instants, at))
        entries: list[int] = []
        if place < len(self.instants) and self.instants[place] == at:
            rows = slice(self._slices[place], self._slices[place + 1])
            entries = self.candidates.market[rows].tolist()
        looks = [m for m in self.account.held_markets() if self._has_quote(m, at)]
        return entries, sorted(looks)

    def _has_quote(self, market: int, at: int) -> bool:
        row = self._row_from(market, at)
        return row is not None and int(self.history.quotes.known_at[row]) == at

    def _row_from(self, market: int, at: int) -> int | None:
        """The first row of a market known at or after an instant."""
        quotes = self.history.quotes
        start, end = int(quotes.starts[market]), int(quotes.starts[market + 1])
        row = start + int(np.searchsorted(quotes.known_at[start:end], at, side="left"))
        return row if row < end else None

    # -- the next moment ---------------------------------------------------------------------------

    def _next_moment(self, clock: int) -> int:
        """The first instant after ``clock`` at which the plain tick must run."""
        closing = any(b.action == CLOSE_ALL for b in self.breakers)
        if self._echo or (self._hot and self._is_hot(clock)):
            return self._next_tick(clock + 1)
        if closing or any(o.status == "resting" for o in self.account.working):
            return self._next_tick(clock + 1)
        moment = self._next_odd_moment(clock)
        if not self.breakers:
            moment = min(moment, self._next_survivor(clock))
        wake = min((self._wakes(order.row) for order in self.account.working), default=_NEVER)
        for market in {p.market for p in self.account.open_positions()}:
            wake = min(wake, self._paid_at.get(market, _NEVER))
            moment = min([moment, *(at for at in self._again.get(market, ()) if at > clock)])
        # While a breaker is open every candidate is refused; the morning's first tick re-arms it.
        rearm_at = self.setup.config.replay.rearm_at
        for breaker in self.breakers:
            wake = min(wake, microseconds(rearmed_at(breaker.triggered_at, rearm_at)))
        if wake < moment:
            moment = min(moment, self._next_tick(max(wake, clock + 1)))
        for position in self.account.open_positions():
            moment = min(moment, self._trigger[position.position_id])
        burst = self.setup.config.breaker.trade_burst
        if len(self.account.trades) >= burst.count:
            since = instant(clock) - timedelta(seconds=burst.window_s) if clock > 0 else None
            recent = self.account.trades[-burst.count]["event_ts"]
            if since is not None and recent > since:
                moment = min(moment, self._next_tick(clock + 1))
        return moment

    def _next_survivor(self, clock: int) -> int:
        """The next candidate that passes the gate and whose game was not entered yet."""
        found, rows = self.candidates, self._survivors
        while self._next < len(rows):
            index = int(rows[self._next])
            at = int(found.at[index])
            if at > clock:
                made = self._entries_in_game(int(found.market[index]))
                if made < self.setup.config.gate.already_entered:
                    return at
                # An order that waits may end without a fill and undo its entry.
                if self.account.working and not self._is_filled(int(found.market[index])):
                    return at
                self.entered[index] = made
            self._next += 1
        return _NEVER

    def _entries_in_game(self, market: int) -> int:
        return self.account.entries_in_game(self.history.markets[market]["game_id"])

    def _is_filled(self, market: int) -> bool:
        return bool(self.account.open.get(market)) or not self.account.holds(market)

    def _next_odd_moment(self, clock: int) -> int:
        while self._next_odd < len(self._odd) and self._odd[self._next_odd] <= clock:
            self._next_odd += 1
        return int(self._odd[self._next_odd]) if self._next_odd < len(self._odd) else _NEVER

    def _wakes(self, order: dict[str, Any]) -> int:
        """When a waiting order can be finished: at its next quote, or when none has come."""
        sent_at = order["sent_at"] or order["decided_at"]
        until = sent_at + timedelta(seconds=self.setup.config.paper.next_quote_s)
        quotes, market = self.history.quotes, self.account.place(order["market_id"])
        rows = quotes.following(
            market, microseconds(order["quote_observed_at"]), microseconds(sent_at),
            microseconds(until),
        )  # fmt: skip
        known = [int(quotes.known_at[row]) for row in rows[:1]]
        return min([*known, microseconds(until)])

    def _next_tick(self, at: int) -> int:
        """The first instant from ``at`` on with a candidate or a quote of something held."""
        place = int(np.searchsorted(self.instants, at))
        found = int(self.instants[place]) if place < len(self.instants) else _NEVER
        for market in self.account.held_markets():
            row = self._row_from(market, at)
            if row is not None:
                found = min(found, int(self.history.quotes.known_at[row]))
        return found

    def _settles_by(self, at: int) -> bool:
        held = {p.market for p in self.account.open_positions()}
        return any(self._paid_at.get(market, _NEVER) <= at for market in held)

    # -- what happens in between -------------------------------------------------------------------

    def _worth_until(self, clock: int, at: int) -> int:
        """Note what the account was worth at every look between two moments.

        Returns the moment itself, or an earlier one at which a breaker might trip.
        """
        held = self.account.open_positions()
        if not held:
            return at
        quotes, until = self.history.quotes, min(at, self._last)
        pieces: list[tuple[Position, int, int]] = []
        for position in held:
            start, end = (
                int(quotes.starts[position.market]),
                int(quotes.starts[position.market + 1]),
            )
            known = quotes.known_at[start:end]
            first = start + int(np.searchsorted(known, clock, side="right"))
            stop = start + int(np.searchsorted(known, until, side="left"))
            pieces.append((position, first, stop))
        looks = [quotes.known_at[a:b] for _, a, b in pieces]
        if any(
            bool(((quotes.yes_bid[a - 1 : b] == NONE) | (quotes.yes_ask[a - 1 : b] == NONE)).any())
            for _, a, b in pieces
        ):
            # Without a bid a contract is worth its last mark at the look, and its cost after it,
            # which the next tick of any market finds out.
            first, stop = np.searchsorted(self.instants, [clock + 1, until])
            looks.append(self.instants[first:stop])
        times = np.unique(np.concatenate(looks))
        if not len(times):
            return at
        value = np.zeros(len(times), dtype=np.int64)
        for position, first, stop in pieces:
            value += self._values(position, first, stop, times)
        cash = self.account.cash[held[0].row["platform_id"]].balance
        equity = int(cash * _POINT) + value
        alarm = self._alarm(times, equity)
        if alarm is not None:
            times, equity, value = times[:alarm], equity[:alarm], value[:alarm]
            at = int(self._first_alarm)
        self._append(held[0].row["platform_id"], cash, times, equity, value)
        return at

    def _values(self, position: Position, first: int, stop: int, times: Int64) -> Int64:
        """The worth of a position at each time, hundred-millionths of a dollar."""
        quotes, row = self.history.quotes, position.row
        start = max(first - 2, int(quotes.starts[position.market]))
        bid, ask = own_columns(quotes, row["side"], start, stop)
        mark = marks(bid, ask)
        entry = int(row["entry_price"] * 1_000_000)
        # The look before says what a contract was worth when nobody bids.
        earlier = np.concatenate([[NONE], mark[:-1]]) if len(mark) else mark
        worth_at_look = np.where(bid != NONE, bid, np.where(earlier != NONE, earlier, entry))
        worth_later = np.where(bid != NONE, bid, np.where(mark != NONE, mark, entry))
        known = quotes.known_at[start:stop]
        place = np.searchsorted(known, times, side="right") - 1
        safe = np.maximum(place, 0)
        if not len(known):
            last = row["current_price"]
            flat = entry if last is None else int(last * 1_000_000)
            found = np.full(len(times), flat, dtype=np.int64)
        else:
            at_look = known[safe] == times
            found = np.where(at_look, worth_at_look[safe], worth_later[safe])
            found = np.where(place < 0, entry, found)
        return found * int(row["quantity"] * 100)

    def _alarm(self, times: Int64, equity: Int64) -> int | None:
        """The first look at which a loss might trip a breaker; no window reaches back behind the
        moment its breaker was re-armed."""
        tripped = {breaker.breaker_type for breaker in self.breakers}
        settings, book = self.setup.config.breaker, next(iter(self.books.by_platform.values()))
        environment = self.setup.environment
        past, worth = self._points_at[: self._count], self._points[: self._count]
        all_times = np.concatenate([past, times])
        all_worth = np.concatenate([worth, equity])

        def at(since: Int64) -> Int64:
            place = np.searchsorted(all_times, since, side="right") - 1
            return np.where(place >= 0, all_worth[np.maximum(place, 0)], 0)

        deposit = int(self.setup.config.paper.starting_cash_usd * _POINT)
        hit = np.zeros(len(times), dtype=bool)
        days = np.array(self._days, dtype=np.int64)
        weeks = np.array(self._weeks, dtype=np.int64)
        rapid = settings.rapid_loss_window_s * 1_000_000
        for name, since, limit in (
            (
                "daily_loss",
                days[np.searchsorted(days, times, side="right") - 1],
                settings.daily_loss,
            ),
            (
                "weekly_loss",
                weeks[np.searchsorted(weeks, times, side="right") - 1],
                settings.weekly_loss,
            ),
            ("rapid_loss", times - rapid, settings.rapid_loss),
        ):
            if name in tripped:
                continue  # what is open cannot trip again
            rearmed = book.rearmed_at(name)
            if rearmed is not None:
                since = np.maximum(since, microseconds(rearmed))
            reference = at(since)
            reference = np.where(reference == 0, deposit, reference)
            hit |= reference - equity >= int(limit.of(environment) * _POINT)
        if "drawdown" in tripped:
            return self._first(hit, times)
        peak = max(int(worth.max()) if len(worth) else 0, deposit)
        peaks = np.maximum.accumulate(np.maximum(equity, peak))
        share = float(settings.drawdown)
        hit |= equity <= peaks * (1 - share) + 1
        return self._first(hit, times)

    def _first(self, hit: Any, times: Int64) -> int | None:
        found = np.flatnonzero(hit)
        if not len(found):
            return None
        self._first_alarm = int(times[found[0]])
        return int(found[0])

    def _append(
        self, platform_id: str, cash: Decimal, times: Int64, equity: Int64, value: Int64
    ) -> None:
        """Equity points where the account's worth changed, for the book and for the table."""
        if not len(times):
            return
        before = self._points[self._count - 1] if self._count else 0
        moved = np.concatenate([[equity[0] != before], equity[1:] != equity[:-1]])
        book = self.books.of(platform_id)
        for t, v in zip(times[moved].tolist(), value[moved].tolist(), strict=True):
            worth = Decimal(v).scaleb(-8)
            at = instant(t)
            book.point(at, cash, worth)
            self.result.equity.append(
                {"platform_id": platform_id, "event_ts": at, "cash": cash, "portfolio_value": worth}
            )
        self._note_points()

    def _note_points(self) -> None:
        """Keep the risk book's course as columns too."""
        for book in self.books.by_platform.values():
            course = book.course(self._count)
            while self._count + len(course) > len(self._points):
                self._points_at = np.concatenate([self._points_at, np.zeros_like(self._points_at)])
                self._points = np.concatenate([self._points, np.zeros_like(self._points)])
            for at, equity in course:
                self._points_at[self._count] = microseconds(at)
                self._points[self._count] = int(equity * _POINT)
                self._count += 1

    def _catch_up(self, positions: list[Position], at: int) -> None:
        """Look at positions as of the last quote before ``at`` that nobody looked at."""
        quotes = self.history.quotes
        for position in positions:
            seen = self._seen.get(position.position_id)
            if seen is None:
                continue
            market = position.market
            start = int(quotes.starts[market])
            end = int(quotes.starts[market + 1])
            last = start + int(np.searchsorted(quotes.known_at[start:end], at, side="left")) - 1
            if last <= seen:
                continue
            bid, ask = own_columns(quotes, position.row["side"], seen + 1, last + 1)
            mark = marks(bid, ask)
            known = self.account.as_seen(position)
            now = instant(int(quotes.known_at[last]))
            facts = self.facts.market(market, now)
            state = TradingState({facts.market_id: facts}, Portfolio(Decimal(0)), is_writer=True)
            situation = Situation(state, Tick("", now, self.setup.environment), self.setup.config)
            known = replace(known, trailing=trailed(known, mark[:-1]))
            quote = quotes.quote(last, facts.market_id)
            self.account.mark(mark_of(look_at(known, quote, (), None, situation), situation))
            self._seen[position.position_id] = last


class LazyDecisions:
    """All decisions of a fast replay in order; those that were never made are made when read."""

    def __init__(self, run: FastReplay) -> None:
        self._run = run
        self._made = run.result.decisions
        self._spans = run._lived
        lived = np.array(sorted(run._lived), dtype=np.int64)
        skipped = ~np.isin(run.candidates.at, lived)
        self._skipped = np.flatnonzero(skipped)
        self._length = len(self._made) + 2 * len(self._skipped)

    def __len__(self) -> int:
        return self._length

    def counts(self) -> dict[str, int]:
        """Entry candidates by reason, without making a decision."""
        found, run = self._run.candidates, self._run
        names = np.array([*found.reasons, "already_entered", BLOCKED])
        codes = found.reason[self._skipped].astype(np.int64)
        codes[(codes == 0) & (run.entered[self._skipped] > 0)[:, None]] = len(found.reasons)
        for since, until, _ in run.blocked:
            at = found.at[self._skipped]
            codes[(at > since) & (at < until)] = len(found.reasons) + 1
        counted = np.bincount(codes.ravel(), minlength=len(names))
        total = {str(n): int(c) for n, c in zip(names, counted, strict=True) if c}
        for decision in self._made:
            name = decision.skip_reason or "taken"
            if decision.exit_condition is None:
                total[name] = total.get(name, 0) + 1
        return total

    def __iter__(self) -> Iterator[Decision]:
        at = self._run.candidates.at
        skipped = iter(self._skipped.tolist())
        index = next(skipped, None)
        for moment in sorted(self._spans):
            while index is not None and at[index] < moment:
                yield from self.made(index)
                index = next(skipped, None)
            first, last = self._spans[moment]
            yield from self._made[first:last]
        while index is not None:
            yield from self.made(index)
            index = next(skipped, None)

    def made(self, index: int) -> tuple[Decision, ...]:
        """Both sides of a candidate as ``decide`` decides them.

        Raises AssertionError when a reason is not the one the columns gave: then the columns are
        wrong, and nothing that rests on them may stand.
        """
        run, found = self._run, self._run.candidates
        market, at = int(found.market[index]), int(found.at[index])
        now = instant(at)
        row = run.history.markets[market]
        facts = run.facts.market(market, now)
        made = int(run.entered[index])
        entries = tuple(
            Entry(now - timedelta(days=2), run.setup.method.strategy.strategy_id, row["game_id"])
            for _ in range(made)
        )
        breakers = next((b for since, until, b in run.blocked if since < at < until), ())
        state = TradingState(
            {facts.market_id: facts},
            Portfolio(Decimal(0), entries=entries),
            is_writer=True,
            breakers=breakers,
        )
        quote = run.history.quotes.quote(int(found.row[index]), facts.market_id)
        tick = Tick(tick_id(now), now, run.setup.environment, run_key=run.setup.run_key)
        decided = decide(
            state, [quote], run.facts.predictions(row["game_id"], now), [run.setup.method], tick,
            run.setup.config,
        ).decisions  # fmt: skip
        for decision in decided:
            code = int(found.reason[index, 0 if decision.side is Side.YES else 1])
            expected = found.reasons[code] if code else "already_entered"
            if breakers:
                expected = BLOCKED
            if decision.skip_reason != expected:
                raise AssertionError(
                    f"{tick.tick_id} market {facts.market_id} {decision.side}: the columns say "
                    f"{expected}, decide says {decision.skip_reason}"
                )
            known = quote.known_at
            if decision.prediction_id is not None:
                told = found.predictions[int(found.prediction[index])]
                known = max(known, told.known_at)
            run.result.known_at[decision.decision_key] = known
        return decided
