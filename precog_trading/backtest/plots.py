"""The pictures of a backtest, each a PNG: for MLflow and for the page of the Dagster asset."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from precog_trading.backtest.report import CalibrationBin
from precog_trading.ledger.statements import Row
from precog_trading.reports.summary import EquityPoint, equity_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_REASONS = 15


def equity(points: Sequence[EquityPoint], title: str) -> bytes:
    """Equity at cost, cash, and drawdown below."""
    return equity_plot(points, title)


def calibration(bins: Sequence[CalibrationBin], title: str) -> bytes:
    """How often entries won against what p̂ said, with Wilson 95 % bars and counts."""
    figure, axes = _figure(title)
    axes.plot([0, 1], [0, 1], linestyle=":", color="#9e9e9e", label="as said")
    if bins:
        said = [b.mean_probability for b in bins]
        won = [b.share_won for b in bins]
        bars = (
            [b.share_won - b.wilson_low for b in bins],
            [b.wilson_high - b.share_won for b in bins],
        )
        axes.errorbar(said, won, yerr=bars, fmt="o", capsize=3, label="entries")
        for b in bins:
            axes.annotate(f"{b.n}", (b.mean_probability, b.share_won), fontsize=7,
                          textcoords="offset points", xytext=(5, -9))  # fmt: skip
    axes.set_xlabel("p̂ of the side bought")
    axes.set_ylabel("share that won")
    axes.legend(fontsize=8)
    return _png(figure)


def profit(
    pnl: Sequence[Mapping[str, Any]], ended: Sequence[Mapping[str, Any]], title: str
) -> bytes:
    """Net dollars by strategy × model, and by how positions ended (metrics ``positions``)."""
    figure, (above, below) = _figures(title, (max(len(pnl), 1), max(len(ended), 1)))
    arms = [f"{row['strategy_name']}\n{row['model_name']}" for row in pnl]
    ends = [f"{row['exit_reason']} ({row['positions']})" for row in ended]
    _net_bars(above, arms, pnl)
    _net_bars(below, ends, ended)
    below.set_xlabel("net dollars; positions by what ended them, and how many")
    return _png(figure)


def closing_line_value(entries: Sequence[Row], title: str) -> bytes:
    """The distribution of closing-line value per contract over the entries."""
    figure, axes = _figure(title)
    values = [
        float(row["closing_mid"] - row["cost_per_contract"])
        for row in entries
        if row["closing_mid"] is not None
    ]
    if values:
        axes.hist(values, bins=min(30, max(5, len(values) // 4)))
        mean = sum(values) / len(values)
        axes.axvline(mean, color="#d62728", label=f"mean {mean:+.4f}")
        axes.legend(fontsize=8)
    axes.set_xlabel("last own-side mid before the start - cost, dollars per contract")
    axes.set_ylabel("entries")
    return _png(figure)


def reasons(counts: Sequence[Mapping[str, Any]], title: str) -> bytes:
    """What became of entry candidates, the most frequent first, and of every exit that triggered;
    logarithmic.
    """
    entries = [row for row in counts if row["purpose"] == "entry"]
    exits = [row for row in counts if row["purpose"] != "entry"]
    entries = sorted(entries, key=lambda row: -row["candidates"])[:_MOST_REASONS]
    exits.sort(key=lambda row: (row["exit_condition"], row["reason"]))
    figure, (above, below) = _figures(title, (max(len(entries), 1), max(len(exits), 1)))
    for axes, shown in ((above, entries), (below, exits)):
        labels = [
            f"{row['exit_condition']}: {row['reason']}" if row["exit_condition"] else row["reason"]
            for row in shown
        ]
        axes.barh(labels or ["none"], [row["candidates"] for row in shown] or [0])
        axes.invert_yaxis()
        if shown:
            axes.set_xscale("log")
            axes.set_xlim(left=0.7)
        axes.tick_params(axis="y", labelsize=7)
    above.set_ylabel("entries")
    below.set_ylabel("exits")
    below.set_xlabel("candidates")
    return _png(figure)


def _net_bars(axes: "Axes", labels: Sequence[str], found: Sequence[Mapping[str, Any]]) -> None:
    bars = axes.barh(labels or ["no trades"], [float(row["net"]) for row in found] or [0.0])
    axes.bar_label(bars, fmt="{:+,.0f}", fontsize=7, padding=2)
    axes.axvline(0, color="#9e9e9e", linewidth=0.8)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)


def _figures(title: str, bars: tuple[int, int]) -> "tuple[Figure, tuple[Axes, Axes]]":
    """Two panels of horizontal bars, one above the other, each as high as its bars need."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = 1.6 + 0.22 * (bars[0] + bars[1])
    figure = Figure(figsize=(7, max(height, 3.2)), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, height_ratios=[n + 1 for n in bars])
    above.set_title(title, fontsize=8)
    return figure, (above, below)


def _figure(title: str) -> "tuple[Figure, Axes]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title, fontsize=8)
    return figure, axes


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()
