"""Quotes as whole-number columns: how half a million of them are held, searched and compared.

Microseconds since 1970, millionths of a dollar and hundredths of a contract are the exact units of
the tables, so a column loses nothing; ``NONE`` stands for NULL. A ``Quote`` of the engine is made
from a row only when a plain decision needs one, with the decimals the database would have given.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from precog_core.prices import Side
from precog_trading.engine.state import Quote

Int64 = npt.NDArray[np.int64]
NONE = int(np.iinfo(np.int64).min)
"""Stands for NULL in a column."""
DAY_US = 86_400_000_000
WEEK_US = 7 * DAY_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_COPY_HEADER = 19
_COPY_TRAILER = 2
_DOLLAR = 1_000_000
_LISTED = 128
"""Markets whose times are kept as lists: more than are ever held at once."""


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 of an instant with a zone, exactly."""
    return (at - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=65_536)
def instant(at_us: int) -> datetime:
    """The instant of microseconds since 1970, in UTC."""
    return _EPOCH + at_us * _MICROSECOND


@lru_cache(maxsize=16_384)
def price(micro_dollars: int) -> Decimal | None:
    """A price with the six places of NUMERIC(12,6)."""
    return None if micro_dollars == NONE else Decimal(micro_dollars).scaleb(-6)


@lru_cache(maxsize=65_536)
def contracts(hundredths: int) -> Decimal | None:
    """A count with the two places of NUMERIC(14,2)."""
    return None if hundredths == NONE else Decimal(hundredths).scaleb(-2)


@dataclass(frozen=True)
class QuoteColumns:
    """All quotes of some markets, sorted by (market, observed_at), which is unique.

    ``market`` is a position in the caller's list of markets; ``starts[i]:starts[i + 1]`` are the
    rows of market ``i``. ``volume`` is cumulative; ``volume_24h`` what was traded in the 24 hours
    before, as the tick's reader computes it. ``source`` is a position in ``sources``.
    """

    sources: tuple[str, ...]
    market: Int64
    observed_at: Int64
    known_at: Int64
    yes_bid: Int64
    yes_ask: Int64
    yes_bid_size: Int64
    yes_ask_size: Int64
    volume: Int64
    open_interest: Int64
    source: Int64
    volume_24h: Int64
    starts: Int64
    _times: dict[int, tuple[list[int], list[int]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __len__(self) -> int:
        return len(self.market)

    def times(self, market: int) -> tuple[list[int], list[int]]:
        """(observed_at, known_at) of a market's rows as lists: what asks for one moment after
        another searches a list ten times faster than an array."""
        found = self._times.get(market)
        if found is None:
            if len(self._times) >= _LISTED:
                self._times.clear()
            start, end = self.starts[market], self.starts[market + 1]
            observed, known = self.observed_at[start:end], self.known_at[start:end]
            listed = observed.tolist()
            same = np.array_equal(observed, known)
            found = self._times[market] = listed, listed if same else known.tolist()
        return found

    def latest(self, market: int, now_us: int) -> int | None:
        """The row of the newest quote of a market known by ``now_us``, none older than a week."""
        observed, known = self.times(market)
        place = bisect_right(observed, now_us) - 1
        while place >= 0 and observed[place] > now_us - WEEK_US:
            if known[place] <= now_us:
                return int(self.starts[market]) + place
            place -= 1
        return None

    def following(self, market: int, decided_on_us: int, from_us: int, until_us: int) -> range:
        """Rows observed in [from, until] and after ``decided_on_us``, the earliest first."""
        start, (observed, _) = int(self.starts[market]), self.times(market)
        first = max(bisect_left(observed, from_us), bisect_right(observed, decided_on_us))
        return range(start + first, start + bisect_right(observed, until_us))

    def own_bid(self, side: str, row: int) -> int:
        """What is bid for a side at a row, millionths; NONE where nothing is."""
        if side == Side.YES.value:
            return int(self.yes_bid[row])
        ask = int(self.yes_ask[row])
        return NONE if ask == NONE else _DOLLAR - ask

    def book_row(self, row: int) -> dict[str, Any]:
        """One row as the paper exchange reads it."""
        return {
            "observed_at": instant(int(self.observed_at[row])),
            "known_at": instant(int(self.known_at[row])),
            "source": self.sources[self.source[row]],
            "yes_bid": price(int(self.yes_bid[row])),
            "yes_ask": price(int(self.yes_ask[row])),
            "yes_bid_size": contracts(int(self.yes_bid_size[row])),
            "yes_ask_size": contracts(int(self.yes_ask_size[row])),
        }

    def quote(self, row: int, market_id: int) -> Quote:
        """One row as the engine reads it."""
        return Quote(
            market_id=market_id,
            observed_at=instant(int(self.observed_at[row])),
            known_at=instant(int(self.known_at[row])),
            source=self.sources[self.source[row]],
            yes_bid=price(int(self.yes_bid[row])),
            yes_ask=price(int(self.yes_ask[row])),
            yes_bid_size=contracts(int(self.yes_bid_size[row])),
            yes_ask_size=contracts(int(self.yes_ask_size[row])),
            volume_24h=contracts(int(self.volume_24h[row])),
            open_interest=contracts(int(self.open_interest[row])),
        )


def quote_columns(
    market: Int64,
    observed_at: Int64,
    known_at: Int64,
    yes_bid: Int64,
    yes_ask: Int64,
    yes_bid_size: Int64,
    yes_ask_size: Int64,
    volume: Int64,
    open_interest: Int64,
    source: Int64,
    *,
    sources: Sequence[str],
    markets: int,
) -> QuoteColumns:
    """Columns in any order, sorted, with what derives from them. ``markets`` is their number."""
    order = np.lexsort((observed_at, market))
    (
        market, observed_at, known_at, yes_bid, yes_ask, yes_bid_size, yes_ask_size, volume,
        open_interest, source,
    ) = (
        column[order]
        for column in (
            market, observed_at, known_at, yes_bid, yes_ask, yes_bid_size, yes_ask_size, volume,
            open_interest, source,
        )
    )  # fmt: skip
    starts = np.searchsorted(market, np.arange(markets + 1), side="left").astype(np.int64)
    return QuoteColumns(
        tuple(sources), market, observed_at, known_at, yes_bid, yes_ask, yes_bid_size,
        yes_ask_size, volume, open_interest, source,
        _traded_in_a_day(observed_at, volume, starts), starts,
    )  # fmt: skip


def _traded_in_a_day(observed_at: Int64, volume: Int64, starts: Int64) -> Int64:
    """Volume less that of the newest quote 24 to 48 hours earlier, or less nothing."""
    earlier = np.zeros_like(volume)
    for start, end in itertools.pairwise(starts.tolist()):
        times, traded = observed_at[start:end], volume[start:end]
        before = np.searchsorted(times, times - DAY_US, side="right") - 1
        safe = np.maximum(before, 0)
        found = (before >= 0) & (times[safe] >= times - 2 * DAY_US) & (traded[safe] != NONE)
        earlier[start:end] = np.where(found, traded[safe], 0)
    return np.where(volume == NONE, NONE, volume - earlier)


def from_binary_copy(payload: bytes, columns: int) -> list[Int64]:
    """The columns of a ``COPY (…) TO STDOUT (FORMAT BINARY)`` of BIGINT columns without NULL.

    Such rows have one length, so the answer is read as it stands instead of row by row.
    """
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for number in range(columns):
        fields += [(f"length{number}", ">i4"), (f"value{number}", ">i8")]
    row = np.dtype(fields)
    size = len(payload) - _COPY_HEADER - _COPY_TRAILER
    if size % row.itemsize:
        raise ValueError(f"COPY answered {size} bytes, no multiple of a row's {row.itemsize}")
    table = np.frombuffer(payload, dtype=row, count=size // row.itemsize, offset=_COPY_HEADER)
    return [table[f"value{number}"].astype(np.int64) for number in range(columns)]


def shrunk(probability: Int64 | np.int64, bid_and_ask: Int64, trust: Decimal) -> Int64:
    """(1 - λ)·p + λ·mid, half-even to four places, in millionths, exactly."""
    places = max(0, -int(trust.as_tuple().exponent))
    scale = 10**places
    weight = int(trust * scale)
    mixed = 2 * (scale - weight) * probability + weight * bid_and_ask
    unit = 2 * scale * 100
    whole, rest = np.divmod(mixed, unit)
    up = (2 * rest > unit) | ((2 * rest == unit) & (whole % 2 == 1))
    return (whole + up) * 100
