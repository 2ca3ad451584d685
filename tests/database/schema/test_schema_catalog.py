"""The catalog itself: comments, keys and indexes, monthly partitions, and the way back."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from precog_core.database import Database
from precog_core.paths import resource

if TYPE_CHECKING:
    from tests.conftest import Server

LAST_CORE = 16

CATALOG = """
SELECT 'column', c.relname, a.attname,
       format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' '
       || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || ' '
       || coalesce(col_description(c.oid, a.attnum), '') || ' '
       || row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::REGNAMESPACE
UNION ALL
SELECT 'comment', relname, relkind::TEXT, coalesce(obj_description(oid, 'pg_class'), '')
FROM pg_class
WHERE relnamespace = 'public'::REGNAMESPACE
UNION ALL
SELECT 'constraint', conrelid::REGCLASS::TEXT, conname, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE connamespace = 'public'::REGNAMESPACE
UNION ALL
SELECT 'index', tablename, indexname, indexdef
FROM pg_indexes
WHERE schemaname = 'public'
UNION ALL
SELECT 'trigger', tgrelid::REGCLASS::TEXT, tgname, pg_get_triggerdef(oid)
FROM pg_trigger
WHERE NOT tgisinternal
UNION ALL
SELECT 'function', oid::REGPROCEDURE::TEXT, '',
       pg_get_functiondef(oid) || coalesce(obj_description(oid, 'pg_proc'), '')
FROM pg_proc
WHERE pronamespace = 'public'::REGNAMESPACE
ORDER BY 1, 2, 3, 4
"""


def catalog(conn: psycopg.Connection) -> list[tuple[str, str, str, str]]:
    return conn.execute(CATALOG).fetchall()


def files(first: int, last: int, ending: str = ".sql") -> list[Path]:
    """Forward or rollback files of the numbers, in order."""
    pattern = re.compile(r"(\d{3})_[a-z0-9_]+" + re.escape(ending))
    return [
        path
        for path in sorted(resource("sql/migrations").iterdir())
        if (match := pattern.fullmatch(path.name)) and first <= int(match[1]) <= last
    ]


def run(conn: psycopg.Connection, paths: list[Path]) -> None:
    """Each file one transaction, as the migration runner does it."""
    for path in paths:
        with conn.transaction():
            conn.execute(path.read_text(encoding="utf-8"))


@pytest.fixture
def core(server: "Server") -> Iterator[psycopg.Connection]:
    """A database with migrations 000 to 016 only: what the rollbacks of the core start from."""
    name = "precog_schema_core"
    database = server.create(name)
    with database.connection(autocommit=True) as connection:
        run(connection, files(0, LAST_CORE))
        yield connection
    database.close()
    server.drop(name)


@pytest.mark.requirement("UX-005")
def test_every_table_and_every_column_is_explained(conn: psycopg.Connection) -> None:
    silent = conn.execute(
        "SELECT c.relname, a.attname FROM pg_class AS c"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'public'::REGNAMESPACE AND c.relkind IN ('r', 'p')"
        " AND coalesce(col_description(c.oid, a.attnum), '') = ''"
        " UNION ALL SELECT relname, '' FROM pg_class"
        " WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'p')"
        " AND coalesce(obj_description(oid, 'pg_class'), '') = ''"
    ).fetchall()
    assert silent == []


def test_every_table_says_when_a_row_was_created(conn: psycopg.Connection) -> None:
    without = conn.execute(
        "SELECT relname FROM pg_class AS c"
        " WHERE relnamespace = 'public'::REGNAMESPACE AND relkind IN ('r', 'p')"
        " AND NOT EXISTS (SELECT FROM pg_attribute AS a JOIN pg_attrdef AS d"
        "   ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        "   WHERE a.attrelid = c.oid AND a.attname = 'created_at' AND a.attnotnull)"
    ).fetchall()
    assert without == []


@pytest.mark.requirement("DB-006")
def test_every_foreign_key_restricts_and_is_indexed(conn: psycopg.Connection) -> None:
    """An index on the non-null values serves a key as well as a full one."""
    rows = conn.execute(
        "SELECT k.conname, k.confdeltype, EXISTS ("
        "   SELECT FROM pg_index AS i"
        "   WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1] AND i.indisvalid"
        "   AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid)"
        "        = format('(%s IS NOT NULL)', a.attname)))"
        " FROM pg_constraint AS k"
        " JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]"
        " WHERE k.contype = 'f' AND k.connamespace = 'public'::REGNAMESPACE AND k.conparentid = 0"
    ).fetchall()
    assert len(rows) > 40
    assert [row for row in rows if row[1:] != ("r", True)] == []


@pytest.mark.requirement("DB-006")
def test_no_foreign_key_points_at_a_row_of_history(conn: psycopg.Connection) -> None:
    rows = conn.execute(
        "SELECT k.conname FROM pg_constraint AS k WHERE k.contype = 'f' AND EXISTS ("
        " SELECT FROM pg_attribute AS a"
        " WHERE a.attrelid = k.confrelid AND a.attname = 'row_current_ind')"
    ).fetchall()
    assert rows == []


def test_constraints_indexes_and_triggers_are_named_after_their_table(
    conn: psycopg.Connection,
) -> None:
    rows = conn.execute(
        "SELECT c.relname, o.name FROM ("
        "   SELECT conrelid, conname, CASE contype WHEN 'f' THEN 'fk' WHEN 'u' THEN 'uq'"
        "     WHEN 'c' THEN 'ck' END FROM pg_constraint"
        "   WHERE contype IN ('f', 'u', 'c') AND conparentid = 0"
        "   UNION ALL SELECT tgrelid, tgname, 'trg' FROM pg_trigger"
        "   WHERE NOT tgisinternal AND tgparentid = 0"
        "   UNION ALL SELECT indrelid, indexrelid::REGCLASS::TEXT,"
        "     CASE WHEN indisunique THEN 'uq' ELSE 'idx' END FROM pg_index WHERE NOT indisprimary"
        " ) AS o (relation, name, prefix)"
        " JOIN pg_class AS c ON c.oid = o.relation"
        " WHERE c.relnamespace = 'public'::REGNAMESPACE AND NOT c.relispartition"
        " AND o.name NOT LIKE o.prefix || '\\_' || replace(c.relname, '_', '\\_') || '\\_%'"
    ).fetchall()
    assert rows == []


# Partitions


def partition_of(conn: psycopg.Connection, at: str) -> str:
    with conn.transaction():
        conn.execute(
            "INSERT INTO series (platform_id, series_ticker, category, title, frequency)"
            " VALUES ('simulated', %s, 'sports', 't', 'weekly')",
            (at,),
        )
        conn.execute(
            "INSERT INTO events (platform_id, series_id, event_ticker, title)"
            " SELECT platform_id, series_id, series_ticker, title FROM series"
            " WHERE series_ticker = %s",
            (at,),
        )
        conn.execute(
            "INSERT INTO markets (platform_id, event_id, ticker, market_type)"
            " SELECT platform_id, event_id, event_ticker, 'binary' FROM events"
            " WHERE event_ticker = %s",
            (at,),
        )
        row = conn.execute(
            "INSERT INTO market_snapshots"
            " (market_id, observed_at, write_reason, source, known_at, created_at)"
            " SELECT market_id, ticker::TIMESTAMPTZ, 'price', 'manual', ticker::TIMESTAMPTZ,"
            " '2000-01-01' FROM markets WHERE ticker = %s RETURNING tableoid::REGCLASS::TEXT",
            (at,),
        ).fetchone()
    assert row is not None
    return row[0]


def test_quotes_go_to_the_month_in_which_they_were_observed_in_utc(
    conn: psycopg.Connection,
) -> None:
    made = conn.execute("SELECT ensure_snapshot_partitions('2018-12-31', '2019-02-01')").fetchone()
    assert made == (3,)
    assert partition_of(conn, "2018-12-31T23:59:59Z") == "market_snapshots_2018_12"
    assert partition_of(conn, "2019-01-01T00:00:00Z") == "market_snapshots_2019_01"
    assert partition_of(conn, "2018-12-31T22:00:00-05") == "market_snapshots_2019_01"
    again = conn.execute("SELECT ensure_snapshot_partitions('2018-12-31', '2019-02-01')").fetchone()
    assert again == (0,)


def test_partitions_are_ready_for_the_next_three_months(conn: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    wanted = {
        f"market_snapshots_{now.year + (now.month + i - 1) // 12}"
        f"_{(now.month + i - 1) % 12 + 1:02d}"
        for i in range(4)
    }
    rows = conn.execute("SELECT relid::TEXT FROM pg_partition_tree('market_snapshots')").fetchall()
    assert wanted <= {name for (name,) in rows}


def test_a_quote_without_a_partition_waits_and_moves_unchanged(conn: psycopg.Connection) -> None:
    assert partition_of(conn, "2017-05-05T00:00:00Z") == "market_snapshots_default"
    assert partition_of(conn, "2016-05-05T00:00:00Z") == "market_snapshots_default"
    before = conn.execute("SELECT * FROM market_snapshots ORDER BY observed_at").fetchall()
    conn.execute("SELECT ensure_snapshot_partitions('2017-05-01', '2017-05-02')")
    placed = conn.execute(
        "SELECT tableoid::REGCLASS::TEXT FROM market_snapshots ORDER BY observed_at"
    ).fetchall()
    assert placed == [("market_snapshots_default",), ("market_snapshots_2017_05",)]
    assert conn.execute("SELECT * FROM market_snapshots ORDER BY observed_at").fetchall() == before
    with pytest.raises(errors.RestrictViolation):
        conn.execute("TRUNCATE market_snapshots_default")


def test_two_sessions_may_ask_for_the_same_months(db: Database) -> None:
    made: list[int] = []

    def ask() -> None:
        with db.transaction() as conn:
            row = conn.execute(
                "SELECT ensure_snapshot_partitions('2001-01-01', '2001-12-31')"
            ).fetchone()
            assert row is not None
            made.append(row[0])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(made) == [0, 0, 12]


def test_a_span_that_ends_before_it_begins_is_an_error(conn: psycopg.Connection) -> None:
    for span in ("'2020-02-01', '2020-01-01'", "'2020-02-01', 'infinity'"):
        with (
            pytest.raises(errors.InvalidParameterValue, match="from_ts <= to_ts"),
            conn.transaction(),
        ):
            conn.execute(f"SELECT ensure_snapshot_partitions({span})")


# Trades (before orders and fills exist) and rollbacks


@pytest.mark.requirement("VER-003", "METH-013")
def test_only_a_trade_by_hand_may_lack_strategy_and_model(core: psycopg.Connection) -> None:
    partition_of(core, "2026-09-14T17:00:00Z")
    insert = (
        "INSERT INTO trades (platform_id, market_id, execution_environment, trade_source, action,"
        " side, price, quantity, fee, is_taker, event_ts, known_at)"
        " SELECT platform_id, market_id, 'paper', %s, 'buy', 'no', 0.987654, 1.5, 0.0175, true,"
        " now(), now() FROM markets RETURNING price"
    )
    with pytest.raises(errors.CheckViolation, match="strategy_id_model_id"):
        core.execute(insert, ("automated",))
    assert str(core.execute(insert, ("manual",)).fetchone()[0]) == "0.987654"  # type: ignore[index]
    for statement in ("UPDATE trades SET fee = 0", "DELETE FROM trades", "TRUNCATE trades"):
        with pytest.raises(errors.RestrictViolation):
            core.execute(statement)


@pytest.mark.requirement("SYS-001")
@pytest.mark.parametrize("back_to", [10, 1])
def test_rolling_back_and_forward_gives_the_same_catalog(
    core: psycopg.Connection, back_to: int
) -> None:
    before = catalog(core)
    run(core, files(back_to + 1, LAST_CORE, ".rollback.sql")[::-1])
    assert len(catalog(core)) < len(before)
    run(core, files(back_to + 1, LAST_CORE))
    assert catalog(core) == before


def test_a_rollback_gives_exactly_the_catalog_from_before(core: psycopg.Connection) -> None:
    catalogs = {LAST_CORE: catalog(core)}
    for number in range(LAST_CORE, 1, -1):
        run(core, files(number, number, ".rollback.sql"))
        catalogs[number - 1] = catalog(core)
    for number in range(2, LAST_CORE + 1):
        assert catalog(core) == catalogs[number - 1]
        run(core, files(number, number))
    assert catalog(core) == catalogs[LAST_CORE]


def test_a_rollback_refuses_to_drop_rows_that_exist_nowhere_else(core: psycopg.Connection) -> None:
    core.execute(
        "INSERT INTO alerts (alert_type, severity, category, component, message, environment)"
        " VALUES ('self_test', 'low', 'system', 'test_component', 'kept', 'paper')"
    )
    with pytest.raises(errors.RestrictViolation, match="alerts holds rows"):
        run(core, files(2, LAST_CORE, ".rollback.sql")[::-1])
    assert core.execute("SELECT message FROM alerts").fetchall() == [("kept",)]


def test_exit_management_may_meet_columns_that_are_already_there(core: psycopg.Connection) -> None:
    before = catalog(core)
    run(core, files(4, 4))
    assert catalog(core) == before
