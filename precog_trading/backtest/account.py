"""What happens to the account of a backtest: what the ledger tables hold in paper, as objects.

Rows have the names, units and scales of the tables they become, and are made by the ledger's own
pure functions; here they are only kept. Money that came out of a database has six places, so what
is kept has them too: the text of a decision's inputs must not depend on where it was decided.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from precog_core.prices import PRICE_STEP, PROBABILITY_STEP, ZERO, Side
from precog_trading.backtest.history import Settlement
from precog_trading.backtest.portfolio import Cash, Held, Order, Position
from precog_trading.engine.state import (
    Decision,
    Entry,
    ExitAttempt,
    ExitCondition,
    ExitPriority,
    MissedEntry,
    PositionMark,
    Purpose,
    TrailingState,
)
from precog_trading.exchanges.port import TERMINAL
from precog_trading.ledger.bookings import Booked, balance_steps
from precog_trading.ledger.holdings import LedgerError, dollars
from precog_trading.ledger.marks import mark_row
from precog_trading.ledger.settlement import (
    Settled,
    amend_position,
    payments,
    settle_position,
)
from precog_trading.ledger.statements import Row
from precog_trading.ledger.terms import order_terms
from precog_trading.rules.settlement import contract_value

_CONTRACT_STEP = Decimal("0.01")
_FRESH_POSITION: Row = {
    "status": "open", "exit_price": None, "exit_reason": None, "exit_priority": None,
    "exit_time": None, "last_check_time": None, "current_price": None, "unrealized_pnl": None,
    "unrealized_pnl_pct": None, "target_price": None, "stop_loss_price": None,
    "trailing_stop_active": False, "trailing_stop_type": None, "trailing_stop_distance": None,
    "trailing_stop_price": None, "peak_price": None,
}  # fmt: skip

_SHARE_STEP = Decimal("0.0001")
_MARK_STEPS = {
    "current_price": PRICE_STEP, "unrealized_pnl": PRICE_STEP, "unrealized_pnl_pct": _SHARE_STEP,
    "target_price": PRICE_STEP, "stop_loss_price": PRICE_STEP,
    "trailing_stop_distance": _SHARE_STEP, "trailing_stop_price": PRICE_STEP,
    "peak_price": PRICE_STEP,
}  # fmt: skip


class Account(Held):
    """Orders, fills, positions and cash of one run, in the order things happened."""

    def deposit(self, platform_id: str, amount: Decimal, at: datetime, run_key: str) -> None:
        """The starting cash of a platform."""
        self._enter(
            [
                {
                    "entry_key": f"deposit:{self.environment}:{run_key}:{platform_id}:start",
                    "platform_id": platform_id,
                    "entry_type": "deposit",
                    "amount": dollars(amount),
                    "event_ts": at,
                    "known_at": at,
                    "note": f"starting cash of the {self.environment} account",
                }
            ]
        )

    def intend(self, decision: Decision) -> Order:
        """Commit the order of a taken decision."""
        intent = decision.order
        assert intent is not None  # noqa: S101 - the caller chose a taken decision
        market = self._markets[self._place[decision.market_id]]
        sold = decision.position_id
        order = Order(
            {
                "client_order_id": intent.client_order_id,
                "platform_id": decision.platform_id,
                "market_id": decision.market_id,
                "decision_key": decision.decision_key,
                "strategy_id": decision.strategy_id,
                "model_id": decision.model_id,
                "method_id": decision.method_id,
                "position_key": (
                    None if sold is None else self.positions[sold - 1].row["position_key"]
                ),
                "purpose": intent.purpose.value,
                "exit_condition": intent.exit_condition,
                "action": intent.action.value,
                "side": intent.side.value,
                "limit_price": intent.limit_price.quantize(PRICE_STEP),
                "quantity": intent.quantity.quantize(_CONTRACT_STEP),
                "time_in_force": intent.time_in_force,
                "reduce_only": intent.reduce_only,
                "post_only": intent.post_only,
                "attempt_number": intent.attempt_number,
                "terms": order_terms(intent),
                "status": "intent",
                "filled_quantity": ZERO,
                "filled_value": ZERO,
                "accumulated": ZERO,
                "first_fill_at": None,
                "sent_at": None,
                "decided_at": decision.decided_at,
                "quote_observed_at": decision.quote_observed_at,
                "probability": _scaled(decision.probability, PROBABILITY_STEP),
                "decided_price": _scaled(decision.price, PRICE_STEP),
                "edge": _scaled(decision.edge, PRICE_STEP),
                "confidence": decision.confidence,
                "tick_id": decision.tick_id,
                "event_id": market["event_id"],
                "series_id": market["series_id"],
                "game_id": market["game_id"],
            },
            intent.purpose,
            intent.plan,
        )
        self.orders.append(order)
        self._orders[intent.client_order_id] = order
        self.working.append(order)
        self.working_in.add(self._place[decision.market_id])
        if intent.purpose is Purpose.ENTRY:
            entry = Entry(decision.decided_at, decision.strategy_id, market["game_id"])
            made = (decision.decided_at, decision.platform_id, entry)
            self._entered.append(made)
            self._entered_in[entry.game_id].append(made)
        return order

    def keep(self, booked: Booked) -> None:
        """What became of an order at one answer."""
        order = self._orders[booked.order["client_order_id"]]
        market = self._place[order.row["market_id"]]
        order.row = {**order.row, **booked.order, **_filled(order.row, booked.fills)}
        order.rested |= order.status == "resting"
        self.fills += booked.fills
        self.trades += booked.trades
        self.exits += booked.exits
        for row in booked.fills:
            self._note_taken(market, order.row, row)
        position = None
        if booked.position is not None:
            position = self._by_key.get(booked.position["position_key"])
            if position is None:
                position = self._opened(order, booked, market)
            else:
                position.change(booked.position)
                if booked.book is None:
                    self._gone(position)
                else:
                    position.book = booked.book
        elif order.row["position_key"] is not None:
            position = self._by_key[order.row["position_key"]]
        if position is not None:
            for row in booked.exits:
                if row["stage"] is not None:
                    sold = position.stages.get(row["stage"], ZERO)
                    position.stages[row["stage"]] = sold + row["quantity_exited"]
            if booked.attempt is not None:
                position.attempts.append(_attempt(order, booked.attempt))
            position.seen = None
        if booked.attempt is not None:
            self.attempts.append(booked.attempt)
        if order.purpose is Purpose.EXIT and booked.fills:
            at = max(row["event_ts"] for row in booked.fills)
            insort(self._exited, (at, order.row["platform_id"], order.row["game_id"]))
        self._enter(booked.entries)
        if order.status in TERMINAL:
            self._ended(order)

    def _note_taken(self, market: int, order: Row, fill: Row) -> None:
        raw = fill["raw"]
        through = raw.get("traded_through")
        if through is None:
            key = (order["market_id"], datetime.fromisoformat(raw["quote_observed_at"]))
            held = self.taken[order["market_id"]]
            full = (*key, raw["consumes"])
            held[full] = held.get(full, ZERO) + fill["quantity"]
        else:
            tape = self.through[order["market_id"]]
            tape[through] = tape.get(through, ZERO) + fill["quantity"]

    def _ended(self, order: Order) -> None:
        self.working.remove(order)
        self.working_in = {self._place[o.row["market_id"]] for o in self.working}
        row = order.row
        if order.purpose is Purpose.ENTRY and not row["filled_quantity"]:
            entry = Entry(row["decided_at"], row["strategy_id"], row["game_id"])
            made = (row["decided_at"], row["platform_id"], entry)
            self._entered_in[entry.game_id].remove(made)
            first = bisect_left(self._entered, (row["decided_at"],))
            del self._entered[self._entered.index(made, first)]
            missed = MissedEntry(
                row["decided_at"], row["strategy_id"], row["model_id"], row["method_id"],
                row["market_id"], Side(row["side"]),
            )  # fmt: skip
            self._missed.append((row["platform_id"], missed))
            self._missed_in.setdefault(self._place[row["market_id"]], []).append(missed)

    def _opened(self, order: Order, booked: Booked, market: int) -> Position:
        assert booked.position is not None and booked.book is not None  # noqa: S101 - is_new
        position = Position(
            position_id=len(self.positions) + 1,
            market=market,
            book=booked.book,
            row={**booked.position, **_FRESH_POSITION},
            confidence=order.row["confidence"],
            plan=order.plan,
        )
        position.versions.append(position.row)
        self.positions.append(position)
        self.open.setdefault(market, []).append(position)
        self._by_key[position.row["position_key"]] = position
        return position

    def mark(self, mark: PositionMark) -> None:
        """What a look at a position found."""
        position = self.positions[mark.position_id - 1]
        columns = mark_row(mark)
        del columns["position_id"]
        for name, step in _MARK_STEPS.items():
            columns[name] = _scaled(columns[name], step)
        position.row = {**position.row, **columns}
        position.book = replace(position.book, last_mark=columns["current_price"])
        position.seen = None

    def _gone(self, position: Position) -> None:
        held = self.open[position.market]
        held.remove(position)
        if not held:
            del self.open[position.market]

    def settle(self, final: Mapping[int, Settlement], news: Iterable[int]) -> Settled:
        """Pay out the open positions of markets that are final; take back what was amended.

        ``final``: the last word on each market by its place; ``news``: places with a new word.
        """
        due = [
            (position, final[market])
            for market, held in self.open.items()
            if market in final
            for position in held
        ]
        amended = sorted(
            (
                (position, final[position.market])
                for market in set(news)
                for position in self._settled.get(market, ())
                if self._pays_otherwise(position, final[position.market])
            ),
            key=lambda pair: pair[0].paid_number,
        )
        if not due and not amended:
            return Settled()
        due.sort(key=lambda pair: (pair[1].known_at, pair[0].position_id))
        rows, booked = [], []
        for position, ended in due:
            facts = self._to_settle(position, ended)
            rows.append(facts)
            booked.append(settle_position(self.environment, facts, position.book.executions))
            self._gone(position)
            self._paid += 1
            position.paid_number = self._paid
            self._settled[position.market].append(position)
        for position, ended in amended:
            facts = {
                **self._to_settle(position, ended),
                "booked_key": position.paid["entry_key"],
                "booked_amount": position.paid["amount"],
            }
            rows.append(facts)
            booked.append(amend_position(self.environment, facts, position.book.executions))
        for (position, ended), (columns, entries) in zip((*due, *amended), booked, strict=True):
            position.change(columns)
            position.paid_revision, position.paid = ended.revision, entries[-1]
            position.paid_value = contract_value(Side(position.row["side"]), ended.value)
        self._enter([entry for _, entries in booked for entry in entries])
        worth = {name: (cash.balance, ZERO) for name, cash in self.cash.items()}
        for held in self.open_positions():
            cash, value = worth[held.row["platform_id"]]
            worth[held.row["platform_id"]] = (cash, value + _marked(held.row))
        # As a closed position is told: with its own columns, owner and platform.
        changed = tuple(position.row for position, _ in (*due, *amended))
        paid = payments(rows, [entries for _, entries in booked], worth)
        return Settled(0, len(due), changed, paid)

    @staticmethod
    def _pays_otherwise(position: Position, ended: Settlement) -> bool:
        """Whether a later word gives another value; the same value said again moves no money."""
        side = Side(position.row["side"])
        return (
            ended.revision > position.paid_revision
            and contract_value(side, ended.value) != position.paid_value
        )

    def _to_settle(self, position: Position, ended: Settlement) -> Row:
        return {
            **position.row,
            "ticker": self._markets[position.market]["ticker"],
            "revision": ended.revision,
            "settlement_value": ended.value,
            "known_at": ended.known_at,
            "marked_value": _marked(position.row),
        }

    def _enter(self, entries: Sequence[Mapping[str, Any]]) -> None:
        for entry in entries:
            if entry["entry_key"] in self._entry_keys:
                raise LedgerError(f"{entry['entry_key']} is booked twice in one run")
            self._entry_keys.add(entry["entry_key"])
            self.entries.append(dict(entry))
        for platform_id, at, delta in balance_steps(entries):
            self.cash.setdefault(platform_id, Cash()).move(delta, at, platform_id)


def _marked(row: Row) -> Decimal:
    """What an open position was last worth, at cost before its first look."""
    mark: Decimal | None = row["current_price"]
    worth: Decimal = row["quantity"] * (row["entry_price"] if mark is None else mark)
    return worth


def _attempt(order: Order, row: Row) -> ExitAttempt:
    return ExitAttempt(
        condition=ExitCondition(row["exit_condition"]),
        priority=ExitPriority(row["exit_priority"]),
        number=row["attempt_number"],
        limit_price=row["limit_price"],
        quantity=row["quantity"],
        filled=row["filled_quantity"],
        placed_at=row["placed_at"],
        ended_at=row["ended_at"],
        timeout_s=row["timeout_seconds"],
        trigger_mark=Decimal(order.row["terms"]["trigger_mark"]),
    )


def _filled(row: Row, fills: Sequence[Row]) -> Row:
    """What the fills of an order came to by now, as the tick reads it back."""
    if not fills:
        return {}
    times = [fill["event_ts"] for fill in fills]
    first = row["first_fill_at"]
    return {
        "filled_value": row["filled_value"]
        + sum((f["price"] * f["quantity"] for f in fills), ZERO),
        "accumulated": row["accumulated"]
        + sum((_rounding_left(fill["raw"]) for fill in fills), ZERO),
        "first_fill_at": min(times) if first is None else min(first, *times),
    }


def _rounding_left(raw: Mapping[str, Any]) -> Decimal:
    return Decimal(raw["rounding_fee"]) - Decimal(raw["rebate"])


def as_stored(trailing: TrailingState) -> TrailingState:
    """A trailing stop as a look leaves it behind in ``positions``."""
    return TrailingState(
        trailing.active,
        trailing.type,
        _scaled(trailing.distance, _SHARE_STEP),
        _scaled(trailing.price, PRICE_STEP),
        _scaled(trailing.peak, PRICE_STEP),
    )


def _scaled(value: Decimal | None, step: Decimal) -> Decimal | None:
    """A value as a NUMERIC column keeps it."""
    return None if value is None else value.quantize(step, rounding=ROUND_HALF_UP)
