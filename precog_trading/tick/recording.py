"""Writes what was decided: decisions, valuations, order intents, each set in one statement.

All of it belongs to the transaction of the tick, so an order without its decision, or a decision
without the tick's others, cannot exist. Keys make a second writing of the same tick a no-op.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

from precog_core.errors import PrecogError
from precog_core.logging import JOURNAL
from precog_trading.engine.state import Decision, Outcome, PositionMark, Prediction, Quote
from precog_trading.ledger.marks import mark_row
from precog_trading.ledger.statements import Row, as_json, change, rows, rows_of_all
from precog_trading.ledger.terms import order_terms

_JOURNAL = logging.getLogger(f"{JOURNAL}.decisions")
_KEY_DIGITS = 16


def record(
    conn: psycopg.Connection,
    environment: str,
    decisions: Sequence[Decision],
    quotes: Mapping[int, Quote],
    predictions: Mapping[int, Prediction],
    marks: Sequence[PositionMark] = (),
) -> list[Decision]:
    """Store the decisions of a tick, with edges, intents and marks; returns those that were new.

    ``quotes`` by market and ``predictions`` by id are the facts decided on. Raises PrecogError if
    one was decided on before it was known: that would be look-ahead.
    """
    if marks:
        written = as_json([mark_row(mark) for mark in marks])
        change(conn, "trading", "update_marks", environment=environment, rows=written)
    if not decisions:
        return []
    known_at = {d.decision_key: _known_at(d, quotes, predictions) for d in decisions}
    written = as_json([_decision_row(d) for d in decisions])
    stored = rows(conn, "trading", "insert_decisions", rows=written)
    new_keys = {row["decision_key"] for row in stored}
    new = [d for d in decisions if d.decision_key in new_keys]
    edges = [_edge_row(d, known_at[d.decision_key]) for d in new if d.edge_row is not None]
    intents = [_intent_row(number, d) for number, d in enumerate(new) if d.order is not None]
    writes: list[tuple[str, str, dict[str, Any]]] = []
    if edges:
        valued = {"rows": as_json(edges), "environment": environment}
        writes += [
            ("trading", "close_changed_edges", valued),
            ("trading", "insert_edges", {**valued, "calculation_run_id": _run_id(new[0])}),
        ]
    if intents:
        writes.append(("trading", "insert_order_intents", {"rows": as_json(intents)}))
    if writes:
        rows_of_all(conn, *writes)
    _tell(new)
    return new


def _tell(decisions: Sequence[Decision]) -> None:
    """Every decision in the log: those taken one by one, the others by their reason."""
    refused: dict[str, list[str]] = defaultdict(list)
    for decision in decisions:
        if decision.outcome is not Outcome.TAKEN:
            refused[str(decision.skip_reason)].append(decision.decision_key[:_KEY_DIGITS])
            continue
        _JOURNAL.info(
            "%s taken", decision.purpose,
            extra={
                "tick_id": decision.tick_id,
                "decision_key": decision.decision_key,
                "market_id": decision.market_id,
                "side": str(decision.side),
                "exit_condition": decision.exit_condition,
                "edge": decision.edge,
                "quantity": decision.quantity,
            },
        )  # fmt: skip
    if refused:
        _JOURNAL.info(
            "%d refused", sum(map(len, refused.values())),
            extra={
                "tick_id": decisions[0].tick_id,
                "refused": {reason: " ".join(keys) for reason, keys in refused.items()},
            },
        )  # fmt: skip


def _run_id(decision: Decision) -> str:
    """The run that computed: Dagster's, or the tick itself when started from the command line."""
    return decision.dagster_run_id or decision.tick_id


def _known_at(
    decision: Decision, quotes: Mapping[int, Quote], predictions: Mapping[int, Prediction]
) -> datetime:
    """When the facts of the decision were all known."""
    known_at = quotes[decision.market_id].known_at
    if decision.prediction_id is not None:
        known_at = max(known_at, predictions[decision.prediction_id].known_at)
    if known_at > decision.decided_at:
        raise PrecogError(
            f"{decision.tick_id}: market {decision.market_id} was decided on at "
            f"{decision.decided_at.isoformat()} with a fact known only at {known_at.isoformat()}; "
            "the tick is refused"
        )
    return known_at


def _decision_row(decision: Decision) -> Row:
    return {
        "decision_key": decision.decision_key,
        "tick_id": decision.tick_id,
        "dagster_run_id": decision.dagster_run_id,
        "decided_at": decision.decided_at,
        "execution_environment": decision.environment,
        "backtest_run_id": decision.backtest_run_id,
        "market_id": decision.market_id,
        "side": decision.side,
        "purpose": decision.purpose,
        "exit_condition": decision.exit_condition,
        "position_id": decision.position_id,
        "strategy_id": decision.strategy_id,
        "model_id": decision.model_id,
        "method_id": decision.method_id,
        "prediction_id": decision.prediction_id,
        "outcome": decision.outcome,
        "skip_reason": decision.skip_reason,
        "probability": decision.probability,
        "price": decision.price,
        "fee": decision.fee,
        "edge": decision.edge,
        "stake": decision.stake,
        "quantity": decision.quantity,
        "quote_observed_at": decision.quote_observed_at,
        "inputs": decision.inputs,
    }


def _edge_row(decision: Decision, known_at: datetime) -> Row:
    edge = decision.edge_row
    assert edge is not None  # noqa: S101 - the caller chose those that have one
    return {
        "edge_key": edge.edge_key,
        "market_id": decision.market_id,
        "side": decision.side,
        "strategy_id": decision.strategy_id,
        "model_id": decision.model_id,
        "method_id": decision.method_id,
        "prediction_id": decision.prediction_id,
        "true_win_probability": edge.true_win_probability,
        "market_implied_probability": edge.market_implied_probability,
        "market_price": edge.market_price,
        "fee": edge.fee,
        "expected_value": edge.expected_value,
        "confidence_level": edge.confidence_level,
        "confidence_metrics": edge.confidence_metrics,
        "recommended_action": edge.recommended_action,
        "event_ts": decision.quote_observed_at,
        "known_at": known_at,
        "row_start_ts": decision.decided_at,
    }


def _intent_row(number: int, decision: Decision) -> Row:
    order = decision.order
    assert order is not None  # noqa: S101 - the caller chose those that have one
    return {
        "number": number,
        "decision_key": decision.decision_key,
        "client_order_id": order.client_order_id,
        "platform_id": decision.platform_id,
        "action": order.action,
        "exit_condition": order.exit_condition,
        "limit_price": order.limit_price,
        "quantity": order.quantity,
        "time_in_force": order.time_in_force,
        "reduce_only": order.reduce_only,
        "post_only": order.post_only,
        "attempt_number": order.attempt_number,
        "expires_at": _expires_at(decision),
        "terms": order_terms(order),
    }


def _expires_at(decision: Decision) -> datetime | None:
    """When a resting exit is to be canceled: its rung's time after it was placed."""
    order = decision.order
    if order is None or order.time_in_force != "gtc" or order.timeout_s is None:
        return None
    return decision.decided_at + timedelta(seconds=order.timeout_s)
