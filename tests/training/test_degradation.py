"""A champion that predicts worse than it did raises one alert, and stays champion."""

from dataclasses import replace

from precog_pipelines.defs.training.evaluation import _champion_quality, _quality_check
from precog_pipelines.tracking.models import CHAMPION, version_by_alias
from precog_pipelines.tracking.runs import registered_name
from precog_pipelines.training.judging import judge_league
from tests.trained_league import FAMILIES, LEAGUE, Home

ALERTS = "SELECT severity, message FROM alerts WHERE alert_type = 'model_degraded'"


def test_a_degraded_champion_raises_one_alert_and_is_not_demoted(trained_home: Home) -> None:
    db, tracking = trained_home.db, trained_home.tracking
    judgement = judge_league(db, tracking, LEAGUE)
    assert _quality_check(_champion_quality(db, tracking, judgement)).passed
    assert trained_home.rows(ALERTS) == []

    def wrong_lately(candidate):
        games = candidate.predictions.sort_values(["kickoff_at", "game_key"]).reset_index(drop=True)
        late = games.index[-50:]
        games.loc[late, "p_home"] = 0.9 - 0.8 * games.loc[late, "home_win"]
        return replace(candidate, predictions=games)

    worse = replace(judgement, candidates=tuple(wrong_lately(c) for c in judgement.candidates))
    for _ in range(2):
        check = _quality_check(_champion_quality(db, tracking, worse))
        assert not check.passed and check.severity.value == "WARN"
    ((severity, message),) = trained_home.rows(ALERTS)
    assert severity == "medium"
    assert "Brier 0.8100 over its last 50 games" in message
    held = [
        family
        for family in FAMILIES
        if version_by_alias(tracking, registered_name(LEAGUE, family), CHAMPION)
    ]
    assert len(held) == 1
