"""Settlement (trading-rules §11): every market of a finished game once, then the positions in it.

For platforms without a venue (simulated quotes, assumed closing lines) the game's result is the
settlement; a real venue's settlements arrive as its own records and are only booked here. Cash
moves when a market is final. An amendment after that takes the old booking back whole and books
the new value; before it, it only corrects what was provisional.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from precog_core.prices import Side, decimal_text
from precog_trading.ledger.holdings import Execution, dollars, fold
from precog_trading.ledger.statements import Row, as_json, change, rows, rows_of_all, value
from precog_trading.ledger.writing import book_cash, executions, write_positions
from precog_trading.rules.settlement import contract_value, settlement_cash, winner_market_value

_HALF = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Settled:
    """New settlements of venue-less markets, open positions paid, all positions changed, and what
    the accounts were worth after each payment (platform_id, at, cash, value; dollars)."""

    markets: int = 0
    paid: int = 0
    positions: tuple[Row, ...] = ()
    payments: tuple[Row, ...] = ()


def settle(
    conn: psycopg.Connection, environment: str, through: datetime, after: datetime | None = None
) -> Settled:
    """Settle what was known by ``through``.

    ``after`` leaves out what was known by then, when the caller knows it was handled. One caller's
    transaction; repeating it finds nothing left to do.
    """
    paid = {"environment": environment, "through": through}
    since = {"after": after, "through": through}
    finished, due, amended = rows_of_all(
        conn,
        ("ledger", "unsettled_markets", since),
        ("ledger", "positions_to_settle", paid),
        ("ledger", "positions_to_amend", {**paid, "after": after}),
    )
    if finished:
        change(conn, "ledger", "insert_settlements", rows=as_json(market_settlements(finished)))
        due = rows(conn, "ledger", "positions_to_settle", **paid)
    booked: list[tuple[Row, list[Row]]] = []
    if due or amended:
        held = executions(conn, [row["position_id"] for row in (*due, *amended)])
        booked = [settle_position(environment, row, held[row["position_id"]]) for row in due]
        booked += [amend_position(environment, row, held[row["position_id"]]) for row in amended]
        write_positions(conn, environment, [position for position, _ in booked])
        book_cash(conn, environment, [entry for _, entries in booked for entry in entries])
    worth: tuple[Row, ...] = ()
    if booked:
        worth = payments(
            (*due, *amended),
            [entries for _, entries in booked],
            {
                row["platform_id"]: (row["cash"], row["value"])
                for row in rows(conn, "ledger", "account_worth", environment=environment)
            },
        )
    return Settled(
        len(finished),
        len(due),
        tuple(position for position, _ in booked),
        worth,
    )


def positions_due(conn: psycopg.Connection, environment: str, now: datetime) -> int:
    """Open positions whose market is settled, or whose game has ended on a venue-less platform."""
    return int(value(conn, "ledger", "settlements_due", environment=environment, now=now))


def payments(
    settled: Sequence[Mapping[str, Any]],
    entries: Sequence[Sequence[Mapping[str, Any]]],
    worth: Mapping[str, tuple[Decimal, Decimal]],
) -> tuple[Row, ...]:
    """What each account was worth after each instant at which something was paid, oldest first.

    A result is a gain or loss of the moment it was known, not of the next tick. ``settled`` rows
    have ``marked_value``, what the position was last worth; ``entries`` are theirs; ``worth`` is
    (cash, marked value of what is open) by platform after all of it.
    """
    sums: dict[tuple[datetime, str], tuple[Decimal, Decimal]] = {}
    for row, booked in zip(settled, entries, strict=True):
        key = (row["known_at"], row["platform_id"])
        cash, gone = sums.get(key, (Decimal(0), Decimal(0)))
        cash += sum((entry["amount"] for entry in booked), Decimal(0))
        sums[key] = (cash, gone + row["marked_value"])
    left = dict(worth)
    made: list[Row] = []
    for (at, platform_id), (paid, gone) in sorted(sums.items(), reverse=True):
        cash, value_ = left[platform_id]
        made.append({"platform_id": platform_id, "at": at, "cash": cash, "value": value_})
        left[platform_id] = (cash - paid, value_ + gone)
    return tuple(reversed(made))


def market_settlements(finished: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of ``settlements`` for venue-less markets whose game ended or was canceled.

    A canceled game voids its markets: each pays its last mid before the start, half a dollar where
    it never had two sides.
    """
    settled: list[Row] = []
    for number, row in enumerate(finished):
        outcome, paid = _expected(row)
        raw = {
            "rule": "canceled_at_mid" if row["canceled"] else "game_result",
            "game_key": row["game_key"],
            "games_source": row["source"],
            "home_score": row["home_score"],
            "away_score": row["away_score"],
        }
        settled.append(
            {
                "number": number,
                "market_id": row["market_id"],
                "outcome": outcome,
                "settlement_value": paid,
                "known_at": row["known_at"],
                "raw": raw,
            }
        )
    return settled


def settle_position(
    environment: str, row: Mapping[str, Any], held: Sequence[Execution]
) -> tuple[Row, list[Row]]:
    """(columns of ``positions``, ledger entries) of one open position whose market is final.

    ``row``: position_key, platform_id, side, quantity (still held), ticker, revision,
    settlement_value, known_at.
    """
    return (
        _settled(row, held),
        [_payment(environment, row, Decimal(fold(held).quantity))],
    )


def amend_position(
    environment: str, row: Mapping[str, Any], held: Sequence[Execution]
) -> tuple[Row, list[Row]]:
    """The same for a settled position whose market was amended: the old booking is taken back.

    ``row`` as above, and ``booked_key``, ``booked_amount`` of the entry that was booked.
    """
    reversal = {
        "entry_key": f"reverse:{row['booked_key']}",
        "platform_id": row["platform_id"],
        "execution_environment": environment,
        "entry_type": "reversal",
        "amount": -row["booked_amount"],
        "position_key": row["position_key"],
        "reverses_entry_key": row["booked_key"],
        "event_ts": row["known_at"],
        "known_at": row["known_at"],
        "note": f"{row['ticker']} was amended to {decimal_text(row['settlement_value'])} for YES",
    }
    return _settled(row, held), [reversal, _payment(environment, row, fold(held).quantity)]


def _settled(row: Mapping[str, Any], held: Sequence[Execution]) -> Row:
    paid = contract_value(Side(row["side"]), row["settlement_value"])
    holding = fold(held, settlement_value=paid)
    return {
        "position_key": row["position_key"],
        "platform_id": row["platform_id"],
        "original_quantity": holding.original_quantity,
        "quantity": Decimal(0),
        "entry_price": holding.entry_price,
        "fees": holding.fees,
        "realized_pnl": holding.realized_pnl,
        "status": "settled",
        "exit_price": holding.exit_price,
        "exit_reason": "settlement",
        "exit_priority": None,
        "exit_time": row["known_at"],
        "unrealized_pnl": None,
    }


def _payment(environment: str, row: Mapping[str, Any], quantity: Decimal) -> Row:
    side = Side(row["side"])
    paid = contract_value(side, row["settlement_value"])
    return {
        "entry_key": (
            f"settle:{row['platform_id']}:{row['ticker']}:{row['revision']}:{row['position_key']}"
        ),
        "platform_id": row["platform_id"],
        "execution_environment": environment,
        "entry_type": "settlement",
        "amount": dollars(settlement_cash(side, quantity, row["settlement_value"])),
        "position_key": row["position_key"],
        "market_id": row["market_id"],
        "revision": row["revision"],
        "event_ts": row["known_at"],
        "known_at": row["known_at"],
        "note": f"{decimal_text(quantity)} {side} contracts paid {decimal_text(paid)} each",
    }


def _expected(row: Mapping[str, Any]) -> tuple[str, Decimal]:
    """(outcome, v) that the game itself pays."""
    if row["canceled"]:
        bid, ask = row["yes_bid"], row["yes_ask"]
        return "scalar", _HALF if bid is None or ask is None else (bid + ask) / 2
    return winner_market_value(
        yes_is_home=row["yes_is_home"], home_score=row["home_score"], away_score=row["away_score"]
    )
