"""Tables in the terminal: no cell is cut, and columns that do not fit are named below."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from precog_core.text import cell

_GAP = 2
_FOLDED = 30


def print_table(
    found: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    title: str | None = None,
    nothing: str | None = "none",
    folding: str | None = None,
) -> None:
    """Print rows with the headings of ``columns`` (key: heading), the most important first.

    In a terminal the last columns are left out until the rest fits; a file or pipe gets all of
    them. ``nothing`` is printed for no rows. The text of the column ``folding`` may take several
    lines.
    """
    console = Console(highlight=False, soft_wrap=True)
    if not found:
        if nothing is not None:
            console.print(nothing)
        return
    texts = {key: [_text(row[key]) for row in found] for key in columns}
    widths = [
        _FOLDED if key == folding else max(map(len, [columns[key], *texts[key]])) + _GAP
        for key in columns
    ]
    shown = list(columns)
    while console.is_terminal and len(shown) > 1 and sum(widths[: len(shown)]) > console.width:
        shown.pop()
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for key in shown:
        number = all(row[key] is None or _is_number(row[key]) for row in found)
        table.add_column(
            columns[key],
            justify="right" if number else "left",
            no_wrap=key != folding,
            overflow="fold",
        )
    for values in zip(*(texts[key] for key in shown), strict=True):
        table.add_row(*values)
    if not console.is_terminal:
        console.width = max(sum(widths), console.width)
    console.print(table, crop=False)
    left_out = [columns[key] for key in columns if key not in shown]
    if left_out:
        console.print(f"[dim]a wider window also shows: {', '.join(left_out)}[/dim]")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else cell(value)


def _is_number(value: Any) -> bool:
    return (
        not isinstance(value, str | bool) and hasattr(value, "__add__") and hasattr(value, "real")
    )
