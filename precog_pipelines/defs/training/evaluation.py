"""Asset ``model_evaluation``: every model beside market, Elo and home rate on the same games."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg

from precog_core.alerts import raise_alert
from precog_core.database import Database
from precog_dagster.metadata import LeftOut, inline_png, markdown_table, table_metadata
from precog_dagster.partitions import league as by_league
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.training.models import ANY_SEASON, family_assets
from precog_pipelines.resources import MlflowResource
from precog_pipelines.tracking.runs import Tracking, registered_name, tracking_of
from precog_pipelines.training.leagues import for_each_league

if TYPE_CHECKING:
    from precog_pipelines.training.degradation import Quality
    from precog_pipelines.training.judging import Candidate, Judgement

TABLE = "model_evaluations"


@dg.asset(
    deps=[
        *family_assets,
        dg.AssetDep("market_snapshots", partition_mapping=ANY_SEASON),
    ],
    partitions_def=by_league,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="training",
    group_name="training",
    kinds={"python", "mlflow", "postgres"},
    owners=["team:precog"],
    tags={"table": TABLE},
    check_specs=[
        dg.AssetCheckSpec(
            "calibration",
            asset="model_evaluation",
            description=(
                "Out of sample, the calibration error is at most the larger of 0.05 and what "
                "perfect calibration would still show at this number of games."
            ),
        ),
        dg.AssetCheckSpec(
            "leak_alarms",
            asset="model_evaluation",
            blocking=True,
            description=(
                "No model beats the market over a season, leans on one feature, or is much better "
                "in training than out of sample."
            ),
        ),
        dg.AssetCheckSpec(
            "sanity_bands",
            asset="model_evaluation",
            blocking=True,
            description=(
                "No season is better than any honest forecast has been, and Elo lies in its band."
            ),
        ),
        dg.AssetCheckSpec(
            "champion_quality",
            asset="model_evaluation",
            description=(
                "The champion's last 50 games are not worse than the mean of its record plus two "
                "standard errors; worse raises the alert model_degraded, and nothing is demoted."
            ),
        ),
    ],
    description=(
        "The newest walk-forward of every model compared with the home rate, Elo and the closing "
        "market on the same games, with bootstrap intervals (table model_evaluations): over all "
        "seasons, and over those before the last one, which choose the champion. Says so when the "
        "market is better."
    ),
)
def model_evaluation(
    context: dg.AssetExecutionContext, postgres: PostgresResource, mlflow: MlflowResource
) -> dg.MaterializeResult:
    from precog_pipelines.training.judging import judge_league, log_evaluations, write_evaluations

    tracking, database = tracking_of(mlflow), postgres.database()
    written = 0
    quality: dict[str, Quality] = {}
    left_out = LeftOut(context)
    found = for_each_league(
        context.partition_keys, lambda league: judge_league(database, tracking, league), left_out
    )
    judged = list(found.values())
    pictures: dict[str, Any] = {}
    for judgement in judged:
        pictures |= _comparison(tracking, judgement)
        written += write_evaluations(database, judgement)
        log_evaluations(tracking, judgement)
        quality |= _champion_quality(database, tracking, judgement)
        for candidate in judgement.candidates:
            context.log.info(candidate.words())
            for finding in candidate.findings:
                context.log.warning(f"{candidate.title}: {finding.level}: {finding.message}")
    candidates = [candidate for judgement in judged for candidate in judgement.candidates]
    windows = [window for c in candidates for window in c.evaluation.windows()]
    metadata: dict[str, Any] = {
        "verdict": dg.MetadataValue.md("\n\n".join(c.words() for c in candidates)),
        "rows_inserted": written,
        **pictures,
        **left_out.metadata(),
    }
    for candidate in candidates:
        table = candidate.evaluation.by_season.to_dict("records")
        shown = [{str(k): v for k, v in row.items()} for row in table]
        metadata[f"{candidate.name}_by_season"] = dg.MetadataValue.md(
            markdown_table(shown, limit=len(shown))
        )
        metadata[f"{candidate.name}_brier"] = candidate.evaluation.full.scores.brier
        metadata[f"{candidate.name}_mlflow_run"] = dg.MetadataValue.url(
            tracking.run_url(candidate.record.experiment_id, candidate.record.parent_run_id)
        )
    with database.transaction() as conn:
        return dg.MaterializeResult(
            metadata=table_metadata(
                conn,
                TABLE,
                rows=sum(len(window.comparisons) for window in windows),
                preview=[row for c in candidates for row in _comparisons(c)],
                first=min(window.start for window in windows),
                last=max(window.end for window in windows),
                **metadata,
            ),
            check_results=[*_checks(judged), _quality_check(quality)],
        )


def _comparison(tracking: Tracking, judgement: "Judgement") -> dict[str, Any]:
    """All models of a league on the same games: recorded in MLflow, and as a picture."""
    from precog_pipelines.tracking.plots import png
    from precog_pipelines.training.comparison import compare_candidates, log_comparison

    compared = compare_candidates(judgement)
    if compared is None:
        return {}
    league = judgement.league
    found: dict[str, Any] = {
        f"{league}_comparison": inline_png(compared.title, png(compared.figure())),
        f"{league}_comparison_run": dg.MetadataValue.url(
            log_comparison(tracking, judgement, compared)
        ),
    }
    return found | ({f"{league}_opening_market": compared.note} if compared.note else {})


def _champion_quality(
    database: Database, tracking: Tracking, judgement: "Judgement"
) -> "dict[str, Quality]":
    """The reigning champion's recent quality by its title; a degraded one raises an alert."""
    from precog_pipelines.training.approval import reigning
    from precog_pipelines.training.degradation import recent_quality

    families = [candidate.family for candidate in judgement.candidates]
    version = reigning(tracking, judgement.league, families)
    if version is None:
        return {}
    candidate = next(
        c
        for c in judgement.candidates
        if version.name == registered_name(judgement.league, c.family)
    )
    quality = recent_quality(candidate.predictions)
    if quality is None:
        return {}
    if quality.is_degraded:
        with database.transaction() as conn:
            raise_alert(
                conn,
                alert_type="model_degraded",
                severity="medium",
                category="data",
                component="predictions",
                message=quality.in_words(candidate.title),
                details={"league": judgement.league, "model": candidate.title}
                | {k: round(v, 6) for k, v in asdict(quality).items()},
                source_table="probability_models",
                source_id=candidate.record.model_id,
                stable_keys={"league": judgement.league, "model": candidate.title},
            )
    return {candidate.title: quality}


def _quality_check(quality: "dict[str, Quality]") -> dg.AssetCheckResult:
    lines = [one.in_words(title) for title, one in quality.items()]
    return dg.AssetCheckResult(
        check_name="champion_quality",
        passed=not any(one.is_degraded for one in quality.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"quality": "; ".join(lines) or "no champion with enough games yet"},
    )


def _comparisons(candidate: "Candidate") -> list[dict[str, Any]]:
    return [
        {
            "model": candidate.title,
            "window": window.name,
            "seasons": f"{window.seasons[0]}–{window.seasons[-1]}",
            "baseline": f"market ({window.market_in_words})" if baseline == "market" else baseline,
            "games": result.n,
            "Brier": result.model_scores.brier,
            "baseline Brier": result.baseline_scores.brier,
            "difference": result.brier_difference.mean,
            "low": result.brier_difference.low,
            "high": result.brier_difference.high,
        }
        for window in candidate.evaluation.windows()
        for baseline, result in window.comparisons.items()
    ]


def _checks(judged: "list[Judgement]") -> list[dg.AssetCheckResult]:
    calibration: dict[str, Any] = {}
    calibrated = True
    for judgement in judged:
        for candidate in judgement.candidates:
            window = candidate.evaluation.full
            limit = max(judgement.config.champion.max_ece, window.ece_limit)
            calibration[f"{candidate.name}_ece"] = window.scores.ece
            calibration[f"{candidate.name}_limit"] = limit
            calibrated &= window.scores.ece <= limit
    leaks = ("beats_market", "one_feature", "train_test_gap")
    bands = ("season_brier", "season_accuracy", "elo_band")
    return [
        dg.AssetCheckResult(
            check_name="calibration",
            passed=calibrated,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=calibration,
        ),
        _finding_check("leak_alarms", leaks, judged),
        _finding_check("sanity_bands", bands, judged),
    ]


def _finding_check(
    name: str, codes: tuple[str, ...], judged: "list[Judgement]"
) -> dg.AssetCheckResult:
    found = [
        (candidate.title, finding)
        for judgement in judged
        for candidate in judgement.candidates
        for finding in candidate.findings
        if finding.code in codes
    ]
    lines = [f"- {title}: {finding.level}: {finding.message}" for title, finding in found]
    return dg.AssetCheckResult(
        check_name=name,
        passed=not any(finding.level == "alarm" for _, finding in found),
        metadata={"findings": dg.MetadataValue.md("\n".join(lines) or "none")},
    )
