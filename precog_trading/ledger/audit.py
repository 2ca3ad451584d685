"""The proof that no cent is lost: cash + open cost + fees - gross realised = deposits, exactly.

Each term comes from another table: cash from the balance, cost and realised profit from a new
fold of the fills, fees from the fills, deposits from the ledger. Beside the law itself the audit
compares every position with its fold, and the attributed profits with the account.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import psycopg

from precog_core.errors import PrecogError
from precog_core.prices import Side
from precog_core.progress import Progress, unseen
from precog_trading.ledger.holdings import fold
from precog_trading.ledger.statements import one, rows
from precog_trading.ledger.writing import executions
from precog_trading.rules.settlement import contract_value

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountAudit:
    """The sums of one account in dollars; ``difference`` is zero when the law holds."""

    platform_id: str
    cash: Decimal
    open_cost: Decimal
    fees: Decimal
    gross_realized: Decimal
    deposits: Decimal
    difference: Decimal


@dataclass(frozen=True, slots=True)
class LedgerAudit:
    """What was checked and what was found; ``problems`` is empty exactly when balanced."""

    environment: str
    accounts: tuple[AccountAudit, ...]
    entries: int
    fills: int
    positions: int
    problems: tuple[str, ...] = field(default=())
    backtest_run_id: int | None = None
    run_name: str | None = None

    @property
    def label(self) -> str:
        """The account in words: the environment, or a backtest's run."""
        if self.backtest_run_id is None:
            return self.environment
        return f"backtest {self.backtest_run_id} ({self.run_name})"

    @property
    def balanced(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For JSON: ``balanced``, the sums over all accounts, and each account; decimals kept."""
        sums = {
            name: sum((getattr(account, name) for account in self.accounts), _ZERO)
            for name in ("cash", "open_cost", "fees", "gross_realized", "deposits", "difference")
        }
        return {
            "balanced": self.balanced,
            "environment": self.environment,
            "backtest_run_id": self.backtest_run_id,
            "run_name": self.run_name,
            **sums,
            "entries": self.entries,
            "fills": self.fills,
            "positions": self.positions,
            "accounts": [asdict(account) for account in self.accounts],
            "problems": list(self.problems),
        }


def verify_all(conn: psycopg.Connection, progress: Progress = unseen) -> list[LedgerAudit]:
    """Every account there is: paper, demo, live, and one of each completed backtest."""
    audits: list[LedgerAudit] = []
    found = rows(conn, "ledger", "ledgers_to_audit")
    for row in found:
        progress(len(audits), len(found))
        audits.append(verify_ledger(conn, row["environment"], row["backtest_run_id"]))
    return audits


def verify_ledger(
    conn: psycopg.Connection, environment: str = "paper", backtest_run_id: int | None = None
) -> LedgerAudit:
    """Recompute everything from fills and settlements and compare it with what is stored.

    Environment ``backtest`` needs the run, because every run has an account of its own. Raises
    PrecogError for a run that is not there or not completed.
    """
    run_name = None
    if environment == "backtest":
        run_name = _completed_run(conn, backtest_run_id)
    problems: list[str] = []
    account: dict[str, Any] = {"environment": environment, "backtest_run_id": backtest_run_id}
    accounts = rows(conn, "ledger", "ledger_sums", **account)
    positions = rows(conn, "ledger", "positions_for_audit", **account)
    held = executions(conn, [row["position_id"] for row in positions])
    open_cost: dict[str, Decimal] = {}
    gross: dict[str, Decimal] = {}
    for row in positions:
        cost, realized = _check_position(row, held.get(row["position_id"], []), problems)
        platform = row["platform_id"]
        open_cost[platform] = open_cost.get(platform, _ZERO) + cost
        gross[platform] = gross.get(platform, _ZERO) + realized
    audited = tuple(
        _check_account(
            row,
            open_cost.pop(row["platform_id"], _ZERO),
            gross.pop(row["platform_id"], _ZERO),
            problems,
        )
        for row in accounts
    )
    problems += [f"positions on {platform} but no account there" for platform in open_cost]
    _check_exits(conn, account, problems)
    _check_attribution(conn, account, audited, problems)
    return LedgerAudit(
        environment=environment,
        accounts=audited,
        entries=sum(row["entries"] for row in accounts),
        fills=sum(row["fills"] for row in accounts),
        positions=len(positions),
        problems=tuple(problems),
        backtest_run_id=backtest_run_id,
        run_name=run_name,
    )


def _completed_run(conn: psycopg.Connection, run_id: int | None) -> str:
    """The name of a completed run. Raises PrecogError for anything else."""
    run = None if run_id is None else one(conn, "backtest", "run", backtest_run_id=run_id)
    if run is None or run["status"] != "completed":
        known = [
            str(row["backtest_run_id"])
            for row in rows(conn, "ledger", "ledgers_to_audit")
            if row["backtest_run_id"] is not None
        ]
        state = "is not there" if run is None else f"is {run['status']}"
        raise PrecogError(
            f"backtest run {run_id} {state}; expected a completed one: {', '.join(known) or 'none'}"
        )
    return str(run["run_name"])


def _check_position(
    row: dict[str, Any], held: list[Any], problems: list[str]
) -> tuple[Decimal, Decimal]:
    """Cost still held and gross realised of the fold; notes where the stored row differs."""
    label = f"position {row['position_id']}"
    if not held:
        problems.append(f"{label} has no executions")
        return _ZERO, _ZERO
    paid = None
    if row["status"] == "settled":
        if row["settlement_value"] is None:
            problems.append(f"{label} is settled without a settlement entry in the ledger")
        else:
            paid = contract_value(Side(row["side"]), row["settlement_value"])
    folded = fold(held, settlement_value=paid)
    problems += [
        f"{label}: {column} is {row[column]}, its fills give {getattr(folded, column)}"
        for column in ("original_quantity", "quantity", "entry_price", "fees", "realized_pnl")
        if row[column] != getattr(folded, column)
    ]
    return folded.cost, folded.gross_realized


def _check_account(
    row: dict[str, Any], open_cost: Decimal, gross: Decimal, problems: list[str]
) -> AccountAudit:
    label = f"account on {row['platform_id']}"
    if row["ledger_total"] != row["cash"]:
        problems.append(
            f"{label}: balance {row['cash']} but the ledger sums to {row['ledger_total']}"
        )
    if row["ledger_fees"] != row["fill_fees"]:
        problems.append(
            f"{label}: fees {row['ledger_fees']} in the ledger, {row['fill_fees']} in the fills"
        )
    difference = row["cash"] + open_cost + row["fill_fees"] - gross - row["deposits"]
    if difference != 0:
        problems.append(
            f"{label}: cash {row['cash']} + open cost {open_cost} + fees {row['fill_fees']} - "
            f"gross realised {gross} is {difference} away from deposits {row['deposits']}"
        )
    return AccountAudit(
        row["platform_id"], row["cash"], open_cost, row["fill_fees"], gross, row["deposits"],
        difference,
    )  # fmt: skip


def _check_exits(conn: psycopg.Connection, account: Mapping[str, Any], problems: list[str]) -> None:
    """Every automated sale is booked whole to conditions, and every ended exit order is a try."""
    for row in rows(conn, "ledger", "exits_for_audit", **account):
        label = f"position {row['position_id']}"
        if row["sold"] != row["exited"]:
            problems.append(
                f"{label}: {row['sold']} contracts sold by exits, {row['exited']} booked to them"
            )
        if row["ended_orders"] != row["attempts"]:
            problems.append(
                f"{label}: {row['ended_orders']} exit orders ended, {row['attempts']} attempts"
            )
        # The parts of a position that was sold whole are all its profit.
        if row["status"] == "closed" and row["manual"] == 0 and row["pnl"] != row["exit_pnl"]:
            problems.append(f"{label}: realised {row['pnl']}, its exits {row['exit_pnl']}")


def _check_attribution(
    conn: psycopg.Connection,
    account: Mapping[str, Any],
    accounts: tuple[AccountAudit, ...],
    problems: list[str],
) -> None:
    """Σ net over strategy × model is what the accounts gained, open cost counted as spent."""
    if account["backtest_run_id"] is None:
        pnl = rows(conn, "performance", "pnl", environment=account["environment"])
    else:
        pnl = rows(conn, "backtest", "run_pnl", backtest_run_id=account["backtest_run_id"])
    attributed = sum((row["net"] for row in pnl), _ZERO)
    gained = sum((account.cash - account.deposits for account in accounts), _ZERO)
    if attributed != gained:
        problems.append(
            f"P&L by strategy and model sums to {attributed}, the accounts gained {gained}"
        )
