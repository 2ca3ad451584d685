"""Walk-forward of every league's size: games a second, beside plain loops of the libraries.

    python benchmarks/walk_forward.py [--seasons 8] [--growth 1 5 20] [--rounds 1] [--json]

A league is made-up seasons of its usual number of games (times the growth) with three features.
Ours is what training runs: plans with an embargo, the regression or the trees (early stopping on
the latest games, refit on all), Platt scaling on out-of-fold predictions. Beside it the least that
a person would write with scikit-learn and XGBoost: a loop over seasons, one fit each, with the
number of rounds that ours found, no early stopping, no calibration, two folds at a time as ours.
`ratio` is ours over that loop, in processor seconds (a shared machine's clock says nothing) and
the best of the alternating rounds.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

GAMES_A_SEASON = {"nfl": 285, "nba": 1_320, "mlb": 2_470, "nhl": 1_400, "ncaaf": 880}
FIRST = 2001
FEATURES = ["elo_diff", "rest_diff", "margin_10_home"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leagues", nargs="*", default=list(GAMES_A_SEASON))
    parser.add_argument("--seasons", type=int, default=8)
    parser.add_argument("--growth", type=int, nargs="*", default=[1, 5, 20])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    results = [
        one_size(league, growth, options) for league in options.leagues for growth in options.growth
    ]
    if options.json:
        print(json.dumps({"results": results, "processors": os.cpu_count()}))
        return
    print("league growth   games | regression s  loop s  ratio | trees s  loop s  ratio")
    for row in results:
        print(
            f"{row['league']:<6} {row['growth']:>5}× {row['games']:>8,} | "
            f"{row['logistic_s']:>11.2f} {row['logistic_loop_s']:>7.2f} "
            f"{row['logistic_ratio']:>6.2f} | {row['trees_s']:>7.2f} {row['trees_loop_s']:>7.2f} "
            f"{row['trees_ratio']:>6.2f}"
        )


def one_size(league: str, growth: int, options: argparse.Namespace) -> dict:
    """Least processor seconds of everyone on the same games."""
    from precog_pipelines.training.config import ModelsConfig
    from precog_pipelines.training.regression import regression as our_regression
    from precog_pipelines.training.walk_forward import walk_forward

    frame = made_up(GAMES_A_SEASON[league] * growth, options.seasons)
    config = ModelsConfig()
    folds = walk_forward(frame, FEATURES, config)
    rounds = [int(fold.model.estimator.details()["rounds"]) for fold in folds]
    contestants: dict[str, Callable[[], object]] = {
        "logistic": lambda: walk_forward(
            frame, FEATURES, config, fit=our_regression(config.logistic)
        ),
        "logistic_loop": lambda: loop(frame, folds, lambda n: regression()),
        "trees": lambda: walk_forward(frame, FEATURES, config),
        "trees_loop": lambda: loop(frame, folds, lambda n: trees(config, rounds[n])),
    }
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(options.rounds):
        for name, action in contestants.items():
            started = time.process_time()
            action()
            best[name] = min(best[name], time.process_time() - started)
    return {
        "league": league,
        "growth": growth,
        "games": len(frame),
        "folds": len(folds),
        **{f"{name}_s": round(seconds, 3) for name, seconds in best.items()},
        "logistic_ratio": round(best["logistic"] / best["logistic_loop"], 2),
        "trees_ratio": round(best["trees"] / best["trees_loop"], 2),
    }


def loop(frame, folds, model) -> list:
    """Fit on the seasons before, predict the season: nothing else."""

    def one(number: int):
        season = folds[number].season
        train, test = frame[frame["season"] < season], frame[frame["season"] == season]
        fitted = model(number).fit(train[FEATURES].fillna(0.0), train["home_win"])
        return fitted.predict_proba(test[FEATURES].fillna(0.0))[:, 1]

    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(one, range(len(folds))))


def regression():
    """As a person would write it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())


def trees(config, rounds: int):
    """The same trees through scikit-learn's interface."""
    from xgboost import XGBClassifier

    settings = config.xgboost
    return XGBClassifier(
        n_estimators=rounds, max_depth=settings.max_depth, learning_rate=settings.learning_rate,
        subsample=settings.subsample, colsample_bytree=settings.colsample_bytree,
        reg_lambda=settings.reg_lambda, min_child_weight=settings.min_child_weight, n_jobs=1,
        tree_method="hist", random_state=settings.seed,
    )  # fmt: skip


def made_up(games: int, seasons: int):
    """Rows as a dataset has them; home wins follow the rating lead."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(7)
    n = games * seasons
    season = np.repeat(np.arange(FIRST, FIRST + seasons), games)
    within = np.tile(np.arange(games), seasons)
    start = pd.to_datetime(pd.Series(season).astype(str) + "-09-05", utc=True)
    kickoff = start + pd.to_timedelta(within * 150 * 24 * 60 // games, unit="min")
    lead = rng.normal(40, 110, n)
    return pd.DataFrame(
        {
            "game_id": np.arange(1, n + 1),
            "game_key": [f"g{i:07d}" for i in range(n)],
            "season": season,
            "kickoff_at": kickoff,
            "decision_at": kickoff - pd.Timedelta(hours=1),
            "result_known_at": kickoff + pd.Timedelta(hours=4),
            "home_win": (rng.random(n) < 1 / (1 + 10 ** (-lead / 400))).astype(int),
            "elo_diff": lead,
            "rest_diff": rng.integers(-7, 8, n).astype(float),
            "margin_10_home": rng.normal(0, 6, n),
        }
    )


if __name__ == "__main__":
    main()
