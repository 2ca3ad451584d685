"""Whatever moment a run dies in, the next one ends with the tables of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from precog_core.database import Database
from precog_core.database.migrations import migrate
from precog_trading.ledger.audit import verify_ledger
from precog_trading.tick.runner import run_pending
from tests.conftest import REPOSITORY, Server
from tests.trading import season
from tests.trading.content import contents

_FAULT = """
CREATE SEQUENCE IF NOT EXISTS fault_count;
CREATE FUNCTION fault() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('fault_count') = TG_ARGV[0]::BIGINT THEN
        RAISE EXCEPTION 'the test pulled the plug';
    END IF;
    RETURN NEW;
END;
$$;
"""
_POINTS = [
    ("INSERT", "methods", 1),
    ("INSERT", "settlements", 5),
    ("INSERT", "account_balance", 1),
    ("INSERT", "decisions", 21),
    ("UPDATE", "edges", 3),
    ("INSERT", "orders", 3),
    ("UPDATE", "orders", 6),
    ("INSERT", "fills", 2),
    ("INSERT", "positions", 3),
    ("INSERT", "account_ledger", 7),
    ("UPDATE", "account_balance", 4),
    ("UPDATE", "positions", 1),
]


def small_season(conn: psycopg.Connection) -> None:
    league = season.create_league(conn, season.EIGHT_TEAMS)
    season.add_season(conn, league, 8, hours=(24, 18, 12, 7, 4, 3, 2, 1), week_of=4, seed=3)


@pytest.fixture(scope="module")
def undisturbed(server: Server) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """The tables after one run that nobody disturbed."""
    name = "precog_undisturbed"
    database = server.create(name)
    migrate(database)
    with database.transaction() as conn:
        small_season(conn)
    run_pending(database)
    with database.transaction() as conn:
        expected = contents(conn)
        assert len(expected["trades"]) >= 4
        assert len(expected["settlements"]) == 16
    database.close()
    yield expected
    server.drop(name)


@pytest.mark.requirement("LEDGER-004")
@pytest.mark.parametrize(("operation", "table", "nth"), _POINTS)
def test_a_failure_at_any_write_leaves_nothing_half_done(
    db: Database,
    undisturbed: dict[str, list[tuple[Any, ...]]],
    operation: str,
    table: str,
    nth: int,
) -> None:
    with db.transaction() as conn:
        small_season(conn)
        conn.execute(_FAULT)
        conn.execute(
            f"CREATE TRIGGER fault BEFORE {operation} ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION fault({nth})"
        )
    with pytest.raises(psycopg.errors.RaiseException, match="pulled the plug"):
        run_pending(db)
    with db.transaction() as conn:
        conn.execute(f"DROP TRIGGER fault ON {table}")
        audit = verify_ledger(conn)
        assert audit.balanced, audit.problems
        unfinished = conn.execute("SELECT count(*) FROM orders WHERE status = 'sent'").fetchone()
        assert unfinished == (0,)
    run_pending(db)
    with db.transaction() as conn:
        assert contents(conn) == undisturbed


@pytest.mark.requirement("LEDGER-004")
@pytest.mark.slow
def test_kill_9_at_random_moments_changes_nothing_in_the_end(
    db: Database, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    with db.transaction() as conn:
        small_season(conn)
    chance = random.Random(7)
    kills = 0
    for _ in range(40):
        run = _start(db)
        try:
            # Measured from the first write, so that the kills fall into the work.
            _wait_until_writing(db, run)
            run.wait(timeout=chance.uniform(0, 0.5))
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.wait(timeout=30)
            kills += 1
            with db.transaction() as conn:
                assert verify_ledger(conn).balanced
        else:
            assert run.returncode == 0
            break
    run_pending(db)
    assert kills >= 2
    with db.transaction() as conn:
        assert contents(conn) == undisturbed


def _start(db: Database) -> "subprocess.Popen[bytes]":
    program = (
        "from precog_core.database import Database\n"
        "from precog_trading.tick.runner import run_pending\n"
        "run_pending(Database.from_environment(), maximum=1000)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, "PRECOG_DATABASE_URL": db.base_url},
    )


def _wait_until_writing(db: Database, run: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while run.poll() is None and time.monotonic() < deadline:
        with db.connection() as conn:
            row = conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name LIKE 'precog trading%'"
            ).fetchone()
        if row and row[0]:
            return
        time.sleep(0.02)
