"""Pictures of a matrix: a heat table where there are several states, a curve where there is one."""

from typing import TYPE_CHECKING

from precog_pipelines.matrices.counting import Bucket, Cell
from precog_pipelines.matrices.tables import Matrix
from precog_pipelines.tracking.plots import blank_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def matrix_plot(matrix: Matrix) -> "Figure":
    """The picture that suits the matrix."""
    title = (
        f"{matrix.name} {matrix.version}: how often the favourite won, "
        f"{matrix.games:,} games {matrix.seasons[0]}–{matrix.seasons[1]}"
    )
    one_row = len({(cell.state, cell.favourite) for cell in matrix.cells}) == 1
    return _curve(matrix.cells, title) if one_row else _heat(matrix.cells, title)


def _heat(cells: tuple[Cell, ...], title: str) -> "Figure":
    """States and favourites downwards, leads from left to right; probability and games in a cell.

    A cell with too few games is blank but for their number.
    """
    import numpy as np

    rows = list(dict.fromkeys((cell.state, cell.favourite) for cell in cells))
    buckets: list[Bucket] = sorted({cell.bucket for cell in cells}, key=lambda bucket: bucket.low)
    shown = np.full((len(rows), len(buckets)), np.nan)
    figure = blank_figure(1.6 + 0.72 * len(buckets), 1.4 + 0.42 * len(rows))
    axes = figure.subplots()
    for cell in cells:
        row, column = rows.index((cell.state, cell.favourite)), buckets.index(cell.bucket)
        if cell.enough:
            shown[row, column] = cell.p
        words = f"{cell.p:.0%}\n{cell.n}" if cell.enough else f"–\n{cell.n}"
        dark = cell.enough and abs(cell.p - 0.5) > 0.35
        axes.text(
            column, row, words, ha="center", va="center", fontsize=7,
            color="white" if dark else "black",
        )  # fmt: skip
    axes.imshow(shown, cmap="RdBu", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(
        range(len(buckets)), [b.name.replace(" or ", "\nor ") for b in buckets], fontsize=8
    )
    axes.set_yticks(
        range(len(rows)),
        [f"{state}, {favourite or 'any'} favourite" for state, favourite in rows],
        fontsize=8,
    )
    axes.set_xlabel("points the favourite is ahead by (below each probability: games)")
    axes.set_title(title, fontsize=9)
    return figure


def _curve(cells: tuple[Cell, ...], title: str) -> "Figure":
    """Shares with their 95 % bars where there are enough games, and the smoothed line."""
    figure = blank_figure(8, 4.5)
    axes = figure.subplots()
    enough = [cell for cell in cells if cell.enough]
    few = [cell for cell in cells if not cell.enough]
    axes.errorbar(
        [cell.bucket.low for cell in enough],
        [cell.p for cell in enough],
        yerr=[
            [cell.p - cell.low for cell in enough],
            [cell.high - cell.p for cell in enough],
        ],
        color="#1f77b4", linewidth=1, elinewidth=0.7, capsize=2, label="smoothed, 95 %",
    )  # fmt: skip
    axes.scatter(
        [cell.bucket.low for cell in enough],
        [cell.share for cell in enough],
        s=[max(6, cell.n / 8) for cell in enough], color="#d62728", alpha=0.6, zorder=3,
        label="share won; area: games",
    )  # fmt: skip
    axes.scatter(
        [cell.bucket.low for cell in few], [cell.share for cell in few],
        marker="x", s=12, color="0.6", label="too few games: no estimate",
    )  # fmt: skip
    axes.axhline(0.5, color="0.8", linewidth=0.8)
    axes.set(xlabel="points the favourite was favoured by", ylabel="favourites that won")
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=8, loc="lower right")
    return figure
