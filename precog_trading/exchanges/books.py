"""The book an order meets, made from a stored quote: pure, for the tick and the backtest alike.

Snapshots hold the top level only, so that is the whole book. Levels that our own fills consumed
are gone from it until the next quote.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from precog_core.prices import ZERO, complement
from precog_trading.config import AssumeSettings
from precog_trading.exchanges.paper import Book, Level, consumed_bids
from precog_trading.exchanges.port import OrderOutcome, OrderTicket
from precog_trading.rules.assumptions import fills_on_own_book, takes_assumptions

MANUAL = "manual"
"""A quote typed in by a person: there is no next one, so orders meet the one decided on."""


def meets_own_quote(
    source: str, platform_id: str, environment: str, settings: AssumeSettings
) -> bool:
    """Whether an order fills on the quote it was decided on instead of the next one recorded."""
    return source == MANUAL or fills_on_own_book(source, platform_id, environment, settings)


def assumed_size(
    source: str, platform_id: str, environment: str, settings: AssumeSettings
) -> Decimal | None:
    """Contracts assumed at a level whose size nobody recorded; None where nothing is assumed."""
    assumes = takes_assumptions(source, platform_id, environment, settings)
    return settings.size if assumes else None


def as_book(
    quote: Mapping[str, Any], consumes: str, taken: Decimal, assumed: Decimal | None
) -> Book:
    """A quote row in YES space as bids of both sides, less ``taken`` contracts of ``consumes``."""
    ask = quote["yes_ask"]
    left = {
        "yes": _level(quote["yes_bid"], quote["yes_bid_size"], assumed),
        "no": _level(None if ask is None else complement(ask), quote["yes_ask_size"], assumed),
    }
    left[consumes] = _without(left[consumes], taken)
    return Book(quote["observed_at"], quote["known_at"], quote["source"], left["yes"], left["no"])


BookKey = tuple[int, datetime, str]
"""(market, quote's observed_at, whose bids)"""


@dataclass
class TakenLevels:
    """Contracts that our fills took from each book."""

    contracts: dict[BookKey, Decimal] = field(default_factory=dict)

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "TakenLevels":
        """From rows with market_id, quote_observed_at (ISO text), consumes, quantity."""
        taken = cls()
        for row in rows:
            at = datetime.fromisoformat(row["quote_observed_at"])
            taken._add((row["market_id"], at, row["consumes"]), row["quantity"])
        return taken

    def of(self, market_id: int, observed_at: datetime, consumes: str) -> Decimal:
        return self.contracts.get((market_id, observed_at, consumes), ZERO)

    def note(self, ticket: OrderTicket, outcome: OrderOutcome) -> None:
        """Count what an order took; fills of resting orders take from nobody's book."""
        consumes = consumed_bids(ticket.action, ticket.side)
        for fill in outcome.fills:
            if fill.is_taker:
                at = datetime.fromisoformat(fill.raw["quote_observed_at"])
                self._add((ticket.market_id, at, consumes), fill.quantity)

    def _add(self, key: BookKey, quantity: Decimal) -> None:
        self.contracts[key] = self.contracts.get(key, ZERO) + quantity


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
        rest = max(level.quantity - taken, ZERO)
        taken = max(taken - level.quantity, ZERO)
        if rest > 0:
            left.append(Level(level.price, rest))
    return tuple(left)
