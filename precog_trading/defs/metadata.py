"""What every materialisation of a trading table shows: count, columns and their meaning, sample.

The sibling code location has the same page for its tables; the two share the database and no code,
so that each can be deployed alone.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import psycopg

from precog_trading.ledger.statements import Row, rows
from precog_trading.reports.text import cell

PREVIEW_ROWS = 10


def table_metadata(
    conn: psycopg.Connection,
    table: str,
    count: int,
    preview: Sequence[Mapping[str, Any]],
    **more: Any,
) -> dict[str, Any]:
    """Standard metadata of an asset stored in ``table``; ``more`` is added as it is."""
    return {
        "dagster/row_count": count,
        "dagster/table_name": f"precog.public.{table}",
        "dagster/column_schema": column_schema(conn, table),
        "preview": dg.MetadataValue.md(markdown_table(preview)),
        **more,
    }


def column_schema(conn: psycopg.Connection, table: str) -> dg.TableSchema:
    """Names, types, nullability and comments of the live table."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                row["name"],
                row["type"],
                description=row["description"],
                constraints=dg.TableColumnConstraints(nullable=row["nullable"]),
            )
            for row in rows(conn, "performance", "columns", table=table)
        ]
    )


def recent(conn: psycopg.Connection, table: str, environment: str) -> list[Row]:
    """The newest rows of a trading table, the columns a person looks for first."""
    return rows(
        conn, "performance", f"recent_{table}", environment=environment, maximum=PREVIEW_ROWS
    )


def markdown_table(found: Sequence[Mapping[str, Any]]) -> str:
    """Rows as Markdown."""
    if not found:
        return "no rows yet"
    names = list(found[0])
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    lines += [f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in found]
    return "\n".join(lines)


def inline_png(title: str, png: bytes) -> dg.MarkdownMetadataValue:
    """A picture inside the event itself: visible wherever the event is, without a file to lose."""
    return dg.MetadataValue.md(
        f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"
    )


def _cell(value: Any) -> str:
    return cell(value).replace("|", "\\|")
