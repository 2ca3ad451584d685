"""What a backtest came to, read from the rows it wrote.

Nothing is remembered from the replay itself: who doubts a figure finds it again in the tables by
the run's id. Money stays decimal; shares, means and Brier scores are statistics and floats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg

from precog_trading.ledger.statements import Row, one, rows
from precog_trading.reports.summary import SOURCE_LABELS, EquityPoint

BINS = 10
_WILSON_95 = 1.959964
_ZERO = Decimal(0)

WHAT_FILLS_CANNOT_KNOW = (
    "Queue: an order that rests fills only when the market trades through its limit; who stood "
    "before us at the same price is not recorded.",
    "Own impact: our orders move no later quote and nobody reacts to them; only the contracts we "
    "took from a book are gone from it.",
    "Depth: a stored quote is the top of the book and counts as the whole book.",
)
ASSUMED_BOOK = (
    "Assumed spreads and sizes: quotes of source {sources} are no observed book. Their bid and ask "
    "(closing or last price ∓ half a spread), their sizes, volume, open interest and fees are "
    "assumptions of replay.assume; a real book was often wider, thinner, or not there."
)


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Entries whose p̂ lies in [low, high): how many, what was said, how often it came true."""

    low: float
    high: float
    n: int
    mean_probability: float
    share_won: float
    wilson_low: float
    wilson_high: float


def run_metrics(conn: psycopg.Connection, backtest_run_id: int) -> dict[str, Any]:
    """The figures stored with the run: decimals as text, statistics as numbers."""
    entries = rows(conn, "backtest", "run_entries", backtest_run_id=backtest_run_id)
    money = one(conn, "backtest", "run_money", backtest_run_id=backtest_run_id) or {}
    curve = run_equity(conn, backtest_run_id)
    pnl = rows(conn, "backtest", "run_pnl", backtest_run_id=backtest_run_id)
    run = one(conn, "backtest", "run", backtest_run_id=backtest_run_id) or {}
    net = sum((row["net"] for row in pnl), _ZERO)
    start = run["starting_balance"]
    turnover = money["bought"] + money["sold"]
    reasons = rows(conn, "backtest", "run_reasons", backtest_run_id=backtest_run_id)
    return {
        "net": _text(net),
        "return_on_start": _ratio(net, start),
        "return_on_turnover": _ratio(net, money["bought"]),
        "max_drawdown": float(max((p.drawdown for p in curve), default=_ZERO)),
        "turnover": _text(turnover),
        "turnover_per_start": _ratio(turnover, start),
        "fees": _text(money["fees"]),
        "fees_per_contract": _ratio(money["fees"], money["contracts"]),
        "fills": money["fills"],
        "entries": len(entries),
        "decisions": sum(row["candidates"] for row in reasons),
        "reasons": [_texts(row) for row in reasons],
        "positions": [
            _texts(row)
            for row in rows(conn, "backtest", "run_positions", backtest_run_id=backtest_run_id)
        ],
        "pnl": [_texts(row) for row in pnl],
        **closing_line_value(entries),
        **entry_scores(entries),
        "quote_sources": [
            _texts(row)
            for row in rows(conn, "backtest", "run_quote_sources", backtest_run_id=backtest_run_id)
        ],
    }


def closing_line_value(entries: Sequence[Row]) -> dict[str, Any]:
    """CLV of each entry: last own-side mid before the start less what a contract cost, fees
    included (models.md §5); mean and share above zero over entries with a closing mid."""
    values = [
        float(row["closing_mid"] - row["cost_per_contract"])
        for row in entries
        if row["closing_mid"] is not None
    ]
    if not values:
        return {"clv_entries": 0, "clv_mean": None, "clv_share_positive": None}
    return {
        "clv_entries": len(values),
        "clv_mean": sum(values) / len(values),
        "clv_share_positive": sum(v > 0 for v in values) / len(values),
    }


def entry_scores(entries: Sequence[Row]) -> dict[str, Any]:
    """Brier and mean of p̂ against what happened, over entries that were decided yes or no."""
    decided = _decided(entries)
    if not decided:
        return {"entry_brier": None, "entry_mean_probability": None, "entry_share_won": None}
    n = len(decided)
    return {
        "entry_brier": sum((p - y) ** 2 for p, y in decided) / n,
        "entry_mean_probability": sum(p for p, _ in decided) / n,
        "entry_share_won": sum(y for _, y in decided) / n,
    }


def calibration(entries: Sequence[Row]) -> list[CalibrationBin]:
    """Entries in ten equal bins of p̂ with Wilson 95 % intervals; empty bins are left out."""
    bins: dict[int, list[tuple[float, int]]] = {}
    for probability, won in _decided(entries):
        bins.setdefault(min(int(probability * BINS), BINS - 1), []).append((probability, won))
    found = []
    for number, content in sorted(bins.items()):
        n, won = len(content), sum(y for _, y in content)
        low, high = wilson(won, n)
        found.append(
            CalibrationBin(
                number / BINS, (number + 1) / BINS, n, sum(p for p, _ in content) / n, won / n,
                low, high,
            )
        )  # fmt: skip
    return found


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share (Wilson 1927)."""
    share, z2 = successes / n, _WILSON_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _WILSON_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def run_equity(conn: psycopg.Connection, backtest_run_id: int) -> list[EquityPoint]:
    """Cash and cash plus contracts at cost after each instant at which money moved."""
    points: list[EquityPoint] = []
    peak = _ZERO
    for row in rows(conn, "backtest", "run_equity", backtest_run_id=backtest_run_id):
        peak = max(peak, row["equity"])
        drawdown = (peak - row["equity"]) / peak if peak else _ZERO
        points.append(EquityPoint(row["at"], row["cash"], row["equity"], drawdown))
    return points


def caveats(metrics: dict[str, Any]) -> list[str]:
    """What the fill model cannot know, in plain sentences, with the sources it bears on."""
    assumed = [
        row["source"]
        for row in metrics["quote_sources"]
        if row["source"] not in ("recorded", "manual")
    ]
    told = list(WHAT_FILLS_CANNOT_KNOW)
    if assumed:
        told.append(ASSUMED_BOOK.format(sources=", ".join(assumed)))
        told += [
            f"{source}: {SOURCE_LABELS[source]}." for source in assumed if source in SOURCE_LABELS
        ]
    return told


def entries_of(conn: psycopg.Connection, backtest_run_id: int) -> list[Row]:
    """The filled entries of a run, the earliest first."""
    return rows(conn, "backtest", "run_entries", backtest_run_id=backtest_run_id)


def _decided(entries: Sequence[Row]) -> list[tuple[float, int]]:
    """(p̂, won) of entries whose contract paid nothing or a dollar; ties and scalars say neither."""
    return [
        (float(row["probability"]), int(row["value"]))
        for row in entries
        if row["probability"] is not None and row["value"] in (0, 1)
    ]


def _ratio(part: Decimal, whole: Decimal | int) -> float | None:
    return float(part / whole) if whole else None


def _text(amount: Decimal) -> str:
    return format(amount, "f")


def _texts(row: Row) -> Row:
    return {
        key: _text(value)
        if isinstance(value, Decimal)
        else value.isoformat()
        if isinstance(value, datetime)
        else value
        for key, value in row.items()
    }
