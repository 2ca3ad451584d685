"""Evaluations written, versions registered, one champion: against PostgreSQL and MLflow."""

import pytest

from precog_core.errors import PrecogError
from precog_pipelines.tracking.models import (
    CHALLENGER,
    CHAMPION,
    load_model,
    set_alias,
    version_by_alias,
    version_of_run,
)
from precog_pipelines.training.approval import GateRefused, approve
from precog_pipelines.training.judging import (
    ALARMS_TAG,
    judge_league,
    log_evaluations,
    write_evaluations,
)
from precog_pipelines.training.metrics import brier
from tests.trained_league import AHEAD, FAMILIES, LEAGUE, Home

STATUSES = (
    "SELECT model_name, status, approved_by, notes FROM probability_models ORDER BY model_name"
)
NAMES = {family: f"precog-ncaaf-{family}" for family in FAMILIES}


def holders(home: Home, alias: str) -> list[str]:
    return [
        family
        for family, name in NAMES.items()
        if version_by_alias(home.tracking, name, alias) is not None
    ]


def test_every_comparison_is_a_row_and_again_writes_none(trained_home: Home) -> None:
    judgement = judge_league(trained_home.db, trained_home.tracking, LEAGUE)
    assert write_evaluations(trained_home.db, judgement) == 0
    rows = trained_home.rows(
        "SELECT m.model_name, e.baseline, e.n, e.brier, e.baseline_brier, e.brier_diff_low,"
        " e.brier_diff_high, e.window_start_ts, e.window_end_ts, jsonb_array_length(e.reliability)"
        " FROM model_evaluations e JOIN probability_models m USING (model_id)"
        " ORDER BY e.window_end_ts, m.model_name, e.baseline"
    )
    assert [(row[0], row[1]) for row in rows] == 2 * [
        ("ncaaf-elo", "home_rate"),
        *((f"ncaaf-{f}", b) for f in FAMILIES[1:] for b in ("elo", "home_rate")),
    ]  # fmt: skip
    for _, _, n, score, baseline, low, high, start, end, bins in rows:
        assert low <= score - baseline <= high
        assert start < end and bins == 10 and n > 200
    elo = next(c for c in judgement.candidates if c.family == "elo")
    full = rows[7]
    assert full[2:4] == (len(elo.predictions), pytest.approx(elo.evaluation.full.scores.brier))
    judged = elo.predictions[elo.predictions["season"] < 2014]
    assert rows[0][2:4] == (
        len(judged), pytest.approx(brier(judged["p_home"], judged["home_win"])),
    )  # fmt: skip
    # The stored window is half open and holds exactly the judged games.
    inside = trained_home.value(
        "SELECT count(*) FROM games WHERE kickoff_at >= %s AND kickoff_at < %s AND game_type <>"
        " 'preseason' AND home_score <> away_score", rows[0][7], rows[0][8],
    )  # fmt: skip
    assert inside == rows[0][2]


def test_the_verdict_and_the_alarms_are_on_the_run(trained_home: Home) -> None:
    judgement = judge_league(trained_home.db, trained_home.tracking, LEAGUE)
    for candidate in judgement.candidates:
        run = trained_home.tracking.client().get_run(candidate.record.parent_run_id)
        assert run.data.tags[ALARMS_TAG] == "none"
        assert run.data.tags["precog.verdict"] == candidate.words()
        assert "No market price is known" in candidate.words()
        window = candidate.evaluation.judged
        assert window is not None
        assert run.data.metrics["judged/brier"] == pytest.approx(window.scores.brier)
        gap = window.comparisons["home_rate"].brier_difference
        assert run.data.metrics["judged/vs_home_rate/brier_diff_high"] == pytest.approx(gap.high)
    # Logging again adds no second point to any curve.
    log_evaluations(trained_home.tracking, judgement)
    client = trained_home.tracking.client()
    run_id = judgement.candidates[0].record.parent_run_id
    assert len(client.get_metric_history(run_id, "judged/brier")) == 1


def test_the_best_model_is_champion_and_the_other_watches(trained_home: Home) -> None:
    judgement = judge_league(trained_home.db, trained_home.tracking, LEAGUE)
    best = min(
        judgement.candidates,
        key=lambda c: c.evaluation.judged.scores.brier if c.evaluation.judged else 1.0,
    )
    others = [c for c in judgement.candidates if c is not best]
    assert holders(trained_home, CHAMPION) == [best.family]
    assert holders(trained_home, CHALLENGER) == sorted(other.family for other in others)
    by_name = {row[0]: row[1:] for row in trained_home.rows(STATUSES)}
    status, approved_by, notes = by_name[best.name]
    assert (status, approved_by) == ("testing", "bootstrap")
    assert notes.startswith(f"{best.title} is admitted: its MLflow run has all tags; no alarm;")
    assert {by_name[other.name][0] for other in others} == {"draft"}
    version = version_by_alias(trained_home.tracking, NAMES[best.family], CHAMPION)
    assert version is not None and version.run_id == best.record.latest.mlflow_run_id
    details = trained_home.tracking.client().get_model_version(version.name, str(version.number))
    assert best.words() in details.description
    assert details.tags["season"] == str(AHEAD)
    assert load_model(trained_home.tracking, version.run_id).metadata.signature is not None


def test_approving_again_changes_nothing(trained_home: Home) -> None:
    before = trained_home.rows(STATUSES)
    for _ in range(2):
        approval = approve(trained_home.db, trained_home.tracking, LEAGUE)
        assert not approval.moved
        assert approval.version.number == 1
        assert approval.compared_with.startswith("the champion precog-ncaaf-")
    assert trained_home.rows(STATUSES) == before
    client = trained_home.tracking.client()
    assert len(client.search_model_versions("")) == len(FAMILIES)


def test_a_better_model_takes_the_place_and_the_old_one_goes_back(trained_home: Home) -> None:
    approval = approve(trained_home.db, trained_home.tracking, LEAGUE)
    winner = approval.champion
    weaker, loser = list(approval.challengers.items())[-1]
    # The weaker one reigns, as after months in which the other was not yet there.
    set_alias(trained_home.tracking, loser, CHAMPION)
    client = trained_home.tracking.client()
    client.delete_registered_model_alias(approval.version.name, CHAMPION)
    with trained_home.db.transaction() as conn:
        conn.execute("UPDATE probability_models SET status = 'draft' WHERE status = 'testing'")
        conn.execute(
            "UPDATE probability_models SET status = 'testing' WHERE model_name = %s", (weaker,)
        )

    again = approve(trained_home.db, trained_home.tracking, LEAGUE)
    assert again.moved and again.champion.name == winner.name
    assert again.compared_with == f"the champion {loser.name} version 1"
    assert holders(trained_home, CHAMPION) == [winner.family]
    by_name = {row[0]: row[1:] for row in trained_home.rows(STATUSES)}
    assert by_name[winner.name][0] == "testing"
    assert by_name[weaker][0] == "draft"
    assert by_name[weaker][2] == f"{winner.title} took its place"


def test_when_nobody_passes_the_champion_stays_and_the_reasons_are_told(
    trained_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (trained_home.rows(STATUSES), holders(trained_home, CHAMPION))
    monkeypatch.setenv("PRECOG__MODELS__CHAMPION__MIN_GAMES", "100000")
    with pytest.raises(GateRefused) as refusal:
        approve(trained_home.db, trained_home.tracking, LEAGUE)
    message = str(refusal.value)
    assert "ncaaf-elo v1.0 is not admitted" in message
    assert "ncaaf-xgboost v1.0 is not admitted" in message
    assert "(at least 100000)" in message
    assert (trained_home.rows(STATUSES), holders(trained_home, CHAMPION)) == before


@pytest.mark.requirement("PIT-008")
def test_an_alarm_keeps_a_run_out_of_the_registry(
    fitted_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every trained model is worse out of sample than in training: the tightest limit alarms.
    monkeypatch.setenv("PRECOG__MODELS__LEAKS__MAX_TRAIN_TEST_GAP", "0")
    approval = approve(fitted_home.db, fitted_home.tracking, LEAGUE)
    assert approval.champion.family == "elo"
    # The regression is too simple to memorise anything; the trees are not.
    assert "ncaaf-xgboost" not in approval.challengers
    assert approval.compared_with == "the home rate"
    assert (
        "ncaaf-xgboost v1.0 is not admitted: alarms: Brier is"
        in (approval.reasons["ncaaf-xgboost"])
    )
    judgement = judge_league(fitted_home.db, fitted_home.tracking, LEAGUE)
    boosted = next(c for c in judgement.candidates if c.family == "xgboost")
    run_id = boosted.record.latest.mlflow_run_id
    assert version_of_run(fitted_home.tracking, NAMES["xgboost"], run_id) is None
    log_evaluations(fitted_home.tracking, judgement)
    run = fitted_home.tracking.client().get_run(boosted.record.parent_run_id)
    assert run.data.tags[ALARMS_TAG].startswith("Brier is")


def test_a_model_in_live_trading_is_not_replaced_by_itself(trained_home: Home) -> None:
    approval = approve(trained_home.db, trained_home.tracking, LEAGUE)
    with trained_home.db.transaction() as conn:
        conn.execute("UPDATE probability_models SET status = 'draft' WHERE status = 'testing'")
        for status in ("testing", "active"):
            conn.execute(
                "UPDATE probability_models SET status = %s WHERE model_name <> %s",
                (status, approval.champion.name),
            )
    with pytest.raises(PrecogError, match=r"is active in live trading; deprecate it first"):
        approve(trained_home.db, trained_home.tracking, LEAGUE)


def test_a_league_without_models_is_told_so(league_home: Home) -> None:
    with pytest.raises(PrecogError, match="no model of league ncaaf is trained"):
        judge_league(league_home.db, league_home.tracking, LEAGUE)
