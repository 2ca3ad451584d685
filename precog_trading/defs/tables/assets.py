"""The tables that trading writes beside the eight of a tick, by a trigger, or by a command.

As in the other code location: every table is one asset, with what it is written from.
"""

from precog_dagster.tables import table_specs

_TABLES: dict[str, tuple[str, list[str], str]] = {
    "strategies": ("trading", [], "Versions of strategies, never edited."),
    "methods": ("trading", ["strategies"], "Strategy, model and settings as one tradable version."),
    "method_templates": ("trading", [], "What methods are made from."),
    "order_events": ("trading", ["orders"], "Every step of an order, with what the venue said."),
    "order_approvals": ("trading", ["orders"], "What a person approved or refused."),
    "exit_attempts": ("trading", ["orders"], "One row per finished exit order, filled or not."),
    "position_exits": ("trading", ["trades"], "Every exit trade, booked to its condition."),
    "position_history": (
        "trading", ["positions"], "Earlier versions of positions; written by a trigger.",
    ),
    "account_balance": (
        "trading", ["account_ledger"], "Cash per account, history kept; follows the ledger.",
    ),
    "equity_points": ("trading", ["positions"], "Cash and value of an account over time."),
    "reconciliation_runs": ("trading", ["orders"], "Comparisons of our orders with the venue's."),
    "trading_controls": ("operations", [], "Halts and resumptions, each with who and why."),
    "breaker_types": ("operations", [], "Lookup of circuit breakers."),
    "circuit_breaker_events": (
        "operations", ["decisions", "breaker_types"], "Breakers that tripped, who re-armed them.",
    ),
    "trading_writers": ("operations", [], "The decision clock and the fence of the one writer."),
    "trading_looks": (
        "operations", [], "The minutes in which the trading sensor looked; uptime is read from it.",
    ),
}  # fmt: skip
"""Table: group, the assets it is written from, what it holds."""

tables = table_specs(_TABLES)
