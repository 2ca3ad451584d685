"""Judging a model on games it had not seen, beside what anyone could have known: pure functions.

Every comparison is over the same games. A model is judged twice: on all folds, and on the folds
before the last season, because the last season is replayed by the trading engine and must not have
chosen the model that trades it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from precog_pipelines.training.metrics import (
    Bin,
    Interval,
    Scores,
    brier,
    ece_noise,
    log_losses,
    paired_bootstraps,
    reliability,
    scores,
    squared_errors,
)

if TYPE_CHECKING:
    import pandas as pd

Baseline = Literal["home_rate", "elo", "market"]
WindowName = Literal["judged", "full"]
BASELINES: tuple[Baseline, ...] = ("home_rate", "elo", "market")
WORDS = {"home_rate": "the home rate", "elo": "Elo", "market": "the market"}
MARKET_WORDS = {
    "simulated": "simulated quotes",
    "assumed_closing_line": "assumed from closing lines",
    "recorded": "recorded quotes",
    "recorded_candle": "last recorded trades",
}


@dataclass(frozen=True)
class Comparison:
    """A model and a baseline on the same games; differences are model minus baseline."""

    baseline: str
    model_scores: Scores
    baseline_scores: Scores
    brier_difference: Interval
    log_loss_difference: Interval

    @property
    def n(self) -> int:
        return self.model_scores.n


@dataclass(frozen=True)
class Window:
    """A model over one stretch of seasons. ``end`` is exclusive; ``ece_limit`` is the noise floor.

    ``ece_limit``: the 95th percentile of the ECE under perfect calibration at this n.
    """

    name: WindowName
    seasons: tuple[int, ...]
    start: datetime
    end: datetime
    scores: Scores
    ece_limit: float
    reliability: tuple[Bin, ...]
    comparisons: Mapping[Baseline, Comparison]
    market_sources: tuple[str, ...]

    @property
    def market_in_words(self) -> str:
        """What the market's prices of these games are: simulated, assumed, recorded."""
        return ", ".join(MARKET_WORDS.get(source, source) for source in self.market_sources)


@dataclass(frozen=True)
class Evaluation:
    """Everything known about a model's out-of-sample quality.

    ``games``: one row per game with season, home_win, p_home and the baselines (NaN = none).
    ``by_season``: season, n, then brier and log_loss of model and baselines. ``judged`` is None
    while there is only one season out of sample.
    """

    games: "pd.DataFrame"
    full: Window
    judged: Window | None
    by_season: "pd.DataFrame"

    def windows(self) -> list[Window]:
        """Both windows, where there are two."""
        return [window for window in (self.judged, self.full) if window is not None]


def home_rates(wins_by_season: Mapping[int, tuple[int, int]]) -> dict[int, float]:
    """The share of home wins over all seasons before each one.

    ``wins_by_season``: season -> (home wins, decided games). A first season has no rate.
    """
    rates: dict[int, float] = {}
    wins = games = 0
    for season in sorted(wins_by_season):
        if games:
            rates[season] = wins / games
        wins += wins_by_season[season][0]
        games += wins_by_season[season][1]
    # The season after the last one is the next to be predicted.
    if games:
        rates.setdefault(max(wins_by_season) + 1, wins / games)
    return rates


def join_baselines(
    predictions: "pd.DataFrame",
    rates: Mapping[int, float],
    elo: "pd.DataFrame | None",
    market: "pd.DataFrame | None",
) -> "pd.DataFrame":
    """Out-of-sample predictions with the columns home_rate, elo and market beside them.

    ``predictions``: game_id, game_key, season, kickoff_at, home_win, p_home. ``elo`` and
    ``market``: game_id, p_home; games without one get NaN. ``market`` also names its source, kept
    in column market_source.
    """
    games = predictions[
        ["game_id", "game_key", "season", "kickoff_at", "home_win", "p_home"]
    ].copy()
    games["home_rate"] = games["season"].map(dict(rates)).astype(float)
    for name, other in (("elo", elo), ("market", market)):
        known = {} if other is None else dict(zip(other["game_id"], other["p_home"], strict=True))
        games[name] = games["game_id"].map(known).astype(float)
    origins = {} if market is None else dict(zip(market["game_id"], market["source"], strict=True))
    games["market_source"] = games["game_id"].map(origins).astype(object)
    return games


def evaluate(games: "pd.DataFrame", baselines: Sequence[Baseline]) -> Evaluation:
    """Scores, comparisons and the table by season of one model.

    ``games`` comes from ``join_baselines``; ``baselines`` are those the model is compared with.
    """
    last = int(games["season"].max())
    before = games[games["season"] < last]
    return Evaluation(
        games=games,
        full=_window("full", games, baselines),
        judged=_window("judged", before, baselines) if len(before) else None,
        by_season=by_season(games, baselines),
    )


def compare(games: "pd.DataFrame", baselines: Iterable[Baseline]) -> dict[Baseline, Comparison]:
    """The model against each baseline that covers any game, on the games it covers."""
    found: dict[Baseline, Comparison] = {}
    for baseline in baselines:
        shared = games[games[baseline].notna()]
        if len(shared):
            found[baseline] = compare_pair(
                baseline, shared["p_home"], shared[baseline], shared["home_win"]
            )
    return found


def compare_pair(
    baseline: str, model_p: "pd.Series", baseline_p: "pd.Series", home_win: "pd.Series"
) -> Comparison:
    """Two sets of probabilities for the same games, in the same order."""
    p, q, y = (series.to_numpy(dtype=float) for series in (model_p, baseline_p, home_win))
    brier_difference, log_loss_difference = paired_bootstraps(
        [squared_errors(p, y) - squared_errors(q, y), log_losses(p, y) - log_losses(q, y)]
    )
    return Comparison(baseline, scores(p, y), scores(q, y), brier_difference, log_loss_difference)


def by_season(games: "pd.DataFrame", baselines: Sequence[Baseline]) -> "pd.DataFrame":
    """Metrics of each season: n, and of the model all metrics, of each baseline Brier and log loss.

    Baseline columns are ``<baseline>_brier``, ``<baseline>_log_loss`` and ``<baseline>_n``.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for season, part in games.groupby("season"):
        row: dict[str, Any] = {"season": int(season)}
        row |= scores(part["p_home"].to_numpy(), part["home_win"].to_numpy()).as_dict()
        for baseline in baselines:
            covered = part[part[baseline].notna()]
            row[f"{baseline}_n"] = len(covered)
            if len(covered):
                p, y = covered[baseline].to_numpy(), covered["home_win"].to_numpy()
                row[f"{baseline}_brier"] = brier(p, y)
                row[f"{baseline}_log_loss"] = float(log_losses(p, y).mean())
        rows.append(row)
    return pd.DataFrame(rows)


def in_words(title: str, window: Window) -> str:
    """One sentence per baseline: who was better, by how much, how sure that is."""
    first, last = window.seasons[0], window.seasons[-1]
    lines = [
        f"{title}, {first}–{last}: Brier {window.scores.brier:.4f}, log loss "
        f"{window.scores.log_loss:.4f}, ECE {window.scores.ece:.4f} over {window.scores.n} games."
    ]
    for baseline, result in window.comparisons.items():
        difference = result.brier_difference
        other = WORDS[baseline]
        if baseline == "market":
            other += f" ({window.market_in_words})"
        if difference.low > 0:
            verdict = f"{other} was better"
        elif difference.high < 0:
            verdict = f"better than {other}"
        else:
            verdict = f"no clear difference to {other}"
        lines.append(
            f"{verdict[0].upper()}{verdict[1:]}: {result.model_scores.brier:.4f} against "
            f"{result.baseline_scores.brier:.4f} on the same {result.n} games, difference "
            f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]."
        )
    if "market" not in window.comparisons:
        lines.append("No market price is known for these games, so nothing is said about it.")
    return " ".join(lines)


def _window(name: WindowName, games: "pd.DataFrame", baselines: Sequence[Baseline]) -> Window:
    p, y = games["p_home"].to_numpy(), games["home_win"].to_numpy()
    kickoffs = games["kickoff_at"].dropna()
    return Window(
        name=name,
        seasons=tuple(sorted({int(season) for season in games["season"]})),
        start=kickoffs.min().to_pydatetime(),
        end=kickoffs.max().to_pydatetime() + timedelta(seconds=1),
        scores=scores(p, y),
        ece_limit=ece_noise(p)[1],
        reliability=tuple(reliability(p, y)),
        comparisons=compare(games, baselines),
        market_sources=tuple(sorted({str(s) for s in games["market_source"].dropna()})),
    )
