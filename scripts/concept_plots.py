"""Draws the pictures of docs/concepts and docs/models.

    python -m scripts.concept_plots [--out docs/images] [--home] [--league nfl] [--from 2018]

Most come from the packaged sample and from the project's own functions, and need nothing. Those
that need trained models (calibration, Brier score by season) are drawn with ``--home`` from what
the home (PRECOG_HOME) has predicted, so fill one first: `precog bootstrap --games games.csv`. The
same input gives the same pictures.
"""

import argparse
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from precog_core.database import open_database
from precog_pipelines.matrices.config import matrices_config
from precog_pipelines.matrices.counting import (
    Observation,
    count_cells,
    favourite_bucket,
    lead_buckets,
)
from precog_pipelines.matrices.plots import matrix_plot
from precog_pipelines.matrices.tables import Matrix
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.elo import Game, RatedGame, expected_score, rate_games
from precog_pipelines.sources.protocols import SourceGame
from precog_pipelines.sources.sample_games import SampleGames
from precog_pipelines.tracking.plots import blank_figure, reliability_plot, seasons_plot
from precog_pipelines.training.config import LogisticConfig
from precog_pipelines.training.evaluation import MARKET_WORDS
from precog_pipelines.training.logistic import fit_logistic
from precog_pipelines.training.metrics import brier, paired_bootstrap, reliability, squared_errors
from precog_pipelines.training.summary import issued_games, market_sources
from precog_trading.rules.kelly import kelly_share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHAMPION = "logistic"
SHOWN = ("home_rate", "elo", "logistic", "market")
LEAGUE = "nfl"
FIRST_TESTED = 2016
_DPI = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--league", default=LEAGUE)
    parser.add_argument("--from", dest="first", type=int, default=2018)
    parser.add_argument("--to", dest="last", type=int, default=2025)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--home", action="store_true", help="also those that need trained models")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    games = list(SampleGames().games(LEAGUE).games)
    rated = rated_games(games)
    pictures: dict[str, Callable[[], Figure]] = {
        "probability": lambda: penalties(),
        "elo": lambda: ratings(games, rated),
        "evaluation": lambda: luck(games, rated),
        "edge": lambda: edges(),
        "kelly": lambda: growth(),
        "overfitting": lambda: noise_columns(games, rated),
        "matrix": lambda: matrix(games, rated),
    }
    for name, draw in pictures.items():
        # The numbers in its cells need more room than a line does.
        dpi = 80 if name == "matrix" else _DPI
        save(draw(), options.out / f"concept-{name}.png", dpi)
    if options.home:
        from_home(options)


def save(figure: "Figure", path: Path, dpi: int = _DPI) -> None:
    """As a palette image, a third of the size."""
    from PIL import Image

    figure.savefig(path, dpi=dpi)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(96)
    small.save(path, optimize=True)


def rated_games(games: list[SourceGame]) -> list[RatedGame]:
    """Every game of the sample with its ratings, in playing order."""
    played = [
        Game(g.season, g.home, g.away, g.home_score or 0, g.away_score or 0, g.neutral_site)
        for g in games
    ]
    return rate_games(played, elo_config().league(LEAGUE).parameters())[0]


def penalties() -> "Figure":
    """What a forecast costs when the home team wins, by Brier score and by log loss."""
    figure = blank_figure(8, 4)
    axes = figure.subplots()
    p = np.linspace(0.01, 0.99, 99)
    axes.plot(p, (1 - p) ** 2, label="Brier: (p − 1)²", color="#1f77b4")
    axes.plot(p, -np.log(p), label="log loss: −ln p", color="#d62728")
    axes.axhline(0.25, color="0.7", linewidth=0.8)
    axes.annotate("always 50 %: 0.25", (0.62, 0.28), color="0.4")
    axes.annotate("sure and wrong: log loss has no ceiling", (0.06, 2.6), color="#d62728")
    axes.set(
        xlabel="forecast p that the home team wins", ylabel="penalty", ylim=(0, 4.7),
        title="The penalty of one forecast when the home team did win",
    )  # fmt: skip
    axes.legend()
    return figure


def ratings(games: list[SourceGame], rated: list[RatedGame]) -> "Figure":
    """The curve from a rating lead to a chance, and three teams over the years of the sample."""
    figure = blank_figure(10, 4)
    left, right = figure.subplots(1, 2)
    lead = np.linspace(-400, 400, 161)
    left.plot(lead, [expected_score(one) for one in lead], color="#1f77b4")
    for one in (48, 148):
        left.plot([one, one, -400], [0, expected_score(one), expected_score(one)], color="0.8")
        left.annotate(f"Δ {one}: {expected_score(one):.3f}", (one + 8, expected_score(one) - 0.06))
    left.set(xlabel="Δ: rating lead and home advantage", ylabel="P(home wins)", ylim=(0, 1))
    left.set_title("From a lead to a chance", fontsize="medium")
    for team, colour in (("NE", "#1f77b4"), ("CLE", "#ff7f0e"), ("SEA", "#2ca02c")):
        line = [
            (game.game_date, one.home_after if game.home == team else one.away_after)
            for game, one in zip(games, rated, strict=True)
            if team in (game.home, game.away)
        ]
        right.plot([day for day, _ in line], [r for _, r in line], label=team, color=colour)
    right.axhline(1505, color="0.8", linewidth=0.8)
    right.set_title("Ratings after every game, sample 2009–2019", fontsize="medium")
    right.legend()
    return figure


def luck(games: list[SourceGame], rated: list[RatedGame]) -> "Figure":
    """Elo beside the home rate: the difference of every season with its interval, and of all."""
    p, won, season = _decided(games, rated)
    figure = blank_figure(8, 4)
    axes = figure.subplots()
    rows: list[tuple[str, Any]] = [
        (str(year), paired_bootstrap(_against_home_rate(p, won, season, season == year)))
        for year in sorted(set(season))[1:]
    ]
    rows.append(("all", paired_bootstrap(_against_home_rate(p, won, season, season > 2009))))
    for place, (name, gap) in enumerate(rows):
        axes.errorbar(
            place, gap.mean, yerr=[[gap.mean - gap.low], [gap.high - gap.mean]], fmt="o", capsize=4,
            color="#d62728" if name == "all" else "#1f77b4",
        )  # fmt: skip
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.set_xticks(range(len(rows)), [name for name, _ in rows])
    axes.set(
        ylabel="Brier, Elo − home rate", title="Elo against the home rate by season, "
        "same games, 95 %",
    )  # fmt: skip
    return figure


def edges() -> "Figure":
    """Edge per contract over the ask for three beliefs, fee paid, and what Precog does with it."""
    figure = blank_figure(8, 4)
    axes = figure.subplots()
    ask = np.linspace(0.30, 0.80, 101)
    for belief, colour in ((0.55, "#9467bd"), (0.65, "#1f77b4"), (0.75, "#2ca02c")):
        edge = belief - ask - 0.07 * ask * (1 - ask)
        axes.plot(ask, edge, label=f"believed chance {belief:.0%}", color=colour)
        axes.plot(ask, belief - ask, color=colour, linewidth=0.7, linestyle=":")
    axes.axhspan(-0.3, 0.05, color="0.93")
    axes.axhspan(0.05, 0.08, color="#fff2cc")
    axes.axhspan(0.08, 0.45, color="#e2f0d9")
    for height, words in ((0.0, "nothing"), (0.055, "a person decides"), (0.15, "an order")):
        axes.annotate(words, (0.305, height), color="0.3")
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.set(
        xlabel="ask, in dollars", ylabel="edge per contract", ylim=(-0.15, 0.3),
        title="Edge: belief − ask − fee (dotted: without the fee)",
    )  # fmt: skip
    axes.legend(loc="upper right")
    return figure


def growth() -> "Figure":
    """Long-run growth of money by the share staked, at the example of the page."""
    p, cost = Decimal("0.60"), Decimal("0.5175")
    best = float(kelly_share(p, cost))
    share = np.linspace(0, 0.5, 201)
    odds = float((1 - cost) / cost)
    grown = float(p) * np.log1p(share * odds) + float(1 - p) * np.log1p(-share)
    figure = blank_figure(8, 4)
    axes = figure.subplots()
    axes.plot(share, 100 * grown, color="#1f77b4")
    axes.axhline(0, color="0.5", linewidth=0.8)
    for fraction, words in ((0.25, "quarter Kelly"), (1.0, "Kelly"), (2.0, "twice Kelly")):
        at = fraction * best
        axes.plot([at], [100 * np.interp(at, share, grown)], "o", color="#d62728")
        axes.annotate(words, (at + 0.008, 100 * np.interp(at, share, grown) + 0.06))
    axes.set(
        xlabel="share of the bankroll on each such bet", ylabel="growth a bet, %", ylim=(-2.5, 2.2),
        title="Chance 60 %, cost 0.5175: more stake is not more money",
    )  # fmt: skip
    return figure


def noise_columns(games: list[SourceGame], rated: list[RatedGame]) -> "Figure":
    """A regression on Elo's lead and more and more columns of pure chance."""
    import pandas as pd

    _, won, season = _decided(games, rated)
    lead = np.array([one.home_before - one.away_before for one in rated])[_is_decided(games)]
    train, test = season < FIRST_TESTED, season >= FIRST_TESTED
    noise = np.random.default_rng(1).normal(size=(len(won), 400))
    config = LogisticConfig(c=1_000.0)
    counts = [0, 10, 25, 50, 100, 150, 200, 300, 400]
    seen, unseen = [], []
    for count in counts:
        frame = pd.DataFrame({"lead": lead} | {f"noise_{n}": noise[:, n] for n in range(count)})
        model = fit_logistic(frame[train].reset_index(drop=True), won[train], config)
        p = model.predict(frame)
        seen.append(brier(p[train], won[train]))
        unseen.append(brier(p[test], won[test]))
    figure = blank_figure(8, 4)
    axes = figure.subplots()
    axes.plot(counts, seen, "o-", label=f"games it learned from ({train.sum()})", color="#1f77b4")
    axes.plot(counts, unseen, "o-", label=f"games it had not seen ({test.sum()})", color="#d62728")
    axes.set(
        xlabel="columns of pure noise beside Elo's lead", ylabel="Brier score (lower is better)",
        title="Better and better on the past, worse and worse on the future",
    )  # fmt: skip
    axes.legend()
    return figure


def matrix(games: list[SourceGame], rated: list[RatedGame]) -> "Figure":
    """The matrix of the sample, counted as the asset counts it."""
    config = matrices_config()
    seen, ties = [], 0
    for period, words in config.periods[LEAGUE].items():
        for game, one in zip(games, rated, strict=True):
            margin = (game.home_score or 0) - (game.away_score or 0)
            if margin == 0:
                ties += period == 1
                continue
            lead = sum(home - away for home, away in game.points[:period])
            side = 1 if one.expected >= 0.5 else -1
            bucket = favourite_bucket(max(one.expected, 1 - one.expected), config.favourites)
            seen.append(Observation(words, side * lead, bucket, margin * side > 0, game.season))
    cells = count_cells(
        seen, lead_buckets(config.leads[LEAGUE]), config.min_games, tuple(config.favourites)
    )
    seasons = [game.season for game in games]
    return matrix_plot(
        Matrix(
            LEAGUE, f"{LEAGUE}-period-lead", config.version, tuple(cells), len(games), ties, 0,
            (min(seasons), max(seasons)), None,
        )
    )  # fmt: skip


def from_home(options: argparse.Namespace) -> None:
    """Calibration and Brier score by season, from issued predictions."""
    with open_database() as database, database.connection() as conn:
        games = issued_games(conn, options.league, options.first, options.last)
        sources = market_sources(conn, options.league, options.first, options.last)
    span = f"{options.league.upper()} {options.first}–{options.last}, {len(games)} games"
    bins = reliability(games[CHAMPION], games["home_win"])
    save(
        reliability_plot(bins, f"Calibration of the regression, {span}"),
        options.out / "concept-calibration.png",
    )
    seasons = sorted({int(season) for season in games["season"]})
    scores = {
        name: [brier(part[name], part["home_win"]) for _, part in games.groupby("season")]
        for name in SHOWN
        if name in games
    }
    words = ", ".join(MARKET_WORDS.get(source, source) for source in sources)
    save(
        seasons_plot(seasons, scores, f"Brier score by season, {span}", words),
        options.out / "concept-brier-by-season.png",
    )


def _is_decided(games: list[SourceGame]) -> "np.ndarray":
    return np.array([game.home_score != game.away_score for game in games])


def _decided(
    games: list[SourceGame], rated: list[RatedGame]
) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """P(home wins), outcome and season of the games without ties."""
    chosen = _is_decided(games)
    return (
        np.array([one.expected for one in rated])[chosen],
        np.array([int(one.actual) for one in rated])[chosen],
        np.array([game.season for game in games])[chosen],
    )


def _against_home_rate(
    p: "np.ndarray", won: "np.ndarray", season: "np.ndarray", chosen: "np.ndarray"
) -> "np.ndarray":
    """Squared error of Elo minus that of the home rate of earlier seasons, game by game."""
    rate = np.array([won[season < year].mean() if (season < year).any() else np.nan
                     for year in season[chosen]])  # fmt: skip
    return squared_errors(p[chosen], won[chosen]) - squared_errors(rate, won[chosen])


if __name__ == "__main__":
    main()
