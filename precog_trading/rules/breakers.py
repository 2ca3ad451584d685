"""When trading must stop by itself: the thresholds of trading-rules §12, as pure functions.

A breaker reads a summary of what happened and says that it trips; opening it, alerting, closing
positions and re-arming are the business of whoever asked. Losses count, gains never do: the loss
of a period is -min(0, net P&L), so no profit can trip or hide a breaker.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal

from precog_core.prices import ONE, ZERO
from precog_trading.config_exits import BreakerCount, BreakerSettings
from precog_trading.rules.controls import EXITS_ONLY, HALTED, NEW_YORK

CLOSE_ALL = "close_all"
_ACTIONS = {"daily_loss": CLOSE_ALL, "db_errors": HALTED}
"""The actions that differ from exits_only."""


@dataclass(frozen=True, slots=True)
class EdgeAnomaly:
    """A prediction that was |p - mid| away from the market."""

    at: datetime
    game_id: int
    strategy: str
    gap: Decimal


@dataclass(frozen=True, slots=True)
class BreakerFacts:
    """An account and its environment up to ``now``, the decision clock; dollars and times.

    ``*_pnl`` are net of fees, realised and unrealised, over the New York day, the week and the
    rapid window. ``losing_run`` holds the cost per contract k of each trade of the current run of
    losses. Event tuples may reach back further than their windows. ``predicted_at`` is when a
    strategy's model last ran; ``oldest_position_quote`` the oldest observed quote of an open
    position, simulated and assumed ones left out.
    """

    now: datetime
    environment: str
    day_pnl: Decimal = ZERO
    week_pnl: Decimal = ZERO
    rapid_pnl: Decimal = ZERO
    equity: Decimal = ZERO
    peak_equity: Decimal = ZERO
    losing_run: Sequence[Decimal] = ()
    venue_errors: Sequence[datetime] = ()
    rejects: Sequence[datetime] = ()
    auth_errors: int = 0
    db_errors: Sequence[datetime] = ()
    bad_points: dict[str, Sequence[datetime]] = field(default_factory=dict)
    """by league"""
    anomalies: Sequence[EdgeAnomaly] = ()
    predicted_at: dict[str, datetime | None] = field(default_factory=dict)
    """by strategy"""
    trades: Sequence[datetime] = ()
    oldest_position_quote: datetime | None = None
    reconcile_mismatches: int = 0
    unknown_since: Sequence[datetime] = ()
    fee_mismatches: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Trip:
    """A breaker that trips: a row of ``circuit_breaker_events`` to be. Values are text."""

    breaker_type: str
    action: str
    trigger_value: dict[str, str]
    league: str | None = None
    strategies: tuple[str, ...] = ()


def trips(facts: BreakerFacts, settings: BreakerSettings) -> list[Trip]:
    """Every breaker that trips on these facts, in the order of the table."""
    return [
        *_losses(facts, settings),
        *_venue(facts, settings),
        *_data(facts, settings),
        *_orders(facts, settings),
    ]


def loss(net_pnl: Decimal) -> Decimal:
    """-min(0, net P&L): dollars lost, 0 after a gain."""
    return -min(ZERO, net_pnl)


def drawdown(equity: Decimal, peak: Decimal) -> Decimal:
    """The share of the peak that is gone, 0 without a peak."""
    return max(ZERO, (peak - equity) / peak) if peak > ZERO else ZERO


def run_probability(costs: Iterable[Decimal]) -> Decimal:
    """Π(1 - k): how likely a run of losses was if every contract was priced fairly at k."""
    probability = ONE
    for cost in costs:
        probability *= ONE - cost
    return probability


def rearmed_at(triggered_at: datetime, clock: time) -> datetime:
    """The next New York ``clock`` after a trip, when replay's simulated operator re-arms."""
    local = triggered_at.astimezone(NEW_YORK)
    moment = datetime.combine(local.date(), clock, tzinfo=NEW_YORK)
    if moment <= local:
        moment = datetime.combine(local.date() + timedelta(days=1), clock, tzinfo=NEW_YORK)
    return moment.astimezone(triggered_at.tzinfo)


def _losses(facts: BreakerFacts, settings: BreakerSettings) -> Iterable[Trip]:
    environment = facts.environment
    for name, pnl, limit in (
        ("daily_loss", facts.day_pnl, settings.daily_loss.of(environment)),
        ("weekly_loss", facts.week_pnl, settings.weekly_loss.of(environment)),
        ("rapid_loss", facts.rapid_pnl, settings.rapid_loss.of(environment)),
    ):
        if loss(pnl) > ZERO and loss(pnl) >= limit:
            yield _trip(name, loss=loss(pnl), limit=limit)
    fallen = drawdown(facts.equity, facts.peak_equity)
    if fallen > ZERO and fallen >= settings.drawdown:
        yield _trip("drawdown", drawdown=fallen, limit=settings.drawdown)
    chance = run_probability(facts.losing_run)
    if chance < settings.consecutive_losses:
        yield _trip("consecutive_losses", losses=len(facts.losing_run), probability=chance)


def _venue(facts: BreakerFacts, settings: BreakerSettings) -> Iterable[Trip]:
    yield from _burst("venue_errors", facts.venue_errors, settings.venue_errors, facts.now)
    yield from _burst("rejects", facts.rejects, settings.rejects, facts.now)
    if facts.auth_errors >= settings.auth_error:
        yield _trip("auth_error", count=facts.auth_errors)
    yield from _burst("db_errors", facts.db_errors, settings.db_errors, facts.now)


def _data(facts: BreakerFacts, settings: BreakerSettings) -> Iterable[Trip]:
    for league, points in sorted(facts.bad_points.items()):
        yield from _burst("data_quality", points, settings.data_quality, facts.now, league=league)
    window = _window(settings.edge_anomaly, facts.now)
    recent = [
        a
        for a in facts.anomalies
        if window < a.at <= facts.now and a.gap > settings.edge_anomaly_gap
    ]
    games = {a.game_id for a in recent}
    if len(games) >= settings.edge_anomaly.count:
        strategies = tuple(sorted({a.strategy for a in recent}))
        yield _trip("edge_anomaly", strategies=strategies, games=len(games))
    oldest = facts.now - timedelta(seconds=settings.model_stale)
    stale = tuple(
        sorted(name for name, at in facts.predicted_at.items() if at is None or at < oldest)
    )
    if stale:
        yield _trip("model_stale", strategies=stale, limit_s=settings.model_stale)


def _orders(facts: BreakerFacts, settings: BreakerSettings) -> Iterable[Trip]:
    yield from _burst("trade_burst", facts.trades, settings.trade_burst, facts.now)
    quoted = facts.oldest_position_quote
    if quoted is not None:
        age = facts.now - quoted
        if age > timedelta(seconds=settings.position_quote_stale):
            yield _trip("position_quote_stale", age_s=int(age.total_seconds()))
    if facts.reconcile_mismatches >= settings.reconcile_mismatch:
        yield _trip("reconcile_mismatch", count=facts.reconcile_mismatches)
    patience = timedelta(seconds=settings.unknown_order)
    unresolved = [since for since in facts.unknown_since if facts.now - since >= patience]
    if unresolved:
        yield _trip("unknown_order", count=len(unresolved))
    yield from _burst("fee_mismatch", facts.fee_mismatches, settings.fee_mismatch, facts.now)


def _burst(
    name: str,
    events: Sequence[datetime],
    limit: BreakerCount,
    now: datetime,
    league: str | None = None,
) -> Iterable[Trip]:
    """Trips when ``limit.count`` events lie in the window that ends now."""
    start = _window(limit, now)
    recent = sum(start < at <= now for at in events)
    if recent >= limit.count:
        yield _trip(name, league=league, count=recent, window_s=limit.window_s)


def _window(limit: BreakerCount, now: datetime) -> datetime:
    return now - timedelta(seconds=limit.window_s)


def _trip(
    name: str,
    *,
    league: str | None = None,
    strategies: tuple[str, ...] = (),
    **values: Decimal | int,
) -> Trip:
    text = {
        key: format(value, "f") if isinstance(value, Decimal) else str(value)
        for key, value in values.items()
    }
    return Trip(name, _ACTIONS.get(name, EXITS_ONLY), text, league, strategies)
