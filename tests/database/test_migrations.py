"""The schema changes only by numbered files, whole or not at all (SYS-001)."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from precog_core.database import Database
from precog_core.database.migrations import migrate, read_migrations, rollback, status
from precog_core.errors import PrecogError
from tests.conftest import Server

_numbers = count(1)
FOLDER = Path(__file__).resolve().parents[2] / "sql" / "migrations"


@pytest.fixture
def empty(server: Server) -> Iterator[Database]:
    """A database without any schema."""
    name = f"empty_{next(_numbers)}"
    database = server.create(name)
    yield database
    database.close()
    server.drop(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three small migrations, the last with a rollback file."""
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "000_first.sql").write_text("CREATE TABLE a (n INTEGER);")
    (path / "001_second.sql").write_text(
        "CREATE FUNCTION f() RETURNS INTEGER LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;\n"
        "CREATE TABLE b (n INTEGER DEFAULT f(), CHECK (n % 2 = 1));"
    )
    (path / "002_third.sql").write_text("CREATE TABLE c (n INTEGER); INSERT INTO c VALUES (7);")
    (path / "002_third.rollback.sql").write_text("DROP TABLE c;")
    return path


def tables(database: Database) -> set[str]:
    with database.connect() as conn:
        rows = conn.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
    return {name for (name,) in rows}


def book(database: Database) -> list[tuple[int, str]]:
    with database.connect() as conn:
        return conn.execute(
            "SELECT number, name FROM precog_meta.schema_migrations ORDER BY number"
        ).fetchall()


@pytest.mark.requirement("SYS-001")
def test_a_fresh_database_gets_every_migration_and_a_rerun_none(empty: Database) -> None:
    applied = migrate(empty)
    assert [m.path.name for m in applied] == [m.path.name for m in read_migrations()]
    assert migrate(empty) == []
    assert [state.applied for state in status(empty)] == [True] * len(applied)
    assert {"games", "predictions", "trades", "account_ledger"} <= tables(empty)


def test_only_what_is_missing_is_applied(empty: Database, folder: Path) -> None:
    assert [m.number for m in migrate(empty, folder)] == [0, 1, 2]
    (folder / "003_fourth.sql").write_text("CREATE TABLE d (n INTEGER);")
    assert [m.name for m in migrate(empty, folder)] == ["fourth"]
    assert tables(empty) == {"a", "b", "c", "d"}
    assert book(empty) == [(0, "first"), (1, "second"), (2, "third"), (3, "fourth")]


def test_a_failing_file_leaves_nothing_and_names_itself(empty: Database, folder: Path) -> None:
    (folder / "003_fourth.sql").write_text("CREATE TABLE d (n INTEGER);\nSELECT 1 / 0;")
    with pytest.raises(PrecogError, match=r"003_fourth.sql failed and was rolled back: division"):
        migrate(empty, folder)
    assert tables(empty) == {"a", "b", "c"}
    assert book(empty)[-1] == (2, "third")
    (folder / "003_fourth.sql").write_text("CREATE TABLE d (n INTEGER);")
    assert [m.name for m in migrate(empty, folder)] == ["fourth"]


def test_an_error_in_a_file_names_its_line(empty: Database, folder: Path) -> None:
    (folder / "003_fourth.sql").write_text("CREATE TABLE d (n INTEGER);\n\nCREATE TABEL e ();")
    with pytest.raises(PrecogError, match=r"(?s)003_fourth.sql failed.*LINE 3: CREATE TABEL"):
        migrate(empty, folder)


@pytest.mark.requirement("SYS-001")
def test_a_gap_a_duplicate_and_a_bad_name_are_refused(empty: Database, folder: Path) -> None:
    (folder / "004_later.sql").write_text("SELECT 1;")
    with pytest.raises(PrecogError, match=r"expected migration 003 but found 004_later.sql"):
        migrate(empty, folder)
    (folder / "004_later.sql").rename(folder / "002_again.sql")
    with pytest.raises(PrecogError, match=r"expected migration 003 but found 002_third.sql"):
        migrate(empty, folder)
    (folder / "002_again.sql").rename(folder / "3-new.sql")
    with pytest.raises(PrecogError, match=r"3-new.sql: expected a name such as 042_subject.sql"):
        migrate(empty, folder)
    assert tables(empty) == set()


@pytest.mark.requirement("SYS-001")
def test_a_file_edited_after_it_was_applied_is_refused(empty: Database, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "001_second.sql").write_text("CREATE TABLE b (n BIGINT);")
    with pytest.raises(PrecogError, match=r"001_second.sql was edited after it was applied"):
        migrate(empty, folder)


def test_line_endings_of_another_system_are_no_edit(empty: Database, folder: Path) -> None:
    migrate(empty, folder)
    file = folder / "001_second.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert migrate(empty, folder) == []


def test_a_database_newer_than_the_code_is_refused_and_left_alone(
    empty: Database, folder: Path
) -> None:
    migrate(empty, folder)
    (folder / "002_third.sql").unlink()
    with pytest.raises(PrecogError, match=r"has migration 002_third.*newer than the code; upgrade"):
        migrate(empty, folder)
    assert tables(empty) == {"a", "b", "c"}


def test_two_processes_at_once_apply_each_file_once(empty: Database, folder: Path) -> None:
    (folder / "003_slow.sql").write_text("CREATE TABLE d (n INTEGER); SELECT pg_sleep(0.5);")
    program = (
        "import sys; from pathlib import Path\n"
        "from precog_core.database import Database\n"
        "from precog_core.database.migrations import migrate\n"
        "print(len(migrate(Database(sys.argv[1]), Path(sys.argv[2]))))\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program, empty.base_url, str(folder)],
            stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    counts = sorted(int(run.communicate(timeout=60)[0]) for run in runs)
    assert counts == [0, 4]
    assert tables(empty) == {"a", "b", "c", "d"}


def test_a_killed_migration_holds_no_lock_and_leaves_no_half(empty: Database, folder: Path) -> None:
    (folder / "003_slow.sql").write_text("CREATE TABLE d (n INTEGER); SELECT pg_sleep(60);")
    errors: list[str] = []

    def run() -> None:
        try:
            migrate(empty, folder)
        except PrecogError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    with empty.connect(autocommit=True) as conn:
        kill_when_asleep(conn)
    thread.join(timeout=30)
    assert len(errors) == 1
    (folder / "003_slow.sql").write_text("CREATE TABLE d (n INTEGER);")
    assert [m.name for m in migrate(empty, folder)] == ["slow"]


def kill_when_asleep(conn: psycopg.Connection) -> None:
    for _ in range(500):
        row = conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event = 'PgSleep'"
        ).fetchone()
        if row is not None:
            return
        conn.execute("SELECT pg_sleep(0.02)")
    raise AssertionError("the migration never reached its sleep")


@pytest.mark.requirement("SYS-001")
def test_a_rollback_undoes_the_newest_and_stops_where_none_is_written(
    empty: Database, folder: Path
) -> None:
    migrate(empty, folder)
    assert rollback(empty, 1, folder) == ["002_third.rollback.sql"]
    assert tables(empty) == {"a", "b"}
    with pytest.raises(PrecogError, match=r"migration 001_second is forward-only"):
        rollback(empty, 0, folder)
    assert [m.name for m in migrate(empty, folder)] == ["third"]


def test_status_tells_applied_from_pending(empty: Database) -> None:
    states = status(empty)
    assert {state.applied for state in states} == {False}
    assert [state.migration.number for state in states] == list(range(len(states)))


def test_no_migration_controls_transactions_or_drops_a_table() -> None:
    for migration in read_migrations():
        words = re.sub(r"\$\$.*?\$\$|--[^\n]*|'[^']*'", " ", migration.sql, flags=re.DOTALL)
        assert not re.search(r"\b(COMMIT|ROLLBACK|BEGIN)\b", words), migration.path.name
        assert "DROP TABLE" not in words, migration.path.name
