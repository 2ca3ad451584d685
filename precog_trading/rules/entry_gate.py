"""The entry gate's rows 1 to 8: may we trade, may this market be traded, may we believe it.

A row returns the first reason, in the printed order of trading-rules §5, that speaks against a
candidate, or None; what it looked at it notes. A value that is not known fails its row: only
``replay.assume.*`` may stand in for one, and says so in the notes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from precog_core.prices import Side
from precog_trading.config import TradingConfig
from precog_trading.engine.candidate import Candidate, known
from precog_trading.engine.plans import plan_of_today
from precog_trading.engine.state import (
    Environment,
    ExitPlan,
    MarketFacts,
    OpenBreaker,
    Quote,
    Tick,
    TradingState,
)
from precog_trading.rules.assignment import assigned_arm
from precog_trading.rules.controls import (
    RUNNING,
    default_state,
    in_clock_range,
    in_maintenance,
    strictest,
)
from precog_trading.strategies.base import EntryStrategy, Offer

BEFORE_START = frozenset({"scheduled", "pregame"})
_IN_PLAY = frozenset({"live", "halftime"})
_STARTED = _IN_PLAY | {"final"}
_ALLOWED_STATES = {
    Environment.BACKTEST: ("draft", "testing", "active"),
    Environment.PAPER: ("testing", "active"),
    Environment.DEMO: ("testing", "active"),
    Environment.LIVE: ("active",),
}
_HOUR = Decimal(3600)


@dataclass(frozen=True)
class Situation:
    """One tick as the gate sees it: what is the same for every candidate, worked out once."""

    state: TradingState
    tick: Tick
    config: TradingConfig

    @property
    def now(self) -> datetime:
        return self.tick.decided_at

    @property
    def environment(self) -> Environment:
        return self.tick.environment

    @cached_property
    def frozen_markets(self) -> frozenset[int]:
        """Markets with an order whose fate is unknown."""
        orders = self.state.portfolio.orders
        return frozenset(order.market_id for order in orders if order.status == "unknown")

    @cached_property
    def mapped_markets(self) -> dict[tuple[str, int | None, int | None], int]:
        """How many markets of a platform pay on the same team of the same game."""
        found: dict[tuple[str, int | None, int | None], int] = {}
        for market in self.state.markets.values():
            key = market.platform_id, market.game_id, market.yes_team_id
            found[key] = found.get(key, 0) + 1
        return found

    @cached_property
    def window(self) -> tuple[timedelta, timedelta]:
        """(earliest, latest) an entry may be made before the start."""
        limits = self.config.gate.outside_window
        return _hours(limits.from_h), _hours(limits.until_h)

    def plan_of_today(self, *, hold_to_settlement: bool) -> ExitPlan:
        """The plan of positions that were bought without one."""
        return self._holding_plan if hold_to_settlement else self._managed_plan

    @cached_property
    def _holding_plan(self) -> ExitPlan:
        return plan_of_today(self.config, hold_to_settlement=True)

    @cached_property
    def _managed_plan(self) -> ExitPlan:
        return plan_of_today(self.config, hold_to_settlement=False)

    @cached_property
    def approved(self) -> frozenset[tuple[int, str, int, int]]:
        """Legs a person has said yes to and whose yes has not expired."""
        return frozenset(
            (a.market_id, a.side, a.strategy_id, a.model_id)
            for a in self.state.approvals
            if a.expires_at > self.now
        )


Row = Callable[[Candidate, Situation], str | None]


def permission(candidate: Candidate, at: Situation) -> str | None:
    """Row 1: control state, breakers, live enabled, writer lease."""
    market, strategy = candidate.market, candidate.method.strategy
    candidate.notes["control"] = control = control_state(market, strategy.name, at)
    if control != RUNNING:
        return "halted"
    blocking = breakers_on(market, strategy.name, at)
    if blocking:
        candidate.notes["breakers"] = ",".join(sorted(b.breaker_type for b in blocking))
        return "breaker_open"
    if at.environment is Environment.LIVE and not at.state.live_enabled:
        return "live_not_enabled"
    return None if at.state.is_writer else "not_writer"


def exchange(candidate: Candidate, at: Situation) -> str | None:
    """Row 2: the venue trades; the hours bind real money only."""
    market, gate = candidate.market, at.config.gate
    candidate.notes["platform_status"] = market.platform_status
    closed = exchange_closed(market, at)
    if closed is not None:
        return closed
    if at.environment is Environment.LIVE and not in_clock_range(at.now, gate.outside_hours):
        return "outside_hours"
    return None


def control_state(market: MarketFacts, strategy: str, at: Situation) -> str:
    """The strictest control that binds a market and a strategy: running, exits_only or halted."""
    scopes = {
        "global": "*",
        "platform": market.platform_id,
        "league": market.league,
        "strategy": strategy,
        "market": market.ticker,
    }
    states = [c.state for c in at.state.controls if scopes.get(c.scope) == c.scope_key]
    if not any(c.scope == "global" for c in at.state.controls):
        states.append(default_state(at.environment))
    return strictest(states)


def breakers_on(market: MarketFacts, strategy: str, at: Situation) -> list[OpenBreaker]:
    """The open breakers that concern a market and a strategy."""
    return [
        breaker
        for breaker in at.state.breakers
        if breaker.league in (None, market.league)
        and (not breaker.strategies or strategy in breaker.strategies)
    ]


def exchange_closed(market: MarketFacts, at: Situation) -> str | None:
    """Why the venue takes no orders now: exchange_paused, maintenance_window, or None."""
    if market.platform_status not in ("active", "maintenance"):
        return "exchange_paused"
    windows = at.config.gate.maintenance_window.get(market.platform_id, ())
    if market.platform_status == "maintenance" or in_maintenance(at.now, windows):
        return "maintenance_window"
    return None


def market_open(candidate: Candidate, at: Situation) -> str | None:
    """Row 3: the market takes orders of the kind we send."""
    market = candidate.market
    if market.market_id in at.frozen_markets:
        return "market_frozen"
    candidate.notes["market_status"] = market.status
    if market.status != "open":
        return "market_not_active"
    candidate.notes["market_type"] = market.market_type
    if market.market_type != "binary":
        return "market_type"
    return "blacklisted" if market.ticker in at.config.gate.blacklisted else None


def mapping(candidate: Candidate, at: Situation) -> str | None:
    """Row 4: we know which game and team this is and that its rules are those we price."""
    market, gate = candidate.market, at.config.gate
    candidate.notes["game"] = market.game_key
    teams = (market.home_team_id, market.away_team_id)
    twins = at.mapped_markets[market.platform_id, market.game_id, market.yes_team_id]
    if market.game_id is None or None in teams or market.yes_team_id not in teams or twins != 1:
        return "unmapped"
    recognised = None
    if market.rules_hash is not None:
        candidate.notes["rules_hash"] = market.rules_hash
        recognised = market.rules_hash in gate.rules_recognised
    elif candidate.assumes:
        recognised = at.config.replay.assume.rules_recognised
        candidate.notes["assumed.rules_recognised"] = True
    if not recognised:
        return "rules_unknown"
    candidate.notes["game_type"] = market.game_type
    excluded = market.game_type is None or market.game_type in gate.competition_excluded
    return "competition_excluded" if excluded or not market.league_enabled else None


def window(candidate: Candidate, at: Situation) -> str | None:
    """Row 5: between the earliest and the latest moment before the scheduled start, and where the
    strategy looks.

    A game that is postponed, suspended or canceled has no start to be before. A strategy that
    looks at finished games has its window after the result instead.
    """
    market, rules = candidate.market, candidate.method.strategy.rules
    candidate.notes["kickoff_at"] = market.kickoff_at
    candidate.notes["game_status"] = market.game_status
    if rules.certainty is not None:
        candidate.notes["result_known_at"] = market.result_known_at
    reason = _outside_window(market, rules, at)
    if reason is None and not rules.accepts(_offer(candidate, at)):
        return "strategy_declines"
    return reason


def _outside_window(market: MarketFacts, rules: EntryStrategy, at: Situation) -> str | None:
    if rules.certainty is not None:
        return None if _after_result(market, rules, at) else "outside_window"
    if market.kickoff_at is None:
        return "outside_window"
    to_start = market.kickoff_at - at.now
    earliest, latest = at.window
    earliest, latest = min(rules.earliest, earliest), max(rules.latest, latest)
    if rules.in_play and market.game_status in _IN_PLAY:
        return None
    if to_start > earliest or to_start < latest:
        return "outside_window"
    if market.game_status in _STARTED:
        return "game_started"
    return None if market.game_status in BEFORE_START else "outside_window"


def _offer(candidate: Candidate, at: Situation) -> Offer:
    market = candidate.market
    return Offer(
        league=market.league,
        game_type=market.game_type,
        on_home_team=market.yes_is_home == (candidate.side is Side.YES),
        ask=candidate.ask,
        to_start=known(market.kickoff_at) - at.now,
    )


def in_candidate_window(
    market: MarketFacts, rules: EntryStrategy, quote: Quote, at: Situation
) -> bool:
    """Whether a quote is a candidate for a strategy at all (trading-rules §5): known or decided on
    before the start as the gate limits it, in play or after the result where the strategy looks.

    Known or decided on: a quote that waited to be decided on is answered, if only with a refusal.
    """
    if rules.certainty is not None:
        return _after_result(market, rules, at)
    if market.kickoff_at is None:
        return False
    if rules.in_play and market.game_status in _IN_PLAY:
        return True
    earliest, latest = at.window
    moments = (at.now, quote.known_at)
    return any(latest <= market.kickoff_at - moment <= earliest for moment in moments)


def _after_result(market: MarketFacts, rules: EntryStrategy, at: Situation) -> bool:
    known_at = market.result_known_at
    if market.game_status != "final" or market.winner_team_id is None or known_at is None:
        return False
    return rules.earliest <= at.now - known_at <= -rules.latest


def versions(candidate: Candidate, at: Situation) -> str | None:
    """Row 6: the versions may trade here, the game is in their arm, the model never saw it.

    A backtest may try a draft: that is what it is for.
    """
    method = candidate.method
    notes = candidate.notes
    allowed = _ALLOWED_STATES[at.environment]
    notes["strategy_status"] = method.strategy.status
    if method.status is not None:
        notes["method_status"] = method.status
    if method.strategy.status not in allowed or (
        method.method_id is not None and method.status not in allowed
    ):
        return "strategy_state"
    notes["model_status"] = method.model.status
    if method.model.status not in allowed:
        return "model_state"
    if method.arm is not None:
        key = candidate.market.game_key or ""
        arm = assigned_arm(method.arm.experiment, method.arm.arms, key)
        notes["experiment"], notes["arm"] = method.arm.experiment, arm
        if arm != method.arm.name:
            return "other_arm"
    return "model_leak" if _model_leaks(candidate) else None


def prediction(candidate: Candidate, at: Situation) -> str | None:
    """Row 7: a fresh probability made only of what was known."""
    found, notes = candidate.prediction, candidate.notes
    if found is None:
        return "prediction_missing"
    notes["prediction_event_ts"] = found.event_ts
    notes["prediction_known_at"] = found.known_at
    if _prediction_is_stale(candidate, at):
        return "prediction_stale"
    return "feature_leak" if _features_leak(candidate, at) else None


def freshness(candidate: Candidate, at: Situation) -> str | None:
    """Row 8: the quote, and in play the game state, describe now."""
    age = at.now - candidate.quote.observed_at
    candidate.notes["quote_age_s"] = int(age.total_seconds())
    if quote_is_stale(candidate.quote, at):
        return "quote_stale"
    market = candidate.market
    if market.game_status in _IN_PLAY:
        oldest = timedelta(seconds=at.config.gate.game_state_stale)
        candidate.notes["game_state_at"] = market.game_state_at
        if market.game_state_at is None or at.now - market.game_state_at > oldest:
            return "game_state_stale"
    return None


def is_believable(candidate: Candidate, at: Situation) -> bool:
    """Whether rows 6 to 8 leave a probability and a quote that an edge may be computed from."""
    return not (
        candidate.prediction is None
        or _model_leaks(candidate)
        or _prediction_is_stale(candidate, at)
        or _features_leak(candidate, at)
        or quote_is_stale(candidate.quote, at)
    )


def _model_leaks(candidate: Candidate) -> bool:
    found, kickoff = candidate.prediction, candidate.market.kickoff_at
    if found is None:
        return False
    candidate.notes["trained_until"] = found.trained_until
    return kickoff is None or found.trained_until >= kickoff


def _prediction_is_stale(candidate: Candidate, at: Situation) -> bool:
    oldest = timedelta(seconds=at.config.gate.prediction_stale)
    return at.now - known(candidate.prediction).event_ts > oldest


def _features_leak(candidate: Candidate, at: Situation) -> bool:
    found = known(candidate.prediction)
    return max(found.event_ts, found.features_known_at or found.event_ts) > at.now


def quote_is_stale(quote: Quote, at: Situation) -> bool:
    """Whether the quote is too old to act on, for the money it is acted on with."""
    limits = at.config.gate.quote_stale
    real_money = at.environment in (Environment.LIVE, Environment.DEMO)
    oldest = timedelta(seconds=limits.live if real_money else limits.stored)
    return at.now - quote.observed_at > oldest


def _hours(value: Decimal) -> timedelta:
    return timedelta(seconds=int(value * _HOUR))


ROWS: tuple[Row, ...] = (
    permission,
    exchange,
    market_open,
    mapping,
    window,
    versions,
    prediction,
    freshness,
)
