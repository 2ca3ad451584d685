"""The performance report as one HTML file without anything outside it, and as Markdown.

The file opens in any browser, also years later and offline: styles and pictures are inside.
"""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from precog_core.text import cell
from precog_trading.ledger.statements import Row
from precog_trading.reports.daily import Report

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.2rem .7rem;text-align:right;
border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}img{max-width:100%}
.note{color:#555}.bad{color:#b00}h1{margin-bottom:0}
"""
_MOST_ROWS = 50
Section = tuple[str, Sequence[Mapping[str, Any]], str]


def sections(report: Report) -> list[Section]:
    """(title, rows, note) of each table of the report, in reading order."""
    edge = report.edge
    return [
        (
            "P&L by strategy × model", report.pnl,
            "Net dollars after fees of finished positions, to date and today.",
        ),
        (
            "Realised against predicted edge",
            []
            if not edge.n
            else [
                {
                    "positions": edge.n,
                    "predicted": f"{edge.predicted:+.4f}",
                    "realised": f"{edge.realized:+.4f}",
                    "difference": f"{(edge.realized or 0) - (edge.predicted or 0):+.4f}",
                    "standard error": "" if edge.standard_error is None
                    else f"{edge.standard_error:.4f}",
                }
            ],
            "Dollars per contract after fees, weighted by contracts.",
        ),
        (
            "Calibration of what was traded",
            [
                {
                    "probability": f"{b.low:.1f}–{b.high:.1f}",
                    "positions": b.n,
                    "said": f"{b.said:.3f}",
                    "came": f"{b.came:.3f}",
                }
                for b in report.calibration
            ],
            "Only positions that were bought: not the calibration of the model.",
        ),
        ("Exits by reason", report.exits, "Sales by condition; settlement is holding to the end."),
        ("Finished today", [_finished(row) for row in report.finished_today][:_MOST_ROWS], ""),
        ("Decisions of the day", report.decisions, "Taken, or the first rule that refused."),
        ("Alerts of the day", report.alerts[:_MOST_ROWS], "Of the whole installation."),
    ]  # fmt: skip


def as_html(report: Report) -> str:
    """The whole page."""
    title = f"{report.league.upper()} {report.day.isoformat()}, {report.environment} account"
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>",
        f"<style>{_STYLE}</style><h1>{title}</h1>",
        f"<p class=note>Prices: {html.escape(report.data_source)}. As known at the end of the day "
        "(UTC).</p>",
        f"<p>Net to date <b>{_dollars(report.net)}</b>, today <b>{_dollars(report.net_today)}</b>, "
        f"{len(report.positions)} finished positions.</p>",
    ]
    for title, png in pictures(report):
        encoded = base64.b64encode(png).decode()
        parts.append(f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{encoded}">')
    for heading, found, note in sections(report):
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        if note:
            parts.append(f"<p class=note>{html.escape(note)}</p>")
        parts.append(_html_table(found))
    return "\n".join(parts) + "\n"


def as_markdown(report: Report) -> str:
    """The tables for a page that has its own frame, such as Dagster's."""
    lines = [
        f"**Net to date {_dollars(report.net)}, today {_dollars(report.net_today)}**, "
        f"{len(report.positions)} finished positions; prices: {report.data_source}",
    ]
    for heading, found, _ in sections(report):
        lines += ["", f"#### {heading}", "", _markdown_table(found)]
    return "\n".join(lines)


def pictures(report: Report) -> list[tuple[str, bytes]]:
    """Profit over time and the reliability of what was traded, as PNG; none without positions."""
    if not report.equity:
        return []
    return [
        ("Cumulative profit", _equity_png(report)),
        *([("Said against came", _calibration_png(report))] if report.calibration else []),
    ]


def write(report: Report, folder: Path) -> Path:
    """Write ``<folder>/<league>/<day>.html`` in one step; returns the file."""
    path = folder / report.league / f"{report.day.isoformat()}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".new")
    partial.write_text(as_html(report), encoding="utf-8")
    partial.rename(path)
    return path


def _finished(row: Row) -> Row:
    return {
        "market": row["ticker"],
        "side": row["side"],
        "contracts": row["original_quantity"],
        "entry": row["entry_price"],
        "exit": row["exit_price"],
        "why": row["exit_reason"],
        "edge": row["edge_at_entry"],
        "P&L": row["realized_pnl"],
    }


def _html_table(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return "<p>none</p>"
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in found[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell(value))}</td>" for value in row.values()) + "</tr>"
        for row in found
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _markdown_table(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return "none"
    lines = [f"| {' | '.join(found[0])} |", "|" + "---|" * len(found[0])]
    lines += [
        "| " + " | ".join(cell(value).replace("|", "\\|") for value in row.values()) + " |"
        for row in found
    ]
    return "\n".join(lines)


def _equity_png(report: Report) -> bytes:
    figure, axes = _figure()
    times = [at for at, _ in report.equity]
    axes.step(times, [float(value) for _, value in report.equity], where="post")
    axes.axhline(0, linewidth=0.5, color="grey")
    axes.set_ylabel("dollars after fees")
    axes.tick_params(axis="x", labelrotation=20, labelsize=8)
    return _png(figure)


def _calibration_png(report: Report) -> bytes:
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], linewidth=0.5, color="grey")
    axes.scatter(
        [b.said for b in report.calibration],
        [b.came for b in report.calibration],
        s=[12 + 4 * b.n for b in report.calibration],
    )
    axes.set_xlabel("probability when bought")
    axes.set_ylabel("share that paid")
    return _png(figure)


def _figure() -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()


def _dollars(amount: Any) -> str:
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"
