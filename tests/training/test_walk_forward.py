"""Walk-forward: which games a fold may learn from, and that nothing later reaches it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from precog_pipelines.training.config import ModelsConfig, WalkForwardConfig, XGBoostConfig
from precog_pipelines.training.metrics import brier
from precog_pipelines.training.walk_forward import Fold, plan_folds, walk_forward
from tests.made_up_dataset import FEATURES, made_up_dataset


def config(**rules: object) -> ModelsConfig:
    return ModelsConfig(
        xgboost=XGBoostConfig(max_rounds=200), walk_forward=WalkForwardConfig(**rules)
    )


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return made_up_dataset()


@pytest.fixture(scope="module")
def folds(frame: pd.DataFrame) -> list[Fold]:
    return walk_forward(frame, FEATURES, config())


def fingerprint(folds: list[Fold]) -> list[tuple[int, bytes, bytes]]:
    return [
        (f.season, f.model.estimator.document, f.predictions["p_home"].to_numpy().tobytes())
        for f in folds
    ]


def test_every_season_after_the_third_is_predicted_once(
    frame: pd.DataFrame, folds: list[Fold]
) -> None:
    assert [fold.season for fold in folds] == [2013, 2014, 2015, 2016, 2017]
    predicted = pd.concat([fold.predictions for fold in folds])
    expected = frame[frame["season"] >= 2013]
    assert sorted(predicted["game_id"]) == sorted(expected["game_id"])
    assert (predicted["game_key"].str.split(":").str[1].astype(int) == predicted["season"]).all()
    outcome = frame.set_index("game_id")["home_win"]
    assert (predicted["home_win"] == predicted["game_id"].map(outcome)).all()


@pytest.mark.requirement("PIT-006")
def test_a_fold_trains_on_earlier_seasons_only(frame: pd.DataFrame, folds: list[Fold]) -> None:
    for fold in folds:
        plan = fold.plan
        first_decision = frame.loc[frame["season"] == fold.season, "decision_at"].min()
        assert plan.cutoff == first_decision - timedelta(days=1)
        assert plan.trained_until < plan.cutoff
        assert plan.train_seasons == (2010, fold.season - 1)
        assert plan.train_rows == 160 * (fold.season - 2010)


def test_a_result_inside_the_embargo_is_not_learned_from(frame: pd.DataFrame) -> None:
    late = frame.copy()
    first_decision = late.loc[late["season"] == 2014, "decision_at"].min()
    last_2013 = late.loc[late["season"] == 2013, "result_known_at"].idxmax()
    late.loc[last_2013, "result_known_at"] = first_decision - timedelta(hours=23)
    plans = {plan.season: plan for plan in plan_folds(late, config())}
    assert plans[2014].train_rows == 160 * 4 - 1
    assert plans[2015].train_rows == 160 * 5
    wider = {plan.season: plan for plan in plan_folds(late, config(embargo_d=0))}
    assert wider[2014].train_rows == 160 * 4


@pytest.mark.requirement("PIT-006")
def test_the_future_cannot_change_a_fold(frame: pd.DataFrame, folds: list[Fold]) -> None:
    poisoned = frame.copy()
    later = poisoned["season"] >= 2015
    poisoned.loc[later, "home_win"] = 1 - poisoned.loc[later, "home_win"]
    poisoned.loc[later, FEATURES] = -poisoned.loc[later, FEATURES]
    before = walk_forward(poisoned, FEATURES, config())
    assert fingerprint(before)[:2] == fingerprint(folds)[:2]
    assert fingerprint(before)[3] != fingerprint(folds)[3]


def test_leaving_later_seasons_out_changes_nothing_before(
    frame: pd.DataFrame, folds: list[Fold]
) -> None:
    truncated = walk_forward(frame[frame["season"] <= 2015], FEATURES, config())
    assert fingerprint(truncated) == fingerprint(folds)[:3]


def test_threads_and_row_order_do_not_change_a_byte(frame: pd.DataFrame, folds: list[Fold]) -> None:
    shuffled = frame.sample(frac=1, random_state=1)
    assert fingerprint(walk_forward(shuffled, FEATURES, config(threads=1))) == fingerprint(folds)


def test_calibration_waits_for_three_out_of_fold_seasons(folds: list[Fold]) -> None:
    assert [fold.model.calibration.is_identity for fold in folds] == [
        True,
        True,
        True,
        False,
        False,
    ]
    for fold in folds[:3]:
        assert fold.predictions["p_raw"].equals(fold.predictions["p_home"].rename("p_raw"))
    last = folds[-1]
    scaled = last.model.calibration(last.predictions["p_raw"].to_numpy())
    assert scaled.tolist() == last.predictions["p_home"].tolist()


def test_an_upcoming_season_gets_a_model_and_no_predictions(frame: pd.DataFrame) -> None:
    begins = datetime(2018, 9, 6, tzinfo=UTC)
    folds = walk_forward(frame, FEATURES, config(), {2018: begins})
    ahead = folds[-1]
    assert (ahead.season, len(ahead.predictions), ahead.plan.train_rows) == (2018, 0, 160 * 8)
    assert ahead.plan.cutoff == begins - timedelta(days=1)
    p = ahead.model.predict(frame[FEATURES].head(5))
    assert ((p > 0) & (p < 1)).all()


def test_it_learns_the_signal_and_nothing_where_there_is_none(folds: list[Fold]) -> None:
    predicted = pd.concat([fold.predictions for fold in folds])
    learned = brier(predicted["p_home"], predicted["home_win"])
    home_rate = predicted["home_win"].mean()
    assert learned < home_rate * (1 - home_rate) - 0.015

    frame = made_up_dataset()
    frame["home_win"] = np.random.default_rng(5).permutation(frame["home_win"])
    shuffled = pd.concat([f.predictions for f in walk_forward(frame, FEATURES, config())])
    rate = shuffled["home_win"].mean()
    assert brier(shuffled["p_home"], shuffled["home_win"]) == pytest.approx(
        rate * (1 - rate), abs=0.005
    )


def test_too_few_seasons_a_hole_and_a_double_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"needs 3 seasons .* holds 3: \[2010, 2011, 2012\]"):
        walk_forward(frame[frame["season"] < 2013], FEATURES, config())
    with pytest.raises(ValueError, match=f"holds game {frame['game_key'].iloc[-1]} twice"):
        plan_folds(pd.concat([frame, frame.tail(1)]), config())
    unknown = frame.assign(home_win=frame["home_win"].astype(float))
    unknown.loc[7, "home_win"] = np.nan
    with pytest.raises(ValueError, match=f"no home_win for game {frame['game_key'][7]}"):
        plan_folds(unknown, config())
    with pytest.raises(ValueError, match="lacks the columns elo_prob"):
        walk_forward(frame, [*FEATURES, "elo_prob"], config())
