"""Every table is the output of exactly one asset of the two code locations."""

import dagster as dg
import pytest

from precog_core.database import Database
from precog_pipelines.definitions import defs as pipelines
from precog_trading.definitions import defs as trading

_TABLES = """
SELECT c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^(pg_|information_schema)' AND c.relkind = ANY (%s) AND NOT c.relispartition
"""


@pytest.mark.requirement("ORCH-001")
def test_every_table_of_the_catalog_is_exactly_one_asset(db: Database) -> None:
    with db.transaction() as conn:
        tables = {row[0] for row in conn.execute(_TABLES, (["r", "p"],))}
        views = {row[0] for row in conn.execute(_TABLES, (["v"],))}
    owners: dict[str, list[str]] = {table: [] for table in tables}
    parts, shown, keys = [], [], []
    for definitions in (pipelines(), trading()):
        assert isinstance(definitions, dg.Definitions)
        graph = definitions.resolve_asset_graph()
        for key in graph.get_all_asset_keys():
            asset = graph.get(key)
            name = key.to_user_string()
            if asset.is_external and not asset.tags:
                continue  # the other location's, read from the database
            keys.append(name)
            if table := asset.tags.get("table"):
                owners.setdefault(table, []).append(name)
            parts.append(asset.tags.get("part_of"))
            shown.append(asset.tags.get("view"))
    assert {table: found for table, found in owners.items() if len(found) != 1} == {}
    assert len(keys) == len(set(keys)), "no asset is in both locations"
    assert set(owners) == tables, "no asset claims a table that does not exist"
    assert set(filter(None, parts)) <= tables
    assert set(filter(None, shown)) <= views
