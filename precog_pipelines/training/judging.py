"""Judging the newest fits of a league: reads records, evaluates, writes rows and MLflow metrics.

Evaluation is cheap and pure, so the gate computes it again rather than trusting what an earlier
step wrote down.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_pipelines.sources.quotes_table import closing_probabilities, opening_probabilities
from precog_pipelines.tracking.plots import seasons_plot
from precog_pipelines.tracking.runs import MetricRow, Tracking
from precog_pipelines.training.config import ModelsConfig, load_models_config
from precog_pipelines.training.evaluation import (
    BASELINES,
    Baseline,
    Evaluation,
    Window,
    evaluate,
    home_rates,
    in_words,
    join_baselines,
)
from precog_pipelines.training.findings import Finding, check_elo_band, find_leaks
from precog_pipelines.training.leagues import NotTrainable
from precog_pipelines.training.metrics import reliability
from precog_pipelines.training.promotion import gate
from precog_pipelines.training.records import (
    Record,
    importance,
    latest_record,
    out_of_sample,
)

if TYPE_CHECKING:
    import pandas as pd

EVALUATION_TAG = "precog.evaluation"
ALARMS_TAG = "precog.alarms"
REQUIRED_TAGS = (
    "dataset_sha256", "dataset_version", "feature_versions", "git_sha", "dagster/run_id",
    "partition", "league", "family", "seed", "era",
)  # fmt: skip


# Families that read something known only after the decision: compared, never served.
LATE_FAMILIES = ("anchored",)


@dataclass(frozen=True)
class Candidate:
    """The newest recorded fit of one model version, judged.

    ``predictions`` are its out-of-sample ones; ``missing_tags`` what its MLflow run lacks.
    """

    family: str
    name: str
    version: str
    status: str
    record: Record
    predictions: "pd.DataFrame"
    evaluation: Evaluation
    findings: tuple[Finding, ...]
    missing_tags: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def predicts_in_time(self) -> bool:
        """Whether all it reads is known when predictions are issued."""
        return self.family not in LATE_FAMILIES

    @property
    def has_alarm(self) -> bool:
        return any(finding.level == "alarm" for finding in self.findings)

    def words(self) -> str:
        """The verdict beside every baseline, over all folds."""
        return in_words(self.title, self.evaluation.full)


@dataclass(frozen=True)
class Judgement:
    """All candidates of a league, best full Brier first, and what they are judged with."""

    league: str
    candidates: tuple[Candidate, ...]
    rates: dict[int, float]
    market: "pd.DataFrame"
    config: ModelsConfig
    opening: "pd.DataFrame"


def judge_league(db: Database, tracking: Tracking, league: str) -> Judgement:
    """Evaluate the newest fit of every model of ``league``; writes nothing.

    Raises NotTrainable when no model has a completed walk-forward.
    """
    with db.connection() as conn:
        config = load_models_config(conn)
        models = list(load_queries("training").select_league_models(conn, league=league))
        wins = {
            int(season): (int(home_wins), int(decided))
            for season, home_wins, decided in load_queries("evaluation").home_wins_by_season(
                conn, league=league
            )
        }
        market = closing_probabilities(conn, league, sorted(wins))
        opening = opening_probabilities(conn, league, sorted(wins))
    rates = home_rates(wins)
    records: dict[str, tuple[tuple[Any, ...], Record]] = {}
    for model in models:
        found = latest_record(db, tracking, int(model[0]))
        # Of several versions of a model the newest that was fitted counts.
        if found is not None:
            records[_family(league, model[1])] = (model, found)
    if not records:
        raise NotTrainable(
            f"no model of league {league} is trained; materialise elo_model and "
            "win_probability_model first"
        )
    predictions = {family: out_of_sample(tracking, r) for family, (_, r) in records.items()}
    candidates = [
        _candidate(tracking, family, model, record, predictions, rates, market, config, league)
        for family, (model, record) in records.items()
    ]
    candidates.sort(key=lambda c: (c.evaluation.full.scores.brier, c.name))
    return Judgement(league, tuple(candidates), rates, market, config, opening)


def write_evaluations(db: Database, judgement: Judgement) -> int:
    """Store every comparison of every window; rows that exist stay. Returns how many are new."""
    queries = load_queries("evaluation")
    run_ids = [c.record.latest.training_run_id for c in judgement.candidates]
    with db.transaction() as conn:
        before = queries.count_evaluations(conn, training_run_ids=run_ids)
        for candidate in judgement.candidates:
            for window in candidate.evaluation.windows():
                for baseline in window.comparisons:
                    queries.insert_evaluation(conn, **_row(judgement, candidate, window, baseline))
        after: int = queries.count_evaluations(conn, training_run_ids=run_ids)
    return after - before


def log_evaluations(tracking: Tracking, judgement: Judgement) -> None:
    """Add comparisons, alarms and the plot by season to each candidate's MLflow run, once."""
    for candidate in judgement.candidates:
        metrics = _metrics(candidate)
        digest = sha256(json.dumps(metrics, default=str).encode()).hexdigest()
        run = tracking.client().get_run(candidate.record.parent_run_id)
        if run.data.tags.get(EVALUATION_TAG) == digest:
            continue
        figure = seasons_plot(
            [int(season) for season in candidate.evaluation.by_season["season"]],
            brier_by_season(candidate),
            f"{candidate.title} beside its baselines",
            candidate.evaluation.full.market_in_words,
        )
        with TemporaryDirectory() as folder:
            figure.savefig(f"{folder}/brier_by_season.png")
            candidate.evaluation.by_season.to_csv(f"{folder}/by_season.csv", index=False)
            tracking.client().log_artifacts(candidate.record.parent_run_id, folder)
        alarms = [f.message for f in candidate.findings if f.level == "alarm"]
        tracking.log(
            candidate.record.parent_run_id,
            metrics=metrics,
            tags={
                EVALUATION_TAG: digest,
                ALARMS_TAG: "; ".join(alarms) or "none",
                "precog.verdict": candidate.words(),
                "market_source": candidate.evaluation.full.market_in_words or "none",
            },
        )


def brier_by_season(candidate: Candidate) -> dict[str, list[float | None]]:
    """Brier per season of the model and of each baseline, None where there is no baseline."""
    table = candidate.evaluation.by_season
    series: dict[str, list[float | None]] = {candidate.family: list(table["brier"])}
    for baseline in BASELINES:
        column = f"{baseline}_brier"
        if column in table:
            series[baseline] = [None if value != value else float(value) for value in table[column]]
    return series


def _family(league: str, model_name: str) -> str:
    return model_name.removeprefix(f"{league}-")


def _candidate(
    tracking: Tracking,
    family: str,
    model: tuple[Any, ...],
    record: Record,
    predictions: "dict[str, pd.DataFrame]",
    rates: dict[int, float],
    market: "pd.DataFrame",
    config: ModelsConfig,
    league: str,
) -> Candidate:
    own = predictions[family]
    games = join_baselines(own, rates, predictions.get("elo"), market)
    evaluation = evaluate(games, [b for b in BASELINES if b != family])
    run = tracking.client().get_run(record.parent_run_id)
    band = config.band(league)
    findings = find_leaks(
        evaluation,
        gain_shares=importance(tracking, record),
        train_brier=run.data.metrics.get("train_brier"),
        band=band,
        leaks=config.leaks,
    )
    if family == "elo":
        findings += check_elo_band(evaluation, band)
    return Candidate(
        family=family,
        name=model[1],
        version=model[2],
        status=model[4],
        record=record,
        predictions=own,
        evaluation=evaluation,
        findings=tuple(findings),
        missing_tags=tuple(tag for tag in REQUIRED_TAGS if not run.data.tags.get(tag)),
    )


def _row(
    judgement: Judgement, candidate: Candidate, window: Window, baseline: Baseline
) -> dict[str, Any]:
    result = window.comparisons[baseline]
    shared = candidate.evaluation.games[candidate.evaluation.games[baseline].notna()]
    shared = shared[shared["season"].isin(window.seasons)]
    reasons = gate(
        judged=window,
        reference_name=baseline,
        reference=result,
        findings=candidate.findings,
        missing_tags=candidate.missing_tags,
        config=judgement.config.champion,
        predicts_in_time=candidate.predicts_in_time,
    )
    model_scores = result.model_scores
    return {
        "model_id": candidate.record.model_id,
        # The window spans all folds; the newest one names the walk-forward they belong to.
        "training_run_id": candidate.record.latest.training_run_id,
        "league": judgement.league,
        "window_start_ts": window.start,
        "window_end_ts": window.end,
        "n": model_scores.n,
        "brier": model_scores.brier,
        "log_loss": model_scores.log_loss,
        "accuracy": model_scores.accuracy,
        "auc": model_scores.auc,
        "ece": model_scores.ece,
        "baseline": baseline,
        "baseline_brier": result.baseline_scores.brier,
        "brier_diff_low": result.brier_difference.low,
        "brier_diff_high": result.brier_difference.high,
        "reliability": Jsonb(
            [asdict(bar) for bar in reliability(shared["p_home"], shared["home_win"])]
        ),
        "gate_passed": all(reason.passed for reason in reasons),
    }


def _metrics(candidate: Candidate) -> list[MetricRow]:
    rows: list[MetricRow] = []
    for window in candidate.evaluation.windows():
        prefix = "" if window.name == "full" else "judged/"
        if window.name == "judged":
            values = window.scores.as_dict().items()
            rows += [(f"judged/{k}", float(v), 0) for k, v in values if v is not None]
        rows.append((f"{prefix}ece_noise_p95", window.ece_limit, 0))
        for baseline, result in window.comparisons.items():
            name = f"{prefix}vs_{baseline}"
            rows += [
                (f"{name}/n", float(result.n), 0),
                (f"{name}/baseline_brier", result.baseline_scores.brier, 0),
                (f"{name}/baseline_log_loss", result.baseline_scores.log_loss, 0),
                (f"{name}/brier_diff", result.brier_difference.mean, 0),
                (f"{name}/brier_diff_low", result.brier_difference.low, 0),
                (f"{name}/brier_diff_high", result.brier_difference.high, 0),
                (f"{name}/log_loss_diff", result.log_loss_difference.mean, 0),
            ]
    table = candidate.evaluation.by_season
    for baseline in BASELINES:
        column = f"{baseline}_brier"
        if column in table:
            rows += [
                (f"season/{column}", float(value), int(season))
                for season, value in zip(table["season"], table[column], strict=True)
                if value == value
            ]
    return rows
