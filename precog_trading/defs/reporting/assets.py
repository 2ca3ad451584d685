"""The asset ``performance``: what trading came to, with the source of its prices on every page."""

from typing import Any

import dagster as dg

from precog_dagster.resources import PostgresResource
from precog_trading.defs.trading.assets import ENVIRONMENT, GROUP, OWNERS


@dg.asset(
    deps=["decisions", "trades", "positions", "settlements", "account_ledger"],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    tags={"view": "pnl_by_strategy_model"},
    description=(
        "P&L by strategy × model, equity, drawdown and the reasons candidates were skipped, read "
        "from the ledger and labelled with the source of the prices."
    ),
)
def performance(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    from precog_core.config import load_section
    from precog_dagster.metadata import inline_png, markdown_table, table_metadata
    from precog_trading.config import TradingConfig
    from precog_trading.reports.summary import equity_curve, equity_plot, trading_summary
    from precog_trading.tick.batches import pending_batches

    with postgres.database().transaction() as conn:
        summary = trading_summary(conn, ENVIRONMENT)
        config = load_section("trading", TradingConfig, conn=conn)
        unfinished = bool(pending_batches(conn, config, ENVIRONMENT, maximum=1))
        metadata: dict[str, Any] = table_metadata(
            conn,
            "pnl_by_strategy_model",
            rows=len(summary["pnl"]),
            preview=summary["pnl"],
            data_source=summary["data_source"],
            execution_environment=ENVIRONMENT,
            cash=_money(summary["cash"]),
            net=_money(summary["net"]),
            fees=_money(summary["fees"]),
            max_drawdown=float(summary["max_drawdown"]),
            trades=summary["trades"],
            positions=summary["positions"],
            ledger_balanced=summary["ledger_balanced"],
            results=dg.MetadataValue.md(markdown_table(summary["results"])),
            decisions=dg.MetadataValue.md(
                markdown_table(
                    [
                        {"outcome": reason, "candidates": count}
                        for reason, count in summary["decisions_by_outcome"].items()
                    ]
                )
            ),
        )
        points = equity_curve(conn, ENVIRONMENT)
    if points and not unfinished:
        # Drawn once the waiting batches are through: importing the plotting library costs more
        # than a hundred ticks.
        title = f"Paper account: {summary['data_source']}"
        metadata["equity"] = inline_png("equity and drawdown", equity_plot(points, title))
    context.log.info(
        f"net {summary['net']} dollars on {summary['trades']} trades; {summary['data_source']}"
    )
    return dg.MaterializeResult(metadata=metadata)


def _money(amount: Any) -> dg.FloatMetadataValue:
    """As a number, so that Dagster charts it; the exact amount is in the ledger."""
    return dg.MetadataValue.float(float(amount))
