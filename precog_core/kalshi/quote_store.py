"""Quotes of the venue as rows of ``market_snapshots``, where they differ materially."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import psycopg

from precog_core.database.queries import load_queries
from precog_core.kalshi.config import QuotesSection
from precog_core.kalshi.quote_filter import MarketQuote, write_reason


def store_quotes(
    conn: psycopg.Connection, quotes: Sequence[MarketQuote], rule: QuotesSection
) -> dict[str, int]:
    """Append the quotes that are worth a row; counts by reason, with those left out."""
    queries = load_queries("kalshi")
    counts = {"price": 0, "volume": 0, "heartbeat": 0, "not_material": 0}
    rows: list[dict[str, Any]] = []
    stored = {
        row[0]: MarketQuote(*row)
        for row in queries.latest_quotes(conn, market_ids=[quote.market_id for quote in quotes])
    }
    for quote in quotes:
        reason = write_reason(stored.get(quote.market_id), quote, rule)
        counts[reason or "not_material"] += 1
        if reason is not None:
            rows.append(asdict(quote) | {"write_reason": reason})
    if rows:
        times = [row["observed_at"] for row in rows]
        queries.ensure_quote_months(conn, from_ts=min(times), to_ts=max(times))
        queries.insert_quote(conn, rows)
    return counts
