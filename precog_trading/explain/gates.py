"""The entry gate read back from a decision: which rows it passed, where it stopped, on what values.

``decisions.inputs`` is JSONB, which keeps no order, so the values are grouped here by the rows of
trading-rules §5 that look at them. A value that no row claims is shown too, never dropped.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class _Row(NamedTuple):
    number: int
    title: str
    reasons: tuple[str, ...]
    names: tuple[str, ...]


_ROWS = (
    _Row(1, "trading is allowed", ("halted", "breaker_open", "live_not_enabled", "not_writer"),
         ("control", "breakers")),
    _Row(2, "the exchange is open", ("exchange_paused", "maintenance_window", "outside_hours"),
         ("platform_status",)),
    _Row(3, "the market is open",
         ("market_frozen", "market_not_active", "market_type", "blacklisted"),
         ("market_status", "market_type")),
    _Row(4, "the market belongs to one game", ("unmapped", "rules_unknown", "competition_excluded"),
         ("game", "game_type", "rules_hash", "assumed.rules_recognised")),
    _Row(5, "the time before the start", ("outside_window", "game_started"),
         ("kickoff_at", "game_status")),
    _Row(6, "the versions may act", ("strategy_state", "model_state", "model_leak"),
         ("strategy_status", "model_status", "method_status", "trained_until")),
    _Row(7, "there is a recent prediction", ("prediction_missing", "prediction_stale",
         "feature_leak"),
         ("prediction_event_ts", "prediction_known_at")),
    _Row(8, "the quote is fresh", ("quote_stale", "game_state_stale"),
         ("quote_source", "quote_age_s", "game_state_at")),
    _Row(9, "the book is two-sided and deep enough", ("no_quote", "book_invalid", "book_thin"),
         ("bid", "ask", "bid_size", "ask_size", "mid", "assumed.size")),
    _Row(10, "the market is liquid", ("spread_wide", "volume_low", "oi_low", "price_range"),
         ("spread", "volume_24h", "open_interest", "assumed.volume_24h",
          "assumed.open_interest")),
    _Row(11, "the edge is enough",
         ("fee_unknown", "edge_quarantined", "confidence_low", "edge_below_min",
          "needs_approval"),
         ("probability", "shrink", "shrunk", "fee", "fee_type", "fee_schedule_id",
          "fee_waived_until", "edge", "edge_min", "edge_auto", "band", "half_width",
          "confidence", "quarantined", "approved", "assumed.fee_schedule")),
    _Row(12, "it fits what is held", ("equivalent_leg", "already_entered", "cooldown",
         "opposes_position"),
         ("entries_in_game", "last_exit_at")),
    _Row(13, "there is a size", ("rate_hour", "rate_day", "size_zero", "size_below_min"),
         ("entries_this_hour", "entries_today", "bankroll", "kelly_fraction", "kelly_stake",
          "quantity.kelly", "reduce.")),
    _Row(14, "the exposure stays under every cap",
         ("cap_position", "cap_game", "cap_team", "cap_day", "cap_league", "cap_total",
          "cap_open"),
         ("limit.probe", "room.", "open_positions", "open_in_game", "quantity.")),
    _Row(15, "the cash suffices and the quote still stands", ("cash", "quote_moved"),
         ("cash", "cash_reserve", "quantity.cash", "limit", "cost_at_limit",
          "requote_observed_at", "requote_reason", "assumed.requote")),
)  # fmt: skip


def gate_rows(
    inputs: Mapping[str, Any], outcome: str, skip_reason: str | None
) -> list[dict[str, Any]]:
    """The rows of the gate with ``result`` passed, failed or not reached, and their ``values``.

    The last entry, ``other``, holds the values that no row claims. Of a reason that is none of
    the gate's (a new one) every row is shown as not known.
    """
    claimed: dict[str, int] = {}
    for name in inputs:
        exact = next((row.number for row in _ROWS if name in row.names), None)
        claimed[name] = exact or next(
            (
                row.number
                for row in _ROWS
                if any(prefix.endswith(".") and name.startswith(prefix) for prefix in row.names)
            ),
            0,
        )
    stopped = next((row.number for row in _ROWS if skip_reason in row.reasons), None)
    rows = [
        {
            "row": row.number,
            "gate": row.title,
            "result": _result(row.number, outcome, stopped),
            **({"skip_reason": skip_reason} if row.number == stopped else {}),
            "values": {n: v for n, v in inputs.items() if claimed[n] == row.number},
        }
        for row in _ROWS
    ]
    other = {name: value for name, value in inputs.items() if claimed[name] == 0}
    return [*rows, {"row": None, "gate": "other", "result": None, "values": other}]


def _result(number: int, outcome: str, stopped: int | None) -> str:
    if outcome == "taken":
        return "passed"
    if stopped is None:
        return "unknown"
    if number == stopped:
        return "failed"
    return "passed" if number < stopped else "not reached"
