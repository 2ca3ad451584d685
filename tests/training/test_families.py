"""Regression, corrected price and ensemble: what they compute, and what they refuse."""

import json

import numpy as np
import pandas as pd
import pytest

from precog_pipelines.tracking import anchored_model, season_regression
from precog_pipelines.tracking.ensemble_model import combine
from precog_pipelines.training.config import (
    AnchoredConfig,
    EnsembleConfig,
    LogisticConfig,
    ModelsConfig,
)
from precog_pipelines.training.degradation import recent_quality
from precog_pipelines.training.estimator import Platt, inverse_logit, logit
from precog_pipelines.training.logistic import (
    MARKET_COLUMN,
    fit_anchored,
    fit_inputs,
    fit_logistic,
    logistic_from,
)
from precog_pipelines.training.metrics import brier
from precog_pipelines.training.promotion import gate
from precog_pipelines.training.regression import logistic_family
from precog_pipelines.training.walk_forward import walk_forward
from tests.made_up_dataset import FEATURES, made_up_dataset

CONFIG = LogisticConfig(features=tuple(FEATURES))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return made_up_dataset().sort_values("decision_at", ignore_index=True)


@pytest.mark.requirement("ML-001")
def test_the_regression_recovers_known_weights() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal([3.0, -1.0], [2.0, 0.5], (40_000, 2))
    features = pd.DataFrame(values, columns=["a", "b"])
    z = (features - [3.0, -1.0]) / [2.0, 0.5]
    won = generator.random(len(z)) < inverse_logit((0.3 + 0.8 * z["a"] - 0.4 * z["b"]).to_numpy())
    fitted = fit_logistic(features, won, LogisticConfig())
    assert fitted.weights == pytest.approx((0.8, -0.4), abs=0.04)
    assert fitted.intercept == pytest.approx(0.3, abs=0.04)


def test_a_missing_value_is_the_training_median_and_says_so() -> None:
    training = pd.DataFrame({"a": [1.0, 2.0, 9.0, np.nan], "b": [np.nan] * 4, "c": [5.0] * 4})
    inputs = fit_inputs(training)
    assert inputs.columns == ("a", "b", "c", "a missing")
    assert inputs.medians == (2.0, 0.0, 5.0)
    later = pd.DataFrame({"a": [np.nan, 2.0], "b": [np.nan, 7.0], "c": [5.0, 6.0]})
    design = inputs.design(later)
    assert design[0, 0] == design[1, 0]  # the median itself
    assert design[0, 3] > 0 > design[1, 3]
    # Never seen in training: the median is 0, and where it stays missing it adds nothing.
    assert design[0, 1] == 0
    with pytest.raises(ValueError, match="not given: c"):
        inputs.design(training[["a", "b"]])


def test_standardisation_knows_the_training_window_only(frame: pd.DataFrame) -> None:
    early = frame[frame["season"] < 2014]
    fitted = fit_logistic(early[FEATURES], early["home_win"], CONFIG)
    moved = frame.assign(elo_diff=frame["elo_diff"].where(frame["season"] < 2014, 1e6))
    again = fit_logistic(
        moved[moved["season"] < 2014][FEATURES], early["home_win"], CONFIG
    )  # fmt: skip
    assert again == fitted
    with pytest.raises(ValueError, match="only one outcome"):
        fit_logistic(early[FEATURES], np.ones(len(early)), CONFIG)


def test_a_probability_does_not_depend_on_the_batch(frame: pd.DataFrame) -> None:
    fitted = fit_logistic(frame[FEATURES], frame["home_win"], CONFIG)
    together = fitted.predict(frame[FEATURES])
    alone = [fitted.predict(frame[FEATURES].iloc[[n]])[0] for n in range(40)]
    assert together[:40] == pytest.approx(alone, abs=1e-15)
    assert logistic_from(json.loads(json.dumps(fitted.document()))) == fitted


def test_one_stored_file_predicts_every_season_as_it_was_judged(
    frame: pd.DataFrame, tmp_path
) -> None:
    config = ModelsConfig(logistic=CONFIG)
    family = logistic_family(config, FEATURES)
    folds = walk_forward(frame, family.inputs, config, fit=family.fit)
    stored = [family.store(n, folds, frame) is not None for n in range(len(folds))]
    assert stored == [False, False, False, False, True]
    family.store(len(folds) - 1, folds, frame).save(tmp_path)
    loaded = season_regression._load_pyfunc(str(tmp_path))
    for fold in folds:
        games = frame[frame["season"] == fold.season].sort_values("game_key", kind="stable")
        p = loaded.predict(games)["p_home"]
        assert p.to_numpy() == pytest.approx(fold.predictions["p_home"].to_numpy(), abs=1e-15)
    # Before the first fit it says nothing, after the last the newest fit speaks.
    outside = frame.head(2).assign(season=[2009, 2031])
    first, last = loaded.predict(outside)["p_home"]
    assert np.isnan(first)
    assert last == pytest.approx(folds[-1].model.predict(outside)[outside.index[1]], abs=1e-15)


def priced(seed: int = 5, n: int = 6_000, bias: float = 0.0) -> pd.DataFrame:
    """Games whose price is right, but for a constant ``bias`` in logits; a is pure noise."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(0.2, 0.9, n)
    return pd.DataFrame(
        {
            "a": generator.normal(size=n),
            MARKET_COLUMN: inverse_logit(truth - bias),
            "home_win": (generator.random(n) < inverse_logit(truth)).astype(int),
        }
    )


def test_the_correction_leaves_a_right_price_alone_and_mends_a_wrong_one(tmp_path) -> None:
    columns = ["a", MARKET_COLUMN]
    right, wrong = priced(), priced(bias=0.5)
    kept = fit_anchored(right[columns], right["home_win"], AnchoredConfig())
    moved = logit(kept.predict(right[columns])) - logit(right[MARKET_COLUMN].to_numpy())
    assert np.abs(moved).max() < 0.15
    loose = AnchoredConfig(shrinkage=1.0)
    mended = fit_anchored(wrong[columns], wrong["home_win"], loose)
    assert mended.intercept == pytest.approx(0.5, abs=0.08)
    p = mended.predict(wrong[columns])
    assert brier(p, wrong["home_win"]) < brier(wrong[MARKET_COLUMN], wrong["home_win"]) - 0.005
    # More shrinkage, less correction; and a game without a price has no probability.
    tight = fit_anchored(wrong[columns], wrong["home_win"], AnchoredConfig(shrinkage=1e6))
    assert abs(tight.intercept) < 0.01
    assert np.isnan(mended.predict(wrong.head(1).assign(market_prob=np.nan))[0])
    anchored_model.save(mended, Platt(), tmp_path)
    stored = anchored_model._load_pyfunc(str(tmp_path)).predict(wrong.head(9))["p_home"]
    assert stored.tolist() == mended.predict(wrong.head(9)).tolist()


def test_a_missing_members_weight_goes_to_the_others_while_enough_is_there() -> None:
    weights = EnsembleConfig().weights
    nan = float("nan")
    spoken = {
        "elo": pd.Series([0.6, 0.6, nan, 0.6]),
        "logistic": pd.Series([0.7, 0.7, 0.7, nan]),
        "xgboost": pd.Series([0.5, nan, 0.5, nan]),
    }
    p, incomplete = combine(spoken, weights, 0.60)
    all_three = 0.40 * logit(0.6) + 0.35 * logit(0.7) + 0.25 * logit(0.5)
    two = (0.40 * logit(0.6) + 0.35 * logit(0.7)) / 0.75
    without_elo = (0.35 * logit(0.7) + 0.25 * logit(0.5)) / 0.60
    assert p[:3].tolist() == pytest.approx(
        [float(inverse_logit(x)) for x in (all_three, two, without_elo)], abs=1e-12
    )
    assert np.isnan(p[3])  # Elo alone has 0.40
    assert incomplete.tolist() == [False, True, True, True]
    alone, _ = combine({"elo": spoken["elo"]}, weights, 0.60)
    assert alone.isna().all()
    with pytest.raises(ValueError, match="weights sum to 0.9; expected 1"):
        EnsembleConfig(weights={"elo": 0.5, "logistic": 0.4})


def test_a_model_that_needs_the_last_price_or_was_rolled_back_is_told_why() -> None:
    config = ModelsConfig().champion
    common = {
        "judged": None, "reference_name": "x", "reference": None, "findings": (),
        "missing_tags": (), "config": config,
    }  # fmt: skip
    (late,) = gate(**common, predicts_in_time=False)
    assert not late.passed and "known only after the moment" in late.text
    (withdrawn,) = gate(**common, withdrawn="lost three weeks running")
    assert not withdrawn.passed and "rolled back: lost three weeks running" in withdrawn.text


def record(n: int, recent_p: float) -> pd.DataFrame:
    """``n`` games at even odds, then 50 at ``recent_p`` of which the home team lost all."""
    return pd.DataFrame(
        {
            "game_key": [f"g{k:04d}" for k in range(n + 50)],
            "kickoff_at": pd.date_range("2020-01-01", periods=n + 50, freq="D", tz="UTC"),
            "home_win": [k % 2 for k in range(n)] + [0] * 50,
            "p_home": [0.5 + 0.1 * (k % 3 - 1) for k in range(n)] + [recent_p] * 50,
        }
    )


def test_fifty_bad_games_are_degraded_and_fifty_usual_ones_are_not() -> None:
    usual, bad = recent_quality(record(200, 0.5)), recent_quality(record(200, 0.8))
    assert usual is not None and bad is not None
    assert (usual.games, usual.games_before) == (50, 200)
    assert not usual.is_degraded and bad.is_degraded
    assert bad.recent == pytest.approx(0.64)
    history = record(200, 0.8).head(200)
    errors = (history["p_home"] - history["home_win"]) ** 2
    assert bad.limit == pytest.approx(errors.mean() + 2 * errors.std() / 50**0.5)
    assert "worse than chance explains" in bad.in_words("nfl-elo v1.0")
    assert recent_quality(record(49, 0.8)) is None
