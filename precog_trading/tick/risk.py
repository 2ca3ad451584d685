"""The accounts' risk books in the tick: loaded once, kept up, and judged before each decision."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import psycopg

from precog_core.prices import ZERO, best_bid_ask
from precog_trading.config import TradingConfig
from precog_trading.engine.state import Method, OpenPosition, Portfolio, Quote
from precog_trading.ledger.bookings import Booked
from precog_trading.ledger.risk import (
    OPERATOR,
    Judgement,
    RiskBook,
    Surroundings,
    odd_decision,
)
from precog_trading.ledger.settlement import Settled
from precog_trading.ledger.statements import Row, as_json, change, rows, rows_of_all
from precog_trading.rules.assumptions import takes_assumptions
from precog_trading.tick.loading import PlatformFacts, TickFacts

_EVENTS = timedelta(days=1)


class RiskBooks:
    """The risk book of every account of an environment, by platform."""

    def __init__(self) -> None:
        self.by_platform: dict[str, RiskBook] = {}

    def of(self, platform_id: str) -> RiskBook:
        book = self.by_platform.get(platform_id)
        if book is None:
            book = self.by_platform[platform_id] = RiskBook()
        return book

    @classmethod
    def load(
        cls,
        conn: psycopg.Connection,
        environment: str,
        clock: datetime | None,
        config: TradingConfig,
    ) -> "RiskBooks":
        """As the history in the database has them."""
        books = cls()
        if clock is None:
            return books
        breaker = config.breaker
        window = max(breaker.data_quality.window_s, breaker.edge_anomaly.window_s)
        here = {"environment": environment}
        points, flows, closed, events, decisions = rows_of_all(
            conn,
            ("trading", "risk_points", here),
            ("trading", "risk_flows", here),
            ("trading", "risk_closed", here),
            ("trading", "risk_events", {**here, "since": clock - _EVENTS}),
            ("trading", "risk_decisions", {**here, "since": clock - timedelta(seconds=window)}),
        )
        for row in points:
            books.of(row["platform_id"]).point(row["event_ts"], row["cash"], row["portfolio_value"])
        for row in flows:
            books.of(row["platform_id"]).deposited(row["event_ts"], row["amount"])
        for row in closed:
            books.of(row["platform_id"]).closed(row)
        for row in events:
            getattr(books.of(row["platform_id"]), row["kind"])(row["at"])
        seen: set[tuple[datetime, int]] = set()
        for row in decisions:
            odd = odd_decision(row, breaker.edge_anomaly_gap, seen)
            if odd is not None:
                books.of(row["platform_id"]).odd(odd)
        return books

    def booked(self, booked: Iterable[Booked]) -> None:
        """Note what execution did: trades, ended positions, refused and lost orders."""
        for outcome in booked:
            book = self.of(outcome.platform_id)
            status, order = outcome.order["status"], outcome.order
            if status == "rejected":
                book.rejected(order["closed_at"])
            elif status == "unknown":
                book.venue_failed(order["sent_at"])
            for trade in outcome.trades:
                book.traded(trade["event_ts"])
            for fill in outcome.fills:
                if abs(fill["fee"] - fill["modelled_fee"]) > Decimal("0.0001"):
                    book.fee_differed(fill["event_ts"])
            if outcome.position is not None and outcome.position.get("status") == "closed":
                book.closed(outcome.position)

    def settled(self, settled: Settled) -> list[Row]:
        """Note settlements at the moments they were known; the points of equity they make."""
        for position in settled.positions:
            self.of(position["platform_id"]).closed(position)
        return [
            _point(paid["platform_id"], paid["at"], paid["cash"], paid["value"])
            for paid in settled.payments
            if self.of(paid["platform_id"]).point(paid["at"], paid["cash"], paid["value"])
        ]

    def rearmed(self, moments: Mapping[str, datetime]) -> None:
        """Take over what somebody re-armed; known moments change nothing."""
        for breaker_type, at in moments.items():
            for book in self.by_platform.values():
                book.rearm(breaker_type, at)


def equity_points(books: RiskBooks, facts: TickFacts, now: datetime) -> list[Row]:
    """Note what each account is worth now; the rows of those that changed."""
    points: list[Row] = []
    for platform_id, cash in sorted(facts.cash.items()):
        value = portfolio_value(facts.accounts[platform_id], facts.last_quotes)
        if books.of(platform_id).point(now, cash, value):
            points.append(_point(platform_id, now, cash, value))
    return points


def _point(platform_id: str, at: datetime, cash: Decimal, value: Decimal) -> Row:
    """A row of ``equity_points``."""
    return {"platform_id": platform_id, "event_ts": at, "cash": cash, "portfolio_value": value}


def portfolio_value(portfolio: Portfolio, quotes: Mapping[int, Quote]) -> Decimal:
    """Dollars of the open positions at own-side bids; without one at the last mark, else at cost.

    A bid that is missing for a moment is no loss.
    """
    return sum((p.quantity * _mark(p, quotes.get(p.market_id)) for p in portfolio.positions), ZERO)


def _mark(position: OpenPosition, quote: Quote | None) -> Decimal:
    bid = None
    if quote is not None:
        bid, _ = best_bid_ask(position.side, quote.yes_bid, quote.yes_ask)
    if bid is not None:
        return bid
    return position.entry_price if position.last_mark is None else position.last_mark


def surroundings(
    bundle: PlatformFacts,
    facts: TickFacts,
    entries: frozenset[int],
    methods: Sequence[Method],
    environment: str,
    config: TradingConfig,
) -> Surroundings:
    """What the breakers need to know about this very tick on one platform.

    A model is judged stale only while a strategy that believes it has something to enter, because
    entries are all that it stops.
    """
    assume = config.replay.assume
    observed = [
        quote.observed_at
        for position in bundle.state.portfolio.positions
        if (quote := facts.last_quotes.get(position.market_id)) is not None
        and not takes_assumptions(quote.source, bundle.platform_id, environment, assume)
    ]
    enterable = {
        bundle.state.markets[quote.market_id].game_id
        for quote in bundle.quotes
        if quote.market_id in entries
    }
    speaking = {p.model_id for p in bundle.predictions if p.game_id in enterable}
    predicted: dict[str, datetime | None] = {}
    for method in methods:
        model_id = method.model.model_id
        if model_id in speaking and method.strategy.rules.certainty is None:
            before, at = predicted.get(method.strategy.name), facts.spoken.get(model_id)
            predicted[method.strategy.name] = (
                at if before is None or at is None else min(before, at)
            )
    return Surroundings(
        oldest_position_quote=min(observed, default=None),
        predicted_at=predicted,
        unknown_since=facts.unknown_since.get(bundle.platform_id, ()),
    )


def is_replay(bundles: Iterable[PlatformFacts], environment: str, config: TradingConfig) -> bool:
    """Whether none of the tick's quotes is an observation: then nobody sits at the desk."""
    assume = config.replay.assume
    quotes = [(quote, bundle.platform_id) for bundle in bundles for quote in bundle.quotes]
    return bool(quotes) and all(
        takes_assumptions(quote.source, platform_id, environment, assume)
        for quote, platform_id in quotes
    )


def write_judgement(conn: psycopg.Connection, environment: str, judgement: Judgement) -> None:
    """Persist what re-armed and what tripped. Alerts are raised by whoever watches the table."""
    if judgement.rearmed:
        operated = [
            {
                "breaker_type": event.breaker_type,
                "resolved_at": event.at,
                "resolved_by": OPERATOR,
                "notes": "Re-armed as an operator would have at the start of the next day.",
            }
            for event in judgement.rearmed
        ]
        change(conn, "trading", "rearm_breakers", environment=environment, rows=as_json(operated))
    if not judgement.tripped:
        return
    content = [
        {
            "breaker_type": trip.breaker_type,
            "action": trip.action,
            "triggered_at": trip.triggered_at,
            "trigger_value": trip.trigger_value,
        }
        for trip in judgement.tripped
    ]
    rows(conn, "trading", "trip_breakers", environment=environment, rows=as_json(content))
