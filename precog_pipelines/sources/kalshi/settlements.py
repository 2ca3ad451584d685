"""What the venue says a market paid, revision by revision (table settlements).

A market is determined first, may be amended, and is finalized when cash moves. A listing shows the
state of the moment: an amendment that came and went between two listings is recognised by its other
value. What the sport's result was is not asked here; trading compares.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_core.kalshi.market_data import Market

STAGES = {
    "determined": "determined",
    "disputed": "determined",
    "amended": "amended",
    "finalized": "finalized",
}
"""The venue's status of a market with a result, in the words of ``settlements.stage``."""
_VALUES = {"yes": Decimal(1), "no": Decimal(0)}
_COLUMNS = (
    "ticker", "stage", "outcome", "settlement_value", "raw", "event_ts", "known_at",
)  # fmt: skip


def store_settlements(
    conn: psycopg.Connection,
    platform_id: str,
    markets: Iterable[tuple[Market, bool]],
    received_at: datetime,
) -> int:
    """Append what is new of the results of ``markets``, in the caller's transaction; the count.

    Each comes with whether it was first met with this listing: a result that is older than that
    was public when the market settled, any other is known from now. A market without a result yet
    says nothing, also when it has long been closed.
    """
    queries = load_queries("kalshi")
    rows = [
        _row(market, received_at, is_new=is_new)
        for market, is_new in markets
        if market.result is not None and market.raw.get("status") in STAGES
    ]
    if not rows:
        return 0
    queries.create_staged_settlements(conn)
    copy_rows(conn, "staged_settlements", _COLUMNS, rows)
    inserted: int = queries.insert_settlements(conn, platform_id=platform_id)
    queries.drop_staged_settlements(conn)
    return inserted


def _row(market: Market, received_at: datetime, *, is_new: bool) -> tuple[Any, ...]:
    settled_at = min(market.settled_at or market.updated_at or received_at, received_at)
    value = market.settlement_value
    if market.result in _VALUES:
        value = _VALUES[market.result]
    return (
        market.ticker,
        STAGES[market.raw["status"]],
        market.result,
        value,
        Jsonb(market.raw, dumps=partial(json.dumps, default=str)),
        settled_at,
        min(market.settled_at or market.close_at, received_at) if is_new else received_at,
    )
