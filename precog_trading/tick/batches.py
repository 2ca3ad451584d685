"""Which batches of quotes wait to be decided on. The answer lives in our tables alone.

Progress is what ``decisions`` says, never a cursor of the scheduler: after a crash, a restored
backup or a deleted Dagster history the same question gives the right answer.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from precog_trading.config import TradingConfig
from precog_trading.ledger.statements import rows, value

LATE_COMMIT = timedelta(hours=1)
"""How far behind the decision clock a quote may be committed and still be decided on."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The markets with something new at one instant."""

    at: datetime
    market_ids: tuple[int, ...]

    @property
    def tick_id(self) -> str:
        return tick_id(self.at)


def tick_id(at: datetime) -> str:
    """``t:`` and the instant in UTC: the same batch has the same id in every database."""
    return "t:" + at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def batch_time(tick: str) -> datetime:
    """The instant of a tick id. Raises ValueError for anything else."""
    if not tick.startswith("t:"):
        raise ValueError(f"{tick!r} is no tick of quotes; expected t:2019-09-08T16:00:00Z")
    return datetime.fromisoformat(tick[2:])


def decision_clock(conn: psycopg.Connection, environment: str) -> datetime | None:
    """The instant of the last decision; None before the first."""
    at: datetime | None = value(conn, "trading", "decision_clock", environment=environment)
    return at


def pending_batches(
    conn: psycopg.Connection,
    config: TradingConfig,
    environment: str = "paper",
    maximum: int | None = 500,
    now: datetime | None = None,
) -> list[Batch]:
    """The oldest ``maximum`` batches that wait, none from after ``now`` (the wall clock).

    Empty while no champion has predicted anything. Cheap when nothing is new: one index probe per
    month of quotes that could matter.
    """
    clock = decision_clock(conn, environment)
    if clock is None:
        since = value(conn, "trading", "replay_start", earliest_s=_window(config)[0])
        if since is None:
            return []
    else:
        since = clock - LATE_COMMIT
    return _batches(conn, config, environment, since, now or datetime.now(UTC), maximum)


def still_pending(
    conn: psycopg.Connection, config: TradingConfig, environment: str, at: datetime
) -> Batch | None:
    """The batch of one instant as it waits now; None when nothing of it does (any more)."""
    just_before = at - timedelta(microseconds=1)
    found = _batches(conn, config, environment, just_before, at, 1)
    return found[0] if found else None


def _batches(
    conn: psycopg.Connection,
    config: TradingConfig,
    environment: str,
    since: datetime,
    until: datetime,
    maximum: int | None,
) -> list[Batch]:
    earliest_s, latest_s = _window(config)
    found = rows(
        conn, "trading", "pending_batches",
        environment=environment, since=since, until=until, earliest_s=earliest_s,
        latest_s=latest_s, fresh_s=config.gate.quote_stale.stored, maximum=maximum,
    )  # fmt: skip
    return [Batch(row["batch_at"], tuple(row["market_ids"])) for row in found]


def _window(config: TradingConfig) -> tuple[float, float]:
    """Seconds before the start at which a quote begins and ceases to be a candidate."""
    window = config.gate.outside_window
    return float(window.from_h * 3600), float(window.until_h * 3600)
