"""Who predicted how well, from what was issued: models, market and home rate on the same games."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import psycopg

from precog_core.database.copying import fetch_frame
from precog_core.database.queries import load_queries
from precog_core.progress import Progress, unseen
from precog_pipelines.features.config import features_config
from precog_pipelines.sources.quotes_table import closing_probabilities, opening_probabilities
from precog_pipelines.training.evaluation import compare_pair, home_rates
from precog_pipelines.training.metrics import (
    log_losses,
    paired_bootstraps,
    scores,
    squared_errors,
)

if TYPE_CHECKING:
    import pandas as pd

HOME_RATE = "home_rate"
MARKET = "market"
OPENING = "opening_market"
ANCHORED = "market_anchored"
# An opening price of fewer games would shrink the table to them.
_OPENING_SHARE = 0.5
LABELS = {
    HOME_RATE: "home rate",
    "elo": "Elo",
    "logistic": "logistic regression",
    "xgboost": "XGBoost",
    "ensemble": "ensemble",
    ANCHORED: "market-anchored (price known shortly before the start)",
    OPENING: "opening market",
    MARKET: "closing market",
}


def brier_summary(
    conn: psycopg.Connection, league: str, from_season: int, to_season: int
) -> dict[str, dict[str, Any]]:
    """Scores of every model (by family), of the market and of the home rate.

    Each value has n, brier, log_loss, ece, accuracy, auc over the games that all of them cover:
    issued predictions at the decision, closing prices, results without ties. A market without any
    price of these games is left out; without predictions the result is empty.
    """
    games = issued_games(conn, league, from_season, to_season)
    return {
        name: scores(games[name].to_numpy(), games["home_win"].to_numpy()).as_dict()
        for name in _contestants(games)
    }


def compare_models(
    conn: psycopg.Connection,
    league: str,
    from_season: int,
    to_season: int,
    recorded: "Mapping[str, pd.DataFrame] | None" = None,
    progress: Progress = unseen,
) -> list[dict[str, Any]]:
    """One row per model, market and home rate over the same games, best Brier first.

    ``recorded`` adds models that never predict for trading, by name: their out-of-sample
    probabilities (game_id, p_home). Each row has n and every metric; ``brier_low`` …
    ``log_loss_high`` bound 95 % bootstrap intervals over games; ``brier_vs_market`` is the
    difference to the market with ``low`` and ``high`` (None for the market and without one);
    ``by_season`` has season, n, brier and log_loss.
    """
    return rows_of(issued_games(conn, league, from_season, to_season, recorded), progress)


def rows_of(games: "pd.DataFrame", progress: Progress = unseen) -> list[dict[str, Any]]:
    """``compare_models`` of games already joined.

    ``games``: game_id, season, home_win, then one column of P(home wins) per contestant, without
    gaps; the market's is ``market``.
    """
    rows: list[dict[str, Any]] = []
    names = _contestants(games)
    for name in names:
        progress(len(rows), len(names))
        p, y = games[name].to_numpy(dtype=float), games["home_win"].to_numpy(dtype=float)
        of_brier, of_log_loss = paired_bootstraps([squared_errors(p, y), log_losses(p, y)])
        row: dict[str, Any] = {"model": name, "label": LABELS.get(name, name)}
        row |= scores(p, y).as_dict()
        row |= {"brier_low": of_brier.low, "brier_high": of_brier.high}
        row |= {"log_loss_low": of_log_loss.low, "log_loss_high": of_log_loss.high}
        row |= {"brier_vs_market": None, "low": None, "high": None}
        if MARKET in games and name != MARKET:
            result = compare_pair(MARKET, games[name], games[MARKET], games["home_win"])
            row["brier_vs_market"] = result.brier_difference.mean
            row["low"] = result.brier_difference.low
            row["high"] = result.brier_difference.high
        row["by_season"] = [
            {
                "season": int(season),
                "n": len(part),
                "brier": float(squared_errors(part[name], part["home_win"]).mean()),
                "log_loss": float(log_losses(part[name], part["home_win"]).mean()),
            }
            for season, part in games.groupby("season")
        ]
        rows.append(row)
    return sorted(rows, key=lambda row: row["brier"])


def issued_games(
    conn: psycopg.Connection,
    league: str,
    from_season: int,
    to_season: int,
    recorded: "Mapping[str, pd.DataFrame] | None" = None,
) -> "pd.DataFrame":
    """One row per game that every contestant covers: game_id, season, home_win, one column each."""
    issued = fetch_frame(
        conn,
        load_queries("evaluation").predictions_at_decision.sql,
        {
            "league": league,
            "season_from": from_season,
            "season_to": to_season,
            "lead_s": features_config().lead("decision").total_seconds(),
        },
    )
    issued["family"] = issued["model_name"].str.removeprefix(f"{league}-")
    issued["p_home"] = issued["p_home"].astype(float)
    games = issued.pivot(
        index=["game_id", "season", "home_win"], columns="family", values="p_home"
    ).reset_index()
    games.columns.name = None
    wins = {
        int(season): (int(home_wins), int(decided))
        for season, home_wins, decided in load_queries("evaluation").home_wins_by_season(
            conn, league=league
        )
    }
    games[HOME_RATE] = games["season"].map(home_rates(wins)).astype(float)
    market = closing_probabilities(conn, league, list(range(from_season, to_season + 1)))
    opening = opening_probabilities(conn, league, list(range(from_season, to_season + 1)))
    return shared_games(games, {**(recorded or {}), MARKET: market}, opening)


def shared_games(
    games: "pd.DataFrame", others: "Mapping[str, pd.DataFrame]", opening: "pd.DataFrame"
) -> "pd.DataFrame":
    """``games`` with a column for each of ``others`` (game_id, p_home) that knows any of them.

    Only games that everyone covers stay. The opening market joins where it knows most of these.
    """
    for name, record in others.items():
        chances = _chances(games, record)
        if chances.notna().any():
            games[name] = chances
    games = games.dropna().reset_index(drop=True)
    first = _chances(games, opening)
    if len(games) and first.notna().mean() >= _OPENING_SHARE:
        games[OPENING] = first
    return games.dropna().reset_index(drop=True)


def opening_words(rows: "list[dict[str, Any]]") -> str:
    """Why there is no opening market in a comparison; empty when there is one."""
    if any(row["model"] == OPENING for row in rows):
        return ""
    return "No opening price is known for most of these games, so there is no opening baseline."


def _chances(games: "pd.DataFrame", known: "pd.DataFrame") -> "pd.Series":
    by_game = dict(zip(known["game_id"], known["p_home"], strict=True))
    return games["game_id"].map(by_game).astype(float)


def market_sources(
    conn: psycopg.Connection, league: str, from_season: int, to_season: int
) -> list[str]:
    """Where the closing prices of these seasons come from: simulated, assumed, recorded."""
    market = closing_probabilities(conn, league, list(range(from_season, to_season + 1)))
    return sorted({str(source) for source in market["source"]})


def _contestants(games: "pd.DataFrame") -> list[str]:
    if games.empty:
        return []
    return [name for name in games.columns if name not in ("game_id", "season", "home_win")]
