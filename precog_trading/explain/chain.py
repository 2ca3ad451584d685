"""Builds the chain of a trade or a decision and recomputes every hash on it.

All reads are by key, so it takes some milliseconds however large the home is. What was decided in
a backtest, paper or live looks the same here, because it is stored the same.
"""

from decimal import Decimal
from typing import Any

import psycopg

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.prices import Side, own_side
from precog_trading.explain.again import decided_again
from precog_trading.explain.evidence import features_check, model_links
from precog_trading.explain.gates import gate_rows
from precog_trading.explain.links import Check, Explanation, Link, equal, holds, missing, unknown
from precog_trading.explain.words import decision_words, trade_words
from precog_trading.ledger.statements import Row, one, rows
from precog_trading.rules.ids import client_order_id, decision_key, edge_key
from precog_trading.versions import method_config_hash


def explain_trade(conn: psycopg.Connection, database: Database, trade_id: int) -> Explanation:
    """The chain from a trade to its sources. ``database`` leads to MLflow's records.

    Raises PrecogError when there is no such trade.
    """
    trade = one(conn, "explain", "trade", trade_id=trade_id)
    if trade is None:
        raise PrecogError(f"there is no trade {trade_id}; `precog trades` lists them")
    links = [_trade_link(trade)]
    gates: list[dict[str, Any]] = []
    decision: Row | None = None
    if trade["decision_id"] is not None:
        decision = _decision(conn, trade["decision_id"])
        links += [_order_link(trade, decision), *_decision_links(conn, database, decision)]
        gates = _gates(decision)
    elif trade["trade_source"] != "manual":
        links.append(missing("decision", None, "an automated trade names no decision"))
    return Explanation("trade", trade_id, links, trade_words(trade, decision), gates)


def explain_decision(conn: psycopg.Connection, database: Database, decision_id: int) -> Explanation:
    """The chain from a decision, taken or skipped, to its sources.

    Raises PrecogError when there is no such decision.
    """
    decision = one(conn, "explain", "decision", decision_id=decision_id)
    if decision is None:
        raise PrecogError(f"there is no decision {decision_id}; see table decisions")
    links = _decision_links(conn, database, decision)
    links.insert(1, decided_again(conn, decision))
    return Explanation("decision", decision_id, links, decision_words(decision), _gates(decision))


def _decision(conn: psycopg.Connection, decision_id: int) -> Row:
    decision = one(conn, "explain", "decision", decision_id=decision_id)
    assert decision is not None  # noqa: S101 - a foreign key says so
    return decision


def _gates(decision: Row) -> list[dict[str, Any]]:
    if decision["purpose"] != "entry":
        return []
    return gate_rows(decision["inputs"], decision["outcome"], decision["skip_reason"])


def _trade_link(trade: Row) -> Link:
    checks = [
        equal(f"{name} is the fill's", trade[f"fill_{name}"], trade[name])
        for name in ("action", "side", "price", "quantity", "fee", "event_ts")
    ]
    if trade["order_id"] is not None:
        checks += [
            equal(f"{name} is the order's", trade[f"order_{name}"], trade[name])
            for name in ("decision_id", "strategy_id", "model_id", "method_id")
        ]
    facts = {
        name: trade[name]
        for name in (
            "execution_environment", "backtest_run_id", "trade_source", "platform_id", "ticker",
            "action", "side", "quantity", "price", "fee", "event_ts", "position_id", "fill_id",
            "venue_fill_id", "edge_at_execution",
        )
    }  # fmt: skip
    return Link("trade", trade["trade_id"], facts, checks)


def _order_link(trade: Row, decision: Row) -> Link:
    if trade["order_id"] is None:
        return missing("order", None, "the fill of an automated trade names no order")
    strategy, model, _ = _versions(decision)
    expected = client_order_id(
        environment=decision["execution_environment"],
        strategy=strategy,
        model=model,
        market=_market(decision),
        side=decision["side"],
        purpose=decision["purpose"],
        decision_key=decision["decision_key"],
        attempt=trade["attempt_number"],
    )
    limit, price = trade["limit_price"], trade["price"]
    within = price <= limit if trade["order_action"] == "buy" else price >= limit
    checks = [
        equal("client_order_id recomputed", expected, trade["client_order_id"]),
        equal("filled quantity is the sum of its fills", trade["order_fills"],
              trade["filled_quantity"]),
        holds("the price keeps the limit", within, f"filled at {price}, limit {limit}"),
    ]  # fmt: skip
    facts = {
        "client_order_id": trade["client_order_id"],
        "status": trade["order_status"],
        "action": trade["order_action"],
        "side": trade["order_side"],
        "limit_price": limit,
        "quantity": trade["order_quantity"],
        "filled_quantity": trade["filled_quantity"],
        **{n: trade[n] for n in ("time_in_force", "attempt_number", "sent_at", "closed_at",
                                 "venue_order_id")},
    }  # fmt: skip
    return Link("order", trade["order_id"], facts, checks)


def _decision_links(conn: psycopg.Connection, database: Database, decision: Row) -> list[Link]:
    prediction_id = decision["prediction_id"]
    quote = None
    if decision["quote_observed_at"] is not None:
        quote = one(
            conn, "explain", "quote",
            market_id=decision["market_id"], observed_at=decision["quote_observed_at"],
        )  # fmt: skip
    found = (
        one(conn, "explain", "prediction", prediction_id=prediction_id)
        if prediction_id is not None
        else None
    )
    links = [
        _decision_link(decision),
        _edge_link(conn, decision),
        _quote_link(decision, quote),
        *_method_links(conn, decision),
    ]
    if found is not None:
        links += [_prediction_link(conn, decision, found), *model_links(conn, database, found)]
    elif decision["position_id"] is not None:
        links += _entry_links(conn, database, decision)
    return links


def _entry_links(conn: psycopg.Connection, database: Database, decision: Row) -> list[Link]:
    """An exit that needed no prediction is traced through the entry of its position."""
    opened = one(conn, "explain", "entry_of_position", position_id=decision["position_id"])
    if opened is None:
        return [
            missing("entry", decision["position_id"], "the position has no entry with a decision")
        ]
    entry = _decision(conn, opened["decision_id"])
    return _decision_links(conn, database, entry)


def _decision_link(decision: Row) -> Link:
    strategy, model, method = _versions(decision)
    expected = decision_key(
        environment=decision["execution_environment"],
        run_key=decision["run_name"] or "",
        tick_id=decision["tick_id"],
        market=_market(decision),
        side=decision["side"],
        purpose=decision["purpose"],
        strategy=strategy,
        model=model,
        method=method,
        exit_condition=_exit_condition(decision),
        position_key=decision["position_key"],
    )
    checks: list[Check] = [equal("decision_key recomputed", expected, decision["decision_key"])]
    parts = [decision[name] for name in ("probability", "price", "fee", "edge")]
    if decision["purpose"] == "entry" and None not in parts:
        probability, price, fee, edge = parts
        checks.append(equal("edge = probability - price - fee", probability - price - fee, edge))
    facts = {
        name: decision[name]
        for name in (
            "decision_key", "tick_id", "decided_at", "execution_environment", "dagster_run_id",
            "purpose", "exit_condition", "side", "outcome", "skip_reason", "probability", "price",
            "fee", "edge", "stake", "quantity", "game_key",
        )
    }  # fmt: skip
    facts |= {"market": _market(decision), "strategy": strategy, "model": model, "method": method}
    return Link("decision", decision["decision_id"], facts, checks)


def _edge_link(conn: psycopg.Connection, decision: Row) -> Link:
    if decision["purpose"] == "exit":
        note = "an exit sells at the bid and values no purchase"
        return Link("edge", None, {}, (unknown("present", note),))
    if decision["edge"] is None:
        note = f"not valued: {decision['skip_reason']} came first"
        return Link("edge", None, {}, (unknown("present", note),))
    strategy, model, method = _versions(decision)
    key = edge_key(_market(decision), decision["side"], strategy, model, method)
    valued = rows(
        conn, "explain", "edges_at",
        edge_key=key, environment=decision["execution_environment"],
        backtest_run_id=decision["backtest_run_id"], decided_at=decision["decided_at"],
    )  # fmt: skip
    if not valued:
        return missing("edge", key, f"no valuation in force at {decision['decided_at']}")
    # Two ticks may share an instant; the decision's own valuation is among its rows.
    same = [row for row in valued if row["expected_value"] == decision["edge"]]
    row = (same or valued)[0]
    identity = row["true_win_probability"] - row["market_price"] - row["fee"]
    checks = [
        equal("expected value is the decision's edge", decision["edge"], row["expected_value"]),
        equal("expected value = probability - price - fee", identity, row["expected_value"]),
        equal("it values the decision's prediction", decision["prediction_id"],
              row["prediction_id"]),
    ]  # fmt: skip
    return Link("edge", row["edge_id"], {k: v for k, v in row.items() if k != "edge_id"}, checks)


def _quote_link(decision: Row, quote: Row | None) -> Link:
    at = decision["quote_observed_at"]
    if quote is None:
        if at is None:
            return Link("quote", None, {}, (unknown("present", "decided without a quote"),))
        return missing("quote", at, "no snapshot of this market and time")
    bid, ask = _own_book(Side(decision["side"]), quote)
    price = ask if decision["purpose"] == "entry" else bid
    checks = [
        holds(
            "known by the decision", quote["known_at"] <= decision["decided_at"],
            f"known only at {quote['known_at']}",
        )
    ]  # fmt: skip
    if decision["price"] is not None:
        name = "ask" if decision["purpose"] == "entry" else "bid"
        checks.append(equal(f"its {name} is the price decided on", price, decision["price"]))
    facts = {**quote, "market": _market(decision), "own_bid": bid, "own_ask": ask}
    return Link("quote", at, facts, checks)


def _own_book(side: Side, quote: Row) -> tuple[Decimal | None, Decimal | None]:
    """Bid and ask of the side: those of YES, or the opposite ones complemented."""
    bid, ask = quote["yes_bid"], quote["yes_ask"]
    if side is Side.NO:
        bid, ask = ask, bid
    return (
        None if bid is None else own_side(side, bid),
        None if ask is None else own_side(side, ask),
    )


def _prediction_link(conn: psycopg.Connection, decision: Row, prediction: Row) -> Link:
    is_home = decision["yes_team_id"] == decision["home_team_id"]
    p_yes = prediction["p_home"] if is_home else 1 - prediction["p_home"]
    p_side = own_side(Side(decision["side"]), p_yes)
    kickoff = prediction["kickoff_at"]
    checks = [
        equal("it is of the decision's game", decision["game_id"], prediction["game_id"]),
        equal("it is the decision's model", decision["model_id"], prediction["model_id"]),
        holds(
            "known by the decision", prediction["known_at"] <= decision["decided_at"],
            f"known only at {prediction['known_at']}",
        ),
        holds(
            "the fit ended before the game",
            kickoff is None or prediction["trained_until"] < kickoff,
            f"trained until {prediction['trained_until']}, start {kickoff}",
        ),
        features_check(conn, prediction),
    ]  # fmt: skip
    stated = decision["inputs"].get("probability")
    if stated is not None:
        checks.append(equal("it is the probability decided on", p_side, Decimal(stated)))
    facts = {
        name: prediction[name]
        for name in ("game_key", "p_home", "p_low", "p_high", "event_ts", "known_at",
                     "trained_until", "features_hash", "mlflow_run_id", "registry_version")
    }  # fmt: skip
    return Link("prediction", prediction["prediction_id"], {**facts, "p_side": p_side}, checks)


def _method_links(conn: psycopg.Connection, decision: Row) -> list[Link]:
    if decision["method_id"] is None:
        return []
    method = one(conn, "explain", "method", method_id=decision["method_id"])
    assert method is not None  # noqa: S101 - a foreign key says so
    configs = {
        name: method[name]
        for name in ("position_mgmt_config", "risk_config", "execution_config", "sport_config")
    }
    expected = method_config_hash(
        strategy=(method["strategy_name"], method["strategy_version"]),
        model=(method["model_name"], method["model_version"]),
        configs=configs,
    )
    checks = [
        equal("config_hash recomputed", expected, method["config_hash"]),
        equal("its strategy decided", method["strategy_id"], decision["strategy_id"]),
        equal("its model decided", method["model_id"], decision["model_id"]),
    ]
    name = f"{method['method_name']} {method['method_version']}"
    return [
        Link(
            "method",
            method["method_id"],
            {
                "method": name,
                "strategy": f"{method['strategy_name']} {method['strategy_version']}",
                "config_hash": method["config_hash"],
                **configs,
            },
            checks,
        )
    ]


def _exit_condition(decision: Row) -> str | None:
    """What spoke for an exit; a sale by hand has no condition of its own in ``decisions``."""
    if decision["purpose"] == "exit" and decision["exit_condition"] is None:
        return "manual"
    condition: str | None = decision["exit_condition"]
    return condition


def _market(decision: Row) -> str:
    return f"{decision['platform_id']}:{decision['ticker']}"


def _versions(decision: Row) -> tuple[str, str, str | None]:
    method = decision["method_name"]
    return (
        f"{decision['strategy_name']}@{decision['strategy_version']}",
        f"{decision['model_name']}@{decision['model_version']}",
        None if method is None else f"{method}@{decision['method_version']}",
    )
