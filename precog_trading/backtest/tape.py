"""What was traded while our orders rested: public prints, and bars where only those are stored."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg

from precog_trading.backtest.columns import (
    NONE,
    Int64,
    contracts,
    from_binary_copy,
    instant,
    microseconds,
    price,
)
from precog_trading.exchanges.resting import Bar, Print
from precog_trading.ledger.statements import rows, statement

_BAR_COLUMNS = 7


@dataclass(frozen=True)
class Tape:
    """Prints by market and bars as columns, sorted by (market, end); markets by their place."""

    trades: Mapping[int, Sequence[Print]]
    market: Int64
    start: Int64
    end: Int64
    known_at: Int64
    low: Int64
    high: Int64
    volume: Int64

    def prints(self, market: int, since: datetime, until: datetime) -> list[Print]:
        """Public trades of a market after ``since``, known by ``until``."""
        found = self.trades.get(market, ())
        return [trade for trade in found if trade.at > since and trade.known_at <= until]

    def bars(self, market: int, since: datetime, until: datetime) -> list[Bar]:
        """Bars of a market that end after ``since``, known by ``until``."""
        first, last = np.searchsorted(self.market, [market, market + 1])
        ends = self.end[first:last]
        begin = int(first + np.searchsorted(ends, microseconds(since), side="right"))
        stop = int(first + np.searchsorted(ends, microseconds(until), side="right"))
        until_us = microseconds(until)
        return [
            Bar(
                start=instant(int(self.start[row])),
                end=instant(int(self.end[row])),
                known_at=instant(int(self.known_at[row])),
                low=price(int(self.low[row])),
                high=price(int(self.high[row])),
                volume=contracts(int(self.volume[row])),
            )
            for row in range(begin, stop)
            if self.known_at[row] <= until_us
        ]


def tape_of(columns: Sequence[Int64], trades: Mapping[int, Sequence[Print]]) -> Tape:
    """A tape from bar columns (market place, start, end, known_at, low, high, volume)."""
    order = np.lexsort((columns[2], columns[0]))
    return Tape(trades, *(column[order] for column in columns))


def load_tape(
    conn: psycopg.Connection, ids: Sequence[int], first: datetime, last: datetime
) -> Tape:
    """The tape of the markets ``ids`` between two instants."""
    period: dict[str, Any] = {"market_ids": list(ids), "first": first, "last": last}
    payload = copy_out(conn, "bars_of_markets", {**period, "none": NONE})
    market, *columns = from_binary_copy(payload, _BAR_COLUMNS)
    trades: dict[int, list[Print]] = defaultdict(list)
    place = {market_id: number for number, market_id in enumerate(ids)}
    for row in rows(conn, "backtest", "prints_of_markets", **period):
        trades[place[row["market_id"]]].append(
            Print(
                row["venue_trade_id"], row["event_ts"], row["known_at"], row["price"],
                row["quantity"],
            )
        )  # fmt: skip
    return tape_of([places(market, ids), *columns], trades)


def copy_out(conn: psycopg.Connection, name: str, params: Mapping[str, Any]) -> bytes:
    """The binary answer of a statement of ``backtest.sql`` by COPY."""
    query = statement("backtest", name).rstrip().rstrip(";")
    with conn.cursor() as cursor:
        copied = cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", params)
        with copied as copy:
            return b"".join(bytes(block) for block in copy)


def places(market_ids: Int64, ids: Sequence[int]) -> Int64:
    """Market ids as positions in ``ids``."""
    if not len(market_ids):
        return market_ids
    listed = np.array(ids, dtype=np.int64)
    order = np.argsort(listed)
    return order[np.searchsorted(listed, market_ids, sorter=order)].astype(np.int64)
