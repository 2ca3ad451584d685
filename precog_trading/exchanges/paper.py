"""The paper exchange (trading-rules §10): fills on a stored book, at its prices, or rests.

It fills against what the book showed, best level first, never more than a level's size and never
at the mid. It does not model queues or our own impact, and a report on paper results has to say
so. Every id it gives derives from the client order id: asking twice gives the same answer. What
becomes of an order that rests is the business of ``resting.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from precog_core.prices import ZERO, Action, Side, complement, decimal_text
from precog_trading.exchanges.port import Listing, OrderOutcome, OrderTicket, VenueFill
from precog_trading.rules.fees import FINE_ROUNDING, FeeSchedule, FeeUnknown, Role, fee


@dataclass(frozen=True, slots=True)
class Level:
    """Contracts wanted at a price: a bid."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """Bids of both sides, each in its own side's dollars: who offers YES bids for NO."""

    observed_at: datetime
    known_at: datetime
    source: str
    yes_bids: tuple[Level, ...]
    no_bids: tuple[Level, ...]

    def offers(self, action: Action, side: Side) -> list[Level]:
        """What a taker of ``side`` can trade with, best first, in own-side prices."""
        own, other = (
            (self.yes_bids, self.no_bids) if side is Side.YES else (self.no_bids, self.yes_bids)
        )
        if action is Action.SELL:
            return sorted(own, key=lambda level: -level.price)
        asks = [Level(complement(level.price), level.quantity) for level in other]
        return sorted(asks, key=lambda level: level.price)


class Books(Protocol):
    """Where the paper exchange looks: the book an order meets, already without what we took."""

    def book(self, ticket: OrderTicket) -> Book | None:
        """None when no book is recorded within the time an order may wait for one."""
        ...

    def fee_schedule(self, ticket: OrderTicket) -> FeeSchedule | None:
        """The schedule in force when the order was sent."""
        ...


@dataclass(frozen=True, slots=True)
class PaperExchange:
    """Executes against ``books``. ``account_precision`` in dollars is that of the fee rules."""

    books: Books
    account_precision: Decimal = FINE_ROUNDING

    def submit(self, ticket: OrderTicket) -> OrderOutcome:
        """Fill what the book allows up to the limit; the remainder of an IOC order is canceled,
        that of a GTC order rests until its time is over.

        A fill-or-kill order fills whole or not at all, a post-only order that would cross is
        rejected, a reduce-only order is capped at what is held.
        """
        wanted = ticket.quantity
        if ticket.reduce_only:
            wanted = min(wanted, ticket.held_quantity)
            if wanted <= ZERO:
                return _rejected(ticket, "nothing_to_reduce", "no contracts of that side are held")
        book = self.books.book(ticket)
        if book is None:
            return _closed(ticket, "canceled", (), "no_book", "no quote was recorded in time")
        matches = _match(ticket, wanted, book.offers(ticket.action, ticket.side))
        if ticket.post_only:
            if matches:
                return _rejected(ticket, "would_cross", "a post-only order may not take liquidity")
            if ticket.time_in_force != "gtc":
                return _rejected(ticket, "cannot_rest", "a post-only order must be good to rest")
        available = sum((level.quantity for level in matches), ZERO)
        if ticket.time_in_force == "fok" and available < wanted:
            return _closed(ticket, "canceled", (), "not_filled_whole", "the book was too small")
        schedule = self.books.fee_schedule(ticket)
        if schedule is None or not schedule.is_known:
            return _rejected(ticket, "fee_unknown", "no fee schedule with a formula is in force")
        fills = self._fills(ticket, book, schedule, matches)
        if available == ticket.quantity:
            return _closed(ticket, "filled", fills)
        # What a reduce-only order may not sell anyway does not rest.
        if ticket.time_in_force == "gtc" and available < wanted:
            expired = ticket.expires_at is not None and book.observed_at >= ticket.expires_at
            if not expired:
                return OrderOutcome("resting", venue_order_id(ticket), fills, None)
        return _closed(ticket, "canceled", fills)

    def listing(self, tickets: Sequence[OrderTicket], at: datetime) -> Listing:
        """Complete and empty: an answer of the paper exchange is never lost, because it is
        committed together with the order, so what is in doubt never got here.
        """
        return Listing(at, complete=True, orders={})

    def _fills(
        self, ticket: OrderTicket, book: Book, schedule: FeeSchedule, matches: Sequence[Level]
    ) -> tuple[VenueFill, ...]:
        fills: list[VenueFill] = []
        accumulated = ZERO
        # A book seen later than the order was sent fills it then; else at once.
        executed_at = max(ticket.sent_at, book.observed_at)
        for number, level in enumerate(matches, start=1):
            charged = fee(
                schedule, Role.TAKER, level.quantity, level.price, accumulated,
                action=ticket.action, account_precision=self.account_precision,
            )  # fmt: skip
            accumulated = charged.accumulated
            if charged.total < ZERO:
                raise FeeUnknown(
                    f"order {ticket.client_order_id}: the rebate exceeds the fee of a fill; set "
                    "fees.account_precision to 0.0001 for the paper account"
                )
            fills.append(
                VenueFill(
                    venue_fill_id=f"{venue_order_id(ticket)}-{number}",
                    price=level.price,
                    quantity=level.quantity,
                    fee=charged.total,
                    modelled_fee=charged.total,
                    fee_schedule_id=schedule.fee_schedule_id,
                    is_taker=True,
                    executed_at=executed_at,
                    known_at=max(executed_at, book.known_at),
                    raw={
                        "exchange": "paper",
                        "quote_source": book.source,
                        "quote_observed_at": book.observed_at.isoformat(),
                        "consumes": consumed_bids(ticket.action, ticket.side),
                        "level_price": decimal_text(level.price),
                        "trade_fee": decimal_text(charged.trade_fee),
                        "rounding_fee": decimal_text(charged.rounding_fee),
                        "rebate": decimal_text(charged.rebate),
                    },
                )
            )
        return tuple(fills)


def consumed_bids(action: Action, side: Side) -> str:
    """Whose bids a taker uses up: buying YES and selling NO both meet the bids for NO."""
    return (side.opposite if action is Action.BUY else side).value


def _match(ticket: OrderTicket, wanted: Decimal, offers: Sequence[Level]) -> list[Level]:
    """The parts of the levels that the order takes, best first, none beyond the limit."""
    taken: list[Level] = []
    for level in offers:
        beyond = (
            level.price > ticket.limit_price
            if ticket.action is Action.BUY
            else level.price < ticket.limit_price
        )
        if wanted <= ZERO or beyond:
            break
        quantity = min(wanted, level.quantity)
        if quantity > ZERO:
            taken.append(Level(level.price, quantity))
            wanted -= quantity
    return taken


def venue_order_id(ticket: OrderTicket) -> str:
    """The id the paper exchange gives: the same whenever it is asked."""
    return f"{ticket.environment}-{ticket.client_order_id}"


def _closed(
    ticket: OrderTicket,
    status: str,
    fills: tuple[VenueFill, ...],
    error_code: str | None = None,
    error_message: str | None = None,
) -> OrderOutcome:
    closed_at = max((fill.executed_at for fill in fills), default=ticket.sent_at)
    return OrderOutcome(status, venue_order_id(ticket), fills, closed_at, error_code, error_message)


def _rejected(ticket: OrderTicket, code: str, message: str) -> OrderOutcome:
    return _closed(ticket, "rejected", (), code, message)
