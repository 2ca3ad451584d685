"""What every materialisation of a table shows: count, columns and their meaning, range, sample.

Columns and their descriptions are read from the database, where the migrations put them, so the
page of an asset cannot disagree with the table.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import psycopg

from precog_core.database.queries import load_queries
from precog_core.text import cell

_PREVIEW_ROWS = 10


class LeftOut:
    """Leagues that a run could not work on, with the reasons: warned of, and shown beside it."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._reasons: dict[str, str] = {}

    def __call__(self, league: str, reason: str) -> None:
        self._context.log.warning(f"{league} is left out: {reason}")
        self._reasons[league] = reason

    def metadata(self) -> dict[str, Any]:
        """Entry ``left_out``, where there is any."""
        return {"left_out": dg.MetadataValue.json(self._reasons)} if self._reasons else {}


def table_metadata(
    conn: psycopg.Connection,
    table: str,
    *,
    rows: int,
    preview: Sequence[Mapping[str, Any]] = (),
    first: datetime | None = None,
    last: datetime | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Standard metadata of an asset stored in ``table``.

    ``rows`` is the content of the partitions at hand; ``first`` and ``last`` bound their event
    times; ``preview`` rows are shown as a Markdown table; ``more`` is added as it is.
    """
    metadata: dict[str, Any] = {
        "dagster/row_count": rows,
        "dagster/table_name": f"precog.public.{table}",
        "dagster/column_schema": column_schema(conn, table),
    }
    if first is not None and last is not None:
        metadata["first_event"] = dg.MetadataValue.timestamp(first)
        metadata["last_event"] = dg.MetadataValue.timestamp(last)
    if preview:
        metadata["preview"] = dg.MetadataValue.md(markdown_table(preview))
    return metadata | more


def column_schema(conn: psycopg.Connection, table: str) -> dg.TableSchema:
    """Names, types, nullability and comments of the live table."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                type_name,
                description=comment,
                constraints=dg.TableColumnConstraints(nullable=nullable),
            )
            for name, type_name, comment, nullable in load_queries("pages").columns(
                conn, table=table
            )
        ]
    )


def markdown_table(rows: Sequence[Mapping[str, Any]], limit: int = _PREVIEW_ROWS) -> str:
    """``rows`` as Markdown, at most ``limit`` of them and a line saying how many there are."""
    if not rows:
        return "no rows yet"
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    lines += [f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in rows[:limit]]
    if len(rows) > limit:
        lines += ["", f"{limit} of {len(rows)} rows"]
    return "\n".join(lines)


def inline_png(title: str, png: bytes) -> dg.MarkdownMetadataValue:
    """A picture inside the event itself: visible wherever the event is, without a file to lose."""
    encoded = base64.b64encode(png).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")


def _cell(value: Any) -> str:
    return cell(value).replace("|", "\\|")
