"""The models on all NFL games since 1999: known numbers, and nothing too good to be true."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precog_core.database import Database
from precog_core.database.migrations import migrate
from precog_core.database.queries import load_queries
from precog_pipelines.features.matrix import feature_names
from precog_pipelines.features.store import write_features
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import write_ratings
from precog_pipelines.sources.closing_line_quotes import no_vig_probability
from precog_pipelines.training.anchored import anchored_family
from precog_pipelines.training.config import load_models_config
from precog_pipelines.training.datasets import Dataset, build_dataset, dataset_name
from precog_pipelines.training.elo_passes import rated_games
from precog_pipelines.training.ensemble import Member, ensemble_predictions
from precog_pipelines.training.evaluation import BASELINES, evaluate, home_rates, join_baselines
from precog_pipelines.training.findings import check_elo_band, find_leaks
from precog_pipelines.training.logistic import MARKET_COLUMN
from precog_pipelines.training.metrics import brier
from precog_pipelines.training.regression import logistic_family
from precog_pipelines.training.walk_forward import walk_forward
from tests.synthetic_league import nfl_divisions, nflverse_games, store

pytestmark = pytest.mark.slow
SEASONS = list(range(1999, 2026))
CONFIG = load_models_config()


@pytest.fixture(scope="module")
def nfl(server, data_dir: Path) -> Iterator[Database]:
    db = server.create("precog_real_games")
    migrate(db)
    with db.transaction() as conn:
        store(conn, nflverse_games(data_dir), source="nflverse", divisions=nfl_divisions())
        store_starters(conn, data_dir)
        write_ratings(conn, "nfl", SEASONS, elo_config().league("nfl"))
        write_features(
            conn, "nfl", SEASONS, now=datetime(2026, 6, 1, tzinfo=UTC), dagster_run_id="run"
        )
    yield db
    db.close()
    server.drop("precog_real_games")


def store_starters(conn, data_dir: Path) -> None:
    """Who started, known with the result, as ingestion stores it."""
    with (data_dir / "nfl" / "nflverse_games.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    conn.cursor().executemany(
        "INSERT INTO game_starters (game_id, team_id, role, player_key, source, known_at)"
        " SELECT game_id, CASE WHEN %s THEN home_team_id ELSE away_team_id END, 'quarterback', %s,"
        " 'nflverse', result_known_at FROM games WHERE source_game_id = %s",
        [(side == "home", row[f"{side}_qb_id"], row["game_id"])
         for row in rows for side in ("home", "away")],
    )  # fmt: skip


@pytest.fixture(scope="module")
def dataset(nfl: Database, tmp_path_factory) -> Dataset:
    with nfl.transaction() as conn:
        return build_dataset(
            conn,
            "nfl",
            name=dataset_name("nfl"),
            artifact_dir=tmp_path_factory.mktemp("datasets"),
            dagster_run_id=None,
            now=datetime(2026, 6, 1, tzinfo=UTC),
        )


@pytest.fixture(scope="module")
def elo(nfl: Database) -> pd.DataFrame:
    with nfl.connection() as conn:
        model_id = conn.execute("SELECT model_id FROM probability_models").fetchone()[0]
        rated = rated_games(conn, model_id, "nfl")
    decided = rated[rated["home_score"] != rated["away_score"]]
    return decided.assign(
        p_home=decided["expected"],
        home_win=(decided["home_score"] > decided["away_score"]).astype(int),
    )


@pytest.fixture(scope="module")
def market(nfl: Database, data_dir: Path) -> pd.DataFrame:
    with nfl.connection() as conn:
        ids = dict(conn.execute("SELECT source_game_id, game_id FROM games").fetchall())
    with (data_dir / "nfl" / "nflverse_games.csv").open(newline="") as file:
        lines = [row for row in csv.DictReader(file) if row["home_moneyline"]]
    return pd.DataFrame(
        {
            "game_id": [ids[row["game_id"]] for row in lines],
            "p_home": [
                float(
                    no_vig_probability(
                        int(float(row["home_moneyline"])), int(float(row["away_moneyline"]))
                    )
                )
                for row in lines
            ],
            "source": "assumed_closing_line",
        }
    )


@pytest.fixture(scope="module")
def logistic(dataset: Dataset) -> pd.DataFrame:
    family = logistic_family(CONFIG, CONFIG.logistic.features)
    folds = walk_forward(dataset.frame, family.inputs, CONFIG, fit=family.fit)
    return pd.concat([fold.predictions for fold in folds], ignore_index=True)


@pytest.fixture(scope="module")
def boosted(dataset: Dataset) -> pd.DataFrame:
    folds = walk_forward(dataset.frame, feature_names("nfl"), CONFIG)
    assert [fold.season for fold in folds] == list(range(2002, 2026))
    assert all(fold.plan.trained_until < fold.plan.cutoff for fold in folds)
    return pd.concat([fold.predictions for fold in folds], ignore_index=True)


def between(games: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    return games[games["season"].between(first, last)]


def score(games: pd.DataFrame) -> float:
    return brier(games["p_home"], games["home_win"])


@pytest.mark.requirement("ML-001")
def test_elo_has_the_published_brier(elo: pd.DataFrame) -> None:
    recent = between(elo, 2018, 2025)
    assert len(recent) == 2_219
    assert score(recent) == pytest.approx(0.2220, abs=0.0002)
    assert score(between(elo, 2021, 2025)) == pytest.approx(0.2234, abs=0.0002)
    assert score(between(elo, 2006, 2025)) == pytest.approx(0.2199, abs=0.0002)


def test_the_closing_market_is_better_on_the_same_games(
    elo: pd.DataFrame, market: pd.DataFrame
) -> None:
    recent = between(elo, 2018, 2025).merge(market, on="game_id", suffixes=("", "_market"))
    assert len(recent) == 2_219
    assert brier(recent["p_home_market"], recent["home_win"]) == pytest.approx(0.2108, abs=0.0005)


def test_the_boosted_trees_lie_between_the_home_rate_and_the_market(
    boosted: pd.DataFrame, elo: pd.DataFrame, market: pd.DataFrame, dataset: Dataset
) -> None:
    recent = between(boosted, 2018, 2025)
    assert len(recent) == 2_219
    assert score(recent) == pytest.approx(0.2222, abs=0.0010)
    wins = dataset.frame.groupby("season")["home_win"].agg(["sum", "count"])
    rates = home_rates({int(s): (int(w), int(n)) for s, w, n in wins.itertuples()})
    result = evaluate(join_baselines(boosted, rates, elo, market), BASELINES)
    assert result.full.comparisons["home_rate"].brier_difference.high < -0.015
    assert result.full.comparisons["market"].brier_difference.low > 0.005
    assert result.full.scores.ece < result.full.ece_limit


def test_the_regression_on_expected_quarterbacks_is_the_best_without_a_price(
    logistic: pd.DataFrame, elo: pd.DataFrame, market: pd.DataFrame
) -> None:
    recent = between(logistic, 2018, 2025)
    assert len(recent) == 2_219
    assert score(recent) <= 0.2205
    result = evaluate(join_baselines(logistic, {}, elo, market), ["elo", "market"])
    assert result.full.comparisons["elo"].brier_difference.high < 0
    assert result.full.comparisons["market"].brier_difference.low > 0


def test_the_ensemble_and_the_corrected_price_keep_to_their_members(
    logistic: pd.DataFrame,
    boosted: pd.DataFrame,
    elo: pd.DataFrame,
    market: pd.DataFrame,
    dataset: Dataset,
) -> None:
    members = [
        Member("elo", 0.40, None, between(elo, 2002, 2025)),
        Member("logistic", 0.35, None, logistic),
        Member("xgboost", 0.25, None, boosted),
    ]
    mean = ensemble_predictions(members, CONFIG.ensemble)
    assert score(between(mean, 2018, 2025)) < score(between(elo, 2018, 2025))

    prices = market.rename(columns={"p_home": MARKET_COLUMN})[["game_id", MARKET_COLUMN]]
    priced = dataset.frame.merge(prices, on="game_id")
    family = anchored_family(CONFIG, CONFIG.anchored.features, "", "closing lines")
    folds = walk_forward(priced, family.inputs, CONFIG, fit=family.fit, calibrate=False)
    corrected = between(pd.concat([fold.predictions for fold in folds]), 2018, 2025)
    close = corrected.merge(market, on="game_id", suffixes=("", "_market"))
    assert len(close) == 2_219
    assert score(corrected) <= brier(close["p_home_market"], close["home_win"]) + 0.0005


def test_no_honest_model_raises_an_alarm(
    boosted: pd.DataFrame, logistic: pd.DataFrame, elo: pd.DataFrame, market: pd.DataFrame
) -> None:
    band = CONFIG.band("nfl")
    for predictions in (boosted, logistic, between(elo, 2002, 2025)):
        games = join_baselines(predictions, {}, elo, market)
        result = evaluate(games, ["elo", "market"])
        found = find_leaks(result, gain_shares={}, train_brier=None, band=band, leaks=CONFIG.leaks)
        assert [f.message for f in found if f.level == "alarm"] == []
    assert check_elo_band(result, band) == []


def test_the_market_itself_would_pass_but_a_model_that_saw_results_would_not(
    elo: pd.DataFrame, market: pd.DataFrame
) -> None:
    priced = between(elo, 2010, 2025).merge(
        market[["game_id", "p_home"]], on="game_id", suffixes=("_elo", "")
    )
    leaking = priced.assign(p_home=priced["p_home"] * 0.9 + priced["home_win"] * 0.1)
    for predictions, alarms in ((priced, False), (leaking, True)):
        result = evaluate(join_baselines(predictions, {}, elo, market), ["market"])
        found = find_leaks(
            result, gain_shares={}, train_brier=None, band=CONFIG.band("nfl"), leaks=CONFIG.leaks
        )
        assert any(f.level == "alarm" for f in found) == alarms


@pytest.mark.requirement("PIT-004")
def test_shuffled_results_teach_nothing_but_the_home_rate(dataset: Dataset) -> None:
    frame = dataset.frame.copy()
    frame["home_win"] = np.random.default_rng(0).permutation(frame["home_win"])
    # The trees on five seasons, which is where they would memorise; the regression on all.
    few = frame[frame["season"] <= 2006]
    family = logistic_family(CONFIG, CONFIG.logistic.features)
    folds = walk_forward(few, feature_names("nfl"), CONFIG)
    folds += walk_forward(frame[frame["season"] != 2007], family.inputs, CONFIG, fit=family.fit)[5:]
    shuffled = pd.concat([fold.predictions for fold in folds])
    rate = shuffled["home_win"].mean()
    assert score(shuffled) == pytest.approx(rate * (1 - rate), abs=0.005)


def test_the_home_rate_knows_only_earlier_seasons(nfl: Database) -> None:
    with nfl.connection() as conn:
        rows = list(load_queries("evaluation").home_wins_by_season(conn, league="nfl"))
    assert [season for season, _, _ in rows] == SEASONS
    assert sum(decided for _, _, decided in rows) == 7_276 - 15
    rates = home_rates({season: (wins, decided) for season, wins, decided in rows})
    assert rates[2000] == rows[0][1] / rows[0][2]
    assert rates[2026] == sum(w for _, w, _ in rows) / (7_276 - 15)
