"""The state of an account in one dictionary, and its course over time.

Nothing here is stored: every figure is read from the ledger when asked for, and each carries the
label of where its prices came from, so that no simulated profit looks like a real one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from precog_trading.ledger.audit import verify_ledger
from precog_trading.ledger.statements import Row, one, rows

SOURCE_LABELS = {
    "simulated": "simulated quotes: made up around the result, no evidence of skill",
    "assumed_closing_line": "quotes assumed from closing lines: 31 minutes of look-ahead",
    "recorded": "recorded market quotes",
    "manual": "quotes entered by hand",
}
NO_TRADES = "no trades yet"
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """The account after one instant: cash, equity (contracts at cost), drawdown from the peak.

    Dollars; ``drawdown`` is a fraction of the peak, 0 at a new one.
    """

    at: datetime
    cash: Decimal
    equity: Decimal
    drawdown: Decimal


def trading_summary(conn: psycopg.Connection, environment: str = "paper") -> dict[str, Any]:
    """Counts, profits and labels of one environment; money as Decimal, times as datetime.

    Keys: decisions, ticks, edges, orders, fills, trades, positions, settlements, ledger_entries,
    first_decision, last_decision; orders_by_status, positions_by_status, decisions_by_outcome
    (taken, or the reason for skipping); pnl (list per strategy × model); results (list: finished
    positions, won, cost, net, roi); cash, open_cost, fees, gross_realized, deposits, net;
    ledger_balanced; max_drawdown; data_source (labels) and quote_sources (trades per source).
    """
    activity = one(conn, "performance", "activity", environment=environment) or {}
    statuses = rows(conn, "performance", "status_counts", environment=environment)
    by_status = {
        what: {row["status"]: row["count"] for row in statuses if row["what"] == what}
        for what in ("orders", "positions")
    }
    audit = verify_ledger(conn, environment)
    sums = audit.as_dict()
    curve = equity_curve(conn, environment)
    sources = quote_sources(conn, environment)
    return {
        **activity,
        "environment": environment,
        "orders_by_status": by_status["orders"],
        "positions_by_status": by_status["positions"],
        "decisions_by_outcome": decision_counts(conn, environment),
        "pnl": rows(conn, "performance", "pnl", environment=environment),
        "results": results(conn, environment),
        **{key: sums[key] for key in ("cash", "open_cost", "fees", "gross_realized", "deposits")},
        "net": sums["cash"] + sums["open_cost"] - sums["deposits"],
        "ledger_balanced": audit.balanced,
        "max_drawdown": max((point.drawdown for point in curve), default=_ZERO),
        "quote_sources": sources,
        "data_source": source_label(sources),
    }


def decision_counts(conn: psycopg.Connection, environment: str) -> dict[str, int]:
    """Decisions by ``taken`` or the reason they were skipped, the most frequent first."""
    return {
        row["skip_reason"] or row["outcome"]: row["count"]
        for row in rows(conn, "performance", "decision_counts", environment=environment)
    }


def results(conn: psycopg.Connection, environment: str) -> list[Row]:
    """Finished positions per strategy × model, with ``roi`` = net over what they cost with fees."""
    found = rows(conn, "performance", "results", environment=environment)
    for row in found:
        spent = row["cost"] + row["fees"]
        row["roi"] = (row["net"] / spent).quantize(Decimal("0.0001")) if spent else None
    return found


def quote_sources(conn: psycopg.Connection, environment: str) -> dict[str, int]:
    """Trades by the source of the quote they were made on."""
    return {
        row["source"]: row["trades"]
        for row in rows(conn, "performance", "quote_sources", environment=environment)
    }


def source_label(sources: dict[str, int]) -> str:
    """In words, where the prices of the trades came from."""
    if not sources:
        return NO_TRADES
    return "; ".join(SOURCE_LABELS.get(source, source) for source in sources)


def equity_curve(conn: psycopg.Connection, environment: str = "paper") -> list[EquityPoint]:
    """The account after each instant at which money moved, oldest first."""
    points: list[EquityPoint] = []
    peak = _ZERO
    for row in rows(conn, "performance", "equity", environment=environment):
        peak = max(peak, row["equity"])
        drawdown = (peak - row["equity"]) / peak if peak else _ZERO
        points.append(EquityPoint(row["at"], row["cash"], row["equity"], drawdown))
    return points


def equity_plot(points: Sequence[EquityPoint], title: str) -> bytes:
    """Equity and drawdown over time as a PNG."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    times = [point.at for point in points]
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.step(times, [float(p.equity) for p in points], where="post", label="equity (at cost)")
    above.step(
        times, [float(p.cash) for p in points], where="post", alpha=0.5, linewidth=1, label="cash"
    )
    above.set_title(title, fontsize=9)
    above.set_ylabel("dollars")
    above.legend(loc="best", fontsize=8)
    below.fill_between(times, [-100 * float(p.drawdown) for p in points], step="post", alpha=0.5)
    below.set_ylabel("drawdown, %")
    if len(set(times)) == 1:  # nothing was traded: a line needs two ends
        above.axhline(float(points[0].equity))
        below.set_xlim(times[0] - timedelta(days=1), times[0] + timedelta(days=1))
    below.tick_params(axis="x", labelrotation=20, labelsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()
