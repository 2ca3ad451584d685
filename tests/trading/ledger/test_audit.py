"""The audit proves a sound ledger and finds each kind of damage."""

from decimal import Decimal

import psycopg
import pytest

from precog_core.database import Database
from precog_trading.ledger.audit import verify_ledger
from precog_trading.ledger.holdings import LedgerError
from precog_trading.ledger.writing import book_cash
from precog_trading.reports.summary import equity_curve, equity_plot, trading_summary
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, LONG_AGO


def one_win(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    run_pending(db)


def damage(conn: psycopg.Connection, table: str, statement: str) -> None:
    """Change a table behind the back of its triggers."""
    conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    conn.execute(statement)


def test_an_empty_account_is_balanced(db: Database) -> None:
    with db.transaction() as conn:
        audit = verify_ledger(conn)
    assert audit.balanced
    assert audit.as_dict()["cash"] == 0


@pytest.mark.requirement("LEDGER-012")
def test_the_sums_of_a_sound_ledger(db: Database) -> None:
    one_win(db)
    with db.transaction() as conn:
        sums = verify_ledger(conn).as_dict()
    assert sums["balanced"] is True
    assert sums["problems"] == []
    names = ("cash", "open_cost", "fees", "gross_realized", "deposits")
    assert [sums[name] for name in names] == [
        Decimal("10241.25"), 0, Decimal("8.75"), 250, 10_000,
    ]  # fmt: skip
    assert (sums["entries"], sums["fills"], sums["positions"]) == (4, 1, 1)


@pytest.mark.requirement("LEDGER-012", "LEDGER-007")
@pytest.mark.parametrize(
    ("table", "statement", "expected"),
    [
        ("positions", "UPDATE positions SET realized_pnl = 242", "realized_pnl is 242"),
        ("positions", "UPDATE positions SET fees = 8", "fees is 8"),
        ("account_balance",
         "UPDATE account_balance SET balance = balance + 1 WHERE row_current_ind",
         "the ledger sums to"),
        ("account_ledger",
         "UPDATE account_ledger SET amount = amount + 0.000001 WHERE entry_type = 'settlement'",
         "the ledger sums to"),
        ("fills", "UPDATE fills SET fee = 8", "in the ledger, 8"),
        ("trades", "UPDATE trades SET quantity = 499", "original_quantity is 500"),
        ("account_ledger",
         "UPDATE account_ledger SET position_id = NULL, fill_id = NULL", "gained"),
    ],
)  # fmt: skip
def test_each_kind_of_damage_is_found(
    db: Database, table: str, statement: str, expected: str
) -> None:
    one_win(db)
    with db.transaction() as conn:
        damage(conn, table, statement)
        audit = verify_ledger(conn)
    if expected != "gained":
        assert not audit.balanced
        assert any(expected in problem for problem in audit.problems), audit.problems
    else:
        # Money without an owner still sums; the attribution check names it.
        assert any("settlement entry" in problem for problem in audit.problems)


def test_cash_that_is_not_there_cannot_be_spent(db: Database) -> None:
    entry = {
        "entry_key": "x", "platform_id": "simulated", "entry_type": "purchase",
        "amount": Decimal(-1), "event_ts": LONG_AGO, "known_at": LONG_AGO,
    }  # fmt: skip
    with pytest.raises(LedgerError, match="nothing is bought on credit"), db.transaction() as conn:
        book_cash(conn, "paper", [entry])


@pytest.mark.requirement("LEDGER-003")
def test_a_movement_is_booked_once_by_its_key(db: Database) -> None:
    entry = {
        "entry_key": "deposit:again", "platform_id": "simulated", "entry_type": "deposit",
        "amount": Decimal(100), "event_ts": LONG_AGO, "known_at": LONG_AGO,
    }  # fmt: skip
    with db.transaction() as conn:
        assert book_cash(conn, "paper", [entry]) == 1
        assert book_cash(conn, "paper", [entry]) == 0
        assert conn.execute("SELECT balance FROM current_balances").fetchall() == [(100,)]


def test_the_summary_says_what_came_of_it_and_where_prices_came_from(db: Database) -> None:
    one_win(db)
    with db.transaction() as conn:
        summary = trading_summary(conn)
        curve = equity_curve(conn)
    assert summary["net"] == Decimal("241.25")
    assert summary["positions_by_status"] == {"settled": 1}
    assert summary["orders_by_status"] == {"canceled": 1}
    assert summary["decisions_by_outcome"]["taken"] == 1
    assert sum(summary["decisions_by_outcome"].values()) == summary["decisions"] == 2
    assert summary["data_source"].startswith("simulated quotes")
    assert summary["quote_sources"] == {"simulated": 1}
    assert [row["net"] for row in summary["pnl"]] == [Decimal("241.25")]
    assert summary["results"][0]["won"] == 1
    assert summary["results"][0]["roi"] == Decimal("0.9324")  # 241.25 / 258.75
    assert summary["ledger_balanced"] is True
    at = [FIRST_SUNDAY - 2 * HOUR, FIRST_SUNDAY + 4 * HOUR]
    assert [(p.at, p.cash, p.equity) for p in curve] == [
        (at[0], Decimal("9741.25"), Decimal("9991.25")),
        (at[1], Decimal("10241.25"), Decimal("10241.25")),
    ]
    assert curve[0].drawdown == 0
    assert equity_plot(curve, "one win").startswith(b"\x89PNG")
