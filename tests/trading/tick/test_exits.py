"""Managed positions: looked at with every quote, sold in parts, each part accounted for."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from precog_core.database import Database
from precog_trading.ledger.audit import verify_ledger
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE, Game, League


@pytest.fixture(autouse=True)
def managed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The NFL method manages its positions."""
    monkeypatch.setenv("PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY", "pre_game_managed")


def one_position(conn: psycopg.Connection, size: str = "500") -> tuple[League, Game]:
    """500 contracts bought at 0.50 ten hours before the start; the edge is gone an hour later."""
    league = season.create_league(conn)
    game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
    season.add_prediction(conn, league, game, "0.62", "0.0200")
    season.add_prediction(conn, league, game, "0.55", "0.0200", at=FIRST_SUNDAY - 9.5 * HOUR)
    season.add_quote(conn, game.home, FIRST_SUNDAY - 10 * HOUR, "0.49", "0.50", size)
    return league, game


def quotes(conn: psycopg.Connection, game: Game, *bids: str, start: float = 9) -> None:
    """One quote an hour, a cent wide."""
    for number, bid in enumerate(bids):
        at = FIRST_SUNDAY - (start - number) * HOUR
        season.add_quote(conn, game.home, at, bid, str(Decimal(bid) + Decimal("0.01")))


def table(conn: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query).fetchall()


EXITS = """
    SELECT exit_condition, exit_priority, stage, quantity_exited, remaining_quantity, exit_price,
           realized_pnl, conflicting_triggers
    FROM position_exits ORDER BY exit_id"""
ATTEMPTS = """
    SELECT exit_condition, attempt_number, order_style, limit_price, filled_quantity, success,
           extract(EPOCH FROM ended_at - placed_at)::int
    FROM exit_attempts ORDER BY attempt_id"""


def d(text: str) -> Decimal:
    return Decimal(text)


@pytest.mark.requirement("DB-004", "DB-005", "EXEC-003", "EXIT-003", "EXIT-004", "MON-002")
def test_a_position_is_sold_in_parts_and_each_part_is_accounted_for(db: Database) -> None:
    """Bought at 0.50; +16 % sells half: the first limit at the mid finds nobody in 30 s, the next
    a tick lower meets the bid. At 0.40 the stop loss sells the rest. By hand: 250 * 0.08 - 4.2630
    - 4.3750 of the entry fee; 250 * -0.10 - 4.2000 - 4.3750.
    """
    with db.transaction() as conn:
        _, game = one_position(conn)
        quotes(conn, game, "0.58", "0.58", "0.58", "0.40")
    run_pending(db)
    with db.transaction() as conn:
        assert table(conn, EXITS) == [
            (
                "partial_exit_target", "medium", 1, 250, 250, d("0.58"), d("11.362"),
                ["edge_disappeared", "early_exit"],
            ),
            ("stop_loss", "critical", None, 250, 0, d("0.40"), d("-33.575"), ["trailing_stop"]),
        ]  # fmt: skip
        assert table(conn, ATTEMPTS) == [
            ("partial_exit_target", 1, "limit", d("0.59"), 0, False, 30),
            ("partial_exit_target", 2, "limit", d("0.58"), 250, True, 0),
            ("edge_disappeared", 1, "limit", d("0.59"), 0, False, 60),
            ("stop_loss", 1, "market", d("0.39"), 250, True, 0),
        ]
        assert table(
            conn,
            "SELECT status, quantity, original_quantity, fees, realized_pnl, exit_price, "
            "exit_reason, exit_priority, exit_time, target_price, stop_loss_price, current_price, "
            "last_check_time FROM positions",
        ) == [
            (
                "closed", 0, 500, d("17.213"), d("-22.213"), d("0.49"), "stop_loss", "critical",
                FIRST_SUNDAY - 6 * HOUR, d("0.675"), d("0.425"), d("0.40"),
                FIRST_SUNDAY - 6 * HOUR,
            )
        ]  # fmt: skip
        outranked = table(
            conn,
            "SELECT exit_condition, skip_reason, inputs IS NOT NULL FROM decisions "
            "WHERE purpose = 'exit' AND outcome = 'skipped' AND decided_at < "
            f"'{FIRST_SUNDAY - 8.5 * HOUR}' ORDER BY decision_id",
        )
        assert outranked == [
            ("edge_disappeared", "outranked", True),
            ("early_exit", "outranked", True),
        ]
        audit = verify_ledger(conn)
        assert audit.balanced, audit.problems
        assert audit.accounts[0].cash == d("9977.787")


def test_a_resting_exit_fills_when_somebody_trades_through_it(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_position(conn)
        quotes(conn, game, "0.58", "0.58")
        for number, (seconds, price, size) in enumerate(
            ((10, "0.59", 500), (20, "0.60", 100), (31, "0.60", 500))
        ):
            at = FIRST_SUNDAY - 9 * HOUR + timedelta(seconds=seconds)
            conn.execute(
                "INSERT INTO market_trades (market_id, venue_trade_id, price, quantity, event_ts, "
                "known_at) VALUES (%s, %s, %s, %s, %s, %s)",
                (game.home, str(number), price, size, at, at),
            )
    run_pending(db)
    with db.transaction() as conn:
        first, second = table(conn, EXITS)
        assert first[2:6] == (1, 100, 400, d("0.59")), "100 were traded beyond 0.59 in its time"
        assert second[2:6] == (1, 150, 250, d("0.58"))
        assert table(conn, ATTEMPTS)[0][3:] == (d("0.59"), 100, False, 30)
        assert table(
            conn, "SELECT quantity, fee, is_taker FROM fills WHERE action = 'sell' ORDER BY 1"
        ) == [(100, 0, False), (150, d("2.5578"), True)]
        audit = verify_ledger(conn)
        assert audit.balanced, audit.problems


def test_one_sale_is_booked_to_the_stages_that_are_due_and_the_target(db: Database) -> None:
    """+42 % at once: half to stage 1, a quarter to stage 2, what is left to the profit target."""
    with db.transaction() as conn:
        _, game = one_position(conn)
        quotes(conn, game, "0.71", "0.71")
    run_pending(db)
    with db.transaction() as conn:
        found = table(conn, EXITS)
        assert [row[0:1] + row[2:5] for row in found] == [
            ("partial_exit_target", 1, 250, 250),
            ("partial_exit_target", 2, 125, 125),
            ("profit_target", None, 125, 0),
        ]
        sold = table(
            conn, "SELECT quantity, fee FROM trades WHERE action = 'sell' ORDER BY trade_id"
        )
        assert sold == [(500, d("7.2065"))]
        assert sum(row[6] for row in found) == 500 * d("0.21") - d("7.2065") - d("8.75")
        (position,) = table(conn, "SELECT status, exit_reason, realized_pnl FROM positions")
        assert position == ("closed", "profit_target", d("89.0435"))
        audit = verify_ledger(conn)
        assert audit.balanced, audit.problems


def test_what_is_held_is_looked_at_after_the_entry_window_until_it_is_sold(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_position(conn)
        for minutes, bid in ((20, "0.51"), (-30, "0.50"), (-60, "0.30"), (-90, "0.29")):
            at = FIRST_SUNDAY - minutes * MINUTE
            season.add_quote(conn, game.home, at, bid, str(d(bid) + d("0.01")))
    report = run_pending(db)
    assert report.ticks == 4, "nothing is held any more at the last quote"
    with db.transaction() as conn:
        assert table(conn, "SELECT exit_reason, exit_time, last_check_time FROM positions") == [
            ("stop_loss", FIRST_SUNDAY + HOUR, FIRST_SUNDAY + HOUR)
        ]
        late = table(
            conn,
            f"SELECT purpose, outcome FROM decisions WHERE decided_at > '{FIRST_SUNDAY}'",
        )
        assert ("exit", "taken") in late
        assert "entry" not in [purpose for purpose, _ in late]
        marks = table(
            conn,
            "SELECT row_data ->> 'current_price' FROM position_history "
            "WHERE changed_columns ? 'current_price' ORDER BY version",
        )
        assert [d(price) for (price,) in marks if price] == [d("0.51"), d("0.50"), d("0.30")]


def test_ticks_in_one_run_or_one_by_one_sell_alike(server, db: Database) -> None:  # type: ignore[no-untyped-def]
    from precog_core.database.migrations import migrate
    from tests.trading.content import contents

    other = server.create("precog_one_by_one")
    migrate(other)
    try:
        for database in (db, other):
            with database.transaction() as conn:
                league = season.create_league(conn, season.EIGHT_TEAMS)
                season.add_season(conn, league, 4, hours=(24, 12, 7, 4, 2, 1), week_of=4, seed=3)
        run_pending(db)
        while run_pending(other, maximum=2).remaining:
            pass
        with db.transaction() as first, other.transaction() as second:
            assert contents(first) == contents(second)
            assert len(contents(first)["position_exits"]) >= 2
            assert verify_ledger(first).balanced
    finally:
        other.close()
        server.drop("precog_one_by_one")
