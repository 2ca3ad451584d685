"""The boosted trees and their calibration."""

import numpy as np
import pandas as pd
import pytest

from precog_pipelines.tracking import win_probability_model as stored
from precog_pipelines.training.config import XGBoostConfig
from precog_pipelines.training.estimator import Platt, fit_platt, fit_trees
from precog_pipelines.training.metrics import brier
from precog_pipelines.training.walk_forward import CalibratedModel
from tests.made_up_dataset import FEATURES, made_up_dataset

CONFIG = XGBoostConfig(max_rounds=300)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return made_up_dataset().sort_values("decision_at", ignore_index=True)


def test_a_stronger_home_team_never_lowers_its_chance(frame: pd.DataFrame) -> None:
    trees = fit_trees(frame[FEATURES], frame["home_win"], CONFIG, 0.15)
    ladder = pd.DataFrame(
        [[lead, rest, margin] for rest in (-7, 0, 7) for margin in (-2, np.nan, 2)
         for lead in np.linspace(-400, 400, 161)],
        columns=FEATURES,
    )  # fmt: skip
    p = trees.predict(ladder).reshape(9, 161)
    assert (np.diff(p, axis=1) >= 0).all()
    assert (p[:, -1] - p[:, 0] > 0.2).all()


def test_without_the_constraint_noise_would_bend_the_curve(frame: pd.DataFrame) -> None:
    free = XGBoostConfig(max_rounds=300, monotone_increasing=(), min_child_weight=1, max_depth=6)
    trees = fit_trees(frame[FEATURES], frame["home_win"], free, 0.15)
    ladder = pd.DataFrame({"elo_diff": np.linspace(-400, 400, 161)}).assign(
        rest_diff=0.0, margin_10_home=0.0
    )
    assert (np.diff(trees.predict(ladder)) < 0).any()


def test_rounds_are_found_on_the_latest_games_and_all_games_are_fitted(
    frame: pd.DataFrame,
) -> None:
    # The latest 15 % have the opposite label: no round helps there, so one round is kept.
    turned = frame["home_win"].copy()
    late = round(len(frame) * 0.15)
    turned.iloc[-late:] = 1 - turned.iloc[-late:]
    assert fit_trees(frame[FEATURES], frame["home_win"], CONFIG, 0.15).rounds > 10
    assert fit_trees(frame[FEATURES], turned, CONFIG, 0.15).rounds == 1


@pytest.mark.requirement("TRACE-004")
def test_the_same_input_gives_the_same_bytes_and_another_seed_does_not(
    frame: pd.DataFrame,
) -> None:
    first, again, other = (
        fit_trees(frame[FEATURES], frame["home_win"], config, 0.15)
        for config in (CONFIG, CONFIG, XGBoostConfig(max_rounds=300, seed=7))
    )
    assert first.document == again.document
    assert first.document != other.document


def test_gain_shares_sum_to_one_and_name_what_matters(frame: pd.DataFrame) -> None:
    shares = fit_trees(frame[FEATURES], frame["home_win"], CONFIG, 0.15).gain_shares()
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) == "elo_diff"
    assert set(shares) == set(FEATURES)


def test_columns_are_taken_by_name_and_a_missing_one_is_named(frame: pd.DataFrame) -> None:
    trees = fit_trees(frame[FEATURES], frame["home_win"], CONFIG, 0.15)
    straight = trees.predict(frame[FEATURES].head(20))
    shuffled = trees.predict(frame[["margin_10_home", "elo_diff", "rest_diff"]].head(20))
    assert straight.tolist() == shuffled.tolist()
    with pytest.raises(ValueError, match="not given: rest_diff"):
        trees.predict(frame[["elo_diff", "margin_10_home"]])


def test_labels_of_one_kind_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="do not show both outcomes"):
        fit_trees(frame[FEATURES], np.ones(len(frame)), CONFIG, 0.15)


def test_platt_recovers_a_known_distortion() -> None:
    generator = np.random.default_rng(0)
    logit = generator.normal(0.3, 0.8, 40_000)
    won = generator.random(40_000) < 1 / (1 + np.exp(-(0.6 * logit + 0.2)))
    platt = fit_platt(1 / (1 + np.exp(-logit)), won)
    assert (platt.slope, platt.intercept) == pytest.approx((0.6, 0.2), abs=0.04)
    calibrated = platt(1 / (1 + np.exp(-logit)))
    assert brier(calibrated, won) < brier(1 / (1 + np.exp(-logit)), won)


def test_platt_never_turns_the_order_of_games_around() -> None:
    p = np.linspace(0.1, 0.9, 200)
    assert fit_platt(p, (p < 0.5).astype(int)) == Platt()
    assert Platt().is_identity
    assert Platt()(p).tolist() == p.tolist()
    assert (np.diff(Platt(0.8, -0.1)(p)) > 0).all()


def test_a_stored_model_predicts_the_same_bits(frame: pd.DataFrame, tmp_path) -> None:
    trees = fit_trees(frame[FEATURES], frame["home_win"], CONFIG, 0.15)
    model = CalibratedModel(trees, Platt(0.9, 0.05))
    stored.save(trees, model.calibration, tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["booster.json", "model.json"]
    loaded = stored._load_pyfunc(str(tmp_path / "model"))
    expected = model.predict(frame)
    assert loaded.predict(frame)["p_home"].tolist() == expected.tolist()
    assert loaded.feature_names == tuple(FEATURES)
