"""Writes quotes and closing prices, and reads the closing probability back for evaluation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg

from precog_core.database.copying import copy_rows, fetch_frame
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.sources.protocols import ClosingPrice, Quote

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = (
    "market_id", "observed_at", "yes_bid", "yes_ask", "yes_bid_size", "yes_ask_size", "volume",
    "open_interest", "write_reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class QuotesWritten:
    """Quotes offered and newly stored; ``differing`` were offered with other values than stored."""

    offered: int
    inserted: int
    differing: int


def store_quotes(
    conn: psycopg.Connection,
    markets: Mapping[tuple[str, str], int],
    quotes: Iterable[Quote],
    source: str,
    received_at: datetime | None = None,
) -> QuotesWritten:
    """Append quotes in the caller's transaction; those already stored are left as they are.

    ``markets`` maps (game_key, "home" | "away") to market_id. A quote is known when it was
    observed, or when it was received if that was later. Raises PrecogError for a quote whose game
    has no market.
    """
    queries = load_queries("quotes")
    queries.create_staged_quotes(conn)
    rows = ((_market(markets, quote.game_key, quote.team), *quote[2:]) for quote in quotes)
    offered = copy_rows(conn, "staged_quotes", _COLUMNS, rows)
    queries.ensure_months_of_quotes(conn)
    inserted = queries.insert_quotes(conn, source=source, received_at=received_at)
    differing = queries.differing_quotes(conn) if inserted < offered else 0
    queries.drop_staged_quotes(conn)
    return QuotesWritten(offered, inserted, differing)


def store_closing_prices(
    conn: psycopg.Connection,
    markets: Mapping[tuple[str, str], int],
    prices: Iterable[ClosingPrice],
    source_snapshot_id: int | None,
) -> int:
    """Append the exact closing prices as one-day bars known at the start; returns the new ones."""
    queries = load_queries("quotes")
    queries.create_staged_closes(conn)
    copy_rows(
        conn,
        "staged_closes",
        ("market_id", "bar_end_ts", "close_price"),
        (
            (_market(markets, price.game_key, price.team), price.bar_end_at, price.price)
            for price in prices
        ),
    )
    inserted: int = queries.insert_closes(conn, source_snapshot_id=source_snapshot_id)
    queries.drop_staged_closes(conn)
    return inserted


def closing_probabilities(
    conn: psycopg.Connection, league: str, seasons: Sequence[int]
) -> "pd.DataFrame":
    """P(home wins) of the last market price before the start, for evaluation only.

    Columns ``game_id`` (int), ``p_home`` (float in 0..1), ``source`` (``recorded``: mid of the
    last quote; ``recorded_candle``: the last trade; ``assumed_closing_line``: no-vig, unrounded;
    ``simulated``: mid of the last quote). One row per game that has a price. Known at kickoff:
    never a feature.
    """
    query = load_queries("quotes").closing_probabilities.sql
    return fetch_frame(conn, query, {"league": league, "seasons": list(seasons)})


def opening_probabilities(
    conn: psycopg.Connection, league: str, seasons: Sequence[int]
) -> "pd.DataFrame":
    """P(home wins) of the first price known of a game, columns as ``closing_probabilities``.

    One row per game that has one. Games with a closing line alone have none: a file's line carries
    no earlier value, and none is made up.
    """
    query = load_queries("quotes").opening_probabilities.sql
    return fetch_frame(conn, query, {"league": league, "seasons": list(seasons)})


def _market(markets: Mapping[tuple[str, str], int], game_key: str, team: str) -> int:
    try:
        return markets[game_key, team]
    except KeyError:
        raise PrecogError(
            f"game {game_key} has no market for its {team} team; materialize `markets` of that "
            "season first"
        ) from None
