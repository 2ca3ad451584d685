"""Metrics against values worked out by hand, and the laws they obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_pipelines.training import metrics as m

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def games_of(draw_p: list[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    p = np.array(draw_p)
    return p, np.random.default_rng(seed).integers(0, 2, len(p))


def test_brier_is_the_mean_squared_error() -> None:
    # (0.2² + 0.6² + 0²) / 3 = 0.4 / 3
    assert m.brier([0.8, 0.6, 1.0], [1, 0, 1]) == pytest.approx(0.4 / 3, abs=1e-15)
    assert m.brier([0.5, 0.5], [0, 1]) == 0.25


def test_log_loss_is_the_mean_surprise_and_stays_finite_at_certainty() -> None:
    assert m.log_loss([0.8, 0.6], [1, 0]) == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)
    assert m.log_loss([0.0], [1]) == pytest.approx(-math.log(1e-6))
    assert m.log_loss([1.0], [1]) == pytest.approx(1e-6, rel=1e-3)


def test_ece_weighs_the_gap_of_each_bin_by_its_games() -> None:
    # Bin 0.2-0.3: mean p 0.25, mean y 0.5 over 2; bin 0.9-1.0 holds 0.95 and 1.0, both won.
    p, y = [0.22, 0.28, 0.95, 1.0], [0, 1, 1, 1]
    assert m.ece(p, y) == pytest.approx(2 / 4 * 0.25 + 2 / 4 * 0.025)


def test_accuracy_counts_an_even_game_as_a_tip_for_the_away_team() -> None:
    assert m.accuracy([0.5, 0.51, 0.4, 0.9], [0, 1, 1, 0]) == 0.5


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    # Pairs (won, lost): (0.9, 0.4) right, (0.9, 0.6) right, (0.6, 0.4) right, (0.6, 0.6) half.
    assert m.auc([0.9, 0.6, 0.4, 0.6], [1, 1, 0, 0]) == pytest.approx(3.5 / 4)
    assert m.auc([0.9, 0.6], [1, 1]) is None


def test_wilson_agrees_with_a_textbook_value_and_never_leaves_the_unit_interval() -> None:
    # Newcombe (1998), 81 of 263: 0.2553 to 0.3662.
    low, high = m.wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert m.wilson(0, 10)[0] == 0.0
    assert m.wilson(10, 10)[1] == 1.0
    with pytest.raises(ValueError, match="0 successes of 0 trials"):
        m.wilson(0, 0)


@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_wilson_contains_the_frequency_and_narrows_with_less_confidence(
    n: int, share: float
) -> None:
    successes = round(n * share)
    low, high = m.wilson(successes, n)
    inner_low, inner_high = m.wilson(successes, n, confidence=0.8)
    assert 0 <= low <= inner_low <= successes / n <= inner_high <= high <= 1


def test_reliability_bins_are_closed_below_and_the_last_one_above() -> None:
    bins = m.reliability([0.0, 0.1, 0.19, 1.0], [0, 1, 0, 1])
    assert [b.n for b in bins] == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    second = bins[1]
    assert (second.mean_p, second.mean_y) == (pytest.approx(0.145), 0.5)
    assert (second.wilson_low, second.wilson_high) == m.wilson(1, 2)
    assert bins[2] == m.Bin(0.2, 0.3, 0, None, None, None, None)


@given(p=probabilities, seed=st.integers(0, 9))
def test_ece_follows_from_the_reliability_diagram(p: list[float], seed: int) -> None:
    p, y = games_of(p, seed)
    bins = [b for b in m.reliability(p, y) if b.n]
    from_diagram = sum(b.n * abs(b.mean_p - b.mean_y) for b in bins) / len(p)
    assert m.ece(p, y) == pytest.approx(from_diagram, abs=1e-12)


@given(p=probabilities, seed=st.integers(0, 9))
def test_seen_from_the_away_team_every_score_is_the_same(p: list[float], seed: int) -> None:
    p, y = games_of(p, seed)
    assert m.brier(1 - p, 1 - y) == pytest.approx(m.brier(p, y), abs=1e-12)
    assert m.log_loss(1 - p, 1 - y) == pytest.approx(m.log_loss(p, y), rel=1e-6)


@given(p=probabilities, seed=st.integers(0, 9))
def test_no_forecast_scores_better_than_the_truth(p: list[float], seed: int) -> None:
    p, y = games_of(p, seed)
    assert m.brier(y, y) == 0 <= m.brier(p, y) <= 1
    assert m.log_loss(y, y) <= m.log_loss(p, y) + 1e-12


def test_a_missing_probability_an_impossible_one_and_a_tie_are_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        m.brier([float("nan")], [1])
    with pytest.raises(ValueError, match="outside"):
        m.brier([1.2], [1])
    with pytest.raises(ValueError, match="ties"):
        m.brier([0.5], [0.5])
    with pytest.raises(ValueError, match="no games"):
        m.brier([], [])
    with pytest.raises(ValueError, match="do not match"):
        m.brier([0.5, 0.5], [1])


def test_the_bootstrap_interval_has_the_width_of_the_standard_error() -> None:
    difference = np.random.default_rng(1).normal(0.01, 0.2, 2_000)
    interval = m.paired_bootstrap(difference)
    standard_error = difference.std() / math.sqrt(len(difference))
    assert interval.mean == pytest.approx(difference.mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * standard_error, rel=0.06)
    assert interval == m.paired_bootstrap(difference)
    assert interval != m.paired_bootstrap(difference, seed=1)


def test_several_differences_share_their_resamples() -> None:
    generator = np.random.default_rng(2)
    first, second = generator.normal(size=300), generator.normal(size=300)
    together = m.paired_bootstraps([first, second])
    for one, alone in zip(together, (first, second), strict=True):
        expected = m.paired_bootstrap(alone)
        assert one.mean == pytest.approx(expected.mean)
        assert (one.low, one.high) == pytest.approx((expected.low, expected.high))
        assert one.share_negative == expected.share_negative


def test_a_bootstrap_of_many_games_works_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    difference = np.random.default_rng(3).normal(size=50)
    whole = m.paired_bootstrap(difference)
    monkeypatch.setattr(m, "_CHUNK_CELLS", 1_000)
    pieces = m.paired_bootstrap(difference)
    # The pieces draw the same numbers in the same order.
    assert (pieces.low, pieces.high) == pytest.approx((whole.low, whole.high), abs=1e-12)
    assert pieces.share_negative == whole.share_negative


@pytest.mark.parametrize(
    ("n", "mean", "p95"),
    [(100, 0.099, 0.145), (285, 0.060, 0.088), (1_000, 0.032, 0.046), (5_281, 0.014, 0.022)],
)
def test_perfect_calibration_still_shows_the_measured_noise(
    n: int, mean: float, p95: float
) -> None:
    # Closing probabilities of the NFL look like this: centred at 0.57, logit spread 0.75.
    logit = np.random.default_rng(0).normal(0.3, 0.75, n)
    found_mean, found_p95 = m.ece_noise(1 / (1 + np.exp(-logit)))
    assert found_mean == pytest.approx(mean, rel=0.08)
    assert found_p95 == pytest.approx(p95, rel=0.08)


def test_the_noise_of_a_certain_forecast_is_zero() -> None:
    assert m.ece_noise(np.array([0.0, 1.0, 1.0])) == (0.0, 0.0)
