"""Every table of a home as comparable text: natural content only.

Two runs of the same work may differ in surrogate ids and in when and by which run a row was made.
Everything else must be equal, so everything else is compared.
"""

import hashlib
import json
import re
from typing import Any

from precog_core.database import Database

# Columns that say when or by which run a row was written, never what it says.
_CIRCUMSTANCE = re.compile(
    r"^(created_at|updated_at|started_at|completed_at|fetched_at|applied_at|activated_at|changed_at"
    r"|entry_time|exit_time|last_check_time|row_start_ts|row_end_ts|dagster_run_id|mlflow_run_id"
    r"|parquet_path|alert_uuid|calculation_run_id|registry_version|sent_at|closed_at|set_by"
    r"|last_check|triggered_at|last_seen_at)$"
)
# JSON columns that carry measured seconds, ids or file paths next to their content.
_CIRCUMSTANTIAL_JSON = {
    ("model_training_runs", "metrics"),
    ("training_datasets", "manifest"),
    ("order_events", "payload"),
    ("position_history", "row_data"),
    ("decisions", "inputs"),
    ("config_overrides", "override_value"),
}

# What operation writes about itself while it runs: how often, and what went wrong, differ by run.
OPERATION = ("alerts", "notification_deliveries", "system_health", "trading_looks")
# The fence counts transactions, and a killed run made some in vain.
_COUNTERS = ("trading_writers",)

_COLUMNS = """
SELECT c.relname, a.attname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attidentity = ''
  AND NOT EXISTS (
      SELECT FROM pg_constraint AS k
      JOIN pg_attribute AS target ON target.attrelid = k.confrelid AND target.attnum = k.confkey[1]
      WHERE k.contype = 'f' AND k.conrelid = c.oid AND k.conkey = ARRAY[a.attnum]
        AND target.attidentity <> ''
  )
ORDER BY c.relname, a.attnum
"""


def contents(database: Database) -> dict[str, tuple[int, str]]:
    """Per table: row count and SHA-256 of its rows' natural content, in sorted order."""
    result: dict[str, tuple[int, str]] = {}
    with database.transaction() as conn:
        columns: dict[str, list[str]] = {}
        for table, column in conn.execute(_COLUMNS).fetchall():
            if _CIRCUMSTANCE.match(column) or (table, column) in _CIRCUMSTANTIAL_JSON:
                continue
            if table in OPERATION or table in _COUNTERS:
                continue
            columns.setdefault(table, []).append(column)
        for table, names in columns.items():
            selected = ", ".join(f'"{name}"' for name in names)
            rows = conn.execute(f'SELECT {selected} FROM "{table}"').fetchall()  # type: ignore[arg-type]
            lines = sorted(json.dumps([_plain(value) for value in row]) for row in rows)
            digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
            result[table] = (len(lines), digest)
    return result


def untouched(database: Database) -> dict[str, str]:
    """Per table: SHA-256 of every row with every column: equal only when nothing was rewritten."""
    query = """
        SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        ORDER BY 1
    """
    with database.transaction() as conn:
        tables = [row[0] for row in conn.execute(query).fetchall() if row[0] not in OPERATION]
        return {
            table: conn.execute(
                f"SELECT coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text)), '') "  # type: ignore[arg-type]
                f'FROM "{table}" AS t'
            ).fetchone()[0]  # type: ignore[index]
            for table in tables
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, default=str)
    return value if value is None or isinstance(value, bool | int) else str(value)
