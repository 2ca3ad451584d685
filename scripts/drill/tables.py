"""Every row of a home before and after a fault: what is gone, and what is there twice."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

# What operation writes about itself differs by run, and the fence counts transactions.
_OPERATION = ("alerts", "notification_deliveries", "system_health", "trading_writers")
# Said by whom and when a row was written, not what it says.
_CIRCUMSTANCE = (
    "created_at", "updated_at", "started_at", "completed_at", "fetched_at", "dagster_run_id",
    "mlflow_run_id", "calculation_run_id", "row_start_ts", "row_end_ts",
)  # fmt: skip
_COLUMNS = """
SELECT c.relname, a.attname, a.attidentity <> '' AS is_identity,
       EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary
               AND a.attnum = ANY (i.indkey)) AS is_key
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""


@dataclass(frozen=True)
class Table:
    """Primary keys of all rows, and how many rows say what another one says as well."""

    keys: frozenset[str]
    doubles: int


def rows_of(conn: psycopg.Connection) -> dict[str, Table]:
    """All tables but those that operation writes about itself."""
    columns: dict[str, list[tuple[str, bool, bool]]] = {}
    for table, column, is_identity, is_key in conn.execute(_COLUMNS).fetchall():
        if table not in _OPERATION:
            columns.setdefault(table, []).append((column, is_identity, is_key))
    found = {}
    for table, all_columns in columns.items():
        key = [column for column, _, is_key in all_columns if is_key]
        said = [
            column for column, is_identity, _ in all_columns
            if not is_identity and column not in _CIRCUMSTANCE
        ]  # fmt: skip
        name = sql.Identifier(table)
        keys = conn.execute(sql.SQL("SELECT ({})::text FROM {}").format(_row(key), name)).fetchall()
        doubles = conn.execute(
            sql.SQL("SELECT count(*) - count(DISTINCT md5(({})::text)) FROM {}").format(
                _row(said), name
            )
        ).fetchone()
        found[table] = Table(frozenset(row[0] for row in keys), doubles[0] if doubles else 0)
    return found


def _row(columns: list[str]) -> sql.Composed:
    return sql.SQL("ROW({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))


def compared(
    before: dict[str, Table], after: dict[str, Table]
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """(rows lost, rows doubled, rows new) by table, zeroes left out."""
    lost = {t: len(old.keys - after[t].keys) for t, old in before.items()}
    doubled = {t: max(0, after[t].doubles - old.doubles) for t, old in before.items()}
    new = {t: len(after[t].keys - old.keys) for t, old in before.items()}
    return _some(lost), _some(doubled), _some(new)


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {table: count for table, count in counts.items() if count}
