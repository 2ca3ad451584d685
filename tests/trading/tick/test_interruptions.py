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
    ("INSERT", "equity_points", 4),
    ("INSERT", "position_exits", 2),
    ("INSERT", "exit_attempts", 1),
    ("UPDATE", "trading_writers", 9),
]
_KILLS = int(os.environ.get("PRECOG_TEST_KILLS", "4"))
"""How often the last test kills; 25 by hand, fewer in a build."""
_MANAGED = {"PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY": "pre_game_managed"}


@pytest.fixture(autouse=True)
def managed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions are sold before the game as well, so that exits are interrupted too."""
    for name, value in _MANAGED.items():
        monkeypatch.setenv(name, value)


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
    with pytest.MonkeyPatch.context() as environment:
        for key, value in _MANAGED.items():
            environment.setenv(key, value)
        run_pending(database)
    with database.transaction() as conn:
        expected = contents(conn)
        assert len(expected["trades"]) >= 4
        assert len(expected["settlements"]) == 16
        assert len(expected["position_exits"]) >= 2
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
@pytest.mark.requirement("LEDGER-004")
def test_kill_9_at_random_moments_changes_nothing_in_the_end(
    db: Database, undisturbed: dict[str, list[tuple[Any, ...]]]
) -> None:
    """Each kill falls somewhere into the writing of the next stretch of work.

    A process is killed after it has committed between nothing and a dozen transactions more, so
    the kills spread over the season whatever the machine's speed.
    """
    with db.transaction() as conn:
        small_season(conn)
    chance = random.Random(7)
    kills = 0
    while kills < _KILLS:
        run = _start(db)
        try:
            _wait_for_commits(db, run, chance.randint(0, max(200 // _KILLS, 2)))
            run.wait(timeout=chance.uniform(0, 0.02))
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
    assert kills >= min(_KILLS, 2)
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


def _wait_for_commits(db: Database, run: "subprocess.Popen[bytes]", more: int) -> None:
    """Wait until the process has begun to work and the fence has risen by ``more``."""
    deadline = time.monotonic() + 60
    began = None
    while run.poll() is None and time.monotonic() < deadline:
        with db.connection() as conn:
            row = conn.execute(
                "SELECT (SELECT fence FROM trading_writers WHERE execution_environment = 'paper'), "
                "count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name LIKE 'precog trading%'"
            ).fetchone()
        assert row is not None
        if row[1] and began is None:
            began = row[0]
        if began is not None and row[0] >= began + more:
            return
        time.sleep(0.005)
