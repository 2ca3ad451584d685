"""What the venue last quoted, for a few seconds: many readers, one call.

A read that may be a little old is served from here; one that decides about money now is not
(requirement MON-004). The clock is the caller's, so that an age means the same as in the tables.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it brings the HTTP library, which a code location loads only to use
    from precog_core.kalshi.client import KalshiClient
    from precog_core.kalshi.market_data import Market

BATCH = 100
"""Tickers of one call: its address stays below the 8 kB that servers accept."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A market with the top of its book, and when the answer had arrived."""

    market: "Market"
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """Quotes by ticker. ``asked``: calls made. ``problems``: what could not be read, in words; a
    ticker that is in neither is not listed by the venue (any more)."""

    quotes: Mapping[str, Seen]
    asked: int
    problems: tuple[str, ...] = ()


class QuoteCache:
    """Top of the book of markets by ticker, at most ``kalshi.quotes.cache_s`` seconds old."""

    def __init__(self, client: "KalshiClient", now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now
        self._ttl = timedelta(seconds=client.config.quotes.cache_s)
        self._kept: dict[str, Seen] = {}

    def quotes(self, tickers: Iterable[str], *, fresh: bool = False) -> Answer:
        """The quotes of markets, those not kept asked for in batches; ``fresh``: all of them.

        What was asked is kept for the next reader in either case. Raises KalshiError when the
        venue does not answer; what was kept before stays.
        """
        wanted = sorted(set(tickers))
        since = self._now() - self._ttl
        self._kept = {ticker: seen for ticker, seen in self._kept.items() if seen.at > since}
        missing = [ticker for ticker in wanted if fresh or ticker not in self._kept]
        problems: list[str] = []
        asked = 0
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            listing = self._client.markets(tickers=batch)
            at = self._now()
            asked += 1
            problems += map(str, listing.rejected)
            if not listing.complete:
                problems.append(f"the quotes of {len(batch)} markets are incomplete: {listing.why}")
            self._kept |= {market.ticker: Seen(market, at) for market in listing.items}
        found = {ticker: self._kept[ticker] for ticker in wanted if ticker in self._kept}
        return Answer(found, asked, tuple(problems))
