"""A strategy's way: draft, testing, active, inactive, deprecated, and the gate to live (rules §13).

The database refuses every other path. What it cannot know is what the strategy has shown on paper,
so activation asks that here, and a person's name is part of every step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import psycopg

from precog_core.errors import PrecogError
from precog_trading.config_exits import PromotionSettings
from precog_trading.ledger.statements import Row, one, rows, value
from precog_trading.methods.lifecycle import Condition, store_step

_STEPS = {
    "testing": ("draft",),
    "active": ("testing", "inactive"),
    "inactive": ("active",),
    "draft": ("testing",),
    "deprecated": ("active", "inactive"),
}
_DAY = timedelta(days=1)


class GateRefused(PrecogError):
    """The gate to live is not passed. ``conditions`` are all of them, passed or not."""

    def __init__(self, message: str, conditions: tuple[Condition, ...]) -> None:
        super().__init__(message)
        self.conditions = conditions


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken. ``methods``: those in force with this strategy, such as ``a v1.0``."""

    name: str
    version: str
    before: str
    status: str
    conditions: tuple[Condition, ...]
    methods: tuple[str, ...]


def gate(
    conn: psycopg.Connection, strategy_id: int, settings: PromotionSettings, cash: Decimal
) -> tuple[Condition, ...]:
    """What a strategy must have shown on paper before it may trade live.

    ``cash``: dollars of the paper account at its start. Drawdown is that of the strategy alone, as
    if it had had them for itself, measured as its positions ended.
    """
    finished = rows(conn, "strategies", "paper_positions", strategy_id=strategy_id)
    days = (
        (finished[-1]["exit_time"] - min(row["entry_time"] for row in finished)) / _DAY
        if finished
        else 0.0
    )
    lost = value(conn, "strategies", "unattributed_trades", strategy_id=strategy_id)
    alarms = value(conn, "strategies", "open_leak_alarms", strategy_id=strategy_id)
    fallen = drawdown((row["net"] for row in finished), cash)
    return (
        Condition(
            len(finished) >= settings.strategy_trades,
            f"{len(finished)} finished paper trades (at least {settings.strategy_trades})",
        ),
        Condition(
            days >= settings.strategy_days,
            f"{days:.1f} days from the first entry to the last result (at least "
            f"{settings.strategy_days})",
        ),
        _closing_line(rows(conn, "strategies", "paper_entries", strategy_id=strategy_id)),
        Condition(
            fallen <= settings.strategy_drawdown,
            f"drawdown {100 * fallen:.2f} % of {cash:,.0f} dollars and its own results (at most "
            f"{100 * settings.strategy_drawdown:.0f} %)",
        ),
        Condition(lost == 0, f"{lost} trades without attribution (none)"),
        Condition(alarms == 0, f"{alarms} open leak alarms (none)"),
    )


def drawdown(results: Iterable[Decimal], start: Decimal) -> Decimal:
    """The deepest fall below the highest point so far, a fraction of that point.

    ``results``: dollars in the order they came; ``start``: dollars, above zero.
    """
    worth = peak = start
    deepest = Decimal(0)
    for result in results:
        worth += result
        peak = max(peak, worth)
        deepest = max(deepest, (peak - worth) / peak)
    return deepest


def move(
    conn: psycopg.Connection,
    name: str,
    version: str,
    to: str,
    *,
    who: str,
    reason: str,
    settings: PromotionSettings,
    cash: Decimal,
) -> Step:
    """Take a step in the caller's transaction.

    Raises PrecogError for a step that is not on the path, or without a person and a reason;
    GateRefused when the gate to live is not passed.
    """
    if not who.strip() or not reason.strip():
        raise PrecogError("a step needs a person and a reason: --by NAME --reason WHY")
    strategy = _find(conn, name, version)
    if strategy["status"] not in _STEPS[to]:
        raise PrecogError(
            f"strategy {name} {version} is {strategy['status']}; only one in "
            f"{' or '.join(_STEPS[to])} becomes {to}"
        )
    conditions: tuple[Condition, ...] = ()
    if to == "active":
        conditions = gate(conn, strategy["strategy_id"], settings, cash)
        failed = [condition.text for condition in conditions if not condition.passed]
        if failed:
            raise GateRefused(
                f"strategy {name} {version} stays {strategy['status']}: {'; '.join(failed)}",
                conditions,
            )
    store_step(
        conn, ("strategies", strategy["strategy_id"]), f"{name} {version}", strategy["status"], to,
        who=who, notes=reason,
    )  # fmt: skip
    users = rows(conn, "strategies", "methods_in_force", strategy_id=strategy["strategy_id"])
    return Step(
        name,
        version,
        strategy["status"],
        to,
        conditions,
        tuple(f"{row['method_name']} {row['method_version']}" for row in users),
    )


def _find(conn: psycopg.Connection, name: str, version: str) -> Row:
    found = one(conn, "strategies", "strategy", name=name, version=version)
    if found is None:
        versions = [
            row["strategy_version"] for row in rows(conn, "strategies", "versions_of", name=name)
        ]
        there = f"it has {', '.join(versions)}" if versions else "`precog strategies list` has them"
        raise PrecogError(f"there is no strategy {name} {version}; {there}")
    return found


def _closing_line(entries: list[Row]) -> Condition:
    """Mean over entries of the closing own-side mid less what a contract cost (models §5)."""
    values = [
        row["closing_mid"] - row["cost_per_contract"]
        for row in entries
        if row["closing_mid"] is not None
    ]
    if not values:
        return Condition(False, "no entry before a start with a closing price yet (mean above 0)")
    mean = sum(values, Decimal(0)) / len(values)
    return Condition(
        mean > 0,
        f"mean closing-line value {mean:+.4f} dollars per contract over {len(values)} entries "
        "(above 0)",
    )
