"""The port every venue implements: one order in, one outcome out, and a listing to check against.

The tick does not know whether it talks to paper or to a venue: both take a ticket and answer with
an outcome, and a refusal is an outcome like any other. An answer that was lost or cannot be read
is the outcome ``unknown``; what really happened then is in the venue's listing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from precog_core.prices import Action, Side

TERMINAL = frozenset({"filled", "canceled", "rejected"})
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """What is sent: own-side limit in dollars, whole or fractional contracts.

    ``held_quantity`` is what we hold of the side, the cap of a reduce-only order. ``expires_at`` is
    when a resting order is to be canceled; None for no limit.
    """

    client_order_id: str
    environment: str
    platform_id: str
    market_id: int
    side: Side
    action: Action
    limit_price: Decimal
    quantity: Decimal
    time_in_force: str
    sent_at: datetime
    reduce_only: bool = False
    post_only: bool = False
    held_quantity: Decimal = Decimal(0)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One execution: price of the order's side in dollars, fee in dollars of the whole fill."""

    venue_fill_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    modelled_fee: Decimal
    fee_schedule_id: int | None
    is_taker: bool
    executed_at: datetime
    known_at: datetime
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """Where the order stands after the call: filled, canceled, rejected, resting or unknown.

    ``filled`` means the whole quantity; a canceled order may carry fills.
    """

    status: str
    venue_order_id: str | None
    fills: tuple[VenueFill, ...]
    closed_at: datetime | None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def filled_quantity(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), Decimal(0))


@dataclass(frozen=True, slots=True)
class Listing:
    """The venue's orders by client_order_id, each with all its fills.

    Only a ``complete`` listing proves that an order it does not name is not there.
    """

    at: datetime
    complete: bool
    orders: Mapping[str, OrderOutcome]


class Exchange(Protocol):
    """A venue, or our simulation of one."""

    def submit(self, ticket: OrderTicket) -> OrderOutcome:
        """Send the order once; never raises for a refusal, which is an outcome."""
        ...

    def listing(self, tickets: Sequence[OrderTicket], at: datetime) -> Listing:
        """What the venue knows of these orders at ``at``."""
        ...
