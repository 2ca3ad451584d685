"""The gate from challenger to champion, and the choice among those who pass it: pure functions.

Passing means being allowed to trade on paper. Nothing here looks at the market: being worse than
the market is no obstacle to paper, and being better is a separate gate for live trading.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from precog_pipelines.training.config import ChampionConfig
from precog_pipelines.training.evaluation import Comparison, Window
from precog_pipelines.training.findings import Finding


@dataclass(frozen=True)
class Reason:
    """One condition of the gate and whether it holds, in words."""

    passed: bool
    text: str


@dataclass(frozen=True)
class Contender:
    """The newest fit of one model at the gate. ``brier`` is over games that all contenders share.

    ``has_alarm``: it may not be registered. ``watches`` False: it cannot predict at the decision,
    not even in shadow.
    """

    name: str
    brier: float
    reasons: tuple[Reason, ...]
    has_alarm: bool
    watches: bool = True

    @property
    def passed(self) -> bool:
        return all(reason.passed for reason in self.reasons)


@dataclass(frozen=True)
class Choice:
    """The winner and who watches it; ``champion`` None when nobody passed."""

    champion: str | None
    challengers: tuple[str, ...]


def gate(
    *,
    judged: Window | None,
    reference_name: str,
    reference: Comparison | None,
    findings: Sequence[Finding],
    missing_tags: Sequence[str],
    config: ChampionConfig,
    predicts_in_time: bool = True,
    withdrawn: str | None = None,
) -> tuple[Reason, ...]:
    """Every condition for becoming champion, passed or not.

    ``judged`` is the window before the last season; ``reference`` compares with the champion on
    the same games, or with the home rate while there is none. ``predicts_in_time`` False: an
    input of the model is known only after the moment at which predictions are issued.
    ``withdrawn``: why a person rolled this very fit back.
    """
    if not predicts_in_time:
        return (
            Reason(
                False,
                "it needs the last price before the start, which is known only after the moment "
                "at which predictions are issued; it is there to be compared",
            ),
        )
    if withdrawn is not None:
        return (Reason(False, f"this fit was rolled back: {withdrawn}; a new fit may compete"),)
    if judged is None or reference is None:
        return (
            Reason(
                False,
                f"no season before the last one is out of sample beside {reference_name}: more "
                "seasons are needed",
            ),
        )
    limit = max(config.max_ece, judged.ece_limit)
    excess = reference.brier_difference
    alarms = [finding.message for finding in findings if finding.level == "alarm"]
    first, last = judged.seasons[0], judged.seasons[-1]
    return (
        Reason(
            not missing_tags,
            "its MLflow run has all tags"
            if not missing_tags
            else f"its MLflow run lacks the tags {', '.join(missing_tags)}",
        ),
        Reason(not alarms, "no alarm" if not alarms else "alarms: " + "; ".join(alarms)),
        Reason(
            reference.n >= config.min_games,
            f"{reference.n} games out of sample in {first}–{last} (at least {config.min_games})",
        ),
        Reason(
            excess.high <= config.max_brier_excess,
            f"Brier {reference.model_scores.brier:.4f} against "
            f"{reference.baseline_scores.brier:.4f} of {reference_name}; 95 % upper bound of the "
            f"difference {excess.high:+.4f} (at most {config.max_brier_excess:+})",
        ),
        # "Not worse" within what chance explains: a retrained, nearly equal fit must not fail by
        # the sixth digit.
        Reason(
            reference.log_loss_difference.low <= 0,
            f"log loss {reference.model_scores.log_loss:.4f} against "
            f"{reference.baseline_scores.log_loss:.4f} of {reference_name}; 95 % lower bound of "
            f"the difference {reference.log_loss_difference.low:+.4f} (at most +0)",
        ),
        Reason(
            judged.scores.ece <= limit,
            f"calibration error {judged.scores.ece:.4f} (at most {limit:.4f})",
        ),
    )


def choose(contenders: Sequence[Contender]) -> Choice:
    """The best contender that passed, by Brier on the shared games.

    The reigning champion defends its place through the gate, which compares with it, and through
    the newest fit of its own model. Everyone else without an alarm watches as challenger.
    """
    passed = [contender for contender in contenders if contender.passed]
    winner = min(passed, key=lambda c: (c.brier, c.name), default=None)
    return Choice(
        champion=winner.name if winner else None,
        challengers=tuple(
            contender.name
            for contender in sorted(contenders, key=lambda c: (c.brier, c.name))
            if contender.watches
            and not contender.has_alarm
            and (winner is None or contender.name != winner.name)
        ),
    )


def in_words(name: str, reasons: Sequence[Reason]) -> str:
    """The verdict on one candidate: what failed if anything did, else what it passed by."""
    failed = [reason.text for reason in reasons if not reason.passed]
    if failed:
        return f"{name} is not admitted: {'; '.join(failed)}."
    return f"{name} is admitted: {'; '.join(reason.text for reason in reasons)}."
