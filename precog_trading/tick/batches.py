"""Which batches of quotes wait to be decided on. The answer lives in our tables alone.

Progress is what ``decisions`` says, never a cursor of the scheduler: after a crash, a restored
backup or a deleted Dagster history the same question gives the right answer.
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import islice

import psycopg

from precog_core.errors import PrecogError
from precog_trading.config import TradingConfig
from precog_trading.ledger.statements import one, rows, value

LATE_COMMIT = timedelta(hours=1)
"""How far behind the decision clock a quote may be committed and still be decided on."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The markets with something new at one instant.

    ``market_ids`` may be entered; ``held_ids`` are looked at because a position is open there or an
    order is working, and only as long as that is so.
    """

    at: datetime
    market_ids: tuple[int, ...]
    held_ids: tuple[int, ...] = ()

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


@dataclass(frozen=True, slots=True)
class WriterState:
    """The decision clock (None before the first tick) and the fencing number."""

    clock: datetime | None
    fence: int


def writer_state(conn: psycopg.Connection, environment: str) -> WriterState:
    """Where trading has got to. Raises PrecogError when the row of the environment is missing."""
    row = one(conn, "trading", "writer", environment=environment)
    if row is None:
        raise PrecogError(
            f"trading_writers has no row for {environment}: it was deleted; restore it from a "
            "backup, its fence and clock keep ticks from running twice"
        )
    return WriterState(row["decided_at"], row["fence"])


def pending_batches(
    conn: psycopg.Connection,
    config: TradingConfig,
    environment: str = "paper",
    maximum: int | None = 500,
    now: datetime | None = None,
) -> list[Batch]:
    """The oldest ``maximum`` batches that wait, none from after ``now`` (the wall clock).

    Empty while no champion has predicted anything. Cheap when nothing is new: what is the same for
    all quotes of a market is asked once per market.
    """
    clock = writer_state(conn, environment).clock
    if clock is None:
        since = value(conn, "trading", "replay_start", earliest_s=_window(config)[0])
        if since is None:
            return []
    else:
        since = clock - LATE_COMMIT
    until = now or datetime.now(UTC)
    return _batches(conn, config, environment, since, until, clock, maximum)


def still_pending(
    conn: psycopg.Connection,
    config: TradingConfig,
    environment: str,
    at: datetime,
    clock: datetime | None,
) -> Batch | None:
    """The batch of one instant as it waits now; None when nothing of it does (any more)."""
    just_before = at - timedelta(microseconds=1)
    behind = just_before if clock is None else max(clock, just_before)
    found = _batches(conn, config, environment, just_before, at, behind, 1)
    return found[0] if found else None


def _batches(
    conn: psycopg.Connection,
    config: TradingConfig,
    environment: str,
    since: datetime,
    until: datetime,
    clock: datetime | None,
    maximum: int | None,
) -> list[Batch]:
    earliest_s, latest_s = _window(config)
    found = rows(
        conn, "trading", "pending_batches",
        environment=environment, since=since, until=until, clock=clock, earliest_s=earliest_s,
        latest_s=latest_s, fresh_s=config.gate.quote_stale.stored, maximum=maximum,
    )  # fmt: skip
    batches = [
        Batch(row["batch_at"], tuple(row["market_ids"]), tuple(row["held_ids"])) for row in found
    ]
    decided = _finished(conn, environment, since, until)
    if not decided:
        return batches
    merged = [
        Batch(b.at, tuple(sorted({*b.market_ids, *decided.pop(b.at, ())})), b.held_ids)
        for b in batches
    ]
    merged += [Batch(at, tuple(sorted(market_ids))) for at, market_ids in decided.items()]
    return sorted(merged, key=lambda batch: batch.at)[:maximum]


def _finished(
    conn: psycopg.Connection, environment: str, since: datetime, until: datetime
) -> dict[datetime, set[int]]:
    """Markets of finished games to look at, by instant; for methods that do."""
    found: dict[datetime, set[int]] = {}
    for league in rows(conn, "trading", "finishing_leagues"):
        for row in rows(
            conn, "trading", "finished_batches",
            environment=environment, since=since, until=until, **league,
        ):  # fmt: skip
            found.setdefault(row["batch_at"], set()).update(row["market_ids"])
    return found


class Agenda:
    """What a run still has to look at, in time: waiting batches, and every quote of what it holds.

    Positions open while a run goes on, so the quotes of their markets are added as it goes;
    those of markets that are no longer held are passed over.
    """

    def __init__(self, batches: Iterable[Batch], until: datetime) -> None:
        """``until``: no quote known later is added."""
        self._entries = deque(batches)
        self._until = until
        self._quotes: list[tuple[datetime, int]] = []
        self._watched: set[int] = set()
        for batch in self._entries:
            self._watched.update(batch.held_ids)

    def watch(self, conn: psycopg.Connection, held: Iterable[int], clock: datetime) -> None:
        """Add what becomes known after ``clock`` about markets that are held now."""
        new = sorted(set(held) - self._watched)
        if not new:
            return
        self._watched.update(new)
        for row in rows(
            conn, "trading", "quotes_known", market_ids=new, after=clock, until=self._until
        ):
            heappush(self._quotes, (row["known_at"], row["market_id"]))

    def next(self, held: Collection[int]) -> Batch | None:
        """The next instant with something to look at; None when all is done."""
        while self._entries or self._quotes:
            at = min([b.at for b in islice(self._entries, 1)] + [q[0] for q in self._quotes[:1]])
            entries: set[int] = set()
            looks: set[int] = set()
            while self._entries and self._entries[0].at == at:
                batch = self._entries.popleft()
                entries.update(batch.market_ids)
                looks.update(batch.held_ids)
            while self._quotes and self._quotes[0][0] == at:
                looks.add(heappop(self._quotes)[1])
            looks &= set(held)
            if entries or looks:
                return Batch(at, tuple(sorted(entries)), tuple(sorted(looks)))
        return None


def _window(config: TradingConfig) -> tuple[float, float]:
    """Seconds before the start at which a quote begins and ceases to be a candidate."""
    window = config.gate.outside_window
    return float(window.from_h * 3600), float(window.until_h * 3600)
