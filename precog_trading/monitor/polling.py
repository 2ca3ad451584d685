"""The monitor's own quotes: what is held is asked for at the venue, all of it in one call.

Quotes of open markets arrive once a minute by the pipelines' schedule. A position needs them every
30 s, near its stop every 5 s, so the monitor asks for its markets itself and stores the answers in
``market_snapshots`` like every other quote: what it decided on is there to be read again. Between
those rows an unchanged quote is repeated every ``kalshi.quotes.held_heartbeat_s``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from precog_core.database import Database
from precog_core.kalshi.alerts import report_trouble
from precog_core.kalshi.config import TIER_TOKENS, KalshiConfig
from precog_core.kalshi.errors import KalshiError
from precog_core.kalshi.quote_cache import QuoteCache
from precog_core.kalshi.quote_filter import MarketQuote
from precog_core.kalshi.quote_store import store_quotes
from precog_trading.engine.state import Environment
from precog_trading.ledger.statements import rows

if TYPE_CHECKING:  # it brings the HTTP library
    from precog_core.kalshi.client import KalshiClient

_CALLS_PER_S = 1.001
"""Rate of the monitor's client, a last resort: the pace of the polls keeps calls far below it."""
_PATIENCE = {"timeout_s": 3.0, "deadline_s": 6.0}
"""Seconds. A position near its stop cannot wait for an answer: the next poll is 5 s away."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll did: calls made, quotes heard and stored; ``failed`` with nothing heard."""

    asked: int = 0
    heard: int = 0
    stored: int = 0
    failed: bool = False


NOT_POLLED = Polled()


class HeldQuotes:
    """Asks for the markets of the open positions and working orders of one environment."""

    def __init__(
        self,
        db: Database,
        client: "KalshiClient",
        now: Callable[[], datetime],
        environment: Environment = Environment.PAPER,
        log: Callable[[str], None] = print,
    ) -> None:
        self._db = db
        self._config = client.config
        self._now = now
        self._environment = environment
        self._log = log
        self._cache = QuoteCache(client, now)
        quotes = client.config.quotes
        self._held_rule = quotes.model_copy(update={"heartbeat_s": quotes.held_heartbeat_s})
        # An order fills on the next recorded quote, so while one works every answer is recorded.
        self._order_rule = quotes.model_copy(update={"heartbeat_s": 1})

    @property
    def platform_id(self) -> str:
        """The platform whose markets are asked for."""
        return self._config.platform_id

    def poll(self, *, fresh: bool = False) -> Polled:
        """Ask and store. Answers of the last seconds will do, unless ``fresh`` or an order works.

        A venue that does not answer is an alert and a failed poll, never an error: what is held is
        then looked at with what is stored, and stale quotes stop orders by themselves.
        """
        with self._db.connection() as conn:
            held = rows(
                conn, "trading", "held_tickers",
                environment=self._environment, platform_id=self.platform_id,
            )  # fmt: skip
        if not held:
            return NOT_POLLED
        ids = {row["ticker"]: row["market_id"] for row in held}
        ordered = {row["market_id"] for row in held if row["is_ordered"]}
        try:
            answer = self._cache.quotes(ids, fresh=fresh or bool(ordered))
        except KalshiError as error:
            self._log(f"quotes of what is held: {error}")
            report_trouble(self._db, self.platform_id, error)
            return Polled(failed=True)
        for problem in answer.problems:
            self._log(f"quotes of what is held: {problem}")
        heard = [
            MarketQuote(
                market_id=ids[ticker],
                observed_at=seen.at,
                yes_bid=seen.market.yes_bid,
                yes_ask=seen.market.yes_ask,
                yes_bid_size=seen.market.yes_bid_size,
                yes_ask_size=seen.market.yes_ask_size,
                last_price=seen.market.last_price,
                volume=seen.market.volume,
                open_interest=seen.market.open_interest,
            )
            for ticker, seen in answer.quotes.items()
            if seen.market.status == "open"
        ]
        stored = 0
        with self._db.transaction() as conn:
            for rule, part in (
                (self._held_rule, [q for q in heard if q.market_id not in ordered]),
                (self._order_rule, [q for q in heard if q.market_id in ordered]),
            ):
                if part:
                    stored += len(part) - store_quotes(conn, part, rule)["not_material"]
        return Polled(answer.asked, len(heard), stored)


def monitors_share(config: KalshiConfig) -> KalshiConfig:
    """``config`` for the monitor's client: little rate, little patience, no second attempt.

    The pipelines' processes share ``rate_fraction``; these few calls come on top of it.
    """
    per_second = _CALLS_PER_S * config.request_cost
    return config.model_copy(
        update={
            **_PATIENCE,
            "rate_fraction": min(1.0, per_second / TIER_TOKENS[config.tier][0]),
            "retry": config.retry.model_copy(update={"retries": 0}),
        }
    )


@dataclass
class Pace:
    """Not more than one poll in ``least`` (``monitor.urgent_s``), however often the loop turns."""

    least: timedelta
    last: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        if self.last is not None and now - self.last < self.least:
            return False
        self.last = now
        return True
