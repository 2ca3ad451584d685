"""Faults between us and an exchange, on purpose: what a venue and a network can do to an order.

``Faults`` wraps any exchange. It keeps what really happened at the venue, so that a listing tells
the truth that a lost answer hid. It outlives the exchange of one moment: pass the same object to
the tick runner as ``exchange_of``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from precog_trading.exchanges.port import UNKNOWN, Exchange, Listing, OrderOutcome, OrderTicket


class Fault(StrEnum):
    """What goes wrong with one call."""

    LOST_REPLY = "lost_reply"
    """The venue executed, the answer never came."""
    LOST_REQUEST = "lost_request"
    """The order never got there, and we cannot tell."""
    DELAY = "delay"
    """The call timed out; the order arrives a cycle later."""
    DUPLICATE = "duplicate"
    """The network sent it twice; we see the answer to the second: it exists already."""
    CONFLICT = "409"
    """The venue says that the id exists, because an earlier try did get there."""
    SERVER_ERROR = "5xx"
    """The venue failed after it executed."""
    ERROR_BODY = "2xx with error body"
    """Success in the status line, an error in the body: cannot be read."""


_SAYS = {
    Fault.LOST_REPLY: ("timeout", "no answer came"),
    Fault.LOST_REQUEST: ("timeout", "no answer came"),
    Fault.DELAY: ("timeout", "no answer came in time"),
    Fault.DUPLICATE: ("409", "order_already_exists"),
    Fault.CONFLICT: ("409", "order_already_exists"),
    Fault.SERVER_ERROR: ("503", "service unavailable"),
    Fault.ERROR_BODY: ("unreadable", "status 201 with an error in the body"),
}


@dataclass
class Faults:
    """Calls number n (from 1) in ``at_call`` go wrong; ``incomplete`` listings miss pages.

    Used as ``exchange_of``: called with the exchange of the moment, gives one with faults.
    """

    at_call: Mapping[int, Fault] = field(default_factory=dict)
    incomplete: bool = False
    calls: int = 0
    venue: dict[str, OrderOutcome] = field(default_factory=dict)
    """what the venue really has, by client_order_id"""
    executions: int = 0
    """how often the venue executed an order"""
    _delayed: dict[str, OrderTicket] = field(default_factory=dict)

    def __call__(self, exchange: Exchange) -> Exchange:
        for ticket in self._delayed.values():
            self.execute(exchange, ticket)
        self._delayed.clear()
        return _Faulty(exchange, self)

    def execute(self, exchange: Exchange, ticket: OrderTicket) -> OrderOutcome:
        """The order reaches the venue, which knows each id once."""
        if ticket.client_order_id not in self.venue:
            self.venue[ticket.client_order_id] = exchange.submit(ticket)
            self.executions += 1
        return self.venue[ticket.client_order_id]

    def delay(self, ticket: OrderTicket) -> None:
        """The order is still under way."""
        self._delayed[ticket.client_order_id] = ticket


@dataclass(frozen=True)
class _Faulty:
    inner: Exchange
    faults: Faults

    def submit(self, ticket: OrderTicket) -> OrderOutcome:
        self.faults.calls += 1
        fault = self.faults.at_call.get(self.faults.calls)
        if fault is None:
            return self.faults.execute(self.inner, ticket)
        if fault is Fault.DELAY:
            self.faults.delay(ticket)
        elif fault is not Fault.LOST_REQUEST:
            self.faults.execute(self.inner, ticket)
            if fault is Fault.DUPLICATE:
                self.faults.execute(self.inner, ticket)
        code, message = _SAYS[fault]
        return OrderOutcome(UNKNOWN, None, (), None, code, message)

    def listing(self, tickets: Sequence[OrderTicket], at: datetime) -> Listing:
        known = {
            ticket.client_order_id: self.faults.venue[ticket.client_order_id]
            for ticket in tickets
            if ticket.client_order_id in self.faults.venue
        }
        if self.faults.incomplete:
            return Listing(at, complete=False, orders={})
        told = self.inner.listing(tickets, at)
        return replace(told, orders={**told.orders, **known})
