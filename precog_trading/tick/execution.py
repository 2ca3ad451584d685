"""Carries working orders to their end on the exchange: all of them in one transaction.

Sending, the answer, fills, trades, position and cash are one transaction, so whatever moment a
process dies, an order is either still an intent (or still resting) or done; the next run finds it
here and goes on at the order's own decision time. The number of statements does not depend on the
number of orders.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from precog_core.errors import PrecogError
from precog_core.prices import ZERO, Action, Side
from precog_trading.config import TradingConfig
from precog_trading.exchanges.books import (
    TakenLevels,
    as_book,
    assumed_size,
    meets_own_quote,
)
from precog_trading.exchanges.paper import Book, PaperExchange, consumed_bids, venue_order_id
from precog_trading.exchanges.port import TERMINAL, UNKNOWN, Exchange, OrderOutcome, OrderTicket
from precog_trading.exchanges.resting import Bar, Print, RestingOrder, trade_through
from precog_trading.ledger.bookings import Booked, OwnerKey, PositionBook, book, owner_of
from precog_trading.ledger.statements import Row, as_json, rows, rows_of_all
from precog_trading.ledger.writing import execution, write_booked
from precog_trading.rules.assumptions import assumed_fee_schedule, takes_assumptions
from precog_trading.rules.fees import FeeSchedule, schedule_in_force

ExchangeOf = Callable[[Exchange], Exchange]
"""Puts something between us and the exchange: the faults of a test, or nothing."""


def directly(exchange: Exchange) -> Exchange:
    """The exchange itself."""
    return exchange


@dataclass(frozen=True, slots=True)
class Executed:
    """What execution did: orders brought to an end, new fills, orders that still wait or rest,
    orders in doubt.

    ``booked`` are the rows written, for whoever keeps books beside the database.
    """

    orders: int = 0
    fills: int = 0
    waiting: int = 0
    doubtful: int = 0
    booked: tuple[Booked, ...] = ()


class StillWaiting(Exception):
    """The book the order must meet is not recorded yet, and may still come."""


@dataclass
class OrderDesk:
    """The working orders of one moment and all that decides their fate. Pure: no database.

    ``own`` and ``following`` are quote rows by client_order_id: the one decided on and the first
    recorded after sending. The tape is by market; ``through`` what our fills took from it.
    """

    environment: str
    config: TradingConfig
    schedules: Sequence[FeeSchedule]
    clock: datetime
    orders: Sequence[Mapping[str, Any]]
    own: Mapping[str, Mapping[str, Any]]
    following: Mapping[str, Mapping[str, Any]]
    taken: TakenLevels = field(default_factory=TakenLevels)
    through: Mapping[int, Mapping[str, Decimal]] = field(default_factory=dict)
    positions: Sequence[PositionBook] = ()
    prints: Mapping[int, Sequence[Print]] = field(default_factory=dict)
    bars: Mapping[int, Sequence[Bar]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._orders = {order["client_order_id"]: order for order in self.orders}
        self._held: dict[str, PositionBook] = {p.position_key: p for p in self.positions}
        self._of_owner: dict[OwnerKey, str] = {p.owner: p.position_key for p in self.positions}
        self.waiting: set[str] = set()

    # The port ``Books`` of the paper exchange.

    def book(self, ticket: OrderTicket) -> Book | None:
        """The decision's own quote, or for recorded quotes the next one.

        Raises StillWaiting when the next one may still arrive, PrecogError when the quote of the
        decision has vanished.
        """
        order = self._orders[ticket.client_order_id]
        quote = self.own.get(ticket.client_order_id)
        if quote is None:
            raise PrecogError(
                f"order {ticket.client_order_id}: the quote of market {ticket.market_id} at "
                f"{order['quote_observed_at']} it was decided on is not stored; restore it"
            )
        assume = self.config.replay.assume
        here = (quote["source"], ticket.platform_id, self.environment, assume)
        if not meets_own_quote(*here):
            following = self.following.get(ticket.client_order_id)
            if following is None:
                if self.clock < ticket.sent_at + timedelta(seconds=self.config.paper.next_quote_s):
                    raise StillWaiting
                return None
            quote = following
        consumes = consumed_bids(ticket.action, ticket.side)
        taken = self.taken.of(ticket.market_id, quote["observed_at"], consumes)
        return as_book(quote, consumes, taken, assumed_size(*here))

    def fee_schedule(self, ticket: OrderTicket) -> FeeSchedule | None:
        """The schedule in force when the order was sent, else the one assumed on its platform."""
        order = self._orders[ticket.client_order_id]
        known = schedule_in_force(
            self.schedules,
            ticket.sent_at,
            platform_id=ticket.platform_id,
            series_id=order["series_id"],
            event_id=order["event_id"],
        )
        if known is not None:
            return known
        assume = self.config.replay.assume
        quote = self.own.get(ticket.client_order_id)
        source = "" if quote is None else quote["source"]
        if takes_assumptions(source, ticket.platform_id, self.environment, assume):
            return assumed_fee_schedule(ticket.platform_id, assume)
        return None

    def ticket(self, order: Mapping[str, Any]) -> OrderTicket:
        """What is sent of an order. A resting exit has as long as its rung gives it."""
        sent_at = order["sent_at"] or order["decided_at"]
        timeout_s = (order["terms"] or {}).get("timeout_s")
        expires_at = None
        if order["time_in_force"] == "gtc" and timeout_s is not None:
            expires_at = sent_at + timedelta(seconds=timeout_s)
        position = self._held.get(order["position_key"] or "")
        return OrderTicket(
            client_order_id=order["client_order_id"],
            environment=self.environment,
            platform_id=order["platform_id"],
            market_id=order["market_id"],
            side=Side(order["side"]),
            action=Action(order["action"]),
            limit_price=order["limit_price"],
            quantity=order["quantity"],
            time_in_force=order["time_in_force"],
            sent_at=sent_at,
            reduce_only=order["reduce_only"],
            post_only=order["post_only"],
            held_quantity=position.quantity if position and order["reduce_only"] else ZERO,
            expires_at=expires_at,
        )

    def work(self, exchange: Exchange) -> list[Booked]:
        """Advance the resting orders, then send the intents, in the order they were decided."""
        booked = self._advance()
        for order in self.orders:
            if order["status"] == "intent":
                booked += self._send(exchange, order)
        return booked

    def settle_unknown(self, order: Mapping[str, Any], outcome: OrderOutcome) -> Booked:
        """Book what the venue's listing says about an order in doubt."""
        return self._book(order, outcome)

    def cancel(self, order: Mapping[str, Any], at: datetime, code: str, why: str) -> Booked:
        """Take an order back: it ends now with what it has got."""
        sent_at = order["sent_at"] or order["decided_at"]
        name = None if order["status"] == "intent" else venue_order_id(self.ticket(order))
        return self._book(order, OrderOutcome("canceled", name, (), max(at, sent_at), code, why))

    def _send(self, exchange: Exchange, order: Mapping[str, Any]) -> list[Booked]:
        replaces = (order["terms"] or {}).get("replaces")
        before = self._orders.get(replaces) if replaces else None
        done = []
        if before is not None and before["status"] == "resting":
            done.append(
                self.cancel(before, order["decided_at"], "replaced", "a more urgent exit took over")
            )
            self._orders[replaces] = {**before, "status": "canceled"}
        ticket = self.ticket(order)
        try:
            outcome = exchange.submit(ticket)
        except StillWaiting:
            self.waiting.add(order["client_order_id"])
            return done
        self.taken.note(ticket, outcome)
        if outcome.status == "resting":
            self.waiting.add(order["client_order_id"])
        return [*done, self._book(order, outcome)]

    def _advance(self) -> list[Booked]:
        """What the tape did to the resting orders by now, market by market."""
        by_market: dict[int, list[Mapping[str, Any]]] = {}
        for order in self.orders:
            if order["status"] == "resting":
                by_market.setdefault(order["market_id"], []).append(order)
        booked: list[Booked] = []
        for order in self.orders:
            if order["status"] == "resting" and self._sells_nothing(order):
                by_market[order["market_id"]].remove(order)
                booked.append(
                    self.cancel(order, self.clock, "nothing_to_reduce", "the position is closed")
                )
        for market_id, resting in sorted(by_market.items()):
            outcomes = trade_through(
                [self._resting(order) for order in resting],
                self.prints.get(market_id, ()),
                self.bars.get(market_id, ()),
                self.clock,
                self.config.paper.participation,
                self.through.get(market_id, {}),
                self.config.fees.account_precision,
            )
            for order, outcome in zip(resting, outcomes, strict=True):
                if outcome.status == "resting":
                    self.waiting.add(order["client_order_id"])
                    if not outcome.fills:
                        continue
                self._orders[order["client_order_id"]] = {**order, "status": outcome.status}
                booked.append(self._book(order, outcome))
        return booked

    def _sells_nothing(self, order: Mapping[str, Any]) -> bool:
        """Whether the position of a reduce-only order is gone, sold or settled otherwise."""
        return order["reduce_only"] and self.ticket(order).held_quantity == ZERO

    def _resting(self, order: Mapping[str, Any]) -> RestingOrder:
        ticket = self.ticket(order)
        schedule = self.fee_schedule(ticket)
        if schedule is None:
            raise PrecogError(
                f"resting order {ticket.client_order_id}: the fee schedule it was sent under is "
                "gone; restore fee_schedules"
            )
        # What crossed was filled on a book of that moment; the rest began to rest there.
        since = max(ticket.sent_at, order["first_fill_at"] or ticket.sent_at)
        left = order["quantity"] - order["filled_quantity"]
        remaining = min(left, ticket.held_quantity) if ticket.reduce_only else left
        return RestingOrder(
            ticket=ticket,
            remaining=remaining,
            capped=remaining < left,
            since=since,
            schedule=schedule,
            accumulated=order["accumulated"],
        )

    def _book(self, order: Mapping[str, Any], outcome: OrderOutcome) -> Booked:
        key = order["position_key"] or self._of_owner.get(owner_of(order))
        held = self._held.get(key) if key else None
        done = book(self.environment, order, outcome, held)
        if done.position is not None:
            name = done.position["position_key"]
            if done.book is None:
                self._held.pop(name, None)
                self._of_owner.pop(owner_of(order), None)
            else:
                self._held[name] = done.book
                self._of_owner[done.book.owner] = name
        return done


def execute(
    conn: psycopg.Connection,
    environment: str,
    config: TradingConfig,
    schedules: Sequence[FeeSchedule],
    clock: datetime,
    exchange_of: ExchangeOf = directly,
) -> Executed:
    """Carry every working order as far as it goes, oldest first, in one transaction.

    ``clock`` bounds what may be known: books and trades after it wait. ``conn`` must be in
    autocommit mode and hold the writer lock. Orders in doubt are left to reconciliation.
    """
    with conn.transaction():
        desk = load_desk(conn, environment, config, schedules, clock)
        if desk is None:
            return Executed()
        exchange = exchange_of(PaperExchange(desk, config.fees.account_precision))
        booked = desk.work(exchange)
        fills = write_booked(conn, environment, booked)
    doubtful = sum(order["status"] == UNKNOWN for order in desk.orders)
    doubtful += sum(b.order["status"] == UNKNOWN for b in booked)
    ended = sum(b.order["status"] in TERMINAL for b in booked)
    return Executed(ended, fills, len(desk.waiting), doubtful, tuple(booked))


def cancel_working(
    conn: psycopg.Connection,
    environment: str,
    config: TradingConfig,
    schedules: Sequence[FeeSchedule],
    at: datetime,
    code: str,
    why: str,
    position_id: int | None = None,
) -> list[Booked]:
    """Cancel intents and resting orders in the caller's transaction, all or those of a position;
    orders in doubt stay."""
    with conn.transaction():
        desk = load_desk(conn, environment, config, schedules, at)
        if desk is None:
            return []
        booked = [
            desk.cancel(order, at, code, why)
            for order in desk.orders
            if order["status"] in ("intent", "resting")
            and position_id in (None, order["position_id"])
        ]
        write_booked(conn, environment, booked)
    return booked


def load_desk(
    conn: psycopg.Connection,
    environment: str,
    config: TradingConfig,
    schedules: Sequence[FeeSchedule],
    clock: datetime,
) -> OrderDesk | None:
    """The working orders and what they meet, read in a few statements; None without orders."""
    orders = rows(conn, "ledger", "working_orders_in_full", environment=environment)
    if not orders:
        return None
    wanted = [
        {
            "client_order_id": order["client_order_id"],
            "market_id": order["market_id"],
            "quote_observed_at": order["quote_observed_at"],
            "sent_at": order["sent_at"] or order["decided_at"],
        }
        for order in orders
    ]
    markets = sorted({order["market_id"] for order in orders})
    here = {"market_ids": markets, "environment": environment}
    queries: list[tuple[str, str, dict[str, Any]]] = [
        (
            "ledger", "books_of_orders",
            {"rows": as_json(wanted), "wait_s": config.paper.next_quote_s, "until": clock},
        ),
        ("ledger", "contracts_taken", here),
        ("ledger", "open_position_books", here),
        ("ledger", "executions_in_markets", here),
    ]  # fmt: skip
    resting = [order for order in orders if order["status"] == "resting"]
    if resting:
        tape = {
            "market_ids": sorted({order["market_id"] for order in resting}),
            "since": min(order["sent_at"] for order in resting),
            "until": clock,
        }
        queries += [("ledger", "prints", tape), ("ledger", "bars", tape)]
    found = rows_of_all(conn, *queries)
    books, taken, positions, executed = found[:4]
    prints, bars = found[4:] if resting else ([], [])
    through: dict[int, dict[str, Decimal]] = {}
    for row in taken:
        if row["traded_through"] is not None:
            through.setdefault(row["market_id"], {})[row["traded_through"]] = row["quantity"]
    return OrderDesk(
        environment=environment,
        config=config,
        schedules=schedules,
        clock=clock,
        orders=orders,
        own={row["client_order_id"]: row for row in books if row["which"] == "own"},
        following={row["client_order_id"]: row for row in books if row["which"] == "next"},
        taken=TakenLevels.of_rows(row for row in taken if row["traded_through"] is None),
        through=through,
        positions=position_books(positions, executed),
        prints=_by_market(prints, _print),
        bars=_by_market(bars, _bar),
    )


def position_books(
    positions: Iterable[Mapping[str, Any]], executed: Iterable[Mapping[str, Any]]
) -> list[PositionBook]:
    """Open positions with their executions, from rows."""
    happened: dict[int, list[Any]] = {}
    for row in executed:
        happened.setdefault(row["position_id"], []).append(execution(row))
    return [
        PositionBook(
            row["position_key"],
            owner_of(row),
            tuple(happened.get(row["position_id"], ())),
            row["position_id"],
            row["current_price"],
        )
        for row in positions
    ]


def _print(row: Row) -> Print:
    return Print(
        row["venue_trade_id"], row["event_ts"], row["known_at"], row["price"], row["quantity"]
    )


def _bar(row: Row) -> Bar:
    return Bar(
        row["bar_start_ts"], row["bar_end_ts"], row["known_at"], row["low_price"],
        row["high_price"], row["volume"],
    )  # fmt: skip


def _by_market(found: Iterable[Row], make: Callable[[Row], Any]) -> dict[int, list[Any]]:
    tape: dict[int, list[Any]] = {}
    for row in found:
        tape.setdefault(row["market_id"], []).append(make(row))
    return tape
