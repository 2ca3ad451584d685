"""What is too good, or too odd, to be true: sanity bands and leak alarms (models.md, section 5).

A model that beats every honest result ever seen has most likely read the future. An alarm keeps a
run out of the registry; a warning asks a person to look first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from precog_pipelines.training.config import LeakConfig, SanityBand
from precog_pipelines.training.evaluation import Evaluation
from precog_pipelines.training.metrics import (
    accuracy,
    brier,
    paired_bootstrap,
    squared_errors,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Finding:
    """One alarm or warning, in words that name the number and its limit."""

    level: Literal["alarm", "warning"]
    code: str
    message: str


def find_leaks(
    evaluation: Evaluation,
    *,
    gain_shares: Mapping[str, float],
    train_brier: float | None,
    band: SanityBand | None,
    leaks: LeakConfig,
) -> list[Finding]:
    """Alarms and warnings about one model.

    ``gain_shares`` is empty and ``train_brier`` None for a model that is not trained. Without a
    ``band`` a warning says that nobody can tell what is too good.
    """
    findings = _season_findings(evaluation, band, leaks)
    if band is None:
        findings.append(
            Finding(
                "warning",
                "no_band",
                "config/models.yaml has no sanity band for this league: nothing says which results "
                "are too good to be honest",
            )
        )
    for name, share in gain_shares.items():
        if share > leaks.max_feature_gain_share and name not in leaks.exempt_features:
            findings.append(
                Finding(
                    "alarm",
                    "one_feature",
                    f"feature {name} has {share:.0%} of the total gain, over "
                    f"{leaks.max_feature_gain_share:.0%}: look whether it knows the result",
                )
            )
    if train_brier is not None:
        gap = evaluation.full.scores.brier - train_brier
        if gap > leaks.max_train_test_gap:
            findings.append(
                Finding(
                    "alarm",
                    "train_test_gap",
                    f"Brier is {gap:.4f} worse out of sample than in training, over "
                    f"{leaks.max_train_test_gap}: the model memorises",
                )
            )
    return findings


def check_elo_band(evaluation: Evaluation, band: SanityBand | None) -> list[Finding]:
    """An alarm when Elo over three or more seasons lies outside the league's honest band."""
    window = evaluation.full
    if band is None or len(window.seasons) < 3:
        return []
    value = window.scores.brier
    if band.elo_brier_low <= value <= band.elo_brier_high:
        return []
    return [
        Finding(
            "alarm",
            "elo_band",
            f"Elo has Brier {value:.4f} over {len(window.seasons)} seasons, outside "
            f"{band.elo_brier_low}–{band.elo_brier_high}: parameters or data are wrong",
        )
    ]


def _season_findings(
    evaluation: Evaluation, band: SanityBand | None, leaks: LeakConfig
) -> list[Finding]:
    findings: list[Finding] = []
    games = evaluation.games
    counts = games.groupby("season").size()
    full = counts[counts >= leaks.full_season_share * counts.median()].index
    for season, part in games[games["season"].isin(full)].groupby("season"):
        if band is not None:
            findings += _band_findings(int(season), part, band)
        # Simulated quotes are made from results; beating them proves nothing.
        priced = part[part["market"].notna() & (part["market_source"] != "simulated")]
        if len(priced) < leaks.full_season_share * len(part):
            continue
        finding = _gain_over_market(int(season), priced, leaks)
        if finding is not None:
            findings.append(finding)
    return findings


def _gain_over_market(season: int, priced: "pd.DataFrame", leaks: LeakConfig) -> Finding | None:
    """Better than the market by more than the limit: an alarm unless chance explains it.

    A season of the NFL moves a difference of two honest forecasts by about 0.005 either way (a
    model 0.009 behind over twenty seasons was 0.006 ahead in 2015), so the limit alone would stop
    honest models. What a 95 % interval still leaves open is a warning.
    """
    p, q, y = (priced[name].to_numpy(dtype=float) for name in ("p_home", "market", "home_win"))
    gain = brier(q, y) - brier(p, y)
    if gain <= leaks.max_gain_over_market:
        return None
    interval = paired_bootstrap(squared_errors(p, y) - squared_errors(q, y))
    is_chance = interval.high >= 0
    return Finding(
        "warning" if is_chance else "alarm",
        "beats_market",
        f"season {season}: Brier {brier(p, y):.4f} against the market's {brier(q, y):.4f}, better "
        f"by more than {leaks.max_gain_over_market}, difference {interval.mean:+.4f} "
        f"[{interval.low:+.4f}, {interval.high:+.4f}]"
        + (": chance may explain it" if is_chance else ""),
    )


def _band_findings(season: int, part: "pd.DataFrame", band: SanityBand) -> list[Finding]:
    findings: list[Finding] = []
    p, y = part["p_home"].to_numpy(), part["home_win"].to_numpy()
    score, right = brier(p, y), accuracy(p, y)
    if score < band.alarm_brier_below:
        findings.append(
            Finding(
                "alarm",
                "season_brier",
                f"season {season}: Brier {score:.4f}, below {band.alarm_brier_below}, which no "
                "honest forecast has reached",
            )
        )
    elif score < band.warn_brier_below:
        findings.append(
            Finding(
                "warning",
                "season_brier",
                f"season {season}: Brier {score:.4f}, below {band.warn_brier_below}",
            )
        )
    if right > band.alarm_accuracy_above:
        findings.append(
            Finding(
                "alarm",
                "season_accuracy",
                f"season {season}: {right:.1%} of games right, above "
                f"{band.alarm_accuracy_above:.0%}",
            )
        )
    return findings
