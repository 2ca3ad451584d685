"""The account of a backtest: what the ledger tables hold in paper, as Python objects.

The rows have the names and units of the tables they become. Positions are folds of executions and
cash is the sum of ledger entries, by the same functions as in paper; only where they are kept
differs.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from precog_core.prices import ZERO, Action, Side, decimal_text
from precog_trading.engine.state import (
    Decision,
    Entry,
    Environment,
    Exit,
    Method,
    OpenOrder,
    OpenPosition,
    OrderIntent,
    Portfolio,
)
from precog_trading.exchanges.port import OrderOutcome, VenueFill
from precog_trading.ledger.booking import _cash_entries, _edge_at
from precog_trading.ledger.holdings import Execution, Holding, LedgerError, dollars, fold
from precog_trading.ledger.statements import Row
from precog_trading.rules.settlement import contract_value, settlement_cash

_SIX_PLACES = Decimal("0.000001")
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class Order:
    """An intent and what became of it; ``row`` has the columns that booking reads."""

    row: Row
    intent: OrderIntent
    status: str = "intent"
    outcome: OrderOutcome | None = None


@dataclass
class Position:
    """A holding, its executions, and every version its row went through."""

    position_id: int
    """of this replay, from 1; the database gives another"""
    row: Row
    market: int
    executions: list[Execution]
    versions: list[Row] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return bool(self.row["status"] == "open")

    def changed(self, **columns: Any) -> None:
        """A new version of the row."""
        self.row = {**self.row, **columns}
        self.versions.append(self.row)


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


class Account:
    """Orders, fills, positions and cash of one run, in the order things happened."""

    def __init__(self, method: Method, environment: Environment, market_rows: Sequence[Row]):
        self.environment = environment
        self._method = method
        self._markets = market_rows
        self._place = {row["market_id"]: number for number, row in enumerate(market_rows)}
        self.orders: list[Order] = []
        self.working: list[Order] = []
        self.fills: list[Row] = []
        self.trades: list[Row] = []
        self.positions: list[Position] = []
        self.open: dict[int, list[Position]] = defaultdict(list)
        """by place of the market"""
        self.entries: list[Row] = []
        """ledger entries"""
        self._keys: set[str] = set()
        self.cash: dict[str, Cash] = {}
        self._taken: dict[tuple[int, str, str], Decimal] = defaultdict(lambda: ZERO)
        self._entered: list[tuple[datetime, str, Entry]] = []
        self._exited: list[tuple[datetime, str, int]] = []

    # -- reading ---------------------------------------------------------------------------------

    def place(self, market_id: int) -> int:
        """Where a market stands in the history's list."""
        return self._place[market_id]

    def taken(self, market: int, observed_at: datetime, consumes: str) -> Decimal:
        """What our earlier fills took from one side of one book."""
        return self._taken[market, observed_at.isoformat(), consumes]

    def held(self, market: int, side: Side) -> Decimal:
        """Contracts of a side that are held."""
        return sum(
            (p.row["quantity"] for p in self.open.get(market, ()) if p.row["side"] == side.value),
            ZERO,
        )

    def exposed_markets(self) -> set[int]:
        """Markets with an open position or an order that is not terminal."""
        return {m for m, found in self.open.items() if found} | {
            self._place[order.row["market_id"]] for order in self.working
        }

    def portfolio(self, platform_id: str, games: set[int], now: datetime) -> Portfolio:
        """What decide reads of the account on one platform."""
        yesterday = now - timedelta(days=1)
        recently = now - timedelta(hours=25)
        recent_exits: dict[int, datetime] = {}
        for at, platform, game_id in reversed(self._exited):
            if at <= yesterday:
                break
            if platform == platform_id and at <= now:
                recent_exits[game_id] = max(at, recent_exits.get(game_id, at))
        return Portfolio(
            cash=self.cash[platform_id].balance,
            positions=tuple(
                self._open_position(p)
                for p in self.positions_open()
                if p.row["platform_id"] == platform_id
            ),
            orders=tuple(
                self._open_order(o) for o in self.working if o.row["platform_id"] == platform_id
            ),
            entries=tuple(
                entry
                for at, platform, entry in self._entered
                if platform == platform_id and (entry.game_id in games or at > recently)
            ),
            exits=tuple(Exit(at, game_id) for game_id, at in sorted(recent_exits.items())),
        )

    def positions_open(self) -> list[Position]:
        """Open positions in the order they were opened."""
        found = [p for held in self.open.values() for p in held]
        return sorted(found, key=lambda p: p.position_id)

    def _open_position(self, position: Position) -> OpenPosition:
        row = position.row
        left = row["fees"] * row["quantity"] / row["original_quantity"]
        return OpenPosition(
            position_id=position.position_id,
            position_key=row["position_key"],
            market_id=row["market_id"],
            side=Side(row["side"]),
            quantity=row["quantity"],
            entry_price=row["entry_price"],
            fees=left.quantize(_SIX_PLACES, rounding=ROUND_HALF_UP),
            strategy_id=row["strategy_id"],
            model_id=row["model_id"],
            method_id=row["method_id"],
        )

    def _open_order(self, order: Order) -> OpenOrder:
        row = order.row
        return OpenOrder(
            client_order_id=row["client_order_id"],
            market_id=row["market_id"],
            side=Side(row["side"]),
            action=Action(row["action"]),
            purpose=order.intent.purpose,
            status=order.status,
            limit_price=row["limit_price"],
            remaining=row["quantity"],
            strategy_id=row["strategy_id"],
            model_id=row["model_id"],
            method_id=row["method_id"],
        )

    # -- writing ---------------------------------------------------------------------------------

    def deposit(self, platform_id: str, amount: Decimal, at: datetime, run_key: str) -> None:
        """The starting cash of a platform."""
        self._book_cash(
            [
                {
                    "entry_key": f"deposit:{self.environment}:{run_key}:{platform_id}:start",
                    "platform_id": platform_id,
                    "entry_type": "deposit",
                    "amount": amount,
                    "event_ts": at,
                    "known_at": at,
                    "note": "starting cash of the backtest account",
                }
            ]
        )

    def intend(self, decision: Decision) -> None:
        """Commit the order of a taken decision."""
        intent = decision.order
        assert intent is not None  # noqa: S101 - the caller chose a taken decision
        market = self._markets[self._place[decision.market_id]]
        order = Order(
            {
                "client_order_id": intent.client_order_id,
                "platform_id": decision.platform_id,
                "market_id": decision.market_id,
                "decision_key": decision.decision_key,
                "decision_id": None,
                "order_id": None,
                "strategy_id": decision.strategy_id,
                "model_id": decision.model_id,
                "method_id": decision.method_id,
                "position_id": decision.position_id,
                "purpose": intent.purpose.value,
                "exit_condition": intent.exit_condition,
                "action": intent.action.value,
                "side": intent.side.value,
                "limit_price": intent.limit_price,
                "quantity": intent.quantity,
                "time_in_force": intent.time_in_force,
                "reduce_only": intent.reduce_only,
                "post_only": intent.post_only,
                "attempt_number": intent.attempt_number,
                "decided_at": decision.decided_at,
                "quote_observed_at": decision.quote_observed_at,
                "probability": decision.probability,
                "decided_price": decision.price,
                "edge": decision.edge,
                "confidence": decision.confidence,
                "tick_id": decision.tick_id,
                "event_id": market["event_id"],
                "series_id": market["series_id"],
                "game_id": market["game_id"],
            },
            intent,
        )
        self.orders.append(order)
        self.working.append(order)
        self._entered.append(
            (
                decision.decided_at,
                decision.platform_id,
                Entry(decision.decided_at, decision.strategy_id, market["game_id"]),
            )
        )

    def book(self, order: Order, outcome: OrderOutcome) -> int:
        """What an exchange answered: fills, trades, position, cash. Returns the fills."""
        order.status, order.outcome = outcome.status, outcome
        self.working.remove(order)
        row = order.row
        if not outcome.fills:
            entry = self._entered_by(order)
            if entry is not None:
                self._entered.remove(entry)
            return 0
        position = self._apply(order, outcome.fills)
        entries: list[dict[str, Any]] = []
        market = self._place[row["market_id"]]
        for fill in outcome.fills:
            self._taken[market, fill.raw["quote_observed_at"], fill.raw["consumes"]] += (
                fill.quantity
            )
            self.fills.append({"order": order, "fill": fill})
            self.trades.append(self._trade(order, position, fill))
            entries += _cash_entries(
                self.environment, row, position.position_id, fill, len(self.fills)
            )
        if row["action"] == "sell":
            at = max(fill.executed_at for fill in outcome.fills)
            self._exited.append((at, row["platform_id"], row["game_id"]))
        self._book_cash(entries)
        return len(outcome.fills)

    def settle(self, market: int, value: Decimal, revision: int, at: datetime) -> int:
        """Pay out every open position of a market; returns how many."""
        due = list(self.open.get(market, ()))
        entries: list[Row] = []
        for position in due:
            row = position.row
            side = Side(row["side"])
            paid = contract_value(side, value)
            quantity = row["quantity"]
            holding = fold(position.executions, settlement_value=paid)
            position.changed(
                **_columns(holding),
                quantity=ZERO,
                status="settled",
                exit_price=paid,
                exit_reason="settlement",
                exit_time=at,
            )
            self.open[market].remove(position)
            ticker = self._markets[market]["ticker"]
            entries.append(
                {
                    "entry_key": (
                        f"settle:{row['platform_id']}:{ticker}:{revision}:{row['position_key']}"
                    ),
                    "platform_id": row["platform_id"],
                    "entry_type": "settlement",
                    "amount": dollars(settlement_cash(side, quantity, value)),
                    "position_id": position.position_id,
                    "settlement": (market, revision),
                    "event_ts": at,
                    "known_at": at,
                    "note": f"{quantity} {side} contracts paid {decimal_text(paid)} each",
                }
            )
        self._book_cash(entries)
        return len(due)

    def _entered_by(self, order: Order) -> tuple[datetime, str, Entry] | None:
        row = order.row
        if row["purpose"] != "entry":
            return None
        key = (
            row["decided_at"],
            row["platform_id"],
            Entry(row["decided_at"], row["strategy_id"], row["game_id"]),
        )
        return key if key in self._entered else None

    def _apply(self, order: Order, fills: Iterable[VenueFill]) -> Position:
        """Open or change the owner's position by folding all its executions anew."""
        row = order.row
        new = [
            Execution(f.venue_fill_id, f.executed_at, row["action"], f.price, f.quantity, f.fee)
            for f in fills
        ]
        market = self._place[row["market_id"]]
        position = self._position_of(order, market)
        if position is None:
            return self._open_new(order, market, new)
        position.executions += new
        holding = fold(position.executions)
        closed = holding.quantity == 0
        position.changed(
            **_columns(holding),
            quantity=holding.quantity,
            status="closed" if closed else "open",
            exit_price=holding.exit_price,
            exit_reason=row["exit_condition"] if closed else None,
            exit_time=max(e.executed_at for e in new) if closed else None,
        )
        if closed:
            self.open[market].remove(position)
        return position

    def _position_of(self, order: Order, market: int) -> Position | None:
        row = order.row
        if row["position_id"] is not None:
            return self.positions[row["position_id"] - 1]
        owner = ("side", "strategy_id", "model_id", "method_id")
        for position in self.open.get(market, ()):
            if all(position.row[name] == row[name] for name in owner):
                return position
        return None

    def _open_new(self, order: Order, market: int, new: list[Execution]) -> Position:
        row = order.row
        holding = fold(new)
        position = Position(
            position_id=len(self.positions) + 1,
            row={
                # The order that opened it names the position, as in paper.
                "position_key": f"{self.environment}:{row['client_order_id']}",
                "platform_id": row["platform_id"],
                "market_id": row["market_id"],
                "side": row["side"],
                "quantity": holding.quantity,
                **_columns(holding),
                "status": "open",
                "exit_price": None,
                "exit_reason": None,
                "exit_time": None,
                "strategy_id": row["strategy_id"],
                "model_id": row["model_id"],
                "method_id": row["method_id"],
                "edge_at_entry": row["edge"],
                "entry_time": holding.opened_at,
                "position_metadata": self._metadata(order),
            },
            market=market,
            executions=list(new),
        )
        position.versions.append(position.row)
        self.positions.append(position)
        self.open[market].append(position)
        return position

    def _metadata(self, order: Order) -> dict[str, Any]:
        method = self._method
        return {
            "tick_id": order.row["tick_id"],
            "method": method.name and f"{method.name} {method.version}",
        }

    def _trade(self, order: Order, position: Position, fill: VenueFill) -> Row:
        row = order.row
        worse = 1 if row["action"] == "buy" else -1
        decided = row["decided_price"]
        return {
            "order": order,
            "position_id": position.position_id,
            "fill": fill,
            "edge_at_execution": _edge_at(row, fill),
            "slippage": None if decided is None else worse * (fill.price - decided),
        }

    def _book_cash(self, entries: Iterable[Mapping[str, Any]]) -> None:
        deltas: dict[tuple[str, datetime], Decimal] = {}
        for entry in entries:
            if entry["entry_key"] in self._keys:
                raise LedgerError(f"{entry['entry_key']} is booked twice in one run")
            self._keys.add(entry["entry_key"])
            self.entries.append(dict(entry))
            key = (entry["platform_id"], entry["known_at"])
            deltas[key] = deltas.get(key, ZERO) + entry["amount"]
        for (platform_id, at), delta in sorted(deltas.items()):
            if delta != 0:
                self.cash.setdefault(platform_id, Cash()).move(delta, at, platform_id)


def _columns(holding: Holding) -> dict[str, Any]:
    return {
        "original_quantity": holding.original_quantity,
        "entry_price": holding.entry_price,
        "fees": holding.fees,
        "realized_pnl": holding.realized_pnl,
    }
