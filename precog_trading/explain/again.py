"""Decides once more: the facts of a past tick through the same ``decide``, compared with the row.

The account is rebuilt as it was before the tick from orders, fills and the ledger, not from what
the decision itself says, so that a wrong row anywhere on the way shows up as another decision. Two
things are taken from the decision's inputs, because the tables keep only their latest word: the
statuses of the versions, and the command that was in force.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg

from precog_core.config import load_section
from precog_core.prices import Action, Side
from precog_trading.config import TradingConfig
from precog_trading.engine.decide import decide
from precog_trading.engine.state import (
    Approval,
    Control,
    Decision,
    Entry,
    Environment,
    Exit,
    Method,
    MissedEntry,
    OpenBreaker,
    OpenOrder,
    OpenPosition,
    Portfolio,
    Prediction,
    Purpose,
    Tick,
    TradingState,
)
from precog_trading.explain.links import Check, Link, equal, holds, unknown
from precog_trading.ledger.holdings import Execution, fold
from precog_trading.ledger.statements import Row, as_json, one, rows
from precog_trading.registry import method_from_row
from precog_trading.tick.loading import load_fee_schedules, market_facts, quote

_COMPARED = (
    "outcome", "skip_reason", "probability", "price", "fee", "edge", "stake", "quantity",
    "prediction_id",
)  # fmt: skip
_WAITING = "resting"
_RUNNING = "running"


def decided_again(conn: psycopg.Connection, decision: Row) -> Link:
    """A link that says whether the stored facts give the stored decision.

    Exits and decisions under settings that have changed since cannot be repeated; the link says so
    and does not break the chain.
    """
    name = "decided again"
    if decision["purpose"] != "entry":
        note = "an exit rests on marks and stops that later looks have moved on"
        return _not_here(decision, unknown(name, note))
    config = load_section("trading", TradingConfig, conn=conn)
    used = decision["inputs"].get("settings")
    if used != config.fingerprint:
        note = f"the settings have changed since: {used} then, {config.fingerprint} now"
        return _not_here(decision, unknown(name, note))
    again = _repeat(conn, decision, config)
    if again is None:
        return _not_here(decision, Check(name, False, note="the facts give no such candidate"))
    checks = [equal(field, decision[field], _plain(getattr(again, field))) for field in _COMPARED]
    inputs = _as_stored(again.inputs)
    stored = decision["inputs"]
    checks += [
        equal(f"inputs.{key}", stored.get(key), inputs.get(key))
        for key in sorted(stored.keys() | inputs.keys())
        if stored.get(key) != inputs.get(key)
    ]
    checks.append(holds("every input is the stored one", inputs == stored, "see above"))
    return Link("decided again", decision["decision_id"], {"settings": used}, checks)


def _not_here(decision: Row, check: Check) -> Link:
    return Link("decided again", decision["decision_id"], {}, (check,))


def _repeat(conn: psycopg.Connection, decision: Row, config: TradingConfig) -> Decision | None:
    environment, now = decision["execution_environment"], decision["decided_at"]
    of_run: dict[str, Any] = {
        "environment": environment, "backtest_run_id": decision["backtest_run_id"],
    }  # fmt: skip
    scope = one(conn, "explain", "tick_of", **of_run, tick_id=decision["tick_id"], decided_at=now)
    if scope is None or not scope["market_ids"]:
        return None
    before = {**of_run, "first_id": scope["first_id"], "now": now}
    held = _positions(rows(conn, "explain", "executions_before", **before))
    orders = rows(conn, "explain", "orders_before", **before)
    watched = {
        *scope["market_ids"],
        *(position.market_id for _, position in held),
        *(order["market_id"] for order in orders if order["waits"]),
    }
    found = rows(
        conn, "trading", "market_facts",
        market_ids=sorted(watched), environment=environment, now=now,
    )  # fmt: skip
    platform_id = decision["platform_id"]
    found = [row for row in found if row["platform_id"] == platform_id]
    schedules = load_fee_schedules(conn)
    markets = {row["market_id"]: market_facts(row, now, schedules) for row in found}
    quotes = {row["market_id"]: quote(row) for row in found if row["observed_at"] is not None}
    new = [market_id for market_id in scope["market_ids"] if market_id in quotes]
    cash = {
        row["platform_id"]: row["cash"] for row in rows(conn, "explain", "cash_before", **before)
    }
    state = TradingState(
        markets=markets,
        portfolio=Portfolio(
            cash=cash.get(platform_id, Decimal(0)),
            positions=tuple(position for platform, position in held if platform == platform_id),
            orders=tuple(_working(orders, platform_id)),
            entries=tuple(_entries(orders, platform_id)),
            exits=tuple(
                Exit(row["exited_at"], row["game_id"])
                for row in rows(conn, "explain", "sales_before", **before)
                if row["platform_id"] == platform_id
            ),
            missed=tuple(_missed(orders, platform_id, decision, config)),
        ),
        is_writer=True,
        live_enabled=environment == Environment.LIVE,
        controls=_controls(decision),
        breakers=tuple(
            _breaker(row) for row in rows(conn, "explain", "breakers_at", **of_run, now=now)
        ),
        approvals=tuple(
            Approval(**{**row, "side": Side(row["side"])})
            for row in rows(conn, "trading", "approvals_in_force", environment=environment, now=now)
        ),
        last_quotes={i: q for i, q in quotes.items() if i not in new},
    )
    told = rows(
        conn, "explain", "predictions_at",
        market_ids=scope["market_ids"], model_ids=scope["model_ids"], now=now,
    )  # fmt: skip
    tick = Tick(
        tick_id=decision["tick_id"],
        decided_at=now,
        environment=Environment(environment),
        backtest_run_id=decision["backtest_run_id"],
        run_key=decision["run_name"] or "",
        dagster_run_id=decision["dagster_run_id"],
    )
    decided = decide(
        state,
        [quotes[market_id] for market_id in new],
        [Prediction(**row) for row in told],
        _methods(conn, scope["method_ids"], decision),
        tick,
        config,
    )
    key = decision["decision_key"]
    return next((d for d in decided.decisions if d.decision_key == key), None)


def _positions(executions: Sequence[Row]) -> list[tuple[str, OpenPosition]]:
    """(platform, position) of what was held: the fold of its executions."""
    by_position: dict[int, list[Row]] = defaultdict(list)
    for row in executions:
        by_position[row["position_id"]].append(row)
    held = []
    for group in by_position.values():
        first = group[0]
        holding = fold(
            Execution(r["venue_fill_id"], r["executed_at"], r["action"], r["price"], r["quantity"],
                      r["fee"])
            for r in group
        )  # fmt: skip
        if holding.quantity == 0:
            continue
        # Fees of what has been sold are no longer at risk.
        share = holding.fees * holding.quantity / holding.original_quantity
        held.append(
            (
                first["platform_id"],
                OpenPosition(
                    position_id=first["position_id"],
                    position_key=first["position_key"],
                    market_id=first["market_id"],
                    side=Side(first["side"]),
                    quantity=holding.quantity,
                    entry_price=holding.entry_price,
                    fees=share.quantize(Decimal("0.000001")),
                    strategy_id=first["strategy_id"],
                    model_id=first["model_id"],
                    method_id=first["method_id"],
                    entry_time=first["entry_time"],
                    original_quantity=holding.original_quantity,
                ),
            )
        )
    return held


def _working(orders: Sequence[Row], platform_id: str) -> list[OpenOrder]:
    return [
        OpenOrder(
            client_order_id=row["client_order_id"],
            market_id=row["market_id"],
            side=Side(row["side"]),
            action=Action(row["action"]),
            purpose=Purpose(row["purpose"]),
            status=_WAITING,
            limit_price=row["limit_price"],
            remaining=row["remaining"],
            strategy_id=row["strategy_id"],
            model_id=row["model_id"],
            method_id=row["method_id"],
            position_id=row["position_id"],
            exit_condition=row["exit_condition"],
        )
        for row in orders
        if row["waits"] and row["platform_id"] == platform_id
    ]


def _entries(orders: Sequence[Row], platform_id: str) -> list[Entry]:
    return [
        Entry(row["decided_at"], row["strategy_id"], row["game_id"])
        for row in orders
        if row["purpose"] == Purpose.ENTRY
        and row["platform_id"] == platform_id
        and (row["filled"] > 0 or row["waits"])
        and row["game_id"] is not None
    ]


def _missed(
    orders: Sequence[Row], platform_id: str, decision: Row, config: TradingConfig
) -> list[MissedEntry]:
    return [
        MissedEntry(
            row["decided_at"], row["strategy_id"], row["model_id"], row["method_id"],
            row["market_id"], Side(row["side"]),
        )
        for row in orders
        if row["purpose"] == Purpose.ENTRY
        and row["platform_id"] == platform_id
        and row["filled"] == 0
        and not row["waits"]
        and (decision["decided_at"] - row["decided_at"]).total_seconds() < config.gate.cooldown
    ]  # fmt: skip


def _controls(decision: Row) -> tuple[Control, ...]:
    state = decision["inputs"].get("control", _RUNNING)
    return () if state == _RUNNING else (Control("global", "*", state),)


def _breaker(row: Row) -> OpenBreaker:
    details = row["trigger_value"]
    return OpenBreaker(
        breaker_type=row["breaker_type"],
        action=row["action"],
        league=details.get("league"),
        strategies=tuple(details.get("strategies", ())),
    )


def _methods(conn: psycopg.Connection, method_ids: Sequence[int], decision: Row) -> list[Method]:
    """The methods of the tick with the statuses that the decision saw."""
    inputs = decision["inputs"]
    found = []
    for row in rows(conn, "explain", "methods_of_tick", method_ids=list(method_ids)):
        method = method_from_row(row)
        found.append(
            replace(
                method,
                status=inputs.get("method_status", method.status),
                strategy=replace(
                    method.strategy,
                    status=inputs.get("strategy_status", method.strategy.status),
                ),
                model=replace(method.model, status=inputs.get("model_status", method.model.status)),
            )
        )
    return found


def _as_stored(inputs: Mapping[str, Any]) -> Any:
    """Inputs as JSONB gives them back."""
    import json

    return json.loads(as_json(dict(inputs)))


def _plain(value: Any) -> Any:
    return value.value if hasattr(value, "value") else value
