"""What a backtest's account holds, and how the engine sees it.

Everything the engine asks costs what is open or recent, not what ever was: the account of the
fiftieth season answers as fast as that of the first.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from precog_core.prices import PRICE_STEP, ZERO, Action, Side
from precog_trading.engine.state import (
    Entry,
    Environment,
    Exit,
    ExitAttempt,
    ExitPlan,
    ExitPriority,
    Method,
    MissedEntry,
    OpenOrder,
    OpenPosition,
    Portfolio,
    Purpose,
    TrailingState,
)
from precog_trading.exchanges.books import BookKey
from precog_trading.ledger.bookings import PositionBook
from precog_trading.ledger.holdings import LedgerError, dollars
from precog_trading.ledger.statements import Row

_MICROSECOND = timedelta(microseconds=1)
_RATES = timedelta(hours=25)
"""Entries of the last hour and day count for the rates; a day of New York may have 25 hours."""


@dataclass
class Order:
    """An intent and what became of it. ``row`` has the columns of ``working_orders_in_full``;
    ``plan`` is the one of the position it opens, ``rested`` whether it ever came to rest."""

    row: Row
    purpose: Purpose
    plan: ExitPlan | None = None
    rested: bool = False

    @property
    def status(self) -> str:
        return str(self.row["status"])


@dataclass
class Position:
    """A holding: its book of executions, its row, and every version of it that a booking made."""

    position_id: int
    """of this replay, from 1; the database gives another"""
    market: int
    book: PositionBook
    row: Row
    confidence: str | None
    plan: ExitPlan | None
    versions: list[Row] = field(default_factory=list)
    stages: dict[int, Decimal] = field(default_factory=dict)
    attempts: list[ExitAttempt] = field(default_factory=list)
    paid_revision: int = 0
    paid_value: Decimal | None = None
    """what settlement paid per contract of the side"""
    paid_number: int = 0
    """which settlement of the run it was"""
    paid: Row = field(default_factory=dict)
    """the ledger entry of its settlement"""
    seen: OpenPosition | None = None
    """as the engine sees it; None after a change"""

    def change(self, columns: Mapping[str, Any]) -> None:
        """A booking's new version of the row."""
        self.row = {**self.row, **columns}
        self.versions.append(self.row)
        self.seen = None


@dataclass
class Cash:
    """The balance of one platform as history."""

    balance: Decimal = ZERO
    versions: list[Row] = field(default_factory=list)

    def move(self, delta: Decimal, at: datetime, platform_id: str) -> None:
        """Carry the balance forward, never before its predecessor began."""
        start = at
        if self.versions:
            start = max(at, self.versions[-1]["row_start_ts"] + _MICROSECOND)
        self.balance = dollars(self.balance + delta)
        if self.balance < ZERO:
            raise LedgerError(
                f"backtest account on {platform_id}: a movement of {delta} at {at.isoformat()} "
                f"would leave {self.balance} dollars; nothing is bought on credit"
            )
        self.versions.append(
            {"platform_id": platform_id, "balance": self.balance, "at": at, "row_start_ts": start}
        )


class Held:
    """Orders, fills, positions and cash of one run as they stand; whoever books changes them."""

    def __init__(
        self, method: Method, environment: Environment, market_rows: Sequence[Row]
    ) -> None:
        self.environment = environment
        self._method = method
        self._markets = market_rows
        self._place = {row["market_id"]: number for number, row in enumerate(market_rows)}
        self.orders: list[Order] = []
        self.working: list[Order] = []
        self.working_in: set[int] = set()
        """places of the markets with a working order"""
        self.fills: list[Row] = []
        self.trades: list[Row] = []
        self.exits: list[Row] = []
        self.attempts: list[Row] = []
        self.positions: list[Position] = []
        self.open: dict[int, list[Position]] = {}
        """by place of the market, where there are any"""
        self.entries: list[Row] = []
        """of the ledger"""
        self.cash: dict[str, Cash] = {}
        self.taken: dict[int, dict[BookKey, Decimal]] = defaultdict(dict)
        """market id → contracts our fills took from each of its books"""
        self.through: dict[int, dict[str, Decimal]] = defaultdict(dict)
        """market id → print or bar → contracts our resting orders took from it"""
        self._orders: dict[str, Order] = {}
        self._settled: dict[int, list[Position]] = defaultdict(list)
        self._by_key: dict[str, Position] = {}
        self._entry_keys: set[str] = set()
        self._entered: list[tuple[datetime, str, Entry]] = []
        """the earliest decided first"""
        self._entered_in: dict[int, list[tuple[datetime, str, Entry]]] = defaultdict(list)
        """the same by game"""
        self._exited: list[tuple[datetime, str, int]] = []
        self._missed: list[tuple[str, MissedEntry]] = []
        self._missed_in: dict[int, list[MissedEntry]] = {}
        """the same by place of the market"""
        self._paid = 0

    def place(self, market_id: int) -> int:
        """Where a market stands in the history's list."""
        return self._place[market_id]

    # -- what the engine reads -------------------------------------------------------------------

    def holds(self, market: int) -> bool:
        """Whether the market at a place has an open position or a working order."""
        return market in self.open or market in self.working_in

    def held_markets(self) -> set[int]:
        """Places of the markets with an open position or a working order."""
        return self.open.keys() | self.working_in

    def portfolio(
        self, platform_id: str, games: set[int], now: datetime, cooldown: timedelta
    ) -> Portfolio:
        """What decide reads of the account on one platform."""
        return Portfolio(
            cash=self.cash[platform_id].balance,
            positions=tuple(
                self.as_seen(p)
                for p in self.open_positions()
                if p.row["platform_id"] == platform_id
            ),
            orders=tuple(
                self._open_order(o) for o in self.working if o.row["platform_id"] == platform_id
            ),
            entries=self._entries(platform_id, games, now),
            exits=self._exits_since(platform_id, now),
            missed=self._missed_since(platform_id, now - cooldown),
        )

    def open_positions(self) -> list[Position]:
        """Open positions in the order they were opened."""
        found = [p for held in self.open.values() for p in held]
        return sorted(found, key=lambda p: p.position_id)

    def _entries(self, platform_id: str, games: set[int], now: datetime) -> tuple[Entry, ...]:
        recently = now - _RATES
        first = bisect_left(self._entered, (recently + _MICROSECOND,))
        older = [
            made
            for game in sorted(games)
            for made in self._entered_in.get(game, ())
            if made[0] <= recently
        ]
        found = (*older, *self._entered[first:])
        return tuple(entry for _, platform, entry in found if platform == platform_id)

    def _exits_since(self, platform_id: str, now: datetime) -> tuple[Exit, ...]:
        latest: dict[int, datetime] = {}
        for at, platform, game_id in reversed(self._exited):
            if at <= now - timedelta(days=1):
                break
            if platform == platform_id and at <= now:
                latest[game_id] = max(at, latest.get(game_id, at))
        return tuple(Exit(at, game_id) for game_id, at in sorted(latest.items()))

    def _missed_since(self, platform_id: str, since: datetime) -> tuple[MissedEntry, ...]:
        found = []
        for platform, missed in reversed(self._missed):
            if missed.decided_at <= since:
                break
            if platform == platform_id:
                found.append(missed)
        return tuple(reversed(found))

    def has_missed(self, market: int) -> bool:
        """Whether an entry order in the market at a place ever ended without a fill."""
        return market in self._missed_in

    def missed_in(self, market: int, since: datetime) -> tuple[MissedEntry, ...]:
        """Those of a market decided after a moment, the earliest first."""
        return tuple(m for m in self._missed_in.get(market, ()) if m.decided_at > since)

    def entries_in_game(self, game_id: int) -> int:
        """Entries made in a game that stand: filled, or still working."""
        return len(self._entered_in.get(game_id, ()))

    def as_seen(self, position: Position) -> OpenPosition:
        """An open position as the engine sees it."""
        if position.seen is None:
            position.seen = self._as_seen(position)
        return position.seen

    def _as_seen(self, position: Position) -> OpenPosition:
        row, method = position.row, self._method
        left = row["fees"] * row["quantity"] / row["original_quantity"]
        return OpenPosition(
            position_id=position.position_id,
            position_key=row["position_key"],
            market_id=row["market_id"],
            side=Side(row["side"]),
            quantity=row["quantity"],
            entry_price=row["entry_price"],
            fees=left.quantize(PRICE_STEP, rounding=ROUND_HALF_UP),
            strategy_id=row["strategy_id"],
            model_id=row["model_id"],
            method_id=row["method_id"],
            strategy=f"{method.strategy.name}@{method.strategy.version}",
            model=f"{method.model.name}@{method.model.version}",
            method=None if method.name is None else f"{method.name}@{method.version}",
            entry_time=row["entry_time"],
            original_quantity=row["original_quantity"],
            confidence=position.confidence,
            plan=position.plan,
            hold_to_settlement=method.strategy.rules.hold_to_settlement,
            trailing=TrailingState(
                row["trailing_stop_active"], row["trailing_stop_type"],
                row["trailing_stop_distance"], row["trailing_stop_price"], row["peak_price"],
            ),
            last_mark=row["current_price"],
            stages=dict(position.stages),
            attempts=tuple(position.attempts),
        )  # fmt: skip

    def _open_order(self, order: Order) -> OpenOrder:
        row = order.row
        key, terms = row["position_key"], row["terms"] or {}
        return OpenOrder(
            client_order_id=row["client_order_id"],
            market_id=row["market_id"],
            side=Side(row["side"]),
            action=Action(row["action"]),
            purpose=order.purpose,
            status=order.status,
            limit_price=row["limit_price"],
            remaining=row["quantity"] - row["filled_quantity"],
            strategy_id=row["strategy_id"],
            model_id=row["model_id"],
            method_id=row["method_id"],
            position_id=None if key is None else self._by_key[key].position_id,
            exit_condition=row["exit_condition"],
            exit_priority=ExitPriority(terms["priority"]) if "priority" in terms else None,
        )
