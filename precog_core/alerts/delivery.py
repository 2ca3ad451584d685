"""Delivering what was committed: a worker that anybody may run, as often as they like.

Every pass asks the log of deliveries what is owed, sends, and writes one row per finished attempt.
A channel belongs to one process at a time, by a lock of its database session. A process that dies
between sending and writing sends once more: told twice is better than never.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from precog_core.alerts.channels import Channel, ChannelError
from precog_core.alerts.config import AlertsConfig
from precog_core.alerts.messages import Notice
from precog_core.alerts.planning import RATE_LIMITED, Attempt, Status, may_send, next_step
from precog_core.alerts.raising import report
from precog_core.database import Database
from precog_core.database.queries import load_queries

Clock = Callable[[], datetime]


@dataclass
class Delivered:
    """What a pass did: (alert id, channel) per finished attempt, by status."""

    sent: list[tuple[int, str]] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    reminders: int = 0

    def __bool__(self) -> bool:
        return bool(self.sent or self.failed or self.skipped or self.reminders)


def deliver(
    database: Database,
    channels: Mapping[str, Channel | ChannelError],
    config: AlertsConfig,
    *,
    only: int | None = None,
    clock: Clock = lambda: datetime.now(UTC),
    deadline_s: float = 40,
) -> Delivered:
    """One pass over all open alerts, or the one with id ``only``; what it did.

    Stops beginning deliveries after ``deadline_s``; the next pass goes on. A channel that another
    process is serving is left to it.
    """
    done = Delivered()
    ends = time.monotonic() + deadline_s
    with database.connection(autocommit=True) as conn:
        if config.remind_s and only is None:
            now = clock()
            done.reminders = load_queries("alerts").begin_reminders(
                conn, now=now, told_before=now - timedelta(seconds=config.remind_s)
            )
        for name, channel in channels.items():
            if time.monotonic() < ends:
                _serve(conn, name, channel, config, clock, ends, done, only)
    return done


def _serve(
    conn: psycopg.Connection,
    name: str,
    channel: Channel | ChannelError,
    config: AlertsConfig,
    clock: Clock,
    ends: float,
    done: Delivered,
    only: int | None,
) -> None:
    queries = load_queries("alerts")
    if not queries.take_channel(conn, channel=name):
        return
    try:
        for row in _owed(_open_rounds(conn), name, config, clock()):
            if time.monotonic() >= ends:
                return
            if only not in (None, row["alert_id"]):
                continue
            status, error = _attempt(conn, name, channel, _notice(row), config, clock())
            now = clock()
            with conn.transaction():
                queries.record_delivery(
                    conn,
                    alert_id=row["alert_id"],
                    channel=name,
                    status=status,
                    attempted_at=now,
                    error=error,
                )
                failures = len(_attempts(row, name)) + 1
                if status == "failed" and failures >= config.retry.attempts:
                    _report_down(conn, name, row, error, now)
            getattr(done, status).append((row["alert_id"], name))
    finally:
        queries.give_back_channel(conn, channel=name)


def _attempt(
    conn: psycopg.Connection,
    name: str,
    channel: Channel | ChannelError,
    notice: Notice,
    config: AlertsConfig,
    now: datetime,
) -> tuple[Status, str | None]:
    limit = config.limits.of(name)
    if limit is not None:
        since = now - timedelta(days=1, seconds=limit.apart_s)
        sent = [
            row[0] for row in load_queries("alerts").sent_since(conn, channel=name, since=since)
        ]
        if not may_send(sent, limit, now):
            return "skipped", RATE_LIMITED
    try:
        if isinstance(channel, ChannelError):
            raise channel
        channel(notice)
    except ChannelError as error:
        return "failed", str(error)
    return "sent", None


def _report_down(
    conn: psycopg.Connection, name: str, row: dict[str, Any], error: str | None, now: datetime
) -> None:
    # About its own delivery nothing more is said: the row is there.
    if row["alert_type"] == "channel_down":
        return
    report(
        conn,
        "channel_down",
        f"{name} did not take alert {row['alert_id']} after all attempts: {error}",
        details={"channel": name, "alert_id": row["alert_id"], "error": error},
        stable_keys={"channel": name},
        now=now,
    )


def _open_rounds(conn: psycopg.Connection) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(load_queries("alerts").open_rounds.sql).fetchall()


def _owed(
    rounds: Iterable[dict[str, Any]], name: str, config: AlertsConfig, now: datetime
) -> list[dict[str, Any]]:
    return [
        row
        for row in rounds
        if name in config.channels(row["severity"])
        and next_step(_attempts(row, name), config.retry, now) == "send"
    ]


def _attempts(row: dict[str, Any], name: str) -> list[Attempt]:
    return [
        Attempt(status, datetime.fromisoformat(at))
        for channel, status, at in row["attempts"]
        if channel == name
    ]


def _notice(row: dict[str, Any]) -> Notice:
    return Notice(**{name: row[name] for name in Notice.__dataclass_fields__})
