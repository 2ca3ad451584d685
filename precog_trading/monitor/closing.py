"""A person sells a position: one order at the bid, under the same lock, with the same bookkeeping.

It has a decision like every order, and no exit condition: the ten conditions are rules, and this is
a person's word. So its trade is a manual one and is booked to no condition.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.prices import Side, best_bid_ask, parse_grid
from precog_trading.engine.state import Environment
from precog_trading.ledger.bookings import MANUAL
from precog_trading.ledger.statements import Row, as_json, change, one, rows
from precog_trading.rules.ids import client_order_id, decision_key
from precog_trading.tick.batches import pending_batches
from precog_trading.tick.runner import tick_runner
from precog_trading.tick.steps import TickRunner


@dataclass(frozen=True, slots=True)
class Closing:
    """What the order came to: contracts sold, what is left, and whether it waits for a quote."""

    position_id: int
    ticker: str
    limit_price: Decimal
    ordered: Decimal
    sold: Decimal
    waits: bool


def close_position(
    db: Database,
    position_id: int,
    who: str,
    reason: str,
    environment: Environment = Environment.PAPER,
) -> Closing:
    """Sell all that is held of a position, no lower than ``exec.exit_slippage`` below its bid.

    Working exit orders of the position are canceled first. On recorded quotes the order waits for
    the next one, like every order. Raises PrecogError when the position is not open or has no bid.
    """
    with tick_runner(db, environment) as runner:
        runner.resume()
        # While a replay is behind, what comes later is not known yet.
        with db.connection() as conn:
            behind = bool(pending_batches(conn, runner.config, environment, maximum=1))
        at = runner.clock if behind and runner.clock else datetime.now(UTC)
        row = one(
            runner.conn, "ledger", "position_to_close",
            position_id=position_id, environment=environment, until=at,
        )  # fmt: skip
        if row is None or row["status"] != "open":
            state = "does not exist" if row is None else f"is {row['status']}"
            raise PrecogError(
                f"position {position_id} {state} in {environment}; see `precog positions "
                "--status open`"
            )
        found, limit = row, _limit(row, runner)

        def order() -> datetime:
            runner.cancel_exits(position_id, at, f"closed by {who}")
            _decide(runner, found, at, limit, who, reason, environment)
            return at

        runner.by_hand(order)
        sold = one(runner.conn, "ledger", "last_manual_order", position_id=position_id)
    if sold is None:
        raise PrecogError(f"the order to close position {position_id} was not stored; try again")
    return Closing(
        position_id, row["ticker"], limit, row["quantity"], sold["filled_quantity"],
        waits=sold["status"] == "intent",
    )  # fmt: skip


def _limit(row: Row, runner: TickRunner) -> Decimal:
    """The lowest acceptable price: a little below the own-side bid, on the market's grid."""
    side = Side(row["side"])
    bid, _ = best_bid_ask(side, row["yes_bid"], row["yes_ask"])
    if bid is None:
        raise PrecogError(
            f"position {row['position_id']}: nobody bids for {side} of {row['ticker']}; there is "
            "no price to sell at"
        )
    grid = parse_grid(row["price_ranges"]).for_side(side)
    return grid.ceil(bid - runner.config.exec.exit_slippage) or bid


def _decide(
    runner: TickRunner,
    row: Row,
    decided_at: datetime,
    limit: Decimal,
    who: str,
    reason: str,
    environment: Environment,
) -> None:
    """Store decision and intent."""
    tick = "c:" + decided_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    market = f"{row['platform_id']}:{row['ticker']}"
    strategy, model = row["strategy"] or "-", row["model"] or "-"
    key = decision_key(
        environment=environment, run_key="", tick_id=tick, market=market, side=row["side"],
        purpose="exit", strategy=strategy, model=model, method=row["method"],
        exit_condition=MANUAL, position_key=row["position_key"],
    )  # fmt: skip
    decision = {
        "decision_key": key,
        "tick_id": tick,
        "decided_at": decided_at,
        "execution_environment": environment,
        "market_id": row["market_id"],
        "side": row["side"],
        "purpose": "exit",
        "position_id": row["position_id"],
        "strategy_id": row["strategy_id"],
        "model_id": row["model_id"],
        "method_id": row["method_id"],
        "outcome": "taken",
        "price": row["yes_bid"] if row["side"] == "yes" else 1 - row["yes_ask"],
        "quantity": row["quantity"],
        "quote_observed_at": row["observed_at"],
        "inputs": {"manual": True, "who": who, "reason": reason},
    }
    rows(runner.conn, "trading", "insert_decisions", rows=as_json([decision]))
    order = {
        "number": 0,
        "decision_key": key,
        "client_order_id": client_order_id(
            environment=environment, strategy=strategy, model=model, market=market,
            side=row["side"], purpose="exit", decision_key=key, attempt=1,
        ),
        "platform_id": row["platform_id"],
        "action": "sell",
        "exit_condition": MANUAL,
        "limit_price": limit,
        "quantity": row["quantity"],
        "time_in_force": "ioc",
        "reduce_only": True,
        "post_only": False,
        "attempt_number": 1,
    }  # fmt: skip
    change(runner.conn, "trading", "insert_order_intents", rows=as_json([order]))
