"""Rows 1 to 11 of the entry gate for every candidate of a season at once, in whole numbers.

This is no second rule book: what depends on a market or a version is asked of the rules themselves,
once per market and change; fees come from the fee rule, once per price. Only comparisons of times
and the arithmetic of the edge run over columns, in exact integers. A decision still comes from
``decide``: whoever reads one that was never made gets it made then, and it must have the reason
that was predicted here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from precog_core.prices import Side
from precog_trading.backtest.columns import NONE, Int64, instant, microseconds, price, shrunk
from precog_trading.backtest.history import FactsAtTime
from precog_trading.engine.candidate import Candidate
from precog_trading.engine.state import (
    MarketFacts,
    Portfolio,
    Prediction,
    Quote,
    Tick,
    TradingState,
)
from precog_trading.rules import entry_gate, value_gate
from precog_trading.rules.assumptions import takes_assumptions
from precog_trading.rules.confidence import confidence_level, half_width
from precog_trading.rules.controls import NEW_YORK
from precog_trading.rules.entry_gate import Situation
from precog_trading.rules.fees import FeeSchedule, fee_per_contract
from precog_trading.settings import for_league
from precog_trading.strategies.base import Strategy

Codes = npt.NDArray[np.int16]
PASSED = "passed"
_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MILLION = 1_000_000
_NOBODY: npt.NDArray[np.bool_] = np.zeros(0, dtype=bool)


@dataclass(frozen=True)
class Candidates:
    """Entry candidates in the order they are decided: one row per (instant, market).

    ``row`` is the quote, ``prediction`` a position in ``predictions``, -1 for none. ``reason`` has
    the code of both sides (YES, NO); ``gap`` |p - mid| of both in millionths, -1 where unknown.
    """

    at: Int64
    market: Int64
    row: Int64
    prediction: Int64
    predictions: tuple[Prediction, ...]
    reasons: tuple[str, ...]
    reason: Codes
    gap: Int64
    era: Int64
    """which stretch of a market's unchanging facts the candidate lies in"""
    valued: npt.NDArray[np.bool_]
    """whether an edge is worked out even where another row refuses"""
    waived: npt.NDArray[np.bool_]
    """whether the market's fees are waived at the moment"""

    def __len__(self) -> int:
        return len(self.at)

    def code(self, reason: str) -> int:
        """The code of a reason, -1 when no candidate has it."""
        return self.reasons.index(reason) if reason in self.reasons else -1


def is_sievable(setup: Any) -> bool:
    """Whether the columns can stand for the rules: a pre-game strategy without wishes of its own,
    quotes that are known in order, no two markets on one outcome."""
    rules, quotes = setup.method.strategy.rules, setup.history.quotes
    plain = rules.certainty is None and not rules.in_play
    declines = getattr(type(rules), "accepts", None) is not Strategy.accepts
    rows = setup.history.markets
    outcomes = {(r["platform_id"], r["game_id"], r["yes_team_id"]) for r in rows}
    same = quotes.market[1:] == quotes.market[:-1]
    in_order = not np.any(same & (quotes.known_at[1:] <= quotes.known_at[:-1]))
    return plain and not declines and len(outcomes) == len(rows) and bool(in_order)


def judge_all(setup: Any, facts: FactsAtTime, at: Int64, market: Int64, row: Int64) -> Candidates:
    """The first reason of rows 1 to 11 against each side of each candidate.

    ``at`` is the decision time in microseconds, sorted; ``row`` the newest quote known by then.
    """
    book = _Reasons()
    order = _by_market(market)
    told, prediction = _latest_predictions(setup, at, market, order)
    eras = _eras(facts, at, market, order)
    columns = _Columns(setup, facts, at, market, row, (told, prediction), eras)
    shared = np.zeros(len(at), dtype=np.int16)
    for name, fails in columns.shared_rows(book):
        _give(shared, name, fails, book)
    reason = np.zeros((len(at), 2), dtype=np.int16)
    gaps = np.full((len(at), 2), -1, dtype=np.int64)
    for number, side in enumerate(Side):
        found = shared.copy()
        for name, fails in columns.side_rows(side, gaps[:, number]):
            _give(found, name, fails, book)
        reason[:, number] = found
    return Candidates(
        at,
        market,
        row,
        prediction,
        tuple(told),
        tuple(book.names),
        reason,
        gaps,
        columns.era,
        columns.valued,
        columns.waived(),
    )


def _give(reason: Codes, name: Any, fails: npt.NDArray[np.bool_], book: "_Reasons") -> None:
    """The reason to those that fail and have none yet."""
    if not fails.any():
        return
    hit = fails & (reason == 0)
    np.copyto(reason, book.code(name) if isinstance(name, str) else name, where=hit)


class _Reasons:
    def __init__(self) -> None:
        self.names: list[str] = [PASSED]

    def code(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)


class _Columns:
    """The conditions of the rows as boolean columns, lazily, in the printed order."""

    def __init__(
        self,
        setup: Any,
        facts: FactsAtTime,
        at: Int64,
        market: Int64,
        row: Int64,
        predictions: tuple[Sequence[Prediction], Int64],
        eras: tuple[list[tuple[int, int]], Int64],
    ) -> None:
        """``predictions`` and ``eras``: all of them, and which is each candidate's."""
        self.setup, self.config = setup, setup.config
        self.at, self.market, self.row = at, market, row
        self.told, self.prediction = predictions
        quotes = setup.history.quotes
        self.bid, self.ask = quotes.yes_bid[row], quotes.yes_ask[row]
        self.observed = quotes.observed_at[row]
        begins, self.era = eras
        self.facts: list[MarketFacts] = [facts.market(m, instant(t)) for m, t in begins]
        self.moment = [instant(t) for _, t in begins]
        self.assumes = self._source(
            lambda source, platform: takes_assumptions(
                source, platform, setup.environment, self.config.replay.assume
            )
        )
        assume = self.config.replay.assume
        size = int(assume.size * 100)
        self.bid_size = self._assumed(quotes.yes_bid_size[row], size, self.bid != NONE)
        self.ask_size = self._assumed(quotes.yes_ask_size[row], size, self.ask != NONE)
        always = np.ones(len(at), dtype=bool)
        self.volume = self._assumed(quotes.volume_24h[row], int(assume.volume_24h * 100), always)
        self.interest = self._assumed(
            quotes.open_interest[row], int(assume.open_interest * 100), always
        )
        self.valued: npt.NDArray[np.bool_] = _NOBODY
        """where rows 6 to 9 leave an edge to be worked out"""

    def shared_rows(self, book: _Reasons) -> Any:
        """(reason or column of codes, who fails) in the order of the gate, as far as it is the same
        for both sides."""
        at, config = self.at, self.config
        yield self._asked("exchange", book)
        yield "maintenance_window", self._maintenance()
        yield self._asked("market_open", book)
        yield self._asked("mapping", book)
        yield "outside_window", self._outside_window()
        yield self._status("game_started")
        yield self._status("outside_window")
        yield self._asked("versions", book)
        has = self.prediction >= 0
        kickoff = self._of_era(lambda m: microseconds(m.kickoff_at) if m.kickoff_at else NONE)
        leaks = has & (self._of_told(lambda p: microseconds(p.trained_until)) >= kickoff)
        yield "model_leak", leaks
        yield "prediction_missing", ~has
        event = self._of_told(lambda p: microseconds(p.event_ts))
        stale = at - event > config.gate.prediction_stale * _MILLION
        yield "prediction_stale", stale
        features = self._of_told(
            lambda p: microseconds(max(p.event_ts, p.features_known_at or p.event_ts))
        )
        yield "feature_leak", features > at
        old = at - self.observed > config.gate.quote_stale.stored * _MILLION
        yield "quote_stale", old
        self.valued = has & ~(leaks | stale | (features > at) | old)
        yield from self._book_rows()
        yield "spread_wide", self.ask - self.bid > _micro(config.gate.spread_wide)
        yield "volume_low", _below(self.volume, config.gate.volume_low)
        yield "oi_low", _below(self.interest, config.gate.oi_low)

    def waived(self) -> npt.NDArray[np.bool_]:
        """Whether fees are waived at each candidate's moment."""
        until = self._of_era(
            lambda m: microseconds(m.fee_waived_until) if m.fee_waived_until else NONE
        )
        return until > self.at

    def side_rows(self, side: Side, gap: Int64) -> Any:
        """The rest of the order, which depends on the side. Writes |p - mid| into ``gap`` where
        ``decide`` works it out, whatever refuses the candidate."""
        own_bid, own_ask = self._own(side)
        band = self.config.gate.price_range
        yield "price_range", (own_ask < _micro(band.low)) | (own_ask > _micro(band.high))
        yield from self._value_rows(side, own_bid, own_ask, gap)

    def _book_rows(self) -> Any:
        one_sided = (self.bid == NONE) | (self.ask == NONE)
        yield "no_quote", one_sided
        valid = (self.bid > 0) & (self.bid < self.ask) & (self.ask < _MILLION)
        valid &= self._on_grid(self.bid) & self._on_grid(self.ask)
        self.valued &= valid
        yield "book_invalid", ~valid
        thin = int(self.config.gate.book_thin * 100)
        thinnest = np.minimum(self.bid_size, self.ask_size)
        yield "book_thin", thinnest < thin  # an unknown size is the smallest number

    def _value_rows(self, side: Side, bid: Int64, ask: Int64, gap: Int64) -> Any:
        config = self.config
        fee = self._fees(ask)
        yield "fee_unknown", fee < 0
        home = self._home
        pays_home = self._yes_is_home == (side is Side.YES)
        probability = np.where(pays_home, home, _MILLION - home)
        twice = np.abs(2 * probability - (bid + ask))
        np.copyto(gap, (twice + 1) // 2, where=(fee >= 0) & self.valued)
        yield "edge_quarantined", twice > 2 * _micro(config.edge.quarantine_gap)
        yield "confidence_low", self._unsure
        edge = shrunk(probability, bid + ask, config.edge.shrink_to_market) - ask - fee
        auto = config.edge.auto[self.setup.method.strategy.rules.phase]
        yield "edge_below_min", edge < self._least_edge
        yield "needs_approval", edge < np.maximum(self._least_edge, _micro(auto))

    @cached_property
    def _home(self) -> Int64:
        return self._of_told(lambda p: int(p.p_home * _MILLION))

    @cached_property
    def _yes_is_home(self) -> npt.NDArray[np.bool_]:
        return self._of_era(lambda m: int(m.yes_is_home)) == 1

    @cached_property
    def _unsure(self) -> npt.NDArray[np.bool_]:
        bounds = self.config.confidence.bounds
        unsure = self._of_told(
            lambda p: int(confidence_level(half_width(p.p_low, p.p_high), bounds) is None)
        )
        return unsure == 1

    @cached_property
    def _least_edge(self) -> Int64:
        return self._of_era(lambda m: _micro(for_league(self.config.edge.min, m.league)))

    # -- what the rules themselves say, once per market and change ---------------------------------

    def _asked(self, name: str, book: _Reasons) -> tuple[Codes, npt.NDArray[np.bool_]]:
        """The reasons of a row that depends on the market and versions only."""
        found = [self._ask(name, *one) for one in self._situations]
        codes = np.array([0 if r is None else book.code(r) for r in found], dtype=np.int16)
        if not codes.any():
            return codes, np.zeros(len(self.era), dtype=bool)
        chosen = codes[self.era]
        return chosen, chosen != 0

    @cached_property
    def _situations(self) -> list[tuple[Candidate, Situation]]:
        """A candidate of each era, of which no quote is known."""
        found = []
        sources = self.setup.history.quotes.sources
        assume, environment = self.config.replay.assume, self.setup.environment
        assumes: dict[str, bool] = {}
        for facts, at in zip(self.facts, self.moment, strict=True):
            platform = facts.platform_id
            if platform not in assumes:
                assumes[platform] = all(
                    takes_assumptions(s, platform, environment, assume) for s in sources
                )
            state = TradingState({facts.market_id: facts}, Portfolio(Decimal(0)), is_writer=True)
            situation = Situation(state, Tick("", at, environment), self.config)
            quote = Quote(facts.market_id, at, at, "", None, None)
            found.append(
                (
                    Candidate(
                        facts, quote, Side.YES, self.setup.method, None, assumes[platform], {}
                    ),
                    situation,
                )
            )
        return found

    def _ask(self, name: str, candidate: Candidate, situation: Situation) -> str | None:
        if name == "exchange" and candidate.market.platform_status == "active":
            return None  # the weekly windows follow as a column
        reason: str | None = getattr(entry_gate, name)(candidate, situation)
        return reason

    def _status(self, reason: str) -> tuple[str, npt.NDArray[np.bool_]]:
        """The last lines of row 5: what the game's status says before its start."""
        if reason == "game_started":
            return reason, self._of_era(lambda m: int(m.game_status in entry_gate._STARTED)) == 1
        return reason, self._of_era(lambda m: int(m.game_status in entry_gate.BEFORE_START)) == 0

    def _outside_window(self) -> npt.NDArray[np.bool_]:
        rules, limits = self.setup.method.strategy.rules, self.config.gate.outside_window
        earliest = min(rules.earliest, timedelta(hours=float(limits.from_h)))
        latest = max(rules.latest, timedelta(hours=float(limits.until_h)))
        kickoff = self._of_era(lambda m: microseconds(m.kickoff_at) if m.kickoff_at else NONE)
        to_start = kickoff - self.at
        early = to_start > earliest // timedelta(microseconds=1)
        late = to_start < latest // timedelta(microseconds=1)
        return (kickoff == NONE) | early | late

    def _maintenance(self) -> npt.NDArray[np.bool_]:
        """Whether New York's clock stands in one of the venue's weekly windows."""
        closed = np.zeros(len(self.at), dtype=bool)
        windows = self.config.gate.maintenance_window
        platforms = {row["platform_id"] for row in self.setup.history.markets}
        if not any(windows.get(platform) for platform in platforms):
            return closed
        local = self.at + _offsets(self.at)
        day, clock = local // (24 * _HOUR_US), local % (24 * _HOUR_US)
        weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
        for platform in platforms:
            here = self._of_market(lambda r, p=platform: int(r["platform_id"] == p)) == 1
            for window in windows.get(platform, ()):
                inside = (clock >= _clock_us(window.start)) & (clock < _clock_us(window.until))
                closed |= here & inside & (weekday == _WEEKDAYS.index(window.weekday))
        return closed

    def _fees(self, ask: Int64) -> Int64:
        """φ(ask) in millionths by the fee rule, once per schedule and price; -1 if unknown."""
        schedules, which = self._schedules
        fees = np.full(len(ask), -1, dtype=np.int64)
        fine = self.config.fees.account_precision
        contracts = self.config.fees.probe_qty
        for number, schedule in enumerate(schedules):
            if schedule is None:
                continue
            rows: Any = which == number if len(schedules) > 1 else slice(None)
            taken = partial(_fee_micro, schedule, contracts, fine)
            fees[rows] = _by_price(ask[rows], taken)
        return fees

    @cached_property
    def _schedules(self) -> tuple[list[FeeSchedule | None], Int64]:
        """The fee schedules there are, and which of them is each candidate's."""
        schedules: list[FeeSchedule | None] = []
        of_era: list[int] = []
        for candidate, situation in self._situations:
            found = value_gate.schedule_of(candidate.market, self._all_assume, situation, {})
            if found not in schedules:
                schedules.append(found)
            of_era.append(schedules.index(found))
        return schedules, np.array(of_era, dtype=np.int64)[self.era] if of_era else self.era

    @cached_property
    def _all_assume(self) -> bool:
        return bool(self.assumes.all())

    def _own(self, side: Side) -> tuple[Int64, Int64]:
        if side is Side.YES:
            return self.bid, self.ask
        return (
            np.where(self.ask == NONE, NONE, _MILLION - self.ask),
            np.where(self.bid == NONE, NONE, _MILLION - self.bid),
        )

    def _on_grid(self, prices: Int64) -> npt.NDArray[np.bool_]:
        grids: list[Any] = []
        of_era = []
        for facts in self.facts:
            if facts.grid not in grids:
                grids.append(facts.grid)
            of_era.append(grids.index(facts.grid))
        which = np.array(of_era, dtype=np.int64)[self.era]
        good = np.zeros(len(prices), dtype=bool)
        for number, grid in enumerate(grids):
            rows: Any = which == number if len(grids) > 1 else slice(None)
            good[rows] = _by_price(prices[rows], grid.contains) == 1
        return good

    def _assumed(self, values: Int64, assumed: int, where: npt.NDArray[np.bool_]) -> Int64:
        return np.where((values == NONE) & self.assumes & where, assumed, values)

    def _source(self, says: Any) -> npt.NDArray[np.bool_]:
        """A property of (source, platform) for every candidate."""
        quotes = self.setup.history.quotes
        platforms = sorted({r["platform_id"] for r in self.setup.history.markets})
        place = self._of_market(lambda r: platforms.index(r["platform_id"]))
        table = np.array([[says(s, p) for p in platforms] for s in quotes.sources] or [[False]])
        return table[quotes.source[self.row], place] if len(self.row) else np.zeros(0, dtype=bool)

    def _of_market(self, value: Any) -> Int64:
        table = np.array([value(row) for row in self.setup.history.markets], dtype=np.int64)
        return table[self.market]

    def _of_era(self, value: Any) -> Int64:
        return np.array([value(facts) for facts in self.facts], dtype=np.int64)[self.era]

    def _of_told(self, value: Any) -> Int64:
        """A property of each candidate's prediction, the first one's where there is none."""
        if not self.told:
            return np.zeros(len(self.at), dtype=np.int64)
        return np.array([value(p) for p in self.told], dtype=np.int64)[
            np.maximum(self.prediction, 0)
        ]


def _fee_micro(schedule: FeeSchedule, contracts: Decimal, fine: Decimal, asked: Decimal) -> int:
    return _micro(fee_per_contract(schedule, contracts, asked, fine))


def _by_price(prices: Int64, value: Callable[[Decimal], int]) -> Int64:
    """A property of a price for many of them, asked once each; 0 outside of (0, 1) dollars."""
    inside = (prices > 0) & (prices < _MILLION)
    safe = np.where(inside, prices, 0)
    there = np.zeros(_MILLION, dtype=bool)
    there[safe] = True
    table = np.zeros(_MILLION, dtype=np.int64)
    for micro in np.flatnonzero(there).tolist():
        asked = price(micro)
        if micro and asked is not None:
            table[micro] = value(asked)
    return table[safe]


def _by_market(market: Int64) -> Int64:
    """The order of candidates by market, as they are within one; sixteen bits sort fastest."""
    narrow = len(market) and int(market.max()) < 1 << 15
    return np.argsort(market.astype(np.int16) if narrow else market, kind="stable")


def _latest_predictions(
    setup: Any, at: Int64, market: Int64, order: Int64
) -> tuple[list[Prediction], Int64]:
    """Of each candidate's game the prediction with the latest inputs known by then."""
    chosen = np.full(len(at), -1, dtype=np.int64)
    found: list[Prediction] = []
    bounds = np.searchsorted(market[order], np.arange(len(setup.history.markets) + 1))
    for number, row in enumerate(setup.history.markets):
        mine = order[bounds[number] : bounds[number + 1]]
        told = setup.history.predictions.get(row["game_id"], ())
        if not len(mine) or not told:
            continue
        ordered = sorted(told, key=lambda p: p.known_at)
        best: list[Prediction] = []
        for prediction in ordered:
            key = (prediction.event_ts, prediction.known_at, prediction.prediction_id)
            top = best[-1] if best else None
            newer = top is None or key > (top.event_ts, top.known_at, top.prediction_id)
            best.append(prediction if newer or top is None else top)
        known = np.array([microseconds(p.known_at) for p in ordered], dtype=np.int64)
        place = np.searchsorted(known, at[mine], side="right") - 1
        chosen[mine] = np.where(place >= 0, place + len(found), -1)
        found += best
    return found, chosen


def _eras(
    facts: FactsAtTime, at: Int64, market: Int64, order: Int64
) -> tuple[list[tuple[int, int]], Int64]:
    """(market, a moment in it) of each era in which a market's facts stay the same, and each
    candidate's era."""
    eras: list[tuple[int, int]] = []
    era = np.zeros(len(at), dtype=np.int64)
    sorted_market, sorted_at = market[order], at[order]
    sorted_era = np.zeros(len(at), dtype=np.int64)
    starts = np.flatnonzero(np.diff(sorted_market, prepend=-1))
    ends = [*starts[1:].tolist(), len(order)]
    for start, end in zip(starts.tolist(), ends, strict=True):
        number = int(sorted_market[start])
        changes = np.array(facts.changes(number), dtype=np.int64)
        # Times ascend within a market, so an era is a run of its candidates.
        cuts = start + sorted_at[start:end].searchsorted(changes, side="left")
        for first in sorted({start, *(cut for cut in cuts.tolist() if start < cut < end)}):
            sorted_era[first:end] = len(eras)
            eras.append((number, int(sorted_at[first])))
    era[order] = sorted_era
    return eras, era


def _below(values: Int64, least: Decimal) -> npt.NDArray[np.bool_]:
    """Fewer than ``least`` contracts; an unknown number is the smallest of all."""
    return values < int(least * 100)


def _micro(value: Decimal) -> int:
    """Dollars or a probability in millionths, which it must be a whole number of."""
    scaled = value * _MILLION
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{value} has more than six places; the columns count in millionths")
    return int(scaled)


def _offsets(at: Int64) -> Int64:
    """What New York's clock is ahead of UTC at each of ascending times, microseconds."""
    if not len(at):
        return at
    days = np.arange(int(at[0]) // _DAY_US, int(at[-1]) // _DAY_US + 2)
    first = [_offset_us(int(day) * _DAY_US) for day in days.tolist()]
    hours: list[int] = []
    for day, here, then in zip(days.tolist(), first, first[1:], strict=False):
        # Clocks change on the hour, and on few days.
        hours += [
            here if here == then else _offset_us(day * _DAY_US + hour * _HOUR_US)
            for hour in range(24)
        ]
    return np.array(hours, dtype=np.int64)[at // _HOUR_US - int(days[0]) * 24]


def _offset_us(at_us: int) -> int:
    offset = instant(at_us).astimezone(NEW_YORK).utcoffset()
    return 0 if offset is None else offset // timedelta(microseconds=1)


def _clock_us(clock: Any) -> int:
    return int(
        (clock.hour * 3600 + clock.minute * 60 + clock.second) * _MILLION + clock.microsecond
    )
