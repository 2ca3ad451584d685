"""The history of every edge of a run, as the tick's statements would have grown it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP
from typing import Any

from precog_core.prices import PROBABILITY_STEP
from precog_trading.engine.state import Decision, EdgeRow
from precog_trading.ledger.statements import Row, as_json

_MICROSECOND = timedelta(microseconds=1)


@dataclass
class EdgeHistory:
    """Rows of ``edges``, collected from decisions in order.

    A version begins where a valuation differs from the one before, by the same comparison as in
    the tick's statements; it begins where the one before it ended, and that is later than that one
    began. ``versions`` are in the order in which they began to be: the current one of a key last.
    """

    known_at: Mapping[str, datetime]
    run_key: str
    versions: list[Row] = field(default_factory=list)
    _current: dict[str, tuple[Row, tuple[Any, ...]]] = field(default_factory=dict)
    _newest: dict[str, EdgeRow] = field(default_factory=dict)

    def add(self, decision: Decision) -> None:
        """Take in what a decision says its candidate is worth."""
        edge = decision.edge_row
        # Refusals of one kind share the very row: what says the same again is no version.
        if edge is None or self._newest.get(edge.edge_key) is edge:
            return
        self._newest[edge.edge_key] = edge
        market_implied = edge.market_implied_probability.quantize(
            PROBABILITY_STEP, rounding=ROUND_HALF_UP
        )
        content = (
            decision.prediction_id, edge.true_win_probability, market_implied, edge.market_price,
            edge.fee, edge.confidence_level, as_json(edge.confidence_metrics),
            edge.recommended_action,
        )  # fmt: skip
        known = self._current.get(edge.edge_key)
        start = decision.decided_at
        if known is not None:
            before, said = known
            if said == content:
                return
            start = max(start, before["row_start_ts"] + _MICROSECOND)
            before["row_end_ts"] = start
            before["row_current_ind"] = False
        row = {
            "edge_key": edge.edge_key,
            "market_id": decision.market_id,
            "side": decision.side.value,
            "strategy_id": decision.strategy_id,
            "model_id": decision.model_id,
            "method_id": decision.method_id,
            "prediction_id": decision.prediction_id,
            "calculation_run_id": decision.dagster_run_id or self.run_key,
            "true_win_probability": edge.true_win_probability,
            "market_implied_probability": market_implied,
            "market_price": edge.market_price,
            "fee": edge.fee,
            "expected_value": edge.expected_value,
            "confidence_level": edge.confidence_level,
            "confidence_metrics": edge.confidence_metrics,
            "recommended_action": edge.recommended_action,
            "event_ts": decision.quote_observed_at,
            "known_at": self.known_at[decision.decision_key],
            "row_start_ts": start,
            "row_end_ts": None,
            "row_current_ind": True,
        }
        self.versions.append(row)
        self._current[edge.edge_key] = (row, content)
