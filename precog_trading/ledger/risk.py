"""What the circuit breakers look at, account by account, and what follows from it. Pure.

A RiskBook is fed with what happens (equity, closed positions, trades, refused orders, odd
decisions) and answers with the facts of trading-rules §12. The tick feeds it from the database
once and then keeps it up; the backtest feeds it from memory; the same history gives the same facts.

No window reaches back behind the moment its breaker was last re-armed: a person who re-arms a
drawdown or a weekly loss has accepted it, and would otherwise see it trip again at once.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from precog_core.prices import ONE, ZERO
from precog_trading.config_exits import BreakerSettings
from precog_trading.engine.state import OpenBreaker
from precog_trading.rules.breakers import BreakerFacts, EdgeAnomaly, Trip, rearmed_at, trips
from precog_trading.rules.controls import NEW_YORK

OPERATOR = "simulated operator"
"""Who re-arms in replay and backtest, at the next 09:00 in New York."""
_LONGEST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TrippedBreaker:
    """An open row of ``circuit_breaker_events``."""

    breaker_type: str
    action: str
    triggered_at: datetime
    trigger_value: Mapping[str, Any]

    @property
    def as_open(self) -> OpenBreaker:
        """The breaker as the gate and the exits read it."""
        return OpenBreaker(
            breaker_type=self.breaker_type,
            action=self.action,
            league=self.trigger_value.get("league"),
            strategies=tuple(self.trigger_value.get("strategies", ())),
        )


@dataclass(frozen=True, slots=True)
class Rearmed:
    """A breaker that the simulated operator re-arms, as of ``at``."""

    breaker_type: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a tick does to the breakers: those re-armed, those tripped, those open afterwards."""

    rearmed: tuple[Rearmed, ...]
    tripped: tuple[TrippedBreaker, ...]
    open: tuple[TrippedBreaker, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What only the tick itself knows: open positions' oldest observed quote, when the models of
    strategies with a candidate last spoke, since when orders are in doubt."""

    oldest_position_quote: datetime | None = None
    predicted_at: Mapping[str, datetime | None] = field(default_factory=dict)
    unknown_since: tuple[datetime, ...] = ()
    db_errors: tuple[datetime, ...] = ()
    venue_errors: tuple[datetime, ...] = ()
    """reads that the venue did not answer; failed orders the book knows itself"""


@dataclass
class RiskBook:
    """One account. Times only grow, except that positions may be closed in any order."""

    _times: list[datetime] = field(default_factory=list)
    _equity: list[Decimal] = field(default_factory=list)
    _peak: Decimal = ZERO
    _flows: list[tuple[datetime, Decimal]] = field(default_factory=list)
    _closed: dict[str, "_Ended"] = field(default_factory=dict)
    _ended: list["_Ended"] = field(default_factory=list)
    """the same, the earliest ended first"""
    _trades: list[datetime] = field(default_factory=list)
    _rejects: list[datetime] = field(default_factory=list)
    _venue_errors: list[datetime] = field(default_factory=list)
    _fee_mismatches: list[datetime] = field(default_factory=list)
    _reconcile_mismatches: list[datetime] = field(default_factory=list)
    _bad_points: dict[str, list[datetime]] = field(default_factory=dict)
    _anomalies: list[EdgeAnomaly] = field(default_factory=list)
    _rearmed: dict[str, datetime] = field(default_factory=dict)
    _run: tuple[Decimal, ...] | None = None
    """the running losses, until something ends"""

    def point(self, at: datetime, cash: Decimal, value: Decimal) -> bool:
        """Note the account's worth; False when nothing changed or the instant has a point."""
        equity = cash + value
        if self._times and (at <= self._times[-1] or equity == self._equity[-1]):
            return False
        self._times.append(at)
        self._equity.append(equity)
        self._peak = max(self._peak, equity)
        return True

    @property
    def peak(self) -> Decimal:
        """The most the account was worth since its drawdown was last re-armed."""
        return self._peak

    @property
    def is_eventless(self) -> bool:
        """Whether no refusal, failure or mismatch is remembered that a breaker might count."""
        return not (
            self._rejects
            or self._venue_errors
            or self._fee_mismatches
            or self._reconcile_mismatches
        )

    def course(self, first: int = 0) -> list[tuple[datetime, Decimal]]:
        """(instant, equity) of the points from number ``first`` on, the oldest first."""
        return list(zip(self._times[first:], self._equity[first:], strict=True))

    def rearmed_at(self, breaker_type: str) -> datetime | None:
        """When a breaker was last re-armed."""
        return self._rearmed.get(breaker_type)

    def deposited(self, at: datetime, amount: Decimal) -> None:
        """Capital put in, or taken out (negative): neither a gain nor a loss."""
        self._flows.append((at, amount))

    def closed(self, position: Mapping[str, Any]) -> None:
        """A position that ended: position_key, exit_time, realized_pnl, entry_price, fees,
        original_quantity. Noting it again (an amendment) replaces it."""
        cost = position["entry_price"] + position["fees"] / position["original_quantity"]
        key = position["position_key"]
        ended = (position["exit_time"], key, position["realized_pnl"], min(cost, ONE))
        before = self._closed.get(key)
        if before is not None:
            del self._ended[bisect_left(self._ended, before)]
        self._closed[key] = ended
        insort(self._ended, ended)
        self._run = None

    def traded(self, at: datetime) -> None:
        self._trades.append(at)

    def rejected(self, at: datetime) -> None:
        self._rejects.append(at)

    def venue_failed(self, at: datetime) -> None:
        self._venue_errors.append(at)

    def fee_differed(self, at: datetime) -> None:
        self._fee_mismatches.append(at)

    def reconcile_failed(self, at: datetime) -> None:
        self._reconcile_mismatches.append(at)

    def odd(self, odd: "OddDecision") -> None:
        """Note an entry decision that a breaker counts."""
        if odd.league is not None:
            self._bad_points.setdefault(odd.league, []).append(odd.at)
        elif odd.game_id is not None:
            self._anomalies.append(EdgeAnomaly(odd.at, odd.game_id, odd.strategy, odd.gap))

    def rearm(self, breaker_type: str, at: datetime) -> None:
        """Count nothing before ``at`` for this breaker any more; a known moment changes nothing."""
        if at <= self._rearmed.get(breaker_type, at - _TICK):
            return
        self._rearmed[breaker_type] = at
        self._run = None
        if breaker_type == "drawdown":
            first = bisect_right(self._times, at)
            self._peak = max([self._equity_at(at), *self._equity[first:]])

    def pnl_since(self, since: datetime) -> Decimal:
        """Net profit or loss in dollars since an instant, unrealised included."""
        now = self._equity[-1] if self._equity else ZERO
        flows = sum((amount for at, amount in self._flows if at > since), ZERO)
        return now - self._equity_at(since) - flows

    def facts(
        self, now: datetime, environment: str, settings: BreakerSettings, around: Surroundings
    ) -> BreakerFacts:
        """Everything :func:`precog_trading.rules.breakers.trips` reads, up to ``now``."""
        self._forget_before(now - max(_LONGEST, _longest_window(settings)))
        day, week = day_start(now), week_start(now)
        rapid = now - timedelta(seconds=settings.rapid_loss_window_s)
        return BreakerFacts(
            now=now,
            environment=environment,
            day_pnl=self.pnl_since(self._from("daily_loss", day)),
            week_pnl=self.pnl_since(self._from("weekly_loss", week)),
            rapid_pnl=self.pnl_since(self._from("rapid_loss", rapid)),
            equity=self._equity[-1] if self._equity else ZERO,
            peak_equity=self._peak,
            losing_run=self._losing_run(),
            venue_errors=self._since(
                "venue_errors", sorted((*self._venue_errors, *around.venue_errors))
            ),
            rejects=self._since("rejects", self._rejects),
            db_errors=self._since("db_errors", around.db_errors),
            bad_points={
                league: self._since("data_quality", times)
                for league, times in self._bad_points.items()
            },
            anomalies=self._counted_anomalies(),
            predicted_at=dict(around.predicted_at),
            trades=self._since("trade_burst", self._trades),
            oldest_position_quote=around.oldest_position_quote,
            reconcile_mismatches=len(self._since("reconcile_mismatch", self._reconcile_mismatches)),
            unknown_since=around.unknown_since,
            fee_mismatches=self._since("fee_mismatch", self._fee_mismatches),
        )

    def _equity_at(self, at: datetime) -> Decimal:
        index = bisect_right(self._times, at)
        return self._equity[index - 1] if index else ZERO

    def _from(self, breaker_type: str, start: datetime) -> datetime:
        return max(start, self._rearmed.get(breaker_type, start))

    def _since(self, breaker_type: str, times: Sequence[datetime]) -> tuple[datetime, ...]:
        rearmed = self._rearmed.get(breaker_type)
        if rearmed is None or not times:
            return tuple(times)
        return tuple(at for at in times if at > rearmed)

    def _counted_anomalies(self) -> tuple[EdgeAnomaly, ...]:
        rearmed = self._rearmed.get("edge_anomaly")
        if rearmed is None or not self._anomalies:
            return tuple(self._anomalies)
        return tuple(a for a in self._anomalies if a.at > rearmed)

    def _losing_run(self) -> tuple[Decimal, ...]:
        """The cost per contract of each position of the newest unbroken run of losses."""
        if self._run is not None:
            return self._run
        rearmed = self._rearmed.get("consecutive_losses")
        run: list[Decimal] = []
        for at, _, pnl, cost in reversed(self._ended):
            if pnl >= 0 or (rearmed is not None and at <= rearmed):
                break
            run.append(cost)
        self._run = tuple(reversed(run))
        return self._run

    def _forget_before(self, at: datetime) -> None:
        for times in (
            self._trades, self._rejects, self._venue_errors, self._fee_mismatches,
            *self._bad_points.values(),
        ):  # fmt: skip
            while times and times[0] < at:
                times.pop(0)
        while self._anomalies and self._anomalies[0].at < at:
            self._anomalies.pop(0)
        if len(self._closed) > 1000:
            for _, key, _, _ in self._ended[:500]:
                del self._closed[key]
            del self._ended[:500]


_TICK = timedelta(microseconds=1)
_Ended = tuple[datetime, str, Decimal, Decimal]
"""(when, position_key, realized P&L, cost per contract) of a position that ended"""


@dataclass(frozen=True, slots=True)
class OddDecision:
    """An invalid book (``league``) or a probability far from the market (``game_id``)."""

    at: datetime
    league: str | None = None
    game_id: int | None = None
    strategy: str = ""
    gap: Decimal = ZERO


def odd_decision(
    row: Mapping[str, Any], gap: Decimal, seen: set[tuple[datetime, int]]
) -> OddDecision | None:
    """What a breaker counts about an entry decision, if anything.

    ``row``: decided_at, market_id, skip_reason, probability and mid (of its inputs), game_id,
    league, strategy_name. A market's invalid book counts once a tick: ``seen`` remembers.
    """
    at = row["decided_at"]
    if row["skip_reason"] == "book_invalid":
        if row["league"] is None or (at, row["market_id"]) in seen:
            return None
        seen.add((at, row["market_id"]))
        return OddDecision(at, league=row["league"])
    if row["probability"] is None or row["mid"] is None or row["game_id"] is None:
        return None
    distance = abs(Decimal(row["probability"]) - Decimal(row["mid"]))
    if distance <= gap:
        return None
    return OddDecision(at, None, row["game_id"], row["strategy_name"] or "", distance)


def judge(
    books: Mapping[str, RiskBook],
    around: Mapping[str, Surroundings],
    open_breakers: Sequence[TrippedBreaker],
    now: datetime,
    environment: str,
    settings: BreakerSettings,
    rearm_clock: time | None,
) -> Judgement:
    """Re-arm what the simulated operator re-arms by ``now``, then trip what trips.

    ``books`` and ``around`` by platform: a breaker that trips on one account stops the whole
    environment. ``rearm_clock`` None leaves re-arming to a person. The books are told.
    """
    rearmed = [
        Rearmed(breaker.breaker_type, moment)
        for breaker in open_breakers
        if rearm_clock is not None
        and (moment := rearmed_at(breaker.triggered_at, rearm_clock)) <= now
    ]
    for event in rearmed:
        for book in books.values():
            book.rearm(event.breaker_type, event.at)
    gone = {event.breaker_type for event in rearmed}
    still = [b for b in open_breakers if b.breaker_type not in gone]
    names = {b.breaker_type for b in still}
    tripped: list[TrippedBreaker] = []
    for platform_id, book in sorted(books.items()):
        facts = book.facts(now, environment, settings, around.get(platform_id, Surroundings()))
        for trip in trips(facts, settings):
            if trip.breaker_type not in names:
                names.add(trip.breaker_type)
                tripped.append(_tripped(trip, platform_id, now))
    return Judgement(tuple(rearmed), tuple(tripped), (*still, *tripped))


def _tripped(trip: Trip, platform_id: str, now: datetime) -> TrippedBreaker:
    details: dict[str, Any] = {"platform": platform_id, **trip.trigger_value}
    if trip.league is not None:
        details["league"] = trip.league
    if trip.strategies:
        details["strategies"] = list(trip.strategies)
    return TrippedBreaker(trip.breaker_type, trip.action, now, details)


def day_start(now: datetime) -> datetime:
    """Midnight in New York before ``now``."""
    local = now.astimezone(NEW_YORK)
    return datetime.combine(local.date(), time(0), tzinfo=NEW_YORK).astimezone(now.tzinfo)


def week_start(now: datetime) -> datetime:
    """Monday's midnight in New York before ``now``."""
    local = now.astimezone(NEW_YORK)
    monday = local.date() - timedelta(days=local.weekday())
    return datetime.combine(monday, time(0), tzinfo=NEW_YORK).astimezone(now.tzinfo)


def _longest_window(settings: BreakerSettings) -> timedelta:
    counts = (
        settings.venue_errors, settings.rejects, settings.db_errors, settings.data_quality,
        settings.edge_anomaly, settings.trade_burst, settings.fee_mismatch,
    )  # fmt: skip
    return timedelta(seconds=max(count.window_s for count in counts))
