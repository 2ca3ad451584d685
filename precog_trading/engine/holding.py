"""What is held and how it is left: positions, their exits so far, what one look found.

Prices are of the held side, quantities in contracts, dollars elsewhere, times UTC. Imported
through ``engine.state``, which it is a part of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from precog_core.prices import Side
from precog_trading.rules.conditions import ExitCondition, ExitPriority
from precog_trading.rules.exit_plan import ExitPlan

_NOTHING_SOLD: Mapping[int, Decimal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TrailingState:
    """A trailing stop as stored in ``positions``; one that was never active is all None.

    ``distance`` is a share of the peak, for type fixed and atr dollars.
    """

    active: bool = False
    type: str | None = None
    distance: Decimal | None = None
    price: Decimal | None = None
    peak: Decimal | None = None


NEVER_TRAILED = TrailingState()


@dataclass(frozen=True, slots=True)
class ExitAttempt:
    """A finished exit order, a row of ``exit_attempts``.

    ``number`` counts from 1 within its episode: a newer 1 begins a new one, and only the newest
    episode is read. ``trigger_mark`` is the mark when the episode began (``trigger_mark`` of the
    decision's inputs, and of the OrderIntent).
    """

    condition: ExitCondition
    priority: ExitPriority
    number: int
    limit_price: Decimal
    quantity: Decimal
    filled: Decimal
    placed_at: datetime
    ended_at: datetime
    timeout_s: int
    trigger_mark: Decimal

    @property
    def succeeded(self) -> bool:
        """Whether the whole order filled."""
        return self.filled == self.quantity


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A row of ``positions`` with status open. ``entry_price`` is average cost without fees;
    ``fees`` the entry fees of the quantity still held, in dollars.

    ``strategy``, ``model`` and ``method`` are ``name@version``, for ids. A position without
    strategy and model (manual, external) is marked and counted, and never closed by us.
    """

    position_id: int
    position_key: str
    market_id: int
    side: Side
    quantity: Decimal
    entry_price: Decimal
    fees: Decimal
    strategy_id: int | None
    model_id: int | None
    method_id: int | None = None
    strategy: str | None = None
    model: str | None = None
    method: str | None = None
    entry_time: datetime | None = None
    original_quantity: Decimal | None = None
    """contracts ever bought; None: as many as are held"""
    confidence: str | None = None
    """of the entry: high, medium or low; None is treated as low, the tightest stop"""
    plan: ExitPlan | None = None
    """``position_metadata``; None: the settings of today"""
    hold_to_settlement: bool = False
    """of its strategy version; read only without a plan"""
    trailing: TrailingState = NEVER_TRAILED
    last_mark: Decimal | None = None
    """``current_price``: the mark of the look before this one"""
    stages: Mapping[int, Decimal] = field(default_factory=lambda: _NOTHING_SOLD)
    """contracts sold so far under each stage of partial_exit_target (``position_exits``)"""
    attempts: tuple[ExitAttempt, ...] = ()
    """the newest last; at least those since the last number 1"""


@dataclass(frozen=True, slots=True)
class MidBar:
    """A bar of YES mids for the atr trailing stop; ``end_at`` is when it was knowable."""

    end_at: datetime
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True, slots=True)
class PositionMark:
    """What one look at a position found: the monitored columns of ``positions``.

    ``mark`` is the own-side best bid, None without one (``no_bid``); then P&L is unknown and the
    trailing stop is as it was. ``target_price`` is None where no target applies or it is beyond
    a dollar, ``stop_loss_price`` None where no stop loss applies.
    """

    position_id: int
    market_id: int
    checked_at: datetime
    mark: Decimal | None
    unrealized_pnl: Decimal | None
    unrealized_pnl_pct: Decimal | None
    target_price: Decimal | None
    stop_loss_price: Decimal | None
    trailing: TrailingState
    is_urgent: bool

    @property
    def no_bid(self) -> bool:
        return self.mark is None


@dataclass(frozen=True, slots=True)
class Booking:
    """A part of an exit order and the condition it is booked to (``position_exits``).

    Fills are booked in order: the first booking is filled before the second begins.
    """

    condition: ExitCondition
    quantity: Decimal
    stage: int | None = None
