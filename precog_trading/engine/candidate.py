"""One candidate while it is judged: its facts, and every value the gate derived from them.

The only mutable record of the engine. It lives inside one call of ``decide`` and becomes a frozen
Decision at its end; what it noted on the way becomes the decision's ``inputs``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from precog_core.prices import Grid, Side, best_bid_ask, decimal_text
from precog_trading.config import AssumeSettings
from precog_trading.engine.state import MarketFacts, Method, Prediction, Quote
from precog_trading.rules.edge import Band, Edge
from precog_trading.rules.fees import FeeSchedule
from precog_trading.rules.sizing import OrderCost

T = TypeVar("T")


@dataclass(slots=True)
class Candidate:
    """A (market, side, strategy, model) with a new quote; prices are those of ``side``."""

    market: MarketFacts
    quote: Quote
    side: Side
    method: Method
    prediction: Prediction | None
    assumes: bool
    """whether the quote takes ``replay.assume.*``"""
    notes: dict[str, Any]
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    volume_24h: Decimal | None = None
    open_interest: Decimal | None = None
    schedule: FeeSchedule | None = None
    half_width: Decimal | None = None
    confidence: str | None = None
    edge: Edge | None = None
    band: Band = Band.IGNORE
    quarantined: bool = False
    threshold: Decimal | None = None
    """the least edge an order may have: the band's, or the minimum once a person approved"""
    limit: Decimal | None = None
    quantity: Decimal | None = None
    stake: Decimal | None = None
    cost: OrderCost | None = None
    """what its order costs at its limit"""
    attempt: int = 1
    """which try at this leg its order would be"""

    @property
    def grid(self) -> Grid:
        return self.market.grid.for_side(self.side)

    @property
    def mid(self) -> Decimal:
        """(bid + ask)/2 of a two-sided quote."""
        return (known(self.bid) + known(self.ask)) / 2

    def read_book(self, quote: Quote, assume: AssumeSettings) -> None:
        """Take prices, sizes and activity of ``quote`` as this side sees them.

        A NO buyer takes the YES bids, so sizes swap with the side. What the quote does not say is
        assumed where it may be, and noted.
        """
        self.quote = quote
        self.bid, self.ask = best_bid_ask(self.side, quote.yes_bid, quote.yes_ask)
        sizes = (quote.yes_bid_size, quote.yes_ask_size)
        self.bid_size, self.ask_size = sizes if self.side is Side.YES else sizes[::-1]
        self.volume_24h, self.open_interest = quote.volume_24h, quote.open_interest
        if not self.assumes:
            return
        if self.bid is not None and self.bid_size is None:
            self.bid_size = assume.size
            self.notes["assumed.size"] = True
        if self.ask is not None and self.ask_size is None:
            self.ask_size = assume.size
            self.notes["assumed.size"] = True
        if self.volume_24h is None:
            self.volume_24h = assume.volume_24h
            self.notes["assumed.volume_24h"] = True
        if self.open_interest is None:
            self.open_interest = assume.open_interest
            self.notes["assumed.open_interest"] = True


def known(value: T | None) -> T:
    """A value that an earlier row of the gate has made sure of."""
    if value is None:
        raise AssertionError("a row of the gate reads what no row before it has established")
    return value


class Inputs(Mapping[str, Any]):
    """Notes as ``decisions.inputs``, written when somebody reads them: a replay decides much that
    nobody looks at. Whoever hands notes over changes them no more."""

    __slots__ = ("_notes", "_written")

    def __init__(self, notes: Mapping[str, Any]) -> None:
        self._notes = notes
        self._written: dict[str, Any] | None = None

    @property
    def written(self) -> dict[str, Any]:
        """All of them as text."""
        if self._written is None:
            self._written = canonical(self._notes)
        return self._written

    def __getitem__(self, key: str) -> Any:
        return self.written[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.written)

    def __len__(self) -> int:
        return len(self._notes)

    def __repr__(self) -> str:
        return repr(self.written)


def canonical(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Notes as text, except booleans and None."""
    written: dict[str, Any] = {}
    for key, value in notes.items():
        kind = type(value)
        if kind is str or kind is bool or value is None:
            written[key] = value
        elif kind is Decimal:
            written[key] = decimal_text(value)
        elif kind is datetime:
            written[key] = value.isoformat()
        else:
            written[key] = str(value)
    return written
