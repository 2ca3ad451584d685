"""What happens in trading, as alerts: each function knows the cause's stable keys and its words.

They take plain values, because who trades and who watches know different types. ``at`` values are
decision times and only shown; the windows of alerts run on the wall clock.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg

from precog_core.alerts.config import Day
from precog_core.alerts.kinds import breaker_severity
from precog_core.alerts.raising import report, unknown_code
from precog_core.alerts.rules import Environment

__all__ = [
    "breaker_tripped",
    "day_kind",
    "day_result",
    "edge_anomaly",
    "exit_blocked",
    "settlement_mismatch",
    "trading_stopped",
    "unknown_code",
]


def breaker_tripped(
    conn: psycopg.Connection,
    *,
    event_id: int,
    breaker_type: str,
    action: str,
    trigger_value: Mapping[str, Any],
    environment: Environment,
    at: datetime,
) -> int:
    """A row of ``circuit_breaker_events`` opened; store the returned id in its ``alert_id``."""
    facts = ", ".join(f"{key} {value}" for key, value in trigger_value.items())
    return report(
        conn,
        "breaker_tripped",
        f"Breaker {breaker_type} opened: {action}" + (f" ({facts})" if facts else ""),
        severity=breaker_severity(breaker_type, action),
        details={"breaker": breaker_type, "action": action, "at": at, **trigger_value},
        environment=environment,
        source=("circuit_breaker_events", event_id),
        stable_keys={"breaker": breaker_type},
    )


def trading_stopped(
    conn: psycopg.Connection,
    *,
    control_id: int,
    state: str,
    scope: str,
    scope_key: str,
    reason: str,
    set_by: str,
    environment: Environment,
) -> int:
    """A row of ``trading_controls`` stopped trading (exits_only or halted)."""
    where = "everything" if scope == "global" else f"{scope} {scope_key}"
    return report(
        conn,
        "kill_switch",
        f"Trading of {where} is {state} by {set_by}: {reason}",
        details={"state": state, "scope": scope, "scope_key": scope_key, "reason": reason},
        environment=environment,
        source=("trading_controls", control_id),
        stable_keys={"scope": scope, "scope_key": scope_key},
    )


def exit_blocked(
    conn: psycopg.Connection,
    *,
    position_id: int,
    ticker: str,
    condition: str,
    blocked_by: str,
    environment: Environment,
    at: datetime,
) -> int:
    """A position ought to be sold by ``condition`` and cannot be, for ``blocked_by``."""
    return report(
        conn,
        "exit_blocked",
        f"The position in {ticker} ought to be sold ({condition}) and cannot be: {blocked_by}",
        details={"ticker": ticker, "condition": condition, "blocked_by": blocked_by, "at": at},
        environment=environment,
        source=("positions", position_id),
        stable_keys={"position": position_id},
    )


def settlement_mismatch(
    conn: psycopg.Connection,
    *,
    settlement_id: int,
    ticker: str,
    venue_value: Decimal,
    game_value: Decimal,
    score: str,
    environment: Environment,
) -> int:
    """The venue settled YES at ``venue_value``; the game (``score``) says ``game_value``."""
    return report(
        conn,
        "settlement_mismatch",
        f"{ticker} was settled at {venue_value}; by the result {score} it is {game_value}",
        details={
            "ticker": ticker,
            "venue_value": venue_value,
            "game_value": game_value,
            "score": score,
        },
        environment=environment,
        source=("settlements", settlement_id),
        stable_keys={"ticker": ticker},
    )


def edge_anomaly(
    conn: psycopg.Connection,
    *,
    decision_id: int,
    ticker: str,
    strategy: str,
    model: str,
    facts: Mapping[str, Any],
    environment: Environment,
    at: datetime,
) -> int:
    """An edge went into quarantine: model and market lie too far apart."""
    return report(
        conn,
        "edge_anomaly",
        f"{model} and the market lie far apart in {ticker}; {strategy} leaves it alone",
        details={"ticker": ticker, "strategy": strategy, "model": model, "at": at, **facts},
        environment=environment,
        source=("decisions", decision_id),
        stable_keys={"ticker": ticker, "model": model},
    )


def day_kind(pnl: Decimal, limits: Day) -> str | None:
    """``day_loss``, ``day_gain``, or None while a day's net P&L (dollars) is within the limits."""
    if pnl <= -limits.loss_usd:
        return "day_loss"
    return "day_gain" if pnl >= limits.gain_usd else None


def day_result(
    conn: psycopg.Connection, *, kind: str, day: date, pnl: Decimal, environment: Environment
) -> int:
    """The New York day's net P&L went beyond a limit, see :func:`day_kind`."""
    words = f"lost {-pnl:.2f}" if kind == "day_loss" else f"gained {pnl:.2f}"
    return report(
        conn,
        kind,
        f"{day}: {words} dollars ({environment})",
        details={"day": day, "pnl": pnl},
        environment=environment,
        stable_keys={"day": day},
    )
