"""Every kind of alert this project raises: how urgent, whose subject, which part raises it.

The severities are those of trading-rules §15; kinds it does not list stand below the line. One
table, so that the documentation, the filter of the command line and the code cannot disagree.
"""

from dataclasses import dataclass

from precog_core.alerts.rules import Category, Severity
from precog_core.errors import PrecogError


@dataclass(frozen=True)
class Kind:
    """One kind of alert and the advice given with it."""

    alert_type: str
    severity: Severity
    category: Category
    component: str
    means: str
    do: str


_CRITICAL_BREAKERS = ("reconcile_mismatch", "unknown_order", "auth_error")

_KINDS = (
    Kind(
        "kill_switch", "critical", "risk", "risk",
        "A person stopped trading.",
        "Find out why; `precog resume` when it is safe.",
    ),
    Kind(
        "breaker_tripped", "high", "risk", "risk",
        "A circuit breaker opened. Critical when it closes all positions, or is "
        "reconcile_mismatch, unknown_order or auth_error.",
        "`precog breakers`; remove the cause, then re-arm it with a note.",
    ),
    Kind(
        "reconcile_mismatch", "critical", "risk", "ledger",
        "Ledger and venue differ, and the difference could not be repaired.",
        "Compare `precog positions` with the venue before anything is resumed.",
    ),
    Kind(
        "unknown_order", "critical", "trading", "exchange",
        "The outcome of an order is unknown.",
        "Look the order up at the venue by its client order id.",
    ),
    Kind(
        "auth_error", "critical", "system", "exchange",
        "The venue refused our credentials.",
        "`precog kalshi check`; renew the key.",
    ),
    Kind(
        "exit_blocked", "critical", "trading", "trading",
        "A position ought to be sold and cannot be.",
        "Look at the book yourself; `precog close` sells by hand.",
    ),
    Kind(
        "venue_outage", "high", "system", "exchange",
        "The venue does not answer.",
        "Nothing, while it is short; entries wait by themselves.",
    ),
    Kind(
        "settlement_mismatch", "high", "trading", "settlement",
        "The venue settled a market otherwise than the game ended.",
        "Compare the market's rules with the result.",
    ),
    Kind(
        "edge_anomaly", "high", "trading", "trading",
        "A model and the market lie so far apart that an error is likelier than an edge; the edge "
        "is in quarantine.",
        "Check teams, time and prices of the game; `precog explain decision`.",
    ),
    Kind(
        "leak_alarm", "high", "data", "training",
        "A model looks better than is possible; it may have seen results.",
        "Look at the findings of the evaluation; do not promote it.",
    ),
    Kind(
        "day_loss", "high", "risk", "risk",
        "The day's loss reached the limit at which a person wants to know.",
        "`precog pnl`; `precog halt` when in doubt.",
    ),
    Kind(
        "fee_mismatch", "medium", "trading", "ledger",
        "A fill's fee differs from the fee model.",
        "Compare with the venue's fee schedule of that day.",
    ),
    Kind(
        "model_degraded", "medium", "data", "predictions",
        "A model in use predicts worse than it did.",
        "Look at its calibration; train or roll back.",
    ),
    Kind(
        "day_gain", "medium", "risk", "risk",
        "The day's gain reached a size that asks for an explanation.",
        "`precog explain trade`: real, or an error of ours?",
    ),
    Kind(
        "rate_use", "medium", "system", "ingestion",
        "We use most of the venue's request rate.",
        "Follow fewer series, or raise the tier.",
    ),
    Kind(
        "quote_stale", "medium", "data", "monitoring",
        "Quotes of an open position stopped coming.",
        "Is the market suspended, or the quote job?",
    ),
    Kind(
        "lifecycle_change", "low", "trading", "trading",
        "A strategy, model or method changed its status.",
        "Nothing.",
    ),
    Kind("run_summary", "low", "system", "dagster", "What a run did.", "Nothing."),
    # Below: what §15 does not list.
    Kind(
        "run_failed", "high", "system", "dagster",
        "A Dagster run failed.",
        "Open the run in the Dagster UI; repeat it from there once the cause is gone. It closes by "
        "itself once the retries succeeded.",
    ),
    Kind(
        "server_restarted", "medium", "system", "dagster",
        "A server of `precog up` ended unexpectedly and was started again.",
        "Once: nothing. Repeatedly: the reason is in its log, in the folder logs of the home.",
    ),
    Kind(
        "tick_failed", "high", "system", "dagster",
        "A sensor or schedule fails, so it launches nothing; often a setting it cannot read.",
        "The message says what to correct; it tries again by itself.",
    ),
    Kind(
        "location_down", "high", "system", "dagster",
        "A code location does not load; the other one goes on.",
        "Correct what the message names, then reload the location in the Dagster UI.",
    ),
    Kind(
        "daemon_unhealthy", "high", "system", "dagster",
        "A part of Dagster's daemon reports errors.",
        "Read logs/daemon.log in the home; it is started again when it dies.",
    ),
    Kind(
        "disk_low", "high", "system", "database",
        "The disk of the home is nearly full.",
        "Make room; nothing that was committed is lost, what cannot be written is refused.",
    ),
    Kind(
        "clock_jump", "high", "system", "dagster",
        "The wall clock of the machine was set, or the machine slept; or trading has decided at a "
        "time that is still to come.",
        "Is the machine's time right? Keep it by NTP. Trading goes on by itself once its last "
        "decision lies in the past.",
    ),
    Kind(
        "check_failed", "high", "data", "dagster",
        "An asset check failed. Medium when it does not block.",
        "Open the check in the Dagster UI; its metadata says what was found.",
    ),
    Kind(
        "asset_stale", "medium", "data", "monitoring",
        "Data is older than it ought to be at this time of the year.",
        "Look at its last runs and at the source behind it.",
    ),
    Kind(
        "position_unchecked", "medium", "trading", "monitoring",
        "Nothing has looked at an open position for too long.",
        "The message says whether trading stands still or its market gets no quotes. "
        "`precog monitor` looks by hand.",
    ),
    Kind(
        "unknown_code", "medium", "data", "database",
        "Data brought a code that nobody has described; the row is kept.",
        "Describe it in a migration, or correct the source.",
    ),
    Kind(
        "channel_down", "medium", "system", "notifications",
        "A way of notification failed for good.",
        "Correct what the error says; `precog alerts test` tries every channel.",
    ),
    Kind("alert_test", "low", "system", "test_component", "A test of the alerts.", "Nothing."),
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.alert_type: kind for kind in _KINDS}
"""By alert type."""


def kind_of(alert_type: str) -> Kind:
    """The kind by its name. Raises PrecogError for one that is not in the table."""
    try:
        return KINDS[alert_type]
    except KeyError:
        raise PrecogError(
            f"there is no kind of alert {alert_type!r}; kinds are {', '.join(sorted(KINDS))}"
        ) from None


def breaker_severity(breaker_type: str, action: str) -> Severity:
    """Critical for close_all and for the breakers that mean the account itself is in doubt."""
    grave = action == "close_all" or breaker_type in _CRITICAL_BREAKERS
    return "critical" if grave else "high"
