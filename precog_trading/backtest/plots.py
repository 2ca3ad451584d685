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


def profit_by_arm(pnl: Sequence[Mapping[str, Any]], title: str) -> bytes:
    """Net dollars by strategy × model."""
    figure, axes = _figure(title)
    names = [f"{row['strategy_name']}\n{row['model_name']}" for row in pnl] or ["no trades"]
    axes.bar(names, [float(row["net"]) for row in pnl] or [0.0], width=0.5)
    axes.axhline(0, color="#9e9e9e", linewidth=0.8)
    axes.set_ylabel("net dollars")
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
    """Candidates by what became of them, the most frequent first; logarithmic."""
    figure, axes = _figure(title)
    shown = sorted(counts, key=lambda row: -row["candidates"])[:_MOST_REASONS][::-1]
    labels = [f"{row['exit_condition'] or row['purpose']}: {row['reason']}" for row in shown]
    axes.barh(labels, [row["candidates"] for row in shown])
    axes.set_xscale("log")
    axes.set_xlabel("candidates")
    axes.tick_params(axis="y", labelsize=7)
    return _png(figure)


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
