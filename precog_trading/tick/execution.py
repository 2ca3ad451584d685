"""Carries committed intents to their end on the paper exchange, one transaction per order.

Sending, the answer, fills, trades, position and cash are one transaction, so whatever moment a
process dies, an order is either still an intent or done; the next run finds the intents here and
finishes them at their own decision time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import psycopg

from precog_core.errors import PrecogError
from precog_core.prices import Action, Side, complement
from precog_trading.config import TradingConfig
from precog_trading.exchanges.paper import Book, Level, PaperExchange, consumed_bids
from precog_trading.exchanges.port import OrderTicket
from precog_trading.ledger.booking import OrderRow, book_outcome
from precog_trading.ledger.statements import Row, change, one, rows, value
from precog_trading.rules.assumptions import assumed_fee_schedule, takes_assumptions
from precog_trading.rules.fees import FeeSchedule, schedule_in_force

MANUAL = "manual"
"""A quote typed in by a person: there is no next one, so orders meet the one decided on."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What execution did: orders brought to an end, new fills, orders that wait for a quote."""

    orders: int = 0
    fills: int = 0
    waiting: int = 0


class StillWaiting(Exception):
    """The book the order must meet is not recorded yet, and may still come."""


def execute_intents(
    conn: psycopg.Connection,
    environment: str,
    config: TradingConfig,
    schedules: Sequence[FeeSchedule],
    clock: datetime,
) -> Executed:
    """Finish every intent, oldest first. ``clock`` bounds what may be known: books after it wait.

    ``conn`` must be in autocommit mode and hold the writer lock.
    """
    orders = fills = waiting = 0
    for order in rows(conn, "ledger", "leftover_orders", environment=environment):
        if order["status"] != "intent":
            raise PrecogError(
                f"paper order {order['client_order_id']} is {order['status']}: the paper exchange "
                "never leaves one like that; reconcile it before trading goes on"
            )
        try:
            with conn.transaction():
                fills += _execute(conn, environment, config, schedules, clock, order)
            orders += 1
        except StillWaiting:
            waiting += 1
    return Executed(orders, fills, waiting)


def _execute(
    conn: psycopg.Connection,
    environment: str,
    config: TradingConfig,
    schedules: Sequence[FeeSchedule],
    clock: datetime,
    order: OrderRow,
) -> int:
    # Locks the order: whoever comes second finds it sent and changes nothing.
    sent = change(
        conn, "ledger", "mark_sent", order_id=order["order_id"], sent_at=order["decided_at"]
    )
    if sent != 1:
        return 0
    side, action = Side(order["side"]), Action(order["action"])
    held = Decimal(0)
    if order["reduce_only"]:
        held = value(
            conn, "ledger", "held_quantity",
            environment=environment, market_id=order["market_id"], side=side.value,
        )  # fmt: skip
    ticket = OrderTicket(
        client_order_id=order["client_order_id"],
        environment=environment,
        platform_id=order["platform_id"],
        market_id=order["market_id"],
        side=side,
        action=action,
        limit_price=order["limit_price"],
        quantity=order["quantity"],
        time_in_force=order["time_in_force"],
        sent_at=order["decided_at"],
        reduce_only=order["reduce_only"],
        post_only=order["post_only"],
        held_quantity=held,
    )
    books = StoredBooks(conn, environment, config, schedules, clock, order)
    outcome = PaperExchange(books, config.fees.account_precision).submit(ticket)
    return book_outcome(conn, environment, order, outcome)


@dataclass(frozen=True)
class StoredBooks:
    """The stored quote an order meets, as a book without what our earlier fills took from it."""

    conn: psycopg.Connection
    environment: str
    config: TradingConfig
    schedules: Sequence[FeeSchedule]
    clock: datetime
    order: OrderRow

    def book(self, ticket: OrderTicket) -> Book | None:
        """The decision's own quote, or for recorded quotes the next one.

        Raises StillWaiting when the next one may still arrive, PrecogError when the quote of the
        decision has vanished.
        """
        quote = one(
            self.conn, "ledger", "decision_quote",
            market_id=ticket.market_id, observed_at=self.order["quote_observed_at"],
        )  # fmt: skip
        if quote is None:
            raise PrecogError(
                f"order {ticket.client_order_id}: the quote of market {ticket.market_id} at "
                f"{self.order['quote_observed_at']} it was decided on is not stored; restore it"
            )
        assumed = self._takes_assumptions(quote, ticket)
        if not assumed and quote["source"] != MANUAL:
            quote = self._next_recorded(ticket)
            if quote is None:
                return None
        return self._as_book(ticket, quote, self.config.replay.assume.size if assumed else None)

    def fee_schedule(self, ticket: OrderTicket) -> FeeSchedule | None:
        """The schedule in force when the order was sent, else the one assumed on its platform."""
        known = schedule_in_force(
            self.schedules,
            ticket.sent_at,
            platform_id=ticket.platform_id,
            series_id=self.order["series_id"],
            event_id=self.order["event_id"],
        )
        assume = self.config.replay.assume
        if known is None and takes_assumptions("", ticket.platform_id, self.environment, assume):
            return assumed_fee_schedule(ticket.platform_id, assume)
        return known

    def _takes_assumptions(self, quote: Row, ticket: OrderTicket) -> bool:
        return takes_assumptions(
            quote["source"], ticket.platform_id, self.environment, self.config.replay.assume
        )

    def _next_recorded(self, ticket: OrderTicket) -> Row | None:
        wait = self.config.paper.next_quote_s
        quote = one(
            self.conn, "ledger", "next_quote",
            market_id=ticket.market_id, decided_on=self.order["quote_observed_at"],
            sent_at=ticket.sent_at, wait_s=wait, until=self.clock,
        )  # fmt: skip
        if quote is None and self.clock < ticket.sent_at + timedelta(seconds=wait):
            raise StillWaiting
        return quote

    def _as_book(self, ticket: OrderTicket, quote: Row, assumed: Decimal | None) -> Book:
        consumes = consumed_bids(ticket.action, ticket.side)
        taken = value(
            self.conn, "ledger", "contracts_taken",
            market_id=ticket.market_id, environment=self.environment,
            quote_observed_at=quote["observed_at"].isoformat(), consumes=consumes,
        )  # fmt: skip
        yes = _level(quote["yes_bid"], quote["yes_bid_size"], assumed)
        ask = quote["yes_ask"]
        no = _level(None if ask is None else complement(ask), quote["yes_ask_size"], assumed)
        left = {"yes": yes, "no": no}
        left[consumes] = _without(left[consumes], taken)
        return Book(
            quote["observed_at"], quote["known_at"], quote["source"], left["yes"], left["no"]
        )


def _level(
    price: Decimal | None, size: Decimal | None, assumed: Decimal | None
) -> tuple[Level, ...]:
    quantity = size if size is not None else assumed
    if price is None or quantity is None:
        return ()
    return (Level(price, quantity),)


def _without(levels: tuple[Level, ...], taken: Decimal) -> tuple[Level, ...]:
    """The levels after ``taken`` contracts were bought from the best on."""
    left: list[Level] = []
    for level in levels:
        rest = max(level.quantity - taken, Decimal(0))
        taken = max(taken - level.quantity, Decimal(0))
        if rest > 0:
            left.append(Level(level.price, rest))
    return tuple(left)
