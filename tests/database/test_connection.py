"""Connections, transactions, addresses, bulk transfer; databases are created where absent."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import create_engine, text

import precog_core.database as database_module
from precog_core.database import Database, ensure_databases, open_database
from precog_core.database.copying import copy_rows, fetch_frame
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from tests.conftest import Server


def test_each_test_gets_a_migrated_database_of_its_own(db: Database) -> None:
    with db.transaction() as conn:
        row = conn.execute("SELECT count(*) FROM precog_meta.schema_migrations").fetchone()
    assert row is not None
    assert row[0] > 0
    found = Database.from_environment()
    assert found.base_url == db.base_url


def test_a_transaction_commits_as_a_whole_or_not_at_all(db: Database) -> None:
    with db.transaction() as conn:
        conn.execute("CREATE TABLE t (n INTEGER)")
    with pytest.raises(ZeroDivisionError), db.transaction() as conn:
        conn.execute("INSERT INTO t VALUES (1)")
        raise ZeroDivisionError
    with db.transaction() as conn:
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (0,)
        conn.execute("INSERT INTO t VALUES (2)")
    with db.connection() as conn:
        assert conn.execute("SELECT n FROM t").fetchall() == [(2,)]


def test_an_autocommit_connection_goes_back_to_the_pool_as_it_was(db: Database) -> None:
    with db.connection(autocommit=True) as conn:
        conn.execute("CREATE TABLE t (n INTEGER)")
        conn.execute("INSERT INTO t VALUES (1)")
        with db.connection() as other:
            assert other.execute("SELECT n FROM t").fetchall() == [(1,)]
    for _ in range(6):
        with db.connection() as conn:
            assert conn.autocommit is False


def test_every_connection_speaks_utc_and_gives_up_on_endless_statements(db: Database) -> None:
    with db.connection() as conn:
        row = conn.execute(
            "SELECT current_setting('timezone'), current_setting('statement_timeout'), now()"
        ).fetchone()
    assert row is not None
    assert row[:2] == ("UTC", "10min")
    assert row[2].utcoffset() == datetime.now(UTC).utcoffset()


def test_the_pool_recovers_from_connections_cut_by_the_server(db: Database) -> None:
    with db.connection() as conn:
        pid = conn.info.backend_pid
    with db.connect(autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with db.connection() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_closed_database_opens_again_when_used(db: Database) -> None:
    db.close()
    with db.connection() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_the_three_databases_have_urls_for_every_driver() -> None:
    plain = Database("postgresql://u@h:5433/precog?sslmode=require")
    assert plain.url("mlflow", "psycopg2") == (
        "postgresql+psycopg2://u@h:5433/mlflow?sslmode=require"
    )
    named = Database("postgresql://u@h/prod")
    assert named.url() == "postgresql://u@h/prod"
    assert named.url("dagster") == "postgresql://u@h/prod_dagster"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql+psycopg2://u:p@h:1/x", "postgresql://u:p@h:1/x"),
        ("postgres://u@h", "postgresql://u@h/precog"),
        ("postgresql://u@h/", "postgresql://u@h/precog"),
        (
            "postgresql://h/x?options=-c%20search_path%3Da",
            "postgresql://h/x?options=-c%20search_path%3Da",
        ),
    ],
)
def test_an_external_url_may_come_in_several_spellings(
    monkeypatch: pytest.MonkeyPatch, given: str, used: str
) -> None:
    monkeypatch.setenv("PRECOG_DATABASE_URL", given)
    assert Database.from_environment().base_url == used


def test_options_of_the_url_are_kept_beside_ours(db: Database) -> None:
    other = Database(db.base_url + "&options=-c%20search_path%3Dprecog_meta")
    with other.connect() as conn:
        assert conn.execute("SELECT count(*) > 0 FROM schema_migrations").fetchone() == (True,)
        assert conn.execute("SHOW timezone").fetchone() == ("UTC",)


@pytest.mark.requirement("ORCH-009")
def test_dagsters_and_mlflows_drivers_reach_their_databases(all_databases: Database) -> None:
    for name in ("dagster", "mlflow"):
        engine = create_engine(all_databases.url(name, "psycopg2"))
        with engine.connect() as conn:
            found = conn.execute(text("SELECT current_database()")).scalar()
        engine.dispose()
        assert found == urlsplit(all_databases.url(name)).path.lstrip("/")


@pytest.mark.requirement("ORCH-009")
def test_databases_are_created_once_also_by_two_starts_at_once(server: Server) -> None:
    database = server.database("two_starts")
    with ThreadPoolExecutor(3) as pool:
        for start in [pool.submit(ensure_databases, database) for _ in range(3)]:
            start.result()
    with server.admin() as conn:
        names = conn.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'two_starts%' ORDER BY 1"
        ).fetchall()
    assert names == [("two_starts",), ("two_starts_dagster",), ("two_starts_mlflow",)]
    server.drop("two_starts")


def test_a_role_without_the_right_to_create_databases_is_told(server: Server) -> None:
    with server.admin() as conn:
        conn.execute("DROP ROLE IF EXISTS visitor")
        conn.execute("CREATE ROLE visitor LOGIN")
    url = server.url("absent").replace("postgres@", "visitor@")
    with pytest.raises(PrecogError, match="'visitor' may not create database 'absent'; create it"):
        ensure_databases(Database(url))


def test_a_server_without_a_postgres_database_is_reached_through_ours(
    server: Server, db: Database
) -> None:
    with server.admin() as conn:
        conn.execute("DROP ROLE IF EXISTS guest")
        conn.execute("CREATE ROLE guest LOGIN CREATEDB")
        conn.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    try:
        guest = Database(db.base_url.replace("postgres@", "guest@"))
        ensure_databases(guest)
        with db.connection() as conn:
            name = urlsplit(db.url("mlflow")).path.lstrip("/")
            row = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        assert row == (1,)
    finally:
        with server.admin() as conn:
            conn.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")


@pytest.mark.requirement("DB-001")
def test_a_server_that_is_too_old_is_refused(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "MINIMUM_SERVER_VERSION", 990000)
    with pytest.raises(
        PrecogError, match=r"PostgreSQL 18\.\S+ is too old: Precog needs 99 or newer"
    ):
        ensure_databases(db)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://h/x", "starts with 'mysql'; expected postgresql://user@host/name"),
        ("nonsense", "starts with ''; expected"),
        (
            "postgresql://u@127.0.0.1:9/x",
            "cannot reach PostgreSQL database 'postgres' at 127.0.0.1",
        ),
        ("postgresql://u@127.0.0.1:9/x?colour=red", "colour"),
    ],
)
def test_a_url_that_leads_nowhere_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.setenv("PRECOG_DATABASE_URL", url)
    with pytest.raises(PrecogError) as caught, open_database():
        pass
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_running_server_nobody_starts_one_by_connecting(tmp_path: Path) -> None:
    with pytest.raises(PrecogError, match="no PostgreSQL is running for .*; start it with"):
        Database.from_environment()
    assert not (tmp_path / "home").exists()


def test_copy_brings_every_digit_and_kind_back(db: Database) -> None:
    rows = [
        (1, Decimal("0.0001"), datetime(2019, 12, 29, 18, tzinfo=UTC), "Ä", None, True),
        (2, Decimal("123456789012.345678"), datetime(1999, 9, 12, tzinfo=UTC), "", 0.1, False),
    ]
    with db.transaction() as conn:
        conn.execute(
            "CREATE SCHEMA s; CREATE TABLE s.t (n BIGINT, d NUMERIC(18, 6), at TIMESTAMPTZ, "
            "x TEXT, f DOUBLE PRECISION, b BOOLEAN, gone INTEGER); ALTER TABLE s.t DROP COLUMN gone"
        )
        assert copy_rows(conn, "s.t", ["n", "d", "at", "x", "f", "b"], rows) == 2
        assert conn.execute("SELECT * FROM s.t ORDER BY n").fetchall() == rows
        with pytest.raises(ValueError, match="table s.t has no column gone, other"):
            copy_rows(conn, "s.t", ["n", "gone", "other"], [])
        frame = fetch_frame(conn, "SELECT n, d FROM s.t WHERE n > %s", (1,))
    assert list(frame.columns) == ["n", "d"]
    assert frame.iloc[0].to_list() == [2, Decimal("123456789012.345678")]


def test_a_copy_that_fails_leaves_no_row(db: Database) -> None:
    with db.transaction() as conn:
        conn.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    with pytest.raises(psycopg.errors.UniqueViolation), db.transaction() as conn:
        copy_rows(conn, "t", ["n"], [(1,), (2,), (1,)])
    with db.transaction() as conn:
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_every_file_of_named_queries_can_be_loaded() -> None:
    folder = Path(__file__).resolve().parents[2] / "sql" / "queries"
    for file in folder.glob("*.sql"):
        assert load_queries(file.stem).available_queries
