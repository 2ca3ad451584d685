"""What a person does at the desk: approve a decision, start the paper account anew."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg

from precog_core.errors import PrecogError
from precog_trading.ledger.statements import Row, one, rows, value
from precog_trading.ledger.writing import book_cash

NEEDS_APPROVAL = "needs_approval"
PAPER = "paper"


def approve(
    conn: psycopg.Connection, decision_id: int, who: str, valid_for: timedelta
) -> tuple[Row, datetime]:
    """Record a person's yes; returns the decision and until when the yes may be used.

    The next tick that sees the same side of the market with the same versions may buy, if every
    other rule still says so: prices move, so nothing is bought here. Raises PrecogError for a
    decision that asked for no approval, one approved before, or one whose game has started.
    """
    decision = one(conn, "desk", "decision_to_approve", decision_id=decision_id)
    if decision is None:
        raise PrecogError(f"there is no decision {decision_id}; see `precog edges` or decisions")
    if decision["skip_reason"] != NEEDS_APPROVAL:
        said = decision["skip_reason"] or decision["outcome"]
        raise PrecogError(
            f"decision {decision_id} asked for no approval (it is {said}); only those with "
            f"{NEEDS_APPROVAL} do"
        )
    now = datetime.now(UTC)
    kickoff = decision["kickoff_at"]
    if kickoff is not None and kickoff <= now:
        raise PrecogError(
            f"decision {decision_id}: {decision['game_key']} started at {kickoff:%Y-%m-%d %H:%M} "
            "UTC; there is nothing left to approve"
        )
    until = now + valid_for
    stored = value(
        conn, "desk", "insert_approval",
        decision_id=decision_id, who=who, approved_at=now, expires_at=until,
    )  # fmt: skip
    if stored is None:
        raise PrecogError(f"decision {decision_id} was approved before; a yes is given once")
    return decision, until


def reset_paper_account(
    conn: psycopg.Connection, starting_cash: Decimal, who: str, reason: str
) -> list[Row]:
    """Give every paper account its starting cash again, by entries of the ledger.

    Nothing is deleted: the old results stay and the reset is a withdrawal and a deposit, so every
    sum still proves itself. Returns per account the cash before and after; an account that already
    has exactly the starting cash and an empty one are left alone. Raises PrecogError while
    positions or orders are open: their money is still at work.
    """
    busy = one(conn, "desk", "open_business", environment=PAPER)
    if busy and (busy["positions"] or busy["orders"]):
        raise PrecogError(
            f"{busy['positions']} positions and {busy['orders']} orders are open; close them first "
            "(`precog close`), or wait until their games have ended"
        )
    now = datetime.now(UTC)
    changed: list[Row] = []
    for account in rows(conn, "ledger", "balances", environment=PAPER):
        before = account["balance"]
        if before == starting_cash:
            continue
        key = f"reset:{PAPER}:{account['platform_id']}:{now.isoformat()}"
        note = f"paper account reset by {who}: {reason}"
        entry = {
            "platform_id": account["platform_id"],
            "event_ts": now,
            "known_at": now,
            "note": note,
        }
        # The deposit first, so that the balance never runs below zero in between.
        entries = [
            {**entry, "entry_key": f"{key}:in", "entry_type": "deposit", "amount": starting_cash}
        ]
        if before > 0:
            entries.append(
                {
                    **entry,
                    "entry_key": f"{key}:out",
                    "entry_type": "withdrawal",
                    "amount": -before,
                }
            )
        book_cash(conn, PAPER, entries)
        changed.append(
            {"platform_id": account["platform_id"], "before": before, "after": starting_cash}
        )
    return changed
