"""Kill switch and breakers by hand: each command is a row that names the person and the reason."""

from datetime import UTC, datetime

import psycopg

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.engine.state import Environment
from precog_trading.ledger.statements import Row, as_json, change, rows, value
from precog_trading.rules.controls import EXITS_ONLY, HALTED, RUNNING
from precog_trading.tick.batches import writer_state
from precog_trading.tick.runner import tick_runner

STOPS = (EXITS_ONLY, HALTED)


def halt(
    db: Database,
    state: str,
    who: str,
    reason: str,
    environment: Environment = Environment.PAPER,
) -> int:
    """Stop entries at once, then cancel every working order; returns how many.

    The command is committed before anything is canceled, so no tick enters any more; ``exits_only``
    goes on selling, ``halted`` only cancels. Raises PrecogError for another state.
    """
    if state not in STOPS:
        raise PrecogError(f"state is {state!r}; expected {' or '.join(STOPS)}")
    with db.transaction() as conn:
        _command(conn, environment, state, who, reason)
    if environment is not Environment.PAPER:
        return 0  # nothing can be working there before a venue exists
    with tick_runner(db, environment) as runner:
        return runner.cancel_all(state, f"{state} by {who}: {reason}")


def resume(
    db: Database, who: str, reason: str, environment: Environment = Environment.PAPER
) -> None:
    """Let trading run again. Breakers stay open: each is re-armed for itself."""
    with db.transaction() as conn:
        _command(conn, environment, RUNNING, who, reason)


def breakers(
    conn: psycopg.Connection, environment: Environment = Environment.PAPER, maximum: int = 30
) -> list[Row]:
    """The newest trips, open ones first."""
    return rows(conn, "trading", "breaker_events", environment=environment, maximum=maximum)


def rearm(
    db: Database,
    breaker_type: str,
    who: str,
    note: str,
    environment: Environment = Environment.PAPER,
) -> None:
    """Close an open breaker; what tripped it is not counted again.

    The moment is one of the decision clock, which in a replay is not today. Raises PrecogError
    when no such breaker is open.
    """
    with db.transaction() as conn:
        clock = writer_state(conn, environment).clock or datetime.now(UTC)
        content = [
            {
                "breaker_type": breaker_type,
                "resolved_at": clock,
                "resolved_by": who,
                "notes": note,
            }
        ]
        changed = change(
            conn, "trading", "rearm_breakers", environment=environment, rows=as_json(content)
        )
        if changed != 1:
            open_ = [
                row["breaker_type"]
                for row in breakers(conn, environment)
                if row["resolved_at"] is None
            ]
            raise PrecogError(
                f"no breaker {breaker_type!r} is open in {environment}; open: "
                f"{', '.join(open_) or 'none'}"
            )


def _command(
    conn: psycopg.Connection, environment: Environment, state: str, who: str, reason: str
) -> None:
    value(
        conn, "trading", "set_control",
        environment=environment, scope="global", scope_key="*", state=state, reason=reason,
        set_by=who,
    )  # fmt: skip
