"""A trade and a decision in sentences, with the numbers that made them."""

from decimal import Decimal
from typing import Any

from precog_core.prices import decimal_text
from precog_trading.ledger.statements import Row


def trade_words(trade: Row, decision: Row | None) -> str:
    """What was traded, and why."""
    verb = "Bought" if trade["action"] == "buy" else "Sold"
    first = (
        f"{verb} {_n(trade['quantity'])} {trade['side'].upper()} of {trade['ticker']} at "
        f"{_n(trade['price'])} dollars, fee {_n(trade['fee'])} "
        f"({trade['execution_environment']}, {trade['event_ts']:%Y-%m-%d %H:%M} UTC)."
    )
    if decision is None:
        return f"{first} It was entered by hand; no decision stands behind it."
    return f"{first} {decision_words(decision)}"


def decision_words(decision: Row) -> str:
    """Why it was done or left."""
    versions = (
        f"{decision['strategy_name']} {decision['strategy_version']} with "
        f"{decision['model_name']} {decision['model_version']}"
    )
    if decision["purpose"] == "exit":
        return _exit_words(decision, versions)
    value = _value_words(decision)
    if decision["outcome"] == "taken":
        return (
            f"{versions} took it: {value} It bought {_n(decision['quantity'])} contracts for "
            f"{_n(decision['stake'])} dollars with fees."
        )
    asked = f"{decision['side'].upper()} of {decision['ticker']}"
    return f"{versions} left {asked}: {decision['skip_reason']}. {value}".rstrip()


def _exit_words(decision: Row, versions: str) -> str:
    if decision["exit_condition"] is None:
        return (
            f"A person sold {_n(decision['quantity'])} contracts of position "
            f"{decision['position_id']} by hand, at a bid of {_n(decision['price'])}."
        )
    condition = decision["exit_condition"].replace("_", " ")
    if decision["outcome"] == "taken":
        return (
            f"{versions} sold {_n(decision['quantity'])} contracts of position "
            f"{decision['position_id']} because of {condition}, at a bid of "
            f"{_n(decision['price'])}."
        )
    return (
        f"{versions} saw {condition} for position {decision['position_id']} and left it: "
        f"{decision['skip_reason']}."
    )


def _value_words(decision: Row) -> str:
    if decision["edge"] is None:
        return ""
    inputs: dict[str, Any] = decision["inputs"]
    model = inputs.get("probability")
    said = f"the model says {_text(model)}, " if model is not None else ""
    drawn = (
        f"drawn {_percent(inputs['shrink'])} towards the market's {_text(inputs['mid'])} it is "
        f"{_n(decision['probability'])}"
        if "shrink" in inputs and "mid" in inputs
        else f"as traded {_n(decision['probability'])}"
    )
    return (
        f"{said}{drawn}; less the price {_n(decision['price'])} and the fee {_n(decision['fee'])} "
        f"that is an edge of {_n(decision['edge'])} per contract"
        + (f" (at least {_text(inputs['edge_min'])})." if "edge_min" in inputs else ".")
    )


def _n(value: Decimal | None) -> str:
    return "-" if value is None else decimal_text(value.normalize())


def _text(value: Any) -> str:
    return _n(Decimal(str(value)))


def _percent(value: Any) -> str:
    return f"{_n(100 * Decimal(str(value)))} %"
