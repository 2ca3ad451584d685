"""What trading on a series costs, as rows of ``fee_schedules``: appended, never changed.

The API gives a type and a multiplier; rates are published, and come from ``config/kalshi.yaml``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_core.kalshi.config import FeesSection
from precog_core.kalshi.market_data import Event, FeeChange, Series
from precog_pipelines.sources.kalshi.report import Report

if TYPE_CHECKING:  # it brings the HTTP library, which a code location loads only to use
    from precog_core.kalshi.client import KalshiClient

UNKNOWN_TYPE = "flat"
"""The stored type of fees without a formula; trading skips such markets as ``fee_unknown``."""


@dataclass(frozen=True, slots=True)
class FeeRow:
    """One row; exactly one of ``series_id`` and ``event_id`` is set."""

    series_id: int | None
    event_id: int | None
    fee_type: str
    taker_rate: Decimal
    maker_rate: Decimal
    multiplier: Decimal
    rounding_increment: Decimal
    effective_from: datetime
    known_at: datetime
    source: str = ""

    @property
    def terms(self) -> tuple[str, Decimal, Decimal, Decimal, Decimal]:
        """What is charged."""
        return (
            self.fee_type,
            self.taker_rate,
            self.maker_rate,
            self.multiplier,
            self.rounding_increment,
        )


def ingest_fees(client: "KalshiClient", database: Database, now: Callable[[], datetime]) -> Report:
    """Current fees, changes past and scheduled, and overrides of open events; a series at a time.

    Raises PrecogError for a series that is not stored yet.
    """
    config = client.config
    report = Report()
    queries = load_queries("kalshi")
    for entry in config.series:
        series = client.series(entry.ticker)
        changes = report.heard(client.fee_changes(entry.ticker), f"fee changes of {entry.ticker}")
        listing = client.events(entry.ticker, status="open", with_markets=False)
        events = [one.event for one in report.heard(listing, f"open events of {entry.ticker}")]
        with database.transaction() as conn:
            queries.lock_platform(conn, platform_id=config.platform_id)
            series_id = queries.series_id(
                conn, platform_id=config.platform_id, series_ticker=entry.ticker
            )
            if series_id is None:
                raise PrecogError(
                    f"series {entry.ticker} of {config.platform_id} is not stored yet; materialize "
                    "`kalshi_markets` first"
                )
            stored = _stored(conn, series_id)
            received_at = now()
            rows = series_fees(stored, series_id, series, changes, config.fees, received_at)
            ids = dict(
                queries.event_ids(
                    conn,
                    platform_id=config.platform_id,
                    tickers=[event.ticker for event in events],
                )
            )
            rows += event_fees(stored, series, events, ids, config.fees, received_at)
            if rows:
                queries.insert_fee(
                    conn, [asdict(row) | {"platform_id": config.platform_id} for row in rows]
                )
            report.add(series=1, fee_changes=len(changes), rows_new=len(rows))
    return report


def series_fees(
    stored: Sequence[FeeRow],
    series_id: int,
    series: Series,
    changes: Iterable[FeeChange],
    fees: FeesSection,
    received_at: datetime,
) -> list[FeeRow]:
    """The rows that ``stored`` lacks, so that it says what the series and its changes say.

    A past change counts as known when it took effect, a scheduled one from now. Where no change
    explains the current terms, they are in force from now; a series first seen, without any past
    change, is assumed to have had them since ``fees.assumed_since``, and the row says so.
    """
    known = [row for row in stored if row.series_id == series_id]
    new: list[FeeRow] = []
    ordered = sorted(changes, key=lambda c: (c.effective_at, c.change_id))
    for change in {change.effective_at: change for change in ordered}.values():
        row = _row(
            change.fee_type, change.fee_multiplier, fees, change.effective_at,
            min(change.effective_at, received_at), "kalshi: GET /series/fee_changes",
            series_id=series_id,
        )  # fmt: skip
        same = [other for other in known if other.effective_from == row.effective_from]
        if same and max(same, key=lambda other: other.known_at).terms == row.terms:
            continue
        row = replace(row, known_at=received_at) if same else row
        known.append(row)
        new.append(row)
    current = _row(
        series.fee_type, series.fee_multiplier, fees, received_at, received_at,
        "kalshi: GET /series", series_id=series_id,
    )  # fmt: skip
    in_force = _in_force(known, received_at)
    if in_force is None:
        since = datetime.combine(fees.assumed_since, time(0), UTC)
        if since < received_at:
            source = (
                f"assumed since {since:%Y-%m-%d}, read {received_at:%Y-%m-%d}: {current.source}"
            )
            new.append(replace(current, effective_from=since, known_at=since, source=source))
        else:
            new.append(current)
    elif in_force.terms != current.terms:
        new.append(current)
    return new


def event_fees(
    stored: Sequence[FeeRow],
    series: Series,
    events: Iterable[Event],
    event_ids: Mapping[str, int],
    fees: FeesSection,
    received_at: datetime,
) -> list[FeeRow]:
    """Rows of events whose terms differ from those stored for them; a lifted override is a row too.

    An event without an override and without rows follows its series.
    """
    rows = []
    for event in events:
        event_id = event_ids.get(event.ticker)
        if event_id is None:
            continue
        own = [row for row in stored if row.event_id == event_id]
        overridden = event.fee_type_override or event.fee_multiplier_override is not None
        if not (own or overridden):
            continue
        multiplier = event.fee_multiplier_override
        row = _row(
            event.fee_type_override or series.fee_type,
            series.fee_multiplier if multiplier is None else multiplier,
            fees, received_at, received_at, "kalshi: GET /events", event_id=event_id,
        )  # fmt: skip
        in_force = _in_force(own, received_at)
        if in_force is None or in_force.terms != row.terms:
            rows.append(row)
    return rows


def _row(
    fee_type: str,
    multiplier: Decimal,
    fees: FeesSection,
    effective_from: datetime,
    known_at: datetime,
    source: str,
    *,
    series_id: int | None = None,
    event_id: int | None = None,
) -> FeeRow:
    rates = fees.rates.get(fee_type)
    return FeeRow(
        series_id=series_id,
        event_id=event_id,
        fee_type=fee_type if rates else UNKNOWN_TYPE,
        taker_rate=rates.taker if rates else Decimal(0),
        maker_rate=rates.maker if rates else Decimal(0),
        multiplier=multiplier,
        rounding_increment=fees.rounding_increment,
        effective_from=effective_from,
        known_at=known_at,
        source=source if rates else f"{source} (type {fee_type!r} has no known rates)",
    )


def _in_force(rows: Iterable[FeeRow], at: datetime) -> FeeRow | None:
    begun = [row for row in rows if row.effective_from <= at and row.known_at <= at]
    return max(begun, key=lambda row: (row.effective_from, row.known_at), default=None)


def _stored(conn: psycopg.Connection, series_id: int) -> list[FeeRow]:
    rows: Iterable[tuple[Any, ...]] = load_queries("kalshi").fees_of_series(
        conn, series_id=series_id
    )
    return [FeeRow(series_id if row[0] is None else None, *row) for row in rows]
