"""The champion gate and the choice among those who pass, as rules."""

from dataclasses import replace

import pytest

from precog_pipelines.training.config import ChampionConfig
from precog_pipelines.training.evaluation import Comparison, Window
from precog_pipelines.training.findings import Finding
from precog_pipelines.training.metrics import Interval, Scores
from precog_pipelines.training.promotion import Contender, Reason, choose, gate, in_words
from tests.training.test_evaluation import evaluation_of, outcomes

CONFIG = ChampionConfig()


@pytest.fixture(scope="module")
def judged() -> Window:
    games = outcomes()
    window = evaluation_of(games["truth"], games).judged
    assert window is not None
    return window


def passes(window: Window | None, **changes: object) -> list[bool]:
    values: dict = {
        "judged": window,
        "reference_name": "the home rate",
        "reference": window.comparisons["home_rate"] if window else None,
        "findings": (),
        "missing_tags": (),
        "config": CONFIG,
    } | changes
    return [reason.passed for reason in gate(**values)]


def test_a_model_that_beats_the_home_rate_passes_every_condition(judged: Window) -> None:
    assert passes(judged) == [True] * 6


def test_each_condition_can_fail_by_itself(judged: Window) -> None:
    reference = judged.comparisons["home_rate"]
    few = replace(reference, model_scores=replace(reference.model_scores, n=99))
    worse = replace(reference, brier_difference=Interval(0.0, -0.001, 0.0011, 0.5))
    louder = replace(reference, log_loss_difference=Interval(0.01, 0.001, 0.02, 0.0))
    blunt = replace(judged, scores=replace(judged.scores, ece=0.06))
    alarm = Finding("alarm", "beats_market", "too good")
    warning = Finding("warning", "season_brier", "rather good")
    assert passes(judged, missing_tags=["git_sha"]) == [False, True, True, True, True, True]
    assert passes(judged, findings=[alarm]) == [True, False, True, True, True, True]
    assert passes(judged, findings=[warning]) == [True] * 6
    assert passes(judged, reference=few) == [True, True, False, True, True, True]
    assert passes(judged, reference=worse) == [True, True, True, False, True, True]
    assert passes(judged, reference=louder) == [True, True, True, True, False, True]
    assert passes(blunt) == [True, True, True, True, True, False]


def test_the_limits_themselves_still_pass(judged: Window) -> None:
    reference = judged.comparisons["home_rate"]
    at_limit = replace(
        reference,
        model_scores=replace(reference.model_scores, n=100),
        brier_difference=Interval(0.0, -0.001, 0.001, 0.5),
        log_loss_difference=Interval(0.01, 0.0, 0.02, 0.0),
    )
    edge = replace(judged, scores=replace(judged.scores, ece=0.05), ece_limit=0.02)
    assert passes(edge, reference=at_limit) == [True] * 6


def test_few_games_widen_the_calibration_limit_to_the_noise_floor(judged: Window) -> None:
    noisy = replace(judged, scores=replace(judged.scores, ece=0.08), ece_limit=0.088)
    assert passes(noisy) == [True] * 6
    assert passes(replace(noisy, ece_limit=0.07))[-1] is False


def test_the_market_does_not_stand_at_the_gate() -> None:
    games = outcomes(games=2_000)
    # A timid model: right about who, less sure than it could be.
    losing = evaluation_of(0.75 * games["truth"] + 0.25 * 0.56, games).judged
    assert losing is not None
    assert losing.comparisons["market"].brier_difference.low > 0
    assert passes(losing) == [True] * 6


def test_one_season_out_of_sample_is_not_enough() -> None:
    assert passes(None) == [False]


def contender(name: str, brier: float, *, passed: bool = True, alarm: bool = False) -> Contender:
    return Contender(name, brier, (Reason(passed, "it is so"),), alarm)


def test_the_lowest_brier_among_those_who_passed_wins() -> None:
    choice = choose(
        [
            contender("a", 0.221),
            contender("b", 0.219, passed=False),
            contender("c", 0.220),
            contender("d", 0.218, passed=False, alarm=True),
        ]
    )
    assert choice.champion == "c"
    assert choice.challengers == ("b", "a")


def test_nobody_wins_when_nobody_passed_and_alarmed_models_do_not_even_watch() -> None:
    choice = choose(
        [contender("a", 0.2, passed=False), contender("b", 0.1, passed=False, alarm=True)]
    )
    assert choice.champion is None
    assert choice.challengers == ("a",)


def test_the_order_of_contenders_does_not_matter() -> None:
    models = [contender("a", 0.22), contender("b", 0.22), contender("c", 0.23)]
    assert choose(models) == choose(models[::-1])
    assert choose(models).champion == "a"


def test_the_verdict_names_only_what_failed() -> None:
    reasons = (Reason(True, "no alarm"), Reason(False, "calibration error 0.09 (at most 0.05)"))
    assert in_words("nfl-x v1.0", reasons) == (
        "nfl-x v1.0 is not admitted: calibration error 0.09 (at most 0.05)."
    )
    assert in_words("nfl-x v1.0", reasons[:1]) == "nfl-x v1.0 is admitted: no alarm."


def test_an_equal_refit_passes_against_the_champion(judged: Window) -> None:
    nothing = Interval(0.0, 0.0, 0.0, 0.0)
    scores = Scores(500, 0.22, 0.63, 0.02, 0.65, 0.7)
    same = Comparison("champion", scores, scores, nothing, nothing)
    assert passes(judged, reference=same) == [True] * 6
