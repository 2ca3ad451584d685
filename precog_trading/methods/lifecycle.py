"""A method's way: draft, testing, active, deprecated; and who may take which step (rules §13).

The database refuses every other path. What it cannot know is what a method has shown, so
activation asks that here, and a person's name is part of every step.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import psycopg

from precog_core.alerts import report
from precog_core.errors import PrecogError
from precog_trading.config_exits import PromotionSettings
from precog_trading.ledger.statements import Row, one, rows, value
from precog_trading.methods.create import find_method

_STEPS = {
    "testing": ("draft",),
    "active": ("testing",),
    "draft": ("testing",),
    "deprecated": ("active",),
}
# One-sided 95 % of the normal distribution; with 20 trades or more the t quantile is 3 % wider.
_Z_95 = 1.6449
_FEWEST_FOR_A_VARIANCE = 2
AUTOMATIC = "rule"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the gate, in words with its number."""

    passed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Loser:
    """An active method that has to go, and why. ``roi`` and ``upper`` are fractions of the cost."""

    method_id: int
    name: str
    version: str
    trades: int
    roi: float
    upper: float
    reason: str


def gate(
    conn: psycopg.Connection, method: Row, settings: PromotionSettings
) -> tuple[Condition, ...]:
    """What a method must have shown before it may trade live."""
    record = one(conn, "methods", "paper_record", method_id=method["method_id"])
    trades, roi = (record["paper_trades"], record["paper_roi"]) if record else (0, None)
    lost = value(conn, "methods", "unattributed_trades", method_id=method["method_id"])
    alarms = value(conn, "methods", "open_leak_alarms", model_id=method["model_id"])
    return (
        Condition(
            trades >= settings.method_trades,
            f"{trades} finished paper trades (at least {settings.method_trades})",
        ),
        Condition(
            roi is not None and roi > 0,
            "no paper return yet" if roi is None else f"paper return {100 * roi:.2f} % (above 0)",
        ),
        Condition(
            method["strategy_status"] == "active",
            f"strategy {method['strategy_name']} {method['strategy_version']} is "
            f"{method['strategy_status']} (active)",
        ),
        Condition(
            method["model_status"] == "active",
            f"model {method['model_name']} {method['model_version']} is "
            f"{method['model_status']} (active)",
        ),
        Condition(lost == 0, f"{lost} trades without attribution (none)"),
        Condition(alarms == 0, f"{alarms} open leak alarms (none)"),
    )


def move(
    conn: psycopg.Connection,
    name: str,
    version: str,
    to: str,
    *,
    who: str,
    notes: str,
    settings: PromotionSettings,
) -> tuple[Condition, ...]:
    """Take a step in the caller's transaction; returns the conditions of a gate that was asked.

    Raises PrecogError for a step that is not on the path, or a gate that is not passed.
    """
    method = find_method(conn, name, version)
    if method["status"] not in _STEPS[to]:
        raise PrecogError(
            f"method {name} {version} is {method['status']}; only one in "
            f"{' or '.join(_STEPS[to])} becomes {to}"
        )
    conditions: tuple[Condition, ...] = ()
    if to == "active":
        conditions = gate(conn, method, settings)
        failed = [condition.text for condition in conditions if not condition.passed]
        if failed:
            raise PrecogError(f"method {name} {version} stays in testing: {'; '.join(failed)}")
    store_step(
        conn, ("methods", method["method_id"]), f"{name} {version}", method["status"], to,
        who=who, notes=notes,
    )  # fmt: skip
    return conditions


def store_step(
    conn: psycopg.Connection,
    source: tuple[Literal["methods", "strategies"], int],
    version: str,
    before: str,
    to: str,
    *,
    who: str,
    notes: str,
) -> None:
    """Change the status of a row of a table of versions, and tell it as an alert.

    Raises PrecogError when its status is no longer ``before``.
    """
    table, row_id = source
    kind = "method" if table == "methods" else "strategy"
    changed = value(
        conn, table, "change_status",
        **{f"{kind}_id": row_id}, old_status=before, new_status=to, who=who, notes=notes,
    )  # fmt: skip
    if changed is None:
        raise PrecogError(f"{kind} {version} was changed by somebody else just now")
    report(
        conn, "lifecycle_change", f"{kind} {version} is {to}: {notes} ({who})",
        source=source, stable_keys={kind: version, "status": to},
    )  # fmt: skip


def deprecate_losers(
    conn: psycopg.Connection, now: datetime, settings: PromotionSettings
) -> list[Loser]:
    """Take the losers out of service, each with an alert, in the caller's transaction."""
    found = losers(conn, now, settings)
    for loser in found:
        value(
            conn, "methods", "change_status",
            method_id=loser.method_id, old_status="active", new_status="deprecated",
            who=AUTOMATIC, notes=f"Withdrawn by rule: {loser.reason}.",
        )  # fmt: skip
        report(
            conn, "lifecycle_change",
            f"method {loser.name} {loser.version} was withdrawn: {loser.reason} over "
            f"{loser.trades} trades",
            severity="high", source=("methods", loser.method_id), now=now,
            stable_keys={"method": f"{loser.name} {loser.version}", "status": "deprecated"},
        )  # fmt: skip
    return found


def losers(conn: psycopg.Connection, now: datetime, settings: PromotionSettings) -> list[Loser]:
    """Active methods whose last days cost too much (METH-011).

    At least ``deprecate_trades`` finished positions in ``deprecate_days``, and either a return on
    cost below -``deprecate_roi``, or one whose one-sided 95 % upper bound is below 0 (mean return
    plus 1.645 standard errors).
    """
    since = now - timedelta(days=settings.deprecate_days)
    finished: dict[int, list[Row]] = defaultdict(list)
    for row in rows(conn, "methods", "recent_returns", since=since):
        finished[row["method_id"]].append(row)
    found = [_loser(positions, settings) for positions in finished.values()]
    return [loser for loser in found if loser is not None]


def _loser(positions: Sequence[Row], settings: PromotionSettings) -> Loser | None:
    if len(positions) < max(settings.deprecate_trades, _FEWEST_FOR_A_VARIANCE):
        return None
    cost = sum((row["cost"] for row in positions), Decimal(0))
    roi = float(sum((row["net"] for row in positions), Decimal(0)) / cost)
    returns = [float(row["net"] / row["cost"]) for row in positions]
    mean = math.fsum(returns) / len(returns)
    variance = math.fsum((each - mean) ** 2 for each in returns) / (len(returns) - 1)
    upper = mean + _Z_95 * math.sqrt(variance / len(returns))
    limit = float(settings.deprecate_roi)
    if roi < -limit:
        reason = f"return {100 * roi:.1f} % is below {-100 * limit:.0f} %"
    elif upper < 0:
        reason = f"the 95 % upper bound of its return is {100 * upper:.1f} %"
    else:
        return None
    first = positions[0]
    return Loser(
        first["method_id"], first["method_name"], first["method_version"], len(positions), roi,
        upper, reason,
    )  # fmt: skip
