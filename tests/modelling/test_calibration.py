"""Isotonic calibration: where it may be used, what it keeps, and that Platt stays the default."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from precog_pipelines.tracking import season_regression
from precog_pipelines.training.calibration import (
    Isotonic,
    as_document,
    fit_calibration,
    fit_isotonic,
    from_document,
)
from precog_pipelines.training.config import LogisticConfig, WalkForwardConfig, load_models_config
from precog_pipelines.training.estimator import Platt, inverse_logit, logit
from precog_pipelines.training.logistic import fit_logistic
from precog_pipelines.training.metrics import brier

ISOTONIC = WalkForwardConfig(calibration="isotonic")


def distorted(n: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts that are right above one half and far too sure below, and what happened."""
    generator = np.random.default_rng(seed)
    truth = inverse_logit(generator.normal(0, 1.2, n))
    said = np.where(truth < 0.5, inverse_logit(2.5 * logit(truth)), truth)
    return said, (generator.random(n) < truth).astype(int)


def test_platt_is_the_default_and_few_games_fall_back_to_it() -> None:
    assert load_models_config().walk_forward.calibration == "platt"
    p, won = distorted(6_000)
    assert isinstance(fit_calibration(p, won, WalkForwardConfig()), Platt)
    assert isinstance(fit_calibration(p[:4_999], won[:4_999], ISOTONIC), Platt)
    assert isinstance(fit_calibration(p[:5_000], won[:5_000], ISOTONIC), Isotonic)


def test_stored_versions_know_no_choice_unless_another_was_made() -> None:
    assert "calibration" not in WalkForwardConfig().definition()
    assert ISOTONIC.definition()["calibration"] == "isotonic"


def test_it_mends_what_two_numbers_cannot_and_keeps_the_order() -> None:
    p, won = distorted(20_000)
    curve, line = fit_isotonic(p, won), fit_calibration(p, won, WalkForwardConfig())
    fresh_p, fresh_won = distorted(20_000, seed=4)
    assert brier(curve(fresh_p), fresh_won) < brier(line(fresh_p), fresh_won) - 0.0005
    grid = np.linspace(0, 1, 501)
    assert (np.diff(curve(grid)) >= 0).all()
    assert curve(grid).min() >= 0.01 and curve(grid).max() <= 0.99
    assert np.isnan(curve(np.array([np.nan, 0.5]))).tolist() == [True, False]


@pytest.mark.parametrize("scaling", [Platt(0.9, 0.1), Isotonic((0.2, 0.8), (0.3, 0.7))])
def test_a_stored_model_keeps_its_calibration(scaling, tmp_path: Path) -> None:
    assert from_document(json.loads(json.dumps(as_document(scaling)))) == scaling
    generator = np.random.default_rng(1)
    games = pd.DataFrame({"elo_diff": generator.normal(0, 100, 200)})
    won = (generator.random(200) < inverse_logit(games["elo_diff"].to_numpy() / 100)).astype(int)
    model = fit_logistic(games, won, LogisticConfig())
    season_regression.save(["elo_diff"], {2020: (model.document(), scaling)}, tmp_path)
    loaded = season_regression._load_pyfunc(str(tmp_path))
    p = loaded.predict(games.assign(season=2021))["p_home"]
    assert p.tolist() == scaling(model.predict(games)).tolist()
