"""The performance report of one league and day as data; ``pages`` turns it into HTML.

A day is a UTC day, and everything is as known at its end. Money is Decimal, statistics are floats.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

import psycopg

from precog_core.alerts import report as raise_report
from precog_trading.ledger.statements import Row, rows
from precog_trading.reports.summary import source_label

_ZERO = Decimal(0)
_BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Traded contracts whose probability fell into [low, high): what was said, what came."""

    low: float
    high: float
    n: int
    said: float
    came: float


@dataclass(frozen=True, slots=True)
class EdgeRecord:
    """Realised against predicted edge in dollars per contract over ``n`` finished positions.

    Weighted by contracts; ``standard_error`` is that of the mean difference per position.
    """

    n: int
    predicted: float | None
    realized: float | None
    standard_error: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a page shows."""

    league: str
    day: date
    environment: str
    positions: Sequence[Row]
    finished_today: Sequence[Row]
    equity: Sequence[tuple[datetime, Decimal]]
    pnl: Sequence[Row]
    calibration: Sequence[Bin]
    edge: EdgeRecord
    exits: Sequence[Row]
    decisions: Sequence[Row]
    alerts: Sequence[Row]
    data_source: str

    @property
    def net(self) -> Decimal:
        """Profit in dollars of all finished positions."""
        return sum((row["realized_pnl"] for row in self.positions), _ZERO)

    @property
    def net_today(self) -> Decimal:
        return sum((row["realized_pnl"] for row in self.finished_today), _ZERO)


def report_of(
    conn: psycopg.Connection, league: str, day: date, environment: str = "paper"
) -> Report:
    """The report of ``league`` at the end of ``day``."""
    since = datetime.combine(day, time(0), UTC)
    until = since + timedelta(days=1) - timedelta(microseconds=1)
    here: dict[str, Any] = {"environment": environment, "league": league, "until": until}
    positions = rows(conn, "reports", "finished_positions", **here)
    sources = {
        row["source"]: row["trades"]
        for row in rows(conn, "reports", "quote_sources_of_league", **here)
    }
    return Report(
        league=league,
        day=day,
        environment=environment,
        positions=positions,
        finished_today=[row for row in positions if row["exit_time"] >= since],
        equity=equity(positions),
        pnl=pnl(positions, since),
        calibration=calibration(positions),
        edge=edge_record(positions),
        exits=rows(conn, "reports", "exits_by_reason", **here),
        decisions=rows(conn, "reports", "decisions_of_day", **here, since=since),
        alerts=rows(conn, "reports", "alerts_of_day", since=since, until=until),
        data_source=source_label(sources),
    )


def tell_summary(conn: psycopg.Connection, report: Report) -> int | None:
    """What trading did on the day as an alert ``run_summary``: one row a league, the newest day.

    Low: it reaches the file. None for a day without a decision.
    """
    decided = sum(row["count"] for row in report.decisions)
    if not decided:
        return None
    taken = sum(row["count"] for row in report.decisions if row["outcome"] == "taken")
    return raise_report(
        conn,
        "run_summary",
        f"{report.league} {report.day}: {decided} decisions, {taken} orders, "
        f"{len(report.finished_today)} positions finished, net {report.net_today:+.2f} dollars",
        details={"league": report.league, "day": report.day, "net": report.net_today},
        component="trading",
        stable_keys={"league": report.league},
    )


def equity(positions: Sequence[Row]) -> list[tuple[datetime, Decimal]]:
    """Cumulative profit in dollars after each instant at which a position ended."""
    by_time: dict[datetime, Decimal] = defaultdict(Decimal)
    for row in positions:
        by_time[row["exit_time"]] += row["realized_pnl"]
    times = sorted(by_time)
    return list(zip(times, accumulate(by_time[at] for at in times), strict=True))


def pnl(positions: Sequence[Row], since: datetime) -> list[Row]:
    """Profit by strategy × model: positions, won, cost and net, and the net since ``since``."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in positions:
        strategy = f"{row['strategy_name'] or 'unattributed'} {row['strategy_version'] or ''}"
        model = f"{row['model_name'] or ''} {row['model_version'] or ''}"
        groups[strategy.strip(), model.strip()].append(row)
    found = []
    for (strategy, model), group in sorted(groups.items()):
        cost = sum((r["original_quantity"] * r["entry_price"] + r["fees"] for r in group), _ZERO)
        net = sum((r["realized_pnl"] for r in group), _ZERO)
        found.append(
            {
                "strategy": strategy,
                "model": model,
                "positions": len(group),
                "won": sum(r["realized_pnl"] > 0 for r in group),
                "fees": sum((r["fees"] for r in group), _ZERO),
                "net": net,
                "roi": (net / cost).quantize(Decimal("0.0001")) if cost else None,
                "net today": sum(
                    (r["realized_pnl"] for r in group if r["exit_time"] >= since), _ZERO
                ),
            }
        )
    return found


def calibration(positions: Sequence[Row]) -> list[Bin]:
    """Ten equal bins of the traded probability against what was paid; empty ones left out.

    Only what was bought counts, so this is no calibration of the model: a market that is right
    makes the winner's curse visible here.
    """
    binned: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for row in positions:
        if row["probability"] is not None and row["paid"] is not None:
            said = float(row["probability"])
            place = min(int(said * _BINS), _BINS - 1)
            binned[place].append((said, float(row["paid"])))
    return [
        Bin(
            low=place / _BINS,
            high=(place + 1) / _BINS,
            n=len(pairs),
            said=math.fsum(said for said, _ in pairs) / len(pairs),
            came=math.fsum(came for _, came in pairs) / len(pairs),
        )
        for place, pairs in sorted(binned.items())
    ]


def edge_record(positions: Sequence[Row]) -> EdgeRecord:
    """What a contract was expected to earn and what it earned, after fees."""
    known = [row for row in positions if row["edge_at_entry"] is not None]
    contracts = sum((row["original_quantity"] for row in known), _ZERO)
    if not contracts:
        return EdgeRecord(0, None, None, None)
    predicted = sum((row["edge_at_entry"] * row["original_quantity"] for row in known), _ZERO)
    realized = sum((row["realized_pnl"] for row in known), _ZERO)
    gaps = [
        float(row["realized_pnl"] / row["original_quantity"] - row["edge_at_entry"])
        for row in known
    ]
    error = None
    if len(gaps) > 1:
        mean = math.fsum(gaps) / len(gaps)
        variance = math.fsum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)
        error = math.sqrt(variance / len(gaps))
    return EdgeRecord(len(known), float(predicted / contracts), float(realized / contracts), error)
