"""Draws the pictures of docs/concepts from what a home has predicted.

    python scripts/concept_plots.py [--league nfl] [--from 2018] [--to 2025] [--out docs/images]

Reads the issued predictions of the home (PRECOG_HOME), so fill one first: `precog bootstrap --games
games.csv`. The same home gives the same pictures.
"""

import argparse
from pathlib import Path

from precog_core.database import open_database
from precog_pipelines.tracking.plots import reliability_plot, seasons_plot
from precog_pipelines.training.evaluation import MARKET_WORDS
from precog_pipelines.training.metrics import brier, reliability
from precog_pipelines.training.summary import issued_games, market_sources

CHAMPION = "logistic"
SHOWN = ("home_rate", "elo", "logistic", "market")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--league", default="nfl")
    parser.add_argument("--from", dest="first", type=int, default=2018)
    parser.add_argument("--to", dest="last", type=int, default=2025)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    with open_database() as database, database.connection() as conn:
        games = issued_games(conn, options.league, options.first, options.last)
        sources = market_sources(conn, options.league, options.first, options.last)
    span = f"{options.league.upper()} {options.first}–{options.last}, {len(games)} games"
    options.out.mkdir(parents=True, exist_ok=True)
    bins = reliability(games[CHAMPION], games["home_win"])
    reliability_plot(bins, f"Calibration of the regression, {span}").savefig(
        options.out / "concept-calibration.png", dpi=60
    )
    seasons = sorted({int(season) for season in games["season"]})
    scores = {
        name: [brier(part[name], part["home_win"]) for _, part in games.groupby("season")]
        for name in SHOWN
        if name in games
    }
    words = ", ".join(MARKET_WORDS.get(source, source) for source in sources)
    seasons_plot(seasons, scores, f"Brier score by season, {span}", words).savefig(
        options.out / "concept-brier-by-season.png", dpi=60
    )


if __name__ == "__main__":
    main()
