"""Roles and the way back: who may do what, migrations on servers we do not rule, rollbacks."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from precog_core.database import Database, embedded_url
from precog_core.database.audit import audit, compare, read_schema
from precog_core.database.migrations import migrate, read_migrations, rollback
from precog_core.database.server import EmbeddedServer
from precog_core.errors import PrecogError

if TYPE_CHECKING:
    from tests.conftest import Server
    from tests.database.conftest import World


def privileges(conn: psycopg.Connection, role: str) -> dict[str, set[str]]:
    """What a role may do to each table, partitions aside."""
    rows = conn.execute(
        "SELECT c.relname, array_remove(ARRAY["
        "   CASE WHEN has_table_privilege(%(role)s, c.oid, 'SELECT') THEN 'SELECT' END,"
        "   CASE WHEN has_table_privilege(%(role)s, c.oid, 'INSERT') THEN 'INSERT' END,"
        "   CASE WHEN has_table_privilege(%(role)s, c.oid, 'UPDATE') THEN 'UPDATE' END,"
        "   CASE WHEN has_table_privilege(%(role)s, c.oid, 'DELETE') THEN 'DELETE' END,"
        "   CASE WHEN has_table_privilege(%(role)s, c.oid, 'TRUNCATE') THEN 'TRUNCATE' END],"
        "   NULL)"
        " FROM pg_class AS c WHERE c.relnamespace = 'public'::REGNAMESPACE"
        " AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
        {"role": role},
    ).fetchall()
    return {table: set(allowed) for table, allowed in rows}


def tables_with_trigger(conn: psycopg.Connection, function: str, event: int) -> set[str]:
    """Tables with an unconditional row trigger calling ``function`` on the event (8 = DELETE)."""
    rows = conn.execute(
        "SELECT c.relname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid"
        " WHERE t.tgfoid = to_regproc(%s) AND t.tgtype::INTEGER & %s > 0 AND t.tgqual IS NULL"
        " AND t.tgtype::INTEGER & 1 > 0 AND NOT t.tgisinternal AND NOT c.relispartition",
        (function, event),
    ).fetchall()
    return {table for (table,) in rows}


DELETE, UPDATE = 8, 16


@pytest.mark.requirement("VER-001", "METH-012")
def test_a_program_has_no_right_to_what_the_triggers_refuse(undone: psycopg.Connection) -> None:
    may = privileges(undone, "precog_app")
    assert len(may) > 50
    assert {table for table, allowed in may.items() if not allowed >= {"SELECT", "INSERT"}} == set()
    append_only = tables_with_trigger(undone, "forbid_change", UPDATE)
    assert len(append_only) == 26
    assert {table for table in append_only if may[table] != {"SELECT", "INSERT"}} == set()
    kept = tables_with_trigger(undone, "forbid_change", DELETE)
    kept |= tables_with_trigger(undone, "scd2_guard", DELETE) | {"positions"}
    kept |= {"trading_writers", "trading_looks"}
    assert {table for table in kept if "DELETE" in may[table]} == set()
    assert {table for table, allowed in may.items() if "DELETE" in allowed} == set(may) - kept
    assert {table for table, allowed in may.items() if "TRUNCATE" in allowed} == set()


def test_a_reader_reads_everything_and_writes_nothing(undone: psycopg.Connection) -> None:
    assert set(map(frozenset, privileges(undone, "precog_read").values())) == {
        frozenset({"SELECT"})
    }
    undone.execute("SET ROLE precog_read")
    assert undone.execute("SELECT count(*) FROM pnl_by_strategy_model").fetchone() == (0,)
    with pytest.raises(errors.InsufficientPrivilege):
        undone.execute("SELECT ensure_snapshot_partitions('2018-01-01', '2018-02-01')")


def test_a_program_can_do_its_work(world: "World") -> None:
    """Order history, position history and the alert summary are written with its own rights."""
    world.conn.execute("SET ROLE precog_app")
    world.order()
    world.conn.execute("UPDATE orders SET status = 'sent'")
    assert world.one("SELECT count(*) FROM order_events") == 2
    world.position()
    assert world.one("SELECT count(*) FROM position_history") == 1
    world.insert(
        "notification_deliveries", alert_id=world.alert(), channel="file", attempt=1,
        status="sent", attempted_at="2019-12-29 16:00+00",
    )  # fmt: skip
    assert world.one("SELECT notification_sent FROM alerts")
    assert world.one("SELECT ensure_snapshot_partitions('2018-01-01', '2018-02-01')") == 2
    for forbidden in (
        "DELETE FROM orders",
        "UPDATE account_ledger SET amount = 0",
        "ALTER TABLE orders ADD COLUMN note TEXT",
        "CREATE TABLE stray (id BIGINT)",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            world.conn.execute(forbidden)


def test_the_owner_may_change_the_schema(undone: psycopg.Connection) -> None:
    undone.execute("SET ROLE precog_owner")
    undone.execute("ALTER TABLE orders ADD COLUMN note TEXT")
    undone.execute("CREATE TABLE later (id BIGINT)")


# Servers


@pytest.fixture(scope="module")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server without our roles."""
    server = EmbeddedServer(tmp_path_factory.mktemp("other"))
    with server.lease():
        yield server


def on(server: EmbeddedServer, name: str, user: str = "postgres") -> Database:
    address = server.address()
    assert address is not None
    url = embedded_url(address.socket_dir, address.port)
    return Database(url.replace("/precog?", f"/{name}?").replace("postgres@", f"{user}@"))


def roles(database: Database) -> list[str]:
    with database.connect() as conn:
        rows = conn.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'precog%' ORDER BY 1"
        ).fetchall()
    return [name for (name,) in rows]


def test_roles_are_left_out_where_they_may_not_be_made_and_made_once_where_they_may(
    other_server: EmbeddedServer,
) -> None:
    admin = on(other_server, "postgres")
    with admin.connect(autocommit=True) as conn:
        conn.execute("CREATE ROLE managed LOGIN CREATEDB")
        conn.execute("CREATE DATABASE managed OWNER managed")
        conn.execute("CREATE DATABASE first")
        conn.execute("CREATE DATABASE second")

    managed = on(other_server, "managed", user="managed")
    migrate(managed)
    assert roles(admin) == []
    assert audit(managed) == []

    failures: list[BaseException] = []

    def bring_up(name: str) -> None:
        database = on(other_server, name)
        try:
            migrate(database)
        except BaseException as failure:
            failures.append(failure)
            raise
        finally:
            database.close()

    threads = [threading.Thread(target=bring_up, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert roles(admin) == ["precog_app", "precog_owner", "precog_read"]
    for name in ("first", "second"):
        database = on(other_server, name)
        with database.connection() as conn:
            assert conn.execute(
                "SELECT has_table_privilege('precog_read', 'pnl_by_strategy_model', 'SELECT'),"
                " has_table_privilege('precog_app', 'fills', 'DELETE')"
            ).fetchone() == (True, False)
        database.close()
    managed.close()


# The way back


def test_everything_after_the_ledger_can_be_rolled_back_and_forward(db: Database) -> None:
    undone = rollback(db, 23)
    assert undone[0] > undone[-1] == "024_reconciliation_runs.rollback.sql"
    with db.connection() as conn:
        assert conn.execute("SELECT to_regclass('pnl_by_strategy_model')").fetchone() == (None,)
    with pytest.raises(PrecogError, match="023_account is forward-only"):
        rollback(db, 22)
    assert [m.number for m in migrate(db)] == [m.number for m in read_migrations() if m.number > 23]
    assert audit(db) == []


def test_a_rollback_of_decisions_edges_and_backtests_restores_the_schema_before_them(
    server: "Server",
) -> None:
    database = server.create("precog_schema_019")
    with database.connection(autocommit=True) as conn:
        files = read_migrations()
        for migration in files[:17]:
            conn.execute(migration.sql)  # type: ignore[arg-type]
        before = read_schema(conn)
        for migration in files[17:20]:
            conn.execute(migration.sql)  # type: ignore[arg-type]
        for migration in reversed(files[17:20]):
            back = migration.path.with_suffix(".rollback.sql")
            conn.execute(back.read_text(encoding="utf-8"))  # type: ignore[arg-type]
        assert compare(before, read_schema(conn)) == []
    database.close()
    server.drop("precog_schema_019")


def test_a_rollback_that_would_lose_rows_is_refused(world: "World") -> None:
    rows = {
        "notification_deliveries": {
            "alert_id": world.alert(), "channel": "file", "attempt": 1, "status": "sent",
            "attempted_at": "2019-12-29 16:00+00",
        },
        "config_overrides": {
            "config_key": "a.b", "override_value": "1", "data_type": "int", "reason": "r",
            "applied_by": "p",
        },
        "trading_controls": {
            "execution_environment": "paper", "scope": "global", "state": "halted",
            "reason": "r", "set_by": "p", "set_by_kind": "person",
        },
        "reconciliation_runs": {
            "platform_id": "simulated", "execution_environment": "paper",
            "started_at": "2019-12-29 16:00+00",
        },
    }  # fmt: skip
    files = {m.number: m.path.with_suffix(".rollback.sql").read_text() for m in read_migrations()
             if m.path.with_suffix(".rollback.sql").exists()}  # fmt: skip
    for number, (table, row) in zip((28, 27, 25, 24), rows.items(), strict=True):
        world.insert(table, **row)
        with pytest.raises(errors.RestrictViolation, match=f"refused: {table} holds rows"):
            world.conn.execute(files[number])
        assert world.one(f"SELECT count(*) FROM {table}") == 1
