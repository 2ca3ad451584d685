"""The trading tick: one step that writes eight tables, each an asset of its own.

One step, because a decision, its edge and its order belong to one transaction; eight assets,
because a person asks for the lineage of a position, not of a step. Predictions, quotes and results
come from the other code location as tables.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import Field

from precog_core.errors import PrecogError
from precog_dagster.resources import PostgresResource

ENVIRONMENT = "paper"
MAXIMUM_TICKS = 500
GROUP = "trading"
OWNERS = ["team:precog"]

predictions = dg.AssetSpec(
    "predictions", description="P(home wins) as issued by the champion; read from the database."
)
market_snapshots = dg.AssetSpec(
    "market_snapshots", description="Quotes with their source; read from the database."
)
games = dg.AssetSpec(
    "games", description="Fixtures and results; the results settle simulated markets."
)


_TABLES = {
    "edges": (
        ["predictions", "market_snapshots"],
        "What buying each side at its ask is worth after fees (table edges), one current row per "
        "market, side, strategy, model and method, history kept.",
    ),
    "decisions": (
        ["edges"],
        "Every candidate of every tick, taken or skipped with the first rule that refused it, and "
        "the inputs to recompute it (table decisions).",
    ),
    "orders": (
        ["decisions"],
        "Order intents, committed before anything is sent, and what became of them (table orders).",
    ),
    "fills": (
        ["orders"],
        "Executions of the paper exchange: on the quote's own book, at its prices, never more than "
        "its size (table fills).",
    ),
    "trades": (
        ["fills"],
        "One attributed row per fill: strategy, model and method version, edge at the price paid "
        "(table trades).",
    ),
    "positions": (
        ["trades"],
        "What is held and what it came to: a fold of the fills at average cost (table positions).",
    ),
    "settlements": (
        ["positions", "games", "market_settlements", "kalshi_markets"],
        "The outcome of every market of a finished game, traded or not; a tie pays both sides half "
        "(table settlements).",
    ),
    "account_ledger": (
        ["fills", "settlements"],
        "Every movement of cash, signed, once (table account_ledger): cash + open cost + fees - "
        "gross realised = deposits.",
    ),
}
"""Table and asset key: what it is computed from, and what it holds."""


def _specs() -> list[dg.AssetSpec]:
    # A function, because the loader would take a list in this module for assets of its own.
    return [
        dg.AssetSpec(
            table,
            deps=deps,
            description=description,
            group_name=GROUP,
            kinds={"python", "postgres"},
            owners=OWNERS,
            tags={"table": table},
        )
        for table, (deps, description) in _TABLES.items()
    ]


class TickRange(dg.Config):
    """Which waiting batches to decide on; without values the oldest 500."""

    first: str | None = Field(
        default=None, description="Tick id of the first batch, such as t:2019-09-08T16:00:00Z."
    )
    last: str | None = Field(default=None, description="Tick id of the last batch.")
    limit: int = Field(default=MAXIMUM_TICKS, ge=1, le=MAXIMUM_TICKS, description="Ticks at most.")


@dg.multi_asset(name="trading_tick", specs=_specs(), pool="trading")
def trading_tick(
    context: dg.AssetExecutionContext, config: TickRange, postgres: PostgresResource
) -> Iterator[dg.MaterializeResult]:
    """Finish what an interrupted run left, decide on the waiting batches, settle, account."""
    from precog_dagster.metadata import table_metadata
    from precog_trading.defs.metadata import recent
    from precog_trading.explain.table import newest_trade
    from precog_trading.ledger.statements import one
    from precog_trading.tick.runner import run_pending

    database = postgres.database()
    report = run_pending(
        database,
        first=_instant(config.first),
        last=_instant(config.last),
        maximum=config.limit,
        dagster_run_id=context.run.run_id,
        log=context.log.info,
    )
    context.log.info(
        f"{report.ticks} ticks, {report.decisions} decisions, {report.taken} orders, "
        f"{report.fills} fills, {report.positions_settled} positions settled"
        + (", more batches wait" if report.remaining else "")
    )
    this_run: dict[str, dict[str, Any]] = {
        "decisions": {"new_decisions": report.decisions},
        "orders": {"new_orders": report.taken, "resumed_orders": report.resumed_orders},
        "fills": {"new_fills": report.fills},
        "settlements": {"new_settlements": report.settlements},
        "positions": {"positions_settled": report.positions_settled},
    }
    common: dict[str, Any] = {
        "execution_environment": ENVIRONMENT,
        "ticks": report.ticks,
        "first_tick": report.first_tick or "none",
        "last_tick": report.last_tick or "none",
    }
    with database.transaction() as conn:
        counts = one(conn, "performance", "activity", environment=ENVIRONMENT) or {}
        explained = newest_trade(conn, database, ENVIRONMENT)
        this_run["trades"] = {"explained": dg.MetadataValue.md(explained)}
        for table in _TABLES:
            count = counts["ledger_entries" if table == "account_ledger" else table]
            yield dg.MaterializeResult(
                asset_key=table,
                metadata=table_metadata(
                    conn,
                    table,
                    rows=count,
                    preview=recent(conn, table, ENVIRONMENT),
                    **common,
                    **this_run.get(table, {}),
                ),
            )


def _instant(tick: str | None) -> datetime | None:
    from precog_trading.tick.batches import batch_time

    if tick is None:
        return None
    try:
        return batch_time(tick)
    except ValueError as error:
        raise PrecogError(f"trading_tick: first and last are tick ids; {error}") from error
