"""Candles of a recording into ``market_candles``, and the quotes they stand for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

import psycopg

from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_core.kalshi.config import QuotesSection
from precog_core.kalshi.quote_filter import WriteReason, moved
from precog_core.progress import Progress, unseen
from precog_pipelines.sources.kalshi_recorded.candles_file import PERIOD_S, Bar, CandlesFile
from precog_pipelines.sources.kalshi_recorded.games_file import RecordedMarket
from precog_pipelines.sources.kalshi_recorded.markets import PLATFORM

QUOTE_SOURCE = "recorded_candle"
NULL = "\\N"
MARKETS_A_TIME = 50
"""So many markets are staged together: enough for speed, few enough to show progress."""


@dataclass(frozen=True, slots=True)
class BarsStored:
    """Bars and quotes offered, newly stored, and stored before with other values."""

    bars: int
    bars_new: int
    bars_differing: int
    quotes: int
    quotes_new: int
    quotes_differing: int


class QuoteRule:
    """Which bars end with a quote that is worth a row; the rule of live quotes, on whole cents.

    ``half_spread`` in dollars stands between the last trade and either side of the assumed book.
    """

    def __init__(self, rule: QuotesSection, half_spread: Decimal) -> None:
        self.half_spread = half_spread
        self._rule = rule
        self._min_volume = int(rule.min_volume.to_integral_value(ROUND_CEILING))
        self._moves: dict[tuple[int, int], bool] = {}

    def reasons(self, bars: Sequence[Bar]) -> Iterator[tuple[WriteReason | None, int]]:
        """Per bar of one market, in order of time: why its quote is a row, and contracts so far."""
        volume = 0
        cents = end = stored_volume = None
        for bar in bars:
            volume += bar[5]
            reason: WriteReason | None = None
            if cents is None or end is None or stored_volume is None or self._moved(cents, bar[4]):
                reason = "price"
            elif volume - stored_volume >= self._min_volume:
                reason = "volume"
            elif bar[0] - end >= self._rule.heartbeat_s:
                reason = "heartbeat"
            if reason is not None:
                end, cents, stored_volume = bar[0], bar[4], volume
            yield reason, volume

    def book(self, cents: int) -> tuple[Decimal | None, Decimal | None]:
        """The assumed bid and ask around a last trade; None where it would be 0 or 1."""
        last = Decimal(cents) / 100
        bid, ask = last - self.half_spread, last + self.half_spread
        return (bid if bid > 0 else None), (ask if ask < 1 else None)

    def _moved(self, before: int, after: int) -> bool:
        known = self._moves.get((before, after))
        if known is None:
            known = any(
                moved(old, new, self._rule)
                for old, new in zip(self.book(before), self.book(after), strict=True)
            )
            self._moves[before, after] = known
        return known


def store_recorded_bars(
    conn: psycopg.Connection,
    markets: Sequence[RecordedMarket],
    candles: CandlesFile,
    rule: QuoteRule,
    source_snapshot_id: int,
    progress: Progress = unseen,
) -> BarsStored:
    """Every bar and the quotes worth a row, in the caller's transaction; idempotent.

    Raises PrecogError when the two files do not belong together, or a market is not stored.
    """
    require_same_recording(markets, candles)
    queries = load_queries("recorded")
    tickers = [market.ticker for market in markets]
    ids = dict(queries.market_ids(conn, platform_id=PLATFORM, tickers=tickers))
    absent = [ticker for ticker in tickers if ticker not in ids]
    if absent:
        raise PrecogError(
            f"{len(absent)} markets of the recording are not stored, such as {absent[0]}; "
            "materialize `markets` of that season first"
        )
    queries.create_staged_bars(conn)
    totals = [0] * 6
    done = 0
    for start in range(0, len(tickers), MARKETS_A_TIME):
        chunk = tickers[start : start + MARKETS_A_TIME]
        bars = {ids[ticker]: candles.bars[ticker] for ticker in chunk}
        written = _store_chunk(conn, bars, rule, source_snapshot_id)
        totals = [total + count for total, count in zip(totals, written, strict=True)]
        done += len(chunk)
        progress(done, len(tickers))
    queries.drop_staged_bars(conn)
    if totals[1]:
        queries.analyze_bars(conn)
    return BarsStored(*totals)


def require_same_recording(markets: Sequence[RecordedMarket], candles: CandlesFile) -> None:
    """Raise PrecogError unless each market has the bars that the file of games says it has."""
    for market in markets:
        bars = candles.bars.get(market.ticker, [])
        found = (len(bars), bars[0][0], bars[-1][0]) if bars else (0, None, None)
        expected = (
            market.candles,
            int(market.first_bar_at.timestamp()),
            int(market.last_bar_at.timestamp()),
        )
        if found != expected:
            raise PrecogError(
                f"{candles.path}: market {market.ticker} has {found[0]} candles from {found[1]} to "
                f"{found[2]}; the file of games says n_candles {expected[0]}, first_ts "
                f"{expected[1]}, last_ts {expected[2]}; give two files of one recording; nothing "
                "was stored"
            )


def require_known_markets(known: Sequence[RecordedMarket], candles: CandlesFile) -> None:
    """Raise PrecogError for candles of a market that the file of games does not name."""
    strange = sorted(set(candles.bars) - {market.ticker for market in known})
    if strange:
        raise PrecogError(
            f"{candles.path}: {len(strange)} markets are not in the file of games, such as "
            f"{strange[0]}; give two files of one recording; nothing was stored"
        )


def _store_chunk(
    conn: psycopg.Connection,
    bars: dict[int, list[Bar]],
    rule: QuoteRule,
    source_snapshot_id: int,
) -> tuple[int, int, int, int, int, int]:
    queries = load_queries("recorded")
    lines: list[str] = []
    months: set[datetime] = set()
    quotes = 0
    for market_id, of_market in bars.items():
        for bar, (reason, volume) in zip(of_market, rule.reasons(of_market), strict=True):
            lines.append(
                f"{market_id}\t{bar[0]}\t{bar[1]}\t{bar[2]}\t{bar[3]}\t{bar[4]}\t{bar[5]}\t"
                f"{volume}\t{reason or NULL}\n"
            )
            quotes += reason is not None
        months |= {_month(of_market[0][0]), _month(of_market[-1][0])}
    queries.empty_staged_bars(conn)
    with conn.cursor() as cursor, cursor.copy("COPY staged_recorded_bars FROM STDIN") as copy:
        copy.write("".join(lines))
    queries.ensure_months(conn, months=sorted(months))
    new = queries.insert_candles(conn, source_snapshot_id=source_snapshot_id, period_s=PERIOD_S)
    differing = queries.differing_candles(conn, period_s=PERIOD_S) if new < len(lines) else 0
    half = rule.half_spread
    quotes_new = queries.insert_quotes(conn, half_spread=half, source=QUOTE_SOURCE)
    quotes_differing = (
        queries.differing_quotes(conn, half_spread=half) if quotes_new < quotes else 0
    )
    return len(lines), new, differing, quotes, quotes_new, quotes_differing


def _month(end: int) -> datetime:
    day = datetime.fromtimestamp(end, UTC)
    return datetime(day.year, day.month, 1, tzinfo=UTC)
