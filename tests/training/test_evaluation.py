"""Comparisons on the same games, sanity bands and leak alarms, on numbers made for the purpose."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from precog_pipelines.training.config import LeakConfig, SanityBand
from precog_pipelines.training.evaluation import (
    BASELINES,
    Evaluation,
    evaluate,
    home_rates,
    in_words,
    join_baselines,
)
from precog_pipelines.training.findings import check_elo_band, find_leaks
from precog_pipelines.training.metrics import brier

BAND = SanityBand(
    elo_brier_low=0.215,
    elo_brier_high=0.226,
    warn_brier_below=0.200,
    alarm_brier_below=0.195,
    alarm_accuracy_above=0.73,
)
LEAKS = LeakConfig()


def outcomes(seed: int = 0, seasons: range = range(2015, 2020), games: int = 270) -> pd.DataFrame:
    """Games whose true chance is known, so that honest and dishonest forecasts can be made."""
    generator = np.random.default_rng(seed)
    n = len(seasons) * games
    truth = 1 / (1 + np.exp(-generator.normal(0.25, 0.75, n)))
    return pd.DataFrame(
        {
            "game_id": np.arange(1, n + 1),
            "game_key": [f"g{i}" for i in range(n)],
            "season": np.repeat(list(seasons), games),
            "kickoff_at": [
                datetime(season, 9, 7, 17, tzinfo=UTC) + timedelta(days=i // 16 * 7)
                for season in seasons
                for i in range(games)
            ],
            "home_win": (generator.random(n) < truth).astype(int),
            "truth": truth,
        }
    )


def blurred(p: pd.Series, by: float, seed: int = 9) -> pd.Series:
    """A worse forecast: the logit with noise added."""
    noise = np.random.default_rng(seed).normal(0, by, len(p))
    return 1 / (1 + np.exp(-(np.log(p / (1 - p)) + noise)))


def evaluation_of(
    p: pd.Series, games: pd.DataFrame, *, source: str = "recorded", priced: float = 1.0
) -> Evaluation:
    kept = games["game_id"] <= len(games) * priced
    market = games[kept][["game_id"]].assign(p_home=games["truth"][kept], source=source)
    elo = games[["game_id"]].assign(p_home=blurred(games["truth"], 0.3))
    joined = join_baselines(
        games.assign(p_home=p), dict.fromkeys(games["season"], 0.56), elo, market
    )
    return evaluate(joined, BASELINES)


def test_the_home_rate_of_a_season_comes_from_the_seasons_before_it() -> None:
    rates = home_rates({2001: (6, 10), 2002: (5, 10), 2003: (10, 20)})
    assert rates == {2002: 0.6, 2003: 0.55, 2004: 21 / 40}
    assert home_rates({}) == {}


@pytest.mark.requirement("PIT-008")
def test_a_comparison_is_over_the_games_the_baseline_covers() -> None:
    games = outcomes()
    result = evaluation_of(blurred(games["truth"], 0.4), games, priced=0.5).full
    market, elo = result.comparisons["market"], result.comparisons["elo"]
    assert (market.n, elo.n, result.scores.n) == (675, 1350, 1350)
    first = games.head(675)
    assert market.baseline_scores.brier == pytest.approx(brier(first["truth"], first["home_win"]))
    assert market.model_scores.brier != pytest.approx(result.scores.brier)
    difference = market.model_scores.brier - market.baseline_scores.brier
    assert market.brier_difference.mean == pytest.approx(difference)
    assert market.brier_difference.low < difference < market.brier_difference.high


def test_the_last_season_is_not_part_of_what_chooses_the_champion() -> None:
    games = outcomes()
    first = evaluation_of(blurred(games["truth"], 0.4), games)
    changed = games.copy()
    last = changed["season"] == 2019
    changed.loc[last, "home_win"] = 1 - changed.loc[last, "home_win"]
    second = evaluation_of(blurred(games["truth"], 0.4), changed)
    assert first.judged is not None and second.judged is not None
    assert first.judged.seasons == (2015, 2016, 2017, 2018)
    assert first.judged.scores == second.judged.scores
    assert first.full.scores != second.full.scores
    assert first.judged.end < first.full.end
    only = evaluate(first.games[first.games["season"] == 2019], BASELINES)
    assert only.judged is None


def test_the_table_by_season_has_every_season_with_its_games() -> None:
    games = outcomes()
    table = evaluation_of(games["truth"], games, priced=0.5).by_season
    assert table["season"].tolist() == [2015, 2016, 2017, 2018, 2019]
    assert table["n"].tolist() == [270] * 5
    assert table["market_n"].tolist() == [270, 270, 135, 0, 0]
    part = games[games["season"] == 2016]
    assert table["brier"][1] == pytest.approx(brier(part["truth"], part["home_win"]))
    assert table["market_brier"][1] == pytest.approx(table["brier"][1])
    assert np.isnan(table["market_brier"][4])


def test_it_says_in_words_who_was_better_and_what_the_market_is() -> None:
    games = outcomes()
    worse = evaluation_of(blurred(games["truth"], 1.0), games, source="assumed_closing_line")
    words = in_words("nfl-test v1.0", worse.full)
    assert "The market (assumed from closing lines) was better" in words
    assert "on the same 1350 games" in words
    better = evaluation_of(games["truth"], games)
    assert "Better than Elo" in in_words("nfl-test v1.0", better.full)
    assert "No clear difference to the market (recorded quotes)" in in_words("x", better.full)
    alone = evaluate(better.games.drop(columns=[]), ["home_rate"])
    assert "No market price is known" in in_words("x", alone.full)


def codes(evaluation: Evaluation, **more: object) -> list[tuple[str, str]]:
    values: dict = {"gain_shares": {}, "train_brier": None, "band": BAND, "leaks": LEAKS} | more
    return [(f.level, f.code) for f in find_leaks(evaluation, **values)]


def test_an_honest_model_raises_nothing() -> None:
    games = outcomes()
    assert codes(evaluation_of(blurred(games["truth"], 0.3), games)) == []


@pytest.mark.requirement("PIT-008")
def test_a_model_that_has_seen_results_raises_every_alarm() -> None:
    games = outcomes()
    knowing = games["truth"] * 0.6 + games["home_win"] * 0.4
    found = codes(evaluation_of(knowing, games))
    assert found.count(("alarm", "season_brier")) == 5
    assert found.count(("alarm", "season_accuracy")) == 5
    assert found.count(("alarm", "beats_market")) == 5


def test_beating_simulated_quotes_is_no_alarm_but_the_bands_still_hold() -> None:
    games = outcomes()
    knowing = games["truth"] * 0.6 + games["home_win"] * 0.4
    found = codes(evaluation_of(knowing, games, source="simulated"))
    assert ("alarm", "beats_market") not in found
    assert ("alarm", "season_brier") in found


def test_a_slightly_too_good_season_is_a_warning() -> None:
    games = outcomes(seasons=range(2015, 2016), games=4_000)
    target = next(
        share
        for share in np.arange(0, 0.3, 0.002)
        if brier(games["truth"] * (1 - share) + games["home_win"] * share, games["home_win"])
        < 0.199
    )
    p = games["truth"] * (1 - target) + games["home_win"] * target
    found = codes(evaluation_of(p, games, source="simulated"), band=replace_band(accuracy=1.0))
    assert found == [("warning", "season_brier")]


def replace_band(accuracy: float) -> SanityBand:
    return BAND.model_copy(update={"alarm_accuracy_above": accuracy})


def test_a_short_season_is_not_judged_alone() -> None:
    games = outcomes()
    short = games[(games["season"] < 2019) | (games["game_id"] % 2 == 0)].reset_index(drop=True)
    knowing = blurred(short["truth"], 0.3)
    last = short["season"] == 2019
    knowing[last] = short.loc[last, "home_win"] * 0.98 + 0.01
    assert codes(evaluation_of(knowing, short)) == []


def test_one_feature_with_nearly_all_the_gain_is_an_alarm_unless_it_is_the_rating_lead() -> None:
    games = outcomes()
    evaluation = evaluation_of(blurred(games["truth"], 0.3), games)
    shares = {"temperature": 0.81, "elo_diff": 0.19}
    assert codes(evaluation, gain_shares=shares) == [("alarm", "one_feature")]
    assert codes(evaluation, gain_shares={"elo_diff": 0.95, "rest": 0.05}) == []


def test_memorising_the_training_games_is_an_alarm() -> None:
    games = outcomes()
    evaluation = evaluation_of(blurred(games["truth"], 0.3), games)
    score = evaluation.full.scores.brier
    assert codes(evaluation, train_brier=score - 0.031) == [("alarm", "train_test_gap")]
    assert codes(evaluation, train_brier=score - 0.029) == []


def test_elo_outside_its_band_means_wrong_data_or_parameters() -> None:
    games = outcomes()
    good = evaluation_of(blurred(games["truth"], 0.3), games)
    inside = BAND.model_copy(
        update={
            "elo_brier_low": good.full.scores.brier - 0.001,
            "elo_brier_high": good.full.scores.brier + 0.001,
        }
    )
    assert check_elo_band(good, inside) == []
    below = inside.model_copy(update={"elo_brier_high": good.full.scores.brier - 0.0005})
    (finding,) = check_elo_band(good, below)
    assert finding.level == "alarm" and f"{good.full.scores.brier:.4f}" in finding.message
    two_seasons = replace(good.full, seasons=(2018, 2019))
    assert check_elo_band(replace(good, full=two_seasons), below) == []


def test_a_league_without_a_band_is_said_to_have_none() -> None:
    games = outcomes()
    evaluation = evaluation_of(games["home_win"] * 0.98 + 0.01, games, source="simulated")
    assert codes(evaluation, band=None) == [("warning", "no_band")]
    assert check_elo_band(evaluation, None) == []
