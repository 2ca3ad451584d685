"""Everything :func:`decide` may read and everything it says: frozen facts, no behaviour.

Who fills these (the tick runner, the backtest, ``precog explain``) does the reading and the
clock; who reads them cannot reach a database even by mistake, which is what makes backtest, paper
and live one function. Ids that go into hashes are natural keys (ticker, name, version), because
surrogate ids differ between two databases that hold the same facts.

Units: prices, fees and cash in dollars, prices of a Quote in YES space and everywhere else of the
held side; probabilities 0..1; quantities in contracts; every time is UTC and carries its zone.
None always means "not known", never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from precog_core.prices import Action, Grid, Side, own_side
from precog_trading.config_exits import PositionManagementConfig
from precog_trading.engine.holding import NEVER_TRAILED as NEVER_TRAILED
from precog_trading.engine.holding import Booking as Booking
from precog_trading.engine.holding import ExitAttempt as ExitAttempt
from precog_trading.engine.holding import MidBar as MidBar
from precog_trading.engine.holding import OpenPosition as OpenPosition
from precog_trading.engine.holding import PositionMark as PositionMark
from precog_trading.engine.holding import TrailingState as TrailingState
from precog_trading.rules.assignment import Arm as Arm
from precog_trading.rules.conditions import ExitCondition as ExitCondition
from precog_trading.rules.conditions import ExitPriority as ExitPriority
from precog_trading.rules.exit_plan import ExitPlan as ExitPlan
from precog_trading.rules.fees import FeeSchedule
from precog_trading.strategies.base import EntryStrategy

_EMPTY: Mapping[Any, Any] = MappingProxyType({})


class Environment(StrEnum):
    """``execution_environment``; backtest takes the paper profile, demo the live one."""

    BACKTEST = "backtest"
    PAPER = "paper"
    DEMO = "demo"
    LIVE = "live"


class Purpose(StrEnum):
    ENTRY = "entry"
    EXIT = "exit"


class Outcome(StrEnum):
    TAKEN = "taken"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Quote:
    """One row of ``market_snapshots``: the top of a market's book, in YES space.

    ``yes_ask_size`` is the size a YES buyer can take, ``yes_bid_size`` what a NO buyer can take.
    ``volume_24h`` is contracts traded in the 24 hours before ``observed_at`` (the table's
    ``volume`` is cumulative: the reader takes the difference); ``mid_volatility_ratio`` is the
    standard deviation of one-minute mid changes in the last hour over its 24 h median.
    """

    market_id: int
    observed_at: datetime
    known_at: datetime
    source: str
    yes_bid: Decimal | None
    yes_ask: Decimal | None
    yes_bid_size: Decimal | None = None
    yes_ask_size: Decimal | None = None
    volume_24h: Decimal | None = None
    open_interest: Decimal | None = None
    mid_volatility_ratio: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row of ``predictions``. ``features_known_at``: latest known_at among its features."""

    prediction_id: int
    game_id: int
    model_id: int
    training_run_id: int
    p_home: Decimal
    p_low: Decimal | None
    p_high: Decimal | None
    trained_until: datetime
    event_ts: datetime
    known_at: datetime
    features_known_at: datetime | None = None
    from_result: bool = False
    """not a model's: the certainty of a strategy that looks at finished games"""


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """A market, its event, game and platform as known at the decision time."""

    market_id: int
    ticker: str
    platform_id: str
    market_type: str
    """binary | scalar | categorical"""
    status: str | None
    """of ``market_attributes``: only ``open`` can be traded"""
    grid: Grid
    """the YES grid (``precog_core.prices.parse_grid`` of price_ranges)"""
    fee_schedule: FeeSchedule | None
    """the one in force at the decision time (``rules.fees.schedule_in_force``)"""
    event_id: int | None = None
    platform_status: str | None = "active"
    """active | inactive | maintenance; NULL fails the gate like any other NULL"""
    fee_waived_until: datetime | None = None
    rules_hash: str | None = None
    """of the settlement wording (``precog_core.kalshi.wording``); None: no wording is known"""
    game_id: int | None = None
    game_key: str | None = None
    league: str | None = None
    league_enabled: bool = True
    """``leagues.trading_enabled``"""
    game_type: str | None = None
    game_status: str | None = None
    """of ``game_states`` where it exists, else ``games``, **as known at the decision time**: a
    result that was not known yet leaves the game scheduled"""
    game_state_at: datetime | None = None
    """when ``game_status`` was observed; read only for in-play strategies"""
    kickoff_at: datetime | None = None
    home_team_id: int | None = None
    away_team_id: int | None = None
    yes_team_id: int | None = None
    winner_team_id: int | None = None
    """who won a final game, as known at the decision time; None for a tie"""
    result_known_at: datetime | None = None

    @property
    def yes_is_home(self) -> bool:
        """Whether a YES contract pays when the home team wins."""
        return self.yes_team_id is not None and self.yes_team_id == self.home_team_id

    def outcome_team(self, side: Side) -> int | None:
        """The team whose win pays ``side`` of this winner market (its canonical outcome)."""
        if side is Side.YES:
            return self.yes_team_id
        return self.away_team_id if self.yes_is_home else self.home_team_id


@dataclass(frozen=True, slots=True)
class StrategyVersion:
    """A row of ``strategies`` with its rules built (``precog_trading.strategies.build``)."""

    strategy_id: int
    name: str
    version: str
    status: str
    rules: EntryStrategy
    league: str | None = None
    """None = every league"""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A row of ``probability_models``; its probabilities arrive as Prediction."""

    model_id: int
    name: str
    version: str
    status: str
    league: str | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """A strategy with a model, optionally bound as a ``methods`` version with its own risk.

    ``method_id`` None is a bare strategy × model pair. ``kelly_fraction`` and ``position_usd``
    replace the configured value of the league and can only tighten the position cap: global caps
    always bind.
    """

    strategy: StrategyVersion
    model: ModelVersion
    method_id: int | None = None
    name: str | None = None
    version: str | None = None
    status: str | None = None
    kelly_fraction: Decimal | None = None
    position_usd: Decimal | None = None
    profit_target: Decimal | None = None
    """its own target gain, in place of those by confidence"""
    exits: PositionManagementConfig | None = None
    """what it replaces of ``exit.*`` and ``trailing.*``; None: nothing"""
    arm: Arm | None = None
    """the part of the games it trades; None: all"""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that is not terminal: status intent, sent, resting or unknown."""

    client_order_id: str
    market_id: int
    side: Side
    action: Action
    purpose: Purpose
    status: str
    limit_price: Decimal
    remaining: Decimal
    """contracts not filled yet; fills are already in the position"""
    strategy_id: int | None = None
    model_id: int | None = None
    method_id: int | None = None
    position_id: int | None = None
    """of an exit order: the position it sells"""
    exit_condition: str | None = None
    """of an exit order: one of the ten, or manual"""
    exit_priority: ExitPriority | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that was made: an order with a fill, or still open. Entries of a game count for
    its whole life (one per strategy and game), for the rates only those of the last hour and day.
    """

    decided_at: datetime
    strategy_id: int
    game_id: int


@dataclass(frozen=True, slots=True)
class MissedEntry:
    """An entry order that ended without any fill; after a wait the leg may be tried again.

    Those of the last ``gate.cooldown`` seconds count.
    """

    decided_at: datetime
    strategy_id: int
    model_id: int
    method_id: int | None
    market_id: int
    side: Side


@dataclass(frozen=True, slots=True)
class Exit:
    """The last sale that closed (part of) a position in a game; starts the cooldown."""

    exited_at: datetime
    game_id: int


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The account in one environment (and one backtest run) before this tick.

    ``cash`` is the ledger balance; open buy orders are not yet deducted from it (decide does).
    """

    cash: Decimal
    positions: tuple[OpenPosition, ...] = ()
    orders: tuple[OpenOrder, ...] = ()
    entries: tuple[Entry, ...] = ()
    exits: tuple[Exit, ...] = ()
    missed: tuple[MissedEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """The latest ``trading_controls`` row of a scope. ``scope_key``: ``*`` for global, platform
    id, league, strategy name, or ticker. PRECOG_HALT arrives as one more global control."""

    scope: str
    scope_key: str
    state: str
    """running | exits_only | halted; the strictest that applies wins"""


@dataclass(frozen=True, slots=True)
class OpenBreaker:
    """An unresolved ``circuit_breaker_events`` row. Empty ``league`` and ``strategies``: all."""

    breaker_type: str
    action: str
    league: str | None = None
    strategies: tuple[str, ...] = ()
    """names of the strategies it stops"""


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's unexpired yes to buy this leg with this strategy and model (``order_approvals``
    joined to the decision it was given for)."""

    market_id: int
    side: Side
    strategy_id: int
    model_id: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TradingState:
    """What was true and known at the decision time, apart from the new quotes and predictions.

    ``markets``: every market that has a new quote, an open position or an open order, **and the
    sister markets of their games** (uniqueness of ticker ↔ game ↔ team is checked among them).
    ``last_quotes``: latest known quote of each market with exposure; a new quote of the tick
    supersedes it. ``requotes``: a second quote taken just before sending, where the venue can
    give one. ``is_writer``: whether the advisory lock of (platform, environment) is held.
    ``recent_quotes``: of each market with an open position the quotes before the new one, newest
    last (two are enough; fewer means fewer observations so far). ``mid_bars``: bars of
    ``trailing.atr.bar_s`` seconds, oldest first, of markets with an atr trailing stop.
    """

    markets: Mapping[int, MarketFacts]
    portfolio: Portfolio
    is_writer: bool
    live_enabled: bool = False
    controls: tuple[Control, ...] = ()
    breakers: tuple[OpenBreaker, ...] = ()
    approvals: tuple[Approval, ...] = ()
    last_quotes: Mapping[int, Quote] = field(default_factory=lambda: _EMPTY)
    requotes: Mapping[int, Quote] = field(default_factory=lambda: _EMPTY)
    recent_quotes: Mapping[int, tuple[Quote, ...]] = field(default_factory=lambda: _EMPTY)
    mid_bars: Mapping[int, tuple[MidBar, ...]] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True)
class Tick:
    """One batch and the moment it is decided at. ``run_key`` names the run in hashes: the
    backtest run's name, empty in paper, demo and live (a Dagster run id would change on retry)."""

    tick_id: str
    decided_at: datetime
    environment: Environment
    backtest_run_id: int | None = None
    run_key: str = ""
    dagster_run_id: str | None = None
    entries: bool = True
    """False: positions are looked at again without news, so nothing is a candidate"""
    legs: frozenset[tuple[int, Side]] | None = None
    """the only (market, side) that are candidates; None: both sides of every new quote"""


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """The candidate's row of ``edges``: expected_value = true_win_probability - market_price - fee,
    exactly. ``confidence_metrics`` are strings and booleans."""

    edge_key: str
    true_win_probability: Decimal
    market_implied_probability: Decimal
    market_price: Decimal
    fee: Decimal
    expected_value: Decimal
    confidence_level: str | None
    recommended_action: str
    confidence_metrics: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """The order of a taken decision, to be committed before anything is sent.

    An entry carries the plan its position starts with. An exit carries what it sells and why: its
    fills go to ``bookings`` in order, it is canceled ``timeout_s`` seconds after it was placed if
    it still rests, and where it ``replaces`` a resting exit order, that one is canceled first and
    must be terminal before this one is sent.
    """

    client_order_id: str
    market_id: int
    side: Side
    action: Action
    purpose: Purpose
    limit_price: Decimal
    quantity: Decimal
    time_in_force: str = "ioc"
    reduce_only: bool = False
    post_only: bool = False
    attempt_number: int = 1
    plan: ExitPlan | None = None
    exit_condition: ExitCondition | None = None
    exit_priority: ExitPriority | None = None
    position_id: int | None = None
    timeout_s: int | None = None
    trigger_mark: Decimal | None = None
    bookings: tuple[Booking, ...] = ()
    conflicting_triggers: tuple[ExitCondition, ...] = ()
    """what else spoke for an exit and was outranked"""
    replaces: str | None = None
    """client_order_id of a less urgent exit order of the position that still rests"""


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of ``decisions``, with its edge and, when taken, its order.

    Of an entry ``probability`` is p̂ (shrunk, of the bought side), ``price`` the ask, ``fee`` the
    taker fee per contract at the ask, ``edge`` = probability - price - fee, ``stake`` what the
    quantity costs at the ask, fees included, in dollars (``inputs.cost_at_limit``: at the limit).
    ``inputs`` holds, as strings and booleans, every value the gate looked at, in its order.

    Of an exit ``price`` is the mark, ``fee`` the taker fee per contract there, ``edge`` the
    remaining edge, ``quantity`` what the order sells; probability and edge are None without a
    fresh prediction. Every condition that triggers has its row, the one that runs and the others
    (``outranked``, ``ev_check``).
    """

    decision_key: str
    tick_id: str
    decided_at: datetime
    environment: Environment
    backtest_run_id: int | None
    dagster_run_id: str | None
    market_id: int
    platform_id: str
    side: Side
    purpose: Purpose
    strategy_id: int
    model_id: int
    method_id: int | None
    prediction_id: int | None
    outcome: Outcome
    skip_reason: str | None
    probability: Decimal | None
    price: Decimal | None
    fee: Decimal | None
    edge: Decimal | None
    stake: Decimal | None
    quantity: Decimal | None
    quote_observed_at: datetime
    confidence: str | None
    edge_row: EdgeRow | None
    order: OrderIntent | None
    inputs: Mapping[str, Any]
    exit_condition: ExitCondition | None = None
    position_id: int | None = None


@dataclass(frozen=True, slots=True)
class TickDecisions:
    """Everything one tick concludes: ``decisions`` exits first, and one mark per open position
    whose market has a new quote, by position."""

    decisions: tuple[Decision, ...] = ()
    marks: tuple[PositionMark, ...] = ()


def prediction_from_result(market: MarketFacts, certainty: Decimal) -> Prediction | None:
    """What a known result says about a market: ``certainty`` that it pays on the winner.

    None while no winner is known, and for a tie, which the venue settles at half a dollar.
    """
    at = market.result_known_at
    if market.game_id is None or market.winner_team_id is None or at is None:
        return None
    home_won = market.winner_team_id == market.home_team_id
    p_home = certainty if home_won else 1 - certainty
    return Prediction(
        prediction_id=0,
        game_id=market.game_id,
        model_id=0,
        training_run_id=0,
        p_home=p_home,
        p_low=p_home,
        p_high=p_home,
        trained_until=datetime.min.replace(tzinfo=UTC),
        event_ts=at,
        known_at=at,
        from_result=True,
    )


def model_probability(market: MarketFacts, side: Side, prediction: Prediction) -> Decimal:
    """The model's probability p_s that ``side`` of this winner market pays, before shrinking."""
    p_yes = prediction.p_home if market.yes_is_home else 1 - prediction.p_home
    return own_side(side, p_yes)
