"""What a network and a venue can do to an order: it is executed at most once all the same."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from precog_core.database import Database
from precog_trading.exchanges.faults import Fault, Faults
from precog_trading.exchanges.port import Listing, OrderOutcome
from precog_trading.ledger.audit import verify_ledger
from precog_trading.monitor.loop import Monitor
from precog_trading.tick.reconcile import verdict
from tests.trading import season
from tests.trading.monitor.test_monitor import FakeClock
from tests.trading.season import FIRST_SUNDAY, HOUR, Game

AT = FIRST_SUNDAY - 10 * HOUR
SECOND = timedelta(seconds=1)
SENT = datetime(2026, 1, 1, tzinfo=UTC)
FOUND = OrderOutcome("filled", "v", (), SENT)


@pytest.mark.requirement("LEDGER-002", "LEDGER-005")
def test_s9_only_two_complete_listings_a_minute_after_sending_prove_absence() -> None:
    def look(after: int, earlier: int, complete: bool = True, found: bool = False) -> Any:
        orders = {"a": FOUND} if found else {}
        outcome, absent = verdict(
            Listing(SENT + after * SECOND, complete, orders), "a", SENT, earlier, 60
        )
        return outcome and outcome.status, absent

    assert look(0, 0, found=True) == ("filled", False), "what the listing has is so at once"
    assert look(1, 0, complete=False, found=True) == ("filled", False)
    assert look(59, 5) == (None, False), "too early to mean anything"
    assert look(60, 0) == (None, True)
    assert look(90, 1) == ("rejected", True)
    assert look(600, 9, complete=False) == (None, False), "a partial listing proves nothing"


def one_game(conn: psycopg.Connection) -> Game:
    league = season.create_league(conn)
    game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
    season.add_prediction(conn, league, game, "0.62", "0.0200")
    season.add_quote(conn, game.home, AT, "0.49", "0.50")
    return game


def rows(db: Database, query: str) -> list[tuple[Any, ...]]:
    with db.transaction() as conn:
        return conn.execute(query).fetchall()


@pytest.mark.requirement("LEDGER-001", "LEDGER-002", "LEDGER-003")
@pytest.mark.parametrize("fault", list(Fault))
def test_a_faulty_answer_freezes_the_market_until_the_listing_tells(
    db: Database, fault: Fault
) -> None:
    """Unknown, then as the venue has it: filled once, or after two absences rejected."""
    with db.transaction() as conn:
        game = one_game(conn)
    faults, clock = Faults({1: fault}), FakeClock(AT)
    with Monitor(db, clock=clock, exchange_of=faults) as monitor:
        monitor.turn()
        assert rows(db, "SELECT status, filled_quantity FROM orders") == [("unknown", 0)]
        assert rows(db, "SELECT count(*) FROM positions") == [(0,)]
        clock.sleep(20)
        with db.transaction() as conn:
            season.add_quote(conn, game.home, clock.now(), "0.48", "0.49")
        if fault is not Fault.LOST_REQUEST:
            monitor.turn()
            assert rows(db, "SELECT status, filled_quantity FROM orders") == [("canceled", 500)]
        else:
            faults.incomplete = True
            monitor.turn()
            frozen = rows(db, "SELECT skip_reason FROM decisions WHERE decided_at > "
                              f"'{AT}' AND side = 'yes'")  # fmt: skip
            assert frozen == [("market_frozen",)]
            faults.incomplete = False
            clock.sleep(41)
            monitor.turn()
            assert rows(db, "SELECT status FROM orders") == [("unknown",)], "absent once"
            clock.sleep(5)
            monitor.turn()
            assert rows(db, "SELECT status, error_code FROM orders") == [
                ("rejected", "never_arrived")
            ]
            assert rows(db, "SELECT status, listing_complete FROM reconciliation_runs") == [
                ("failed", False), ("failed", True), ("repaired", True),
            ]  # fmt: skip
    assert faults.executions == (0 if fault is Fault.LOST_REQUEST else 1)
    with db.transaction() as conn:
        audit = verify_ledger(conn)
        assert audit.balanced, audit.problems
        held = conn.execute("SELECT quantity, entry_price FROM positions").fetchall()
    expected = [] if fault is Fault.LOST_REQUEST else [(500, Decimal("0.50"))]
    assert held == expected


def test_an_order_that_was_under_way_when_the_process_died_is_in_doubt(db: Database) -> None:
    """The paper exchange never leaves one; a venue may. At the start it becomes unknown."""
    with db.transaction() as conn:
        one_game(conn)
    faults = Faults({1: Fault.LOST_REPLY})
    with Monitor(db, clock=FakeClock(AT), exchange_of=faults) as monitor:
        monitor.turn()
    with db.transaction() as conn:
        conn.execute("ALTER TABLE orders DISABLE TRIGGER ALL")
        conn.execute("UPDATE orders SET status = 'sent'")
        conn.execute("ALTER TABLE orders ENABLE TRIGGER ALL")
    with Monitor(db, clock=FakeClock(AT + 5 * SECOND), exchange_of=faults) as monitor:
        monitor.turn()
    assert rows(db, "SELECT to_status FROM order_events ORDER BY order_event_id")[-2:] == [
        ("unknown",), ("canceled",),
    ]  # fmt: skip
    assert rows(db, "SELECT quantity FROM positions") == [(500,)]
