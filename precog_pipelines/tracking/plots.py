"""The pictures of a model: calibration, what it looks at, how it fares season by season.

Drawn without pyplot, whose global state and start-up time a batch job does not need.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from precog_pipelines.training.metrics import Bin

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELS = {"home_rate": "home rate", "elo": "Elo", "xgboost": "XGBoost"}
_COLOURS = {"home_rate": "#9e9e9e", "elo": "#1f77b4", "market": "#2ca02c", "xgboost": "#d62728"}


def reliability_plot(bins: Sequence[Bin], title: str) -> "Figure":
    """Observed against predicted frequency, Wilson 95 % bars, games per bin below."""
    import numpy as np

    figure = _figure(6, 6)
    upper, lower = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    x, y, low, high = np.array(
        [(b.mean_p, b.mean_y, b.wilson_low, b.wilson_high) for b in bins if b.n], dtype=float
    ).T
    upper.plot([0, 1], [0, 1], color="#9e9e9e", linewidth=1, linestyle="--")
    upper.errorbar(x, y, yerr=[y - low, high - y], fmt="o", capsize=3, color="#d62728")
    upper.set(ylabel="home teams that won", xlim=(0, 1), ylim=(0, 1), title=title)
    lower.bar(
        [(b.low + b.high) / 2 for b in bins], [b.n for b in bins], width=0.09, color="#bdbdbd"
    )
    lower.set(xlabel="predicted P(home wins)", ylabel="games")
    return figure


def importance_plot(gain_shares: Mapping[str, float], title: str, most: int = 15) -> "Figure":
    """Share of the total gain per feature, the largest ones."""
    figure = _figure(7, 5)
    axes = figure.subplots()
    shown = sorted(gain_shares.items(), key=lambda item: item[1])[-most:]
    axes.barh([name for name, _ in shown], [share for _, share in shown], color="#1f77b4")
    axes.set(xlabel="share of total gain", title=title)
    return figure


def seasons_plot(
    seasons: Sequence[int],
    brier_by_name: Mapping[str, Sequence[float | None]],
    title: str,
    market_source: str,
) -> "Figure":
    """Brier score of each model and baseline per season; a missing value leaves a gap.

    ``market_source`` says in words what the market's prices are, simulated ones above all.
    """
    figure = _figure(9, 4.5)
    axes = figure.subplots()
    for name, values in brier_by_name.items():
        axes.plot(
            list(seasons),
            [float("nan") if value is None else value for value in values],
            marker="o",
            markersize=3,
            label=f"market ({market_source})" if name == "market" else _LABELS.get(name, name),
            color=_COLOURS.get(name),
        )
    axes.set(xlabel="season", ylabel="Brier score (lower is better)", title=title)
    axes.grid(axis="y", linewidth=0.3)
    axes.legend(ncols=2, fontsize="small")
    return figure


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
