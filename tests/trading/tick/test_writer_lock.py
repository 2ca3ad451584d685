"""One account, one writer: the second says whom it waits for, and neither decides twice."""

import logging
import threading
import time

import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.ledger.audit import verify_ledger
from precog_trading.tick.batches import pending_batches
from precog_trading.tick.runner import RunReport, run_pending, tick_runner
from precog_trading.tick.writer_lock import writer_lock
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR


@pytest.mark.requirement("LEDGER-009")
def test_the_second_writer_waits_and_says_for_whom(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[float] = []
    with db.connect(autocommit=True) as first, db.connect(autocommit=True) as second:
        first.execute("SET application_name = 'precog trading 1234'")

        def wait() -> None:
            with writer_lock(second, ["simulated"], "paper", patience_s=30):
                got.append(time.monotonic())

        with caplog.at_level(logging.INFO, "precog_trading"):
            with writer_lock(first, ["simulated"], "paper"):
                thread = threading.Thread(target=wait)
                thread.start()
                time.sleep(0.5)
                assert got == []
                released = time.monotonic()
            thread.join(timeout=30)
        assert got[0] >= released
        assert "waiting: precog trading 1234 (database process" in caplog.text
        assert "only one may write at a time" in caplog.text


def test_patience_ends_with_a_sentence_and_without_a_lock_left(db: Database) -> None:
    with db.connect(autocommit=True) as first, db.connect(autocommit=True) as second:
        with writer_lock(first, ["simulated"], "paper"):
            with (
                pytest.raises(PrecogError, match="has been trading on the same account"),
                writer_lock(second, ["closing_line", "simulated"], "paper", patience_s=0.2),
            ):
                pass
            with writer_lock(second, ["closing_line"], "paper"):
                pass
        with writer_lock(second, ["simulated"], "paper"):
            pass


def test_other_accounts_are_not_blocked(db: Database) -> None:
    with (
        db.connect(autocommit=True) as first,
        db.connect(autocommit=True) as second,
        writer_lock(first, ["simulated"], "paper"),
        writer_lock(second, ["simulated"], "demo", patience_s=0.1),
        db.connect(autocommit=True) as third,
        writer_lock(third, ["kalshi"], "paper", patience_s=0.1),
    ):
        pass


def test_a_broken_connection_loses_the_lock(db: Database) -> None:
    with db.connect(autocommit=True) as first, db.connect(autocommit=True) as second:
        lock = writer_lock(first, ["simulated"], "paper")
        lock.__enter__()
        second.execute("SELECT pg_terminate_backend(%s)", (first.info.backend_pid,))
        with writer_lock(second, ["simulated"], "paper", patience_s=10):
            pass


def test_a_batch_that_another_run_decided_on_does_nothing(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    with tick_runner(db) as slow:
        slow.resume()
        batches = pending_batches(slow.conn, slow.config)
        assert run_pending(db).taken == 1
        result = slow.run_tick(batches[0])
    assert (result.decisions, result.taken, result.fills) == (0, 0, 0)
    with db.transaction() as conn:
        assert conn.execute("SELECT count(*) FROM fills").fetchone() == (1,)


@pytest.mark.requirement("LEDGER-009")
def test_two_runs_at_once_share_the_work_and_never_repeat_it(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        season.add_season(conn, league, 8, hours=(24, 8, 4, 2, 1), week_of=4, seed=3)
    reports: list[RunReport] = []

    def trade() -> None:
        own = Database(db.base_url)
        reports.append(run_pending(own))
        own.close()

    threads = [threading.Thread(target=trade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    with db.transaction() as conn:
        decisions = conn.execute("SELECT count(*) FROM decisions").fetchone()
        candidates = conn.execute("SELECT 2 * count(*) FROM market_snapshots").fetchone()
        assert decisions == candidates == (sum(report.decisions for report in reports),)
        assert verify_ledger(conn).balanced
