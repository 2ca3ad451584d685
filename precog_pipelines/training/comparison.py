"""All models of a league in one table and one picture, in MLflow and on the page of the evaluation.

The families have experiments of their own; ``precog/<league>/comparison`` holds one run for each
state of the league: which fits were compared (their identities), on which games, and how they
fared, season by season as steps of the metrics. The same fits and games are the same run.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from precog_pipelines.tracking.plots import comparison_plot
from precog_pipelines.tracking.runs import (
    GROUP_TAG,
    IDENTITY_TAG,
    NOTE_TAG,
    MetricRow,
    Tracking,
)
from precog_pipelines.training.evaluation import MARKET_WORDS
from precog_pipelines.training.judging import Judgement
from precog_pipelines.training.summary import (
    ANCHORED,
    HOME_RATE,
    MARKET,
    opening_words,
    rows_of,
    shared_games,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FAMILY = "comparison"


@dataclass(frozen=True)
class Compared:
    """The rows of everyone on the same games (``summary.rows_of``); ``title`` names the games.

    ``note``: what is missing, in words; empty when nothing is.
    """

    league: str
    rows: list[dict[str, Any]]
    title: str
    note: str

    def figure(self) -> "Figure":
        """A dot and a 95 % interval for everyone."""
        return comparison_plot(self.rows, self.title)


def compare_candidates(judgement: Judgement) -> Compared | None:
    """Every candidate beside home rate and market, out of sample; None when no game is shared."""
    games = _candidates_games(judgement)
    market = judgement.market[judgement.market["game_id"].isin(games["game_id"])]
    games = shared_games(games, {MARKET: market}, judgement.opening)
    if games.empty:
        return None
    sources = sorted(set(market["source"]))
    words = ", ".join(MARKET_WORDS.get(source, source) for source in sources) or "none"
    first, last = int(games["season"].min()), int(games["season"].max())
    rows = rows_of(games)
    return Compared(
        judgement.league,
        rows,
        f"{judgement.league} {first}–{last}, {len(games)} games (market: {words})",
        opening_words(rows),
    )


def log_comparison(tracking: Tracking, judgement: Judgement, compared: Compared) -> str:
    """Record the comparison, unless it is recorded; returns the address of its run.

    A run that a killed process left is completed.
    """
    fits = {c.title: c.record.walk_forward for c in judgement.candidates}
    identity = sha256(
        json.dumps([fits, compared.title, compared.rows], sort_keys=True, default=str).encode()
    ).hexdigest()
    experiment = tracking.experiment(judgement.league, FAMILY)
    found = tracking.runs_of_group(experiment, identity).get(identity)
    if found is not None and found.info.status == "FINISHED":
        return tracking.run_url(experiment, found.info.run_id)
    tags = {
        GROUP_TAG: identity,
        IDENTITY_TAG: identity,
        NOTE_TAG: f"{compared.title}. {compared.note}".strip(),
        "league": judgement.league,
        "family": FAMILY,
        **{f"run.{c.family}": c.record.parent_run_id for c in judgement.candidates},
    }
    run_id = (
        found.info.run_id
        if found is not None
        else tracking.start_run(experiment, compared.title.split(" (")[0], tags)
    )
    tracking.log(run_id, params=fits, metrics=_metrics(compared))
    with TemporaryDirectory() as folder:
        compared.figure().savefig(f"{folder}/comparison.png")
        with open(f"{folder}/comparison.json", "w") as out:
            json.dump(compared.rows, out, indent=2)
        tracking.client().log_artifacts(run_id, folder)
    tracking.finish(run_id)
    return tracking.run_url(experiment, run_id)


def _candidates_games(judgement: Judgement) -> "pd.DataFrame":
    """game_id, season, home_win, home rate, and a column per candidate; games all of them know."""
    games: pd.DataFrame | None = None
    for candidate in judgement.candidates:
        name = ANCHORED if candidate.family == "anchored" else candidate.family
        own = candidate.predictions[["game_id", "season", "home_win", "p_home"]]
        own = own.rename(columns={"p_home": name})
        games = own if games is None else games.merge(own[["game_id", name]], on="game_id")
    assert games is not None, "a judgement has at least one candidate"  # noqa: S101
    games.insert(3, HOME_RATE, games["season"].map(judgement.rates).astype(float))
    return games


def _metrics(compared: Compared) -> list[MetricRow]:
    rows: list[MetricRow] = []
    for row in compared.rows:
        name = row["model"]
        rows += [
            (f"brier/{name}", row["brier"], 0),
            (f"brier_low/{name}", row["brier_low"], 0),
            (f"brier_high/{name}", row["brier_high"], 0),
            (f"log_loss/{name}", row["log_loss"], 0),
        ]
        if row["brier_vs_market"] is not None:
            rows += [
                (f"vs_market/{name}", row["brier_vs_market"], 0),
                (f"vs_market_low/{name}", row["low"], 0),
                (f"vs_market_high/{name}", row["high"], 0),
            ]
        rows += [
            (f"brier_by_season/{name}", part["brier"], part["season"]) for part in row["by_season"]
        ]
    rows.append(("games", float(compared.rows[0]["n"]), 0))
    return rows
