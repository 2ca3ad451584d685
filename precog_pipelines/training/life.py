"""A model's way to live trading and out of it: the gate that looks at the market (rules §13).

Becoming champion allows paper trading (``promotion``). Live money asks for more: the model must
have been better than the market's price at the moment of the decision, on the same games. Only
prices of the real venue count. Results-only models lose to the market: expect a refusal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import psycopg
from pydantic import BaseModel, Field

from precog_core.alerts import report
from precog_core.config import load_section
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.features.config import features_config
from precog_pipelines.training.evaluation import compare_pair
from precog_pipelines.training.metrics import ece, ece_noise, reliability
from precog_pipelines.training.promotion import Reason

_STEPS = {"active": "testing", "deprecated": "active"}
_DAY = timedelta(days=1)
_BIN_GAMES = 30
_BIN_CONFIDENCE = 0.99


class LiveGate(BaseModel):
    """What is read here of ``promotion`` in ``config/trading.yaml``; trading judges the rest."""

    model_predictions: int = Field(default=100, ge=1)
    model_days: int = Field(default=30, ge=0)
    model_bootstrap: float = Field(default=0.90, ge=0, le=1)
    model_ece: float = Field(default=0.05, ge=0, le=1)


class _Trading(BaseModel):
    promotion: LiveGate = LiveGate()


class LiveGateRefused(PrecogError):
    """The gate to live is not passed. ``reasons`` are all of them, passed or not."""

    def __init__(self, message: str, reasons: tuple[Reason, ...]) -> None:
        super().__init__(message)
        self.reasons = reasons


@dataclass(frozen=True)
class SettledGame:
    """A prediction at the decision and how the game ended.

    ``at``: the decision; ``p_home`` and ``market`` are P(home wins), ``market`` None without a
    price of the venue at that moment; ``home_win`` 0 or 1.
    """

    at: datetime
    p_home: float
    home_win: int
    market: float | None


@dataclass(frozen=True)
class Step:
    """A step that was taken. ``methods``: those in force with this model, such as ``a v1.0``."""

    before: str
    status: str
    reasons: tuple[Reason, ...]
    methods: tuple[str, ...]


def live_gate(conn: psycopg.Connection | None = None) -> LiveGate:
    """``trading.promotion.model_*`` as configured."""
    return load_section("trading", _Trading, conn).promotion


def market_gate(games: Sequence[SettledGame], config: LiveGate) -> tuple[Reason, ...]:
    """What the predictions must have shown: pure, one condition per line of the rule.

    Number, days, Brier and log loss are over the games with a price; calibration is over all, for
    it needs no price and more games see more.
    """
    priced = [game for game in games if game.market is not None]
    if not priced:
        return (
            Reason(
                False,
                f"0 settled predictions beside the venue's price at the decision (at least "
                f"{config.model_predictions}); {len(games)} settled ones in all. Simulated and "
                "assumed prices do not count",
            ),
            *_calibration(games, config),
        )
    days = (max(game.at for game in priced) - min(game.at for game in priced)) / _DAY
    return (
        Reason(
            len(priced) >= config.model_predictions,
            f"{len(priced)} settled predictions beside the venue's price at the decision (at "
            f"least {config.model_predictions})",
        ),
        Reason(days >= config.model_days, f"over {days:.1f} days (at least {config.model_days})"),
        *_beside_the_market(priced, config),
        *_calibration(games, config),
    )


def move(
    conn: psycopg.Connection,
    name: str,
    version: str,
    to: str,
    *,
    who: str,
    reason: str,
    config: LiveGate,
) -> Step:
    """Take a step (``active`` or ``deprecated``) in the caller's transaction.

    Raises PrecogError for a step that is not on the path, or without a person and a reason;
    LiveGateRefused when the gate to live is not passed.
    """
    if not who.strip() or not reason.strip():
        raise PrecogError("a step needs a person and a reason: --by NAME --reason WHY")
    queries = load_queries("probability_models")
    model_id, status = _find(conn, name, version)
    if status != _STEPS[to]:
        raise PrecogError(
            f"model {name} {version} is {status}; only one in {_STEPS[to]} becomes {to}"
        )
    reasons: tuple[Reason, ...] = ()
    if to == "active":
        reasons = (*market_gate(settled_games(conn, model_id), config), *_clean(conn, model_id))
        failed = [each.text for each in reasons if not each.passed]
        if failed:
            raise LiveGateRefused(
                f"model {name} {version} stays {status}: {'; '.join(failed)}", reasons
            )
    changed = queries.change_status(
        conn, model_id=model_id, old_status=status, new_status=to, who=who, notes=reason
    )
    if changed is None:
        raise PrecogError(f"model {name} {version} was changed by somebody else just now")
    report(
        conn, "lifecycle_change", f"model {name} {version} is {to}: {reason} ({who})",
        source=("probability_models", model_id),
        stable_keys={"model": f"{name} {version}", "status": to},
    )  # fmt: skip
    users = queries.methods_in_force(conn, model_id=model_id)
    return Step(status, to, reasons, tuple(f"{method} {number}" for method, number in users))


def settled_games(conn: psycopg.Connection, model_id: int) -> list[SettledGame]:
    """Every settled out-of-sample prediction of a model at the decision, in order of time."""
    found = load_queries("probability_models").settled_predictions(
        conn, model_id=model_id, lead_s=features_config().lead("decision").total_seconds()
    )
    games = [
        SettledGame(at, float(p_home), home_win, _float(market))
        for _, at, p_home, home_win, market in found
    ]
    return sorted(games, key=lambda game: game.at)


def _float(number: Decimal | None) -> float | None:
    return None if number is None else float(number)


def _find(conn: psycopg.Connection, name: str, version: str) -> tuple[int, str]:
    queries = load_queries("probability_models")
    found = queries.model_at_gate(conn, name=name, version=version)
    if found is None:
        versions = [row[0] for row in queries.versions_of(conn, name=name)]
        there = f"it has {', '.join(versions)}" if versions else "`precog models list` has them"
        raise PrecogError(f"there is no model {name} {version}; {there}")
    return int(found[0]), str(found[1])


def _beside_the_market(priced: Sequence[SettledGame], config: LiveGate) -> list[Reason]:
    import pandas as pd

    frame = pd.DataFrame(
        [(g.p_home, g.market, g.home_win) for g in priced], columns=["p", "q", "y"]
    )
    result = compare_pair("market", frame["p"], frame["q"], frame["y"])
    mine, theirs = result.model_scores, result.baseline_scores
    return [
        Reason(
            score < price and difference.share_negative >= config.model_bootstrap,
            f"{name} {score:.4f} against {price:.4f} of the market (below it); P(better) "
            f"{difference.share_negative:.3f} (at least {config.model_bootstrap:.2f})",
        )
        for name, score, price, difference in (
            ("Brier", mine.brier, theirs.brier, result.brier_difference),
            ("log loss", mine.log_loss, theirs.log_loss, result.log_loss_difference),
        )
    ]


def _calibration(games: Sequence[SettledGame], config: LiveGate) -> list[Reason]:
    if not games:
        return []
    p, y = [game.p_home for game in games], [game.home_win for game in games]
    error, limit = ece(p, y), max(config.model_ece, ece_noise(p)[1])
    off = [
        f"{each.low:.1f}–{each.high:.1f} (n {each.n}, said {each.mean_p:.3f}, came "
        f"{each.mean_y:.3f})"
        for each in reliability(p, y, confidence=_BIN_CONFIDENCE)
        if each.n >= _BIN_GAMES
        and each.mean_p is not None
        and each.wilson_low is not None
        and each.wilson_high is not None
        and not each.wilson_low <= each.mean_p <= each.wilson_high
    ]
    return [
        Reason(
            error <= limit,
            f"calibration error {error:.4f} over {len(games)} games (at most {limit:.4f})",
        ),
        Reason(
            not off,
            f"{len(off)} bins of {_BIN_GAMES} games or more outside their 99 % interval (none)"
            + (f": {', '.join(off)}" if off else ""),
        ),
    ]


def _clean(conn: psycopg.Connection, model_id: int) -> list[Reason]:
    lost = load_queries("probability_models").unattributed_trades(conn, model_id=model_id)
    alarms = load_queries("methods").open_leak_alarms(conn, model_id=model_id)
    return [
        Reason(lost == 0, f"{lost} trades without attribution (none)"),
        Reason(alarms == 0, f"{alarms} open leak alarms (none)"),
    ]
