"""Settlement (trading-rules §11): every market of a finished game once, then the positions in it.

For platforms without a venue (simulated quotes, assumed closing lines) the game's result is the
settlement; a real venue's settlements arrive as its own records and are only booked here.
"""

from datetime import datetime
from decimal import Decimal

import psycopg

from precog_core.prices import Side, decimal_text
from precog_trading.ledger.booking import book_cash, executions
from precog_trading.ledger.holdings import dollars, fold
from precog_trading.ledger.statements import Row, as_json, change, rows, rows_of_all, value
from precog_trading.rules.settlement import contract_value, settlement_cash, winner_market_value


def settle(
    conn: psycopg.Connection, environment: str, through: datetime, after: datetime | None = None
) -> tuple[int, int]:
    """Settle what was known by ``through``; returns new settlements and positions settled.

    ``after`` leaves out results known by then, when the caller knows they were handled. One
    caller's transaction; repeating it finds nothing left to do.
    """
    paid = {"environment": environment, "through": through}
    finished, due = rows_of_all(
        conn,
        ("ledger", "unsettled_markets", {"after": after, "through": through}),
        ("ledger", "positions_to_settle", paid),
    )
    if finished:
        change(conn, "ledger", "insert_settlements", rows=as_json(_settlements(finished)))
        due = rows(conn, "ledger", "positions_to_settle", **paid)
    if due:
        _settle_positions(conn, environment, due)
    return len(finished), len(due)


def positions_due(conn: psycopg.Connection, environment: str, now: datetime) -> int:
    """Open positions whose game has ended by ``now``."""
    return int(value(conn, "ledger", "settlements_due", environment=environment, now=now))


def _settlements(finished: list[Row]) -> list[Row]:
    settled: list[Row] = []
    for number, row in enumerate(finished):
        outcome, paid = winner_market_value(
            yes_is_home=row["yes_is_home"],
            home_score=row["home_score"],
            away_score=row["away_score"],
        )
        settled.append(
            {
                "number": number,
                "market_id": row["market_id"],
                "outcome": outcome,
                "settlement_value": paid,
                "known_at": row["result_known_at"],
                "raw": {
                    "rule": "game_result",
                    "game_key": row["game_key"],
                    "games_source": row["source"],
                    "home_score": row["home_score"],
                    "away_score": row["away_score"],
                },
            }
        )
    return settled


def _settle_positions(conn: psycopg.Connection, environment: str, due: list[Row]) -> None:
    held = executions(conn, [row["position_id"] for row in due])
    entries: list[Row] = []
    for row in due:
        side = Side(row["side"])
        paid = contract_value(side, row["settlement_value"])
        holding = fold(held[row["position_id"]], settlement_value=paid)
        change(
            conn, "ledger", "update_position",
            position_id=row["position_id"], original_quantity=holding.original_quantity,
            quantity=Decimal(0), entry_price=holding.entry_price, fees=holding.fees,
            realized_pnl=holding.realized_pnl, status="settled", exit_price=paid,
            exit_reason="settlement", exit_time=row["known_at"],
        )  # fmt: skip
        entries.append(
            {
                "entry_key": (
                    f"settle:{row['platform_id']}:{row['ticker']}:{row['revision']}:"
                    f"{row['position_key']}"
                ),
                "platform_id": row["platform_id"],
                "entry_type": "settlement",
                "amount": dollars(settlement_cash(side, row["quantity"], row["settlement_value"])),
                "position_id": row["position_id"],
                "settlement_id": row["settlement_id"],
                "event_ts": row["known_at"],
                "known_at": row["known_at"],
                "note": f"{row['quantity']} {side} contracts paid {decimal_text(paid)} each",
            }
        )
    book_cash(conn, environment, entries)
