"""What every walk-forward reports, whatever was fitted: totals, seasons, a model card."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from precog_pipelines.tracking.runs import MetricRow
from precog_pipelines.training.metrics import scores

if TYPE_CHECKING:
    import pandas as pd


def total_metrics(predictions: "pd.DataFrame", prefix: str = "") -> list[MetricRow]:
    """Every metric over all games, and per season as ``season/<metric>`` with the season as step.

    ``predictions`` has season, home_win and p_home; ``prefix`` goes before each name.
    """
    rows = [(f"{prefix}{k}", v, 0) for k, v in _values(predictions).items()]
    for season, games in predictions.groupby("season"):
        rows += [(f"{prefix}season/{k}", v, int(season)) for k, v in _values(games).items()]
    return rows


def season_metrics(predictions: "pd.DataFrame") -> dict[str, float]:
    """The metrics of one season's predictions; none for a season still to come."""
    return _values(predictions) if len(predictions) else {}


def by_season_rows(predictions: "pd.DataFrame") -> list[dict[str, Any]]:
    """One line per season for people: games, Brier, log loss, ECE, accuracy."""
    return [
        {"season": int(season)} | {k: v if k != "n" else int(v) for k, v in _values(games).items()}
        for season, games in predictions.groupby("season")
    ]


def model_card(
    *,
    title: str,
    what: str,
    predictions: "pd.DataFrame",
    manifest: Mapping[str, Any],
    limits: str,
) -> str:
    """A Markdown note for people: what the model is, what it learned from, what it cannot do."""
    total = _values(predictions)
    seasons = sorted({int(season) for season in predictions["season"].unique()})
    origins = ", ".join(manifest.get("origins", ())) or "unknown"
    exclusions = ", ".join(
        f"{count} {name.replace('_', ' ')}"
        for name, count in manifest.get("exclusions", {}).items()
        if count
    )
    return "\n\n".join(
        (
            f"# {title}",
            what,
            f"**Data**: {manifest.get('rows')} games of seasons {manifest.get('season_from')}–"
            f"{manifest.get('season_to')}, source: {origins}; left out: {exclusions or 'nothing'}.",
            f"**Out of sample** ({seasons[0]}–{seasons[-1]}, {int(total['n'])} games, each "
            f"predicted once by a model that had seen only earlier seasons): Brier "
            f"{total['brier']:.4f}, log loss {total['log_loss']:.4f}, ECE {total['ece']:.4f}, "
            f"accuracy {total['accuracy']:.1%}.",
            f"**Limits**: {limits}",
        )
    )


def _values(games: "pd.DataFrame") -> dict[str, float]:
    found = scores(games["p_home"].to_numpy(), games["home_win"].to_numpy()).as_dict()
    return {name: float(value) for name, value in found.items() if value is not None}
