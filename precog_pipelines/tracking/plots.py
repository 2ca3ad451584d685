"""The pictures of a model: calibration, what it looks at, how it fares season by season.

Drawn without pyplot, whose global state and start-up time a batch job does not need.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from precog_pipelines.training.metrics import Bin

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_LABELS = {
    "home_rate": "home rate",
    "elo": "Elo",
    "xgboost": "XGBoost",
    "logistic": "logistic regression",
}
_COLOURS = {
    "home_rate": "#9e9e9e",
    "elo": "#1f77b4",
    "market": "#2ca02c",
    "xgboost": "#d62728",
    "logistic": "#9467bd",
    "ensemble": "#ff7f0e",
    "opening_market": "#98df8a",
    "market_anchored": "#17becf",
}


def reliability_plot(bins: Sequence[Bin], title: str) -> "Figure":
    """Observed against predicted frequency, Wilson 95 % bars, games per bin below."""
    import numpy as np

    figure = blank_figure(6, 6)
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
    figure = blank_figure(7, 5)
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
    figure = blank_figure(9, 4.5)
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


def comparison_plot(rows: "Sequence[Mapping[str, Any]]", title: str) -> "Figure":
    """Brier score of every contestant with its 95 % interval, and its distance to the market.

    ``rows`` are those of ``training.summary.rows_of``, the best first.
    """
    figure = blank_figure(10, 1.5 + 0.42 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))
    for place, row in zip(places, rows, strict=True):
        colour = _COLOURS.get(row["model"], "#333333")
        left.errorbar(
            row["brier"], place, xerr=[[row["brier"] - row["brier_low"]],
                                       [row["brier_high"] - row["brier"]]],
            fmt="o", capsize=3, color=colour,
        )  # fmt: skip
        if row["brier_vs_market"] is not None:
            gap = row["brier_vs_market"]
            right.errorbar(
                gap, place, xerr=[[gap - row["low"]], [row["high"] - gap]], fmt="o", capsize=3,
                color=colour,
            )  # fmt: skip
    left.set_yticks(places, [f"{row['label'].split(' (')[0]}  {row['brier']:.4f}" for row in rows])
    left.invert_yaxis()
    left.set(xlabel="Brier score, 95 % (lower is better)")
    right.axvline(0, color=_COLOURS["market"], linewidth=1)
    priced = any(row["brier_vs_market"] is not None for row in rows)
    right.set(xlabel="behind the closing market, 95 %" if priced else "no market price is known")
    for axes in (left, right):
        axes.grid(axis="x", linewidth=0.3)
    figure.suptitle(title, fontsize="medium")
    return figure


def rating_history_plot(ratings: "pd.DataFrame", title: str, most: int = 64) -> "Figure":
    """One small panel a team: its rating after every game, the best team first.

    ``ratings`` has team, event_ts and rating in playing order; the ``most`` best teams are drawn.
    All panels are lines of one pair of axes: separate ones take seconds to lay out.
    """
    import numpy as np
    from matplotlib.collections import LineCollection

    newest = ratings.groupby("team")["rating"].last().sort_values(ascending=False)
    teams = list(newest.index[:most])
    columns = 8
    rows = -(-len(teams) // columns)
    figure = blank_figure(14, 1.0 + 1.3 * rows)
    axes = figure.subplots()
    first, last = ratings["event_ts"].min(), ratings["event_ts"].max()
    low, high = float(ratings["rating"].min()), float(ratings["rating"].max())
    middle = (float(ratings["rating"].mean()) - low) / (high - low)
    by_team = dict(list(ratings.groupby("team")))
    lines, means = [], []
    for place, team in enumerate(teams):
        left, bottom = place % columns, -(place // columns)
        own = by_team[team]
        x = left + 0.9 * ((own["event_ts"] - first) / (last - first)).to_numpy(dtype=float)
        y = bottom + 0.75 * ((own["rating"] - low) / (high - low)).to_numpy(dtype=float)
        lines.append(np.column_stack([x, y]))
        means.append([(left, bottom + 0.75 * middle), (left + 0.9, bottom + 0.75 * middle)])
        axes.text(left, bottom + 0.78, f"{team}  {newest[team]:.0f}", fontsize="small")
    axes.add_collection(LineCollection(means, colors="0.8", linewidths=0.7))
    axes.add_collection(LineCollection(lines, colors="#1f77b4", linewidths=0.7))
    axes.set(xlim=(-0.05, columns), ylim=(0.95 - rows, 1))
    axes.set_axis_off()
    axes.set_title(
        f"{title}: ratings {first:%Y} to {last:%Y}, {low:.0f} to {high:.0f} from bottom to top, "
        "grey: the mean",
        fontsize="medium",
    )
    return figure


def blank_figure(width: float, height: float) -> "Figure":
    """An empty figure of that many inches, drawn without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: "Figure", dpi: int = 70) -> bytes:
    """The picture as a file's content."""
    import io

    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()
