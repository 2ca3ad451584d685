"""What the tables say that a person must hear: a look over trading's facts, as often as one likes.

Trading itself writes its facts and goes on; looking afterwards keeps the raising of alerts out of
the tick's transaction and finds also what another process wrote. Each finding has its alert once:
by the row it is about, or, for decisions, by the newest one seen, kept in ``system_health``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg
from psycopg import sql

from precog_core.alerts import events, report
from precog_core.alerts.config import Day
from precog_core.config import load_section
from precog_core.database.queries import load_queries
from precog_trading.config import TradingConfig
from precog_trading.ledger.statements import Row, as_json, change, one, rows, value
from precog_trading.rules.controls import NEW_YORK

_SOURCES = "alert_sources"
_PRESENT = timedelta(hours=1)
"""Decisions older than this are a replay's: they are in the table and wake nobody."""
_ALIVE = timedelta(minutes=3)
"""The sensor looks every few seconds, and its looks are kept to the minute."""


def look(conn: psycopg.Connection, limits: Day, now: datetime | None = None) -> int:
    """Raise what has no alert yet, in the caller's transaction; how many findings.

    ``now`` is the wall clock. Two lookers at once take turns, so that neither finds the other's.
    """
    now = now or datetime.now(UTC)
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('alerts.look'))")
    after = value(conn, _SOURCES, "last_look") or 0
    since = now - _PRESENT
    found = [
        *_breakers(conn),
        *_stops(conn),
        *_settlements(conn),
        *_reconciliations(conn),
        *_fees(conn, now),
        *_decisions(conn, after, since),
        *_days(conn, limits, now),
        *_unchecked(conn, now),
        *_quiet(conn, now),
        *_clocks(conn, now),
        *_codes(conn),
    ]
    _remember(conn, now, value(conn, _SOURCES, "newest_decision", since=since) or after)
    return len(found)


def _breakers(conn: psycopg.Connection) -> Iterator[int]:
    for row in rows(conn, _SOURCES, "breakers_without_alert"):
        alert_id = events.breaker_tripped(conn, **row)
        change(conn, _SOURCES, "link_breaker", event_id=row["event_id"], alert_id=alert_id)
        yield alert_id


def _stops(conn: psycopg.Connection) -> Iterator[int]:
    for row in rows(conn, _SOURCES, "stops_without_alert"):
        yield events.trading_stopped(conn, **row)


def _settlements(conn: psycopg.Connection) -> Iterator[int]:
    for row in rows(conn, _SOURCES, "mismatched_settlements"):
        yield events.settlement_mismatch(conn, **row, environment="paper")


def _reconciliations(conn: psycopg.Connection) -> Iterator[int]:
    for row in rows(conn, _SOURCES, "mismatched_reconciliations"):
        alert_id = report(
            conn,
            "reconcile_mismatch",
            f"our ledger and {row['platform_id']} differ, and it could not be repaired",
            details={"platform": row["platform_id"], "mismatches": row["mismatches"]},
            environment=row["environment"],
            source=("reconciliation_runs", row["reconciliation_id"]),
            stable_keys={"platform": row["platform_id"]},
        )
        change(
            conn, _SOURCES, "link_reconciliation",
            reconciliation_id=row["reconciliation_id"], alert_id=alert_id,
        )  # fmt: skip
        yield alert_id


def _fees(conn: psycopg.Connection, now: datetime) -> Iterator[int]:
    for row in rows(conn, _SOURCES, "odd_fees", since=now - _PRESENT):
        yield report(
            conn,
            "fee_mismatch",
            f"{row['platform_id']} charged {row['fee']} dollars for a fill in {row['ticker']}; the "
            f"fee model says {row['modelled_fee']}",
            details={
                "platform": row["platform_id"],
                "fee": row["fee"],
                "modelled_fee": row["modelled_fee"],
            },
            environment=row["environment"],
            source=("fills", row["fill_id"]),
            stable_keys={"platform": row["platform_id"]},
        )


def _decisions(conn: psycopg.Connection, after: int, since: datetime) -> Iterator[int]:
    for row in rows(conn, _SOURCES, "alarming_decisions", after=after, since=since):
        if row["skip_reason"] == "exit_blocked":
            yield events.exit_blocked(
                conn,
                position_id=row["position_id"],
                ticker=row["ticker"],
                condition=row["exit_condition"],
                blocked_by=row["inputs"].get("blocked_by", "unknown"),
                environment=row["environment"],
                at=row["at"],
            )
        else:
            yield events.edge_anomaly(
                conn,
                decision_id=row["decision_id"],
                ticker=row["ticker"],
                strategy=row["strategy"],
                model=row["model"],
                facts=_shown(row["inputs"]),
                environment=row["environment"],
                at=row["at"],
            )


def _shown(inputs: dict[str, Any]) -> dict[str, Any]:
    return {key: inputs[key] for key in ("probability", "mid", "ask") if key in inputs}


def _days(conn: psycopg.Connection, limits: Day, now: datetime) -> Iterator[int]:
    day, began = _trading_day(now)
    for row in rows(conn, _SOURCES, "day_results", day_start=began):
        kind = events.day_kind(row["pnl"], limits)
        # A result that stays beyond its limit is one finding, not one per look.
        told = {"alert_type": kind, "day": day.isoformat(), "environment": row["environment"]}
        if kind is not None and not value(conn, _SOURCES, "day_told", **told):
            yield events.day_result(
                conn, kind=kind, day=day, pnl=row["pnl"], environment=row["environment"]
            )


def _trading_day(now: datetime) -> tuple[date, datetime]:
    """The New York date, and when it began."""
    day = now.astimezone(NEW_YORK).date()
    return day, datetime.combine(day, time(), tzinfo=NEW_YORK)


def _unchecked(conn: psycopg.Connection, now: datetime) -> Iterator[int]:
    found = rows(conn, _SOURCES, "unchecked_positions", now=now)
    for environment, group in groupby(found, key=itemgetter("environment")):
        positions = list(group)
        cause, words = _why_unchecked(positions)
        yield report(
            conn,
            "position_unchecked",
            f"{len(positions)} open position(s) without a look for "
            f"{_seconds(positions[0]['unchecked_for'])}: no stop protects them. "
            f"{words}",
            details={"positions": len(positions), "cause": cause},
            environment=environment,
            source=("positions", positions[0]["position_id"]),
            # A repeated cause is counted and keeps its words: another cause is another alert.
            stable_keys={"cause": cause},
        )


def _why_unchecked(positions: list[Row]) -> tuple[str, str]:
    """Whether trading stands still, or looks and finds no newer quote, or passes a quote over.

    A code and a sentence. ``positions``: those of one environment, the longest unchecked first.
    """
    looked: timedelta | None = positions[0]["looked_for"]
    if looked is None or looked > _ALIVE:
        ago = "has never looked" if looked is None else f"last looked {_seconds(looked)} ago"
        return "stopped", f"Trading {ago}: does the trading sensor run?"
    waiting = [row for row in positions if row["waits"]]
    if waiting:
        return (
            "passed_over",
            f"Trading looked {_seconds(looked)} ago and passed over {len(waiting)} newer quote(s), "
            f"such as that of {waiting[0]['ticker']} of {_seconds(waiting[0]['quote_age'])} ago: "
            "see the last runs of trading",
        )
    age = positions[0]["quote_age"]
    newest = "over a day old" if age is None else f"{_seconds(age)} old"
    return (
        "no_quote",
        f"Trading runs (it looked {_seconds(looked)} ago), but there is no quote newer than the "
        f"last look; the newest of {positions[0]['ticker']} is {newest}: is its feed alive?",
    )


def _seconds(span: timedelta) -> str:
    return f"{int(span.total_seconds())} s"


def _quiet(conn: psycopg.Connection, now: datetime) -> Iterator[int]:
    stale_s = load_section("trading", TradingConfig, conn=conn).breaker.position_quote_stale
    for row in rows(conn, _SOURCES, "quiet_positions", now=now, stale_s=stale_s):
        yield report(
            conn,
            "quote_stale",
            f"no quote of {row['ticker']}, in which a position is open, for "
            f"{int(row['quiet_for'].total_seconds())} s",
            details={"ticker": row["ticker"]},
            environment=row["environment"],
            source=("positions", row["position_id"]),
            stable_keys={"ticker": row["ticker"]},
        )


def _clocks(conn: psycopg.Connection, now: datetime) -> Iterator[int]:
    for row in rows(conn, _SOURCES, "clocks_ahead", now=now):
        decided_at: datetime = row["decided_at"]
        yield report(
            conn,
            "clock_jump",
            f"trading last decided at {decided_at:%Y-%m-%d %H:%M:%S} UTC, which is still to come: "
            "the wall clock was set back. It decides again once that time has passed",
            details={"decided_at": decided_at},
            environment=row["environment"],
            stable_keys={"clock": "decisions"},
            now=now,
        )


def _codes(conn: psycopg.Connection) -> Iterator[int]:
    for row in rows(conn, _SOURCES, "undescribed_codes"):
        yield events.unknown_code(conn, **row)


def _remember(conn: psycopg.Connection, now: datetime, decision_id: int) -> None:
    failing = value(conn, _SOURCES, "failing_channels", since=now - _PRESENT) or []
    load_queries("health").note_health(
        conn,
        component="notifications",
        status="degraded" if failing else "healthy",
        at=now,
        details=as_json({"decision_id": decision_id, "failing": failing}),
        alert_id=None,
    )


@dataclass(frozen=True)
class BrokenSource:
    """An alert whose ``source_table`` and ``source_id`` name no row."""

    source_table: str
    source_id: int | None
    reason: str


def broken_sources(conn: psycopg.Connection) -> list[BrokenSource]:
    """Every source of an alert that does not resolve (ALERT-012)."""
    broken: list[BrokenSource] = []
    for row in rows(conn, _SOURCES, "sources_of_alerts"):
        table = row["source_table"]
        key = value(conn, _SOURCES, "primary_key_of", table_name=table)
        if key is None:
            broken += [BrokenSource(table, None, "no table with a primary key of one column")]
            continue
        present = {
            found
            for (found,) in conn.execute(
                sql.SQL("SELECT {key} FROM {table} WHERE {key} = ANY(%s)").format(
                    key=sql.Identifier(key), table=sql.Identifier(table)
                ),
                (row["ids"],),
            )
        }
        broken += [
            BrokenSource(table, source_id, "no such row")
            for source_id in row["ids"]
            if source_id not in present
        ]
    return broken


def open_alerts(conn: psycopg.Connection) -> list[Row]:
    """Counts of open alerts by severity, most urgent first."""
    return rows(conn, _SOURCES, "open_alerts")


def unanswered_critical(conn: psycopg.Connection, longer_than: timedelta) -> Row | None:
    """The oldest critical alert that nobody has taken for longer than that."""
    return one(conn, _SOURCES, "unanswered_critical", longer_than=longer_than)
