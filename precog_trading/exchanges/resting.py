"""Orders that rest on the paper exchange: filled only when the market trades through them.

A print strictly beyond our limit proves that ours would have been met before it; a print at our
price proves nothing, because others stood before us. Where only bars are recorded, a low or high
strictly beyond the limit is the proof, for at most a tenth of the bar's volume. A bar counts when
it lies wholly inside the life of the order: the part of a longer bar that is ours is unknown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from precog_core.prices import ONE, ZERO, Action, complement, floor_to, own_side
from precog_trading.exchanges.paper import venue_order_id
from precog_trading.exchanges.port import OrderOutcome, OrderTicket, VenueFill
from precog_trading.rules.fees import FINE_ROUNDING, FeeSchedule, Role, fee

_NOTHING: Mapping[str, Decimal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Print:
    """A public trade, price in YES space (a row of ``market_trades``)."""

    venue_trade_id: str
    at: datetime
    known_at: datetime
    yes_price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of trades, prices in YES space (a row of ``market_candles``)."""

    start: datetime
    end: datetime
    known_at: datetime
    low: Decimal | None
    high: Decimal | None
    volume: Decimal | None


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """An order that rests since ``since``, ``remaining`` contracts unfilled.

    ``accumulated`` is the fee rounding of its earlier fills.
    """

    ticket: OrderTicket
    remaining: Decimal
    since: datetime
    schedule: FeeSchedule
    accumulated: Decimal = ZERO
    capped: bool = False
    """whether a reduce-only order rests for less than it asked, so that it cannot fill whole"""


def trade_through(
    orders: Sequence[RestingOrder],
    prints: Iterable[Print],
    bars: Iterable[Bar],
    until: datetime,
    participation: Decimal,
    taken: Mapping[str, Decimal] = _NOTHING,
    account_precision: Decimal = FINE_ROUNDING,
) -> list[OrderOutcome]:
    """What became of the orders resting in one market by ``until``, in the order given.

    First in, first out: the orders share a print's or bar's contracts by the time they were sent.
    An outcome holds the new fills only; ``canceled`` when the order's time is over, ``filled`` when
    nothing is left, else ``resting``. Bars are read only where no print is known. ``taken`` says
    what earlier fills of ours took from a print or bar (``traded_through`` of their raw report), so
    reading the same tape again fills nothing twice.
    """
    known_prints = sorted(
        (p for p in prints if p.known_at <= until), key=lambda p: (p.at, p.venue_trade_id)
    )
    queue = sorted(
        range(len(orders)),
        key=lambda i: (orders[i].ticket.sent_at, orders[i].ticket.client_order_id),
    )
    desks = [_Desk(order, account_precision) for order in orders]
    for trade in known_prints:
        left = trade.quantity - taken.get(f"t{trade.venue_trade_id}", ZERO)
        for index in queue:
            left -= desks[index].meet_print(trade, left)
    if not known_prints:
        for bar in sorted((b for b in bars if b.known_at <= until), key=lambda b: b.end):
            left = floor_to((bar.volume or ZERO) * participation, ONE)
            left -= taken.get(f"b{bar.end.isoformat()}", ZERO)
            for index in queue:
                left -= desks[index].meet_bar(bar, left)
    return [desk.outcome(until) for desk in desks]


class _Desk:
    """One resting order while the tape is read."""

    def __init__(self, order: RestingOrder, account_precision: Decimal) -> None:
        self._order, self._precision = order, account_precision
        self._remaining, self._accumulated = order.remaining, order.accumulated
        self._fills: list[VenueFill] = []

    def meet_print(self, trade: Print, available: Decimal) -> Decimal:
        ticket = self._order.ticket
        own = own_side(ticket.side, trade.yes_price)
        inside = self._order.since < trade.at and self._alive_at(trade.at)
        if not inside or not _beyond(ticket, own):
            return ZERO
        return self._fill(f"t{trade.venue_trade_id}", trade.at, trade.known_at, available)

    def meet_bar(self, bar: Bar, available: Decimal) -> Decimal:
        ticket = self._order.ticket
        extreme = bar.high if (ticket.action is Action.SELL) == (ticket.side == "yes") else bar.low
        if extreme is None or bar.start < self._order.since or not self._alive_at(bar.end):
            return ZERO
        own = extreme if ticket.side == "yes" else complement(extreme)
        if not _beyond(ticket, own):
            return ZERO
        return self._fill(f"b{bar.end.isoformat()}", bar.end, bar.known_at, available)

    def outcome(self, until: datetime) -> OrderOutcome:
        ticket, fills = self._order.ticket, tuple(self._fills)
        name = venue_order_id(ticket)
        if self._remaining == ZERO:
            last = max((fill.executed_at for fill in fills), default=self._order.since)
            return OrderOutcome("canceled" if self._order.capped else "filled", name, fills, last)
        if ticket.expires_at is not None and ticket.expires_at <= until:
            return OrderOutcome("canceled", name, fills, max(ticket.expires_at, self._order.since))
        return OrderOutcome("resting", name, fills, None)

    def _alive_at(self, at: datetime) -> bool:
        expires_at = self._order.ticket.expires_at
        return expires_at is None or at <= expires_at

    def _fill(self, name: str, at: datetime, known_at: datetime, available: Decimal) -> Decimal:
        ticket = self._order.ticket
        quantity = min(self._remaining, available)
        if quantity <= ZERO:
            return ZERO
        charged = fee(
            self._order.schedule, Role.MAKER, quantity, ticket.limit_price, self._accumulated,
            action=ticket.action, account_precision=self._precision,
        )  # fmt: skip
        self._accumulated = charged.accumulated
        self._remaining -= quantity
        self._fills.append(
            VenueFill(
                venue_fill_id=f"{venue_order_id(ticket)}-{name}",
                price=ticket.limit_price,
                quantity=quantity,
                fee=charged.total,
                modelled_fee=charged.total,
                fee_schedule_id=self._order.schedule.fee_schedule_id,
                is_taker=False,
                executed_at=at,
                known_at=known_at,
                raw={
                    "exchange": "paper",
                    "quote_source": "market_trades" if name[0] == "t" else "market_candles",
                    "traded_through": name,
                    "rounding_fee": str(charged.rounding_fee),
                    "rebate": str(charged.rebate),
                },
            )
        )
        return quantity


def _beyond(ticket: OrderTicket, own_price: Decimal) -> bool:
    """Whether a trade at ``own_price`` went strictly through the limit."""
    if ticket.action is Action.SELL:
        return own_price > ticket.limit_price
    return own_price < ticket.limit_price
