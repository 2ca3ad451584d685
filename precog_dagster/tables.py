"""Tables that no asset of their own name materialises, as external assets of the graph."""

from collections.abc import Mapping, Sequence

import dagster as dg


def table_specs(tables: Mapping[str, tuple[str, Sequence[str], str]]) -> list[dg.AssetSpec]:
    """One spec a table. ``tables``: its group, the assets it is written from, what it holds."""
    return [
        dg.AssetSpec(
            table,
            deps=deps,
            group_name=group,
            kinds={"postgres"},
            owners=["team:precog"],
            tags={"table": table},
            description=f"{description} Not materialised by itself.",
        )
        for table, (group, deps, description) in tables.items()
    ]
