"""``precog status``: the whole installation on one screen, from tables and the process list."""

import contextlib
import fcntl
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import psycopg

from precog_core.database import Database
from precog_platform.processes import MARK
from precog_trading.ledger.statements import one, rows

# Part of a command line (see up.py): what it is.
_NAMES = {
    "dagster_webserver": "Dagster web server",
    "dagster._daemon": "Dagster daemon",
    "mlflow": "MLflow",
    "precog_pipelines.definitions": "code location pipelines",
    "precog_trading.definitions": "code location trading",
}
_RUNS = 8
_ALERTS = 5


def status(database: Database, home: Path, environment: str = "paper") -> dict[str, Any]:
    """What runs, how fresh the facts are, the last runs, positions, money, alerts, breakers.

    Decimals and datetimes are kept; the caller prints or encodes them.
    """
    now = datetime.now(UTC)
    with database.transaction() as conn:
        newest = {row["what"]: row["newest"] for row in rows(conn, "inspection", "freshness")}
        positions = rows(conn, "inspection", "open_positions", environment=environment)
        money = one(conn, "inspection", "money", environment=environment) or {}
        content = {
            "at": now,
            "home": str(home),
            "environment": environment,
            "running": running(home),
            "freshness": {
                what: {
                    "newest": at,
                    "age_s": None if at is None else int((now - at).total_seconds()),
                }
                for what, at in newest.items()
            },
            "leagues": rows(conn, "inspection", "leagues"),
            "waiting_work": _waiting(conn),
            "open_positions": positions,
            "pnl": _pnl(money, positions),
            "alerts": {
                "open": {
                    r["severity"]: r["count"] for r in rows(conn, "inspection", "open_alerts")
                },
                "newest": rows(conn, "inspection", "newest_alerts", maximum=_ALERTS),
            },
            "components": rows(conn, "health", "health_of_components"),
            "breakers": rows(conn, "inspection", "open_breakers", environment=environment),
            "controls": rows(conn, "inspection", "controls", environment=environment),
            "halt_variable": os.environ.get("PRECOG_HALT") or None,
        }
    content["runs"] = _runs(database)
    content["state"] = verdict(content)
    return content


def running(home: Path) -> dict[str, Any]:
    """Whether a supervisor holds this home, and the servers that carry its mark."""
    servers = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(home):
                name = _server_name(process.cmdline())
                if name is not None:
                    servers.append({"name": name, "pid": process.pid})
    unique = {server["name"]: server for server in sorted(servers, key=lambda s: -s["pid"])}
    return {
        "up": _is_held(home / "up.lock"),
        "servers": sorted(unique.values(), key=lambda server: str(server["name"])),
    }


def verdict(content: dict[str, Any]) -> str:
    """``halted``, ``attention`` (a critical or high alert, an open breaker) or ``ok``."""
    if content["halt_variable"] or any(c["state"] == "halted" for c in content["controls"]):
        return "halted"
    grave = {"critical", "high"} & content["alerts"]["open"].keys()
    return "attention" if grave or content["breakers"] or content["controls"] else "ok"


def _pnl(money: dict[str, Any], positions: list[dict[str, Any]]) -> dict[str, Decimal]:
    """Dollars. ``open_cost`` is what open contracts cost, ``net`` counts them at that cost."""
    zero = Decimal(0)
    cost = sum((p["quantity"] * p["entry_price"] for p in positions), zero)
    unrealized = sum((p["unrealized_pnl"] or zero for p in positions), zero)
    return {
        "cash": money.get("cash", zero),
        "open_cost": cost,
        "net": money.get("cash_result", zero) + cost,
        "cash_result_today": money.get("cash_result_today", zero),
        "unrealized": unrealized,
    }


def _waiting(conn: psycopg.Connection) -> int:
    from precog_platform.bootstrap import waiting_work

    return waiting_work(conn)


def _runs(database: Database) -> dict[str, Any]:
    """The last Dagster runs, oldest fact first known; empty before Dagster made its tables."""
    try:
        with database.connect("dagster") as conn:
            return {
                "last": rows(conn, "inspection", "last_runs", maximum=_RUNS),
                "by_status": {
                    r["status"]: r["count"] for r in rows(conn, "inspection", "run_counts")
                },
            }
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return {"last": [], "by_status": {}}


def _counts(found: list[dict[str, Any]], by: str) -> dict[str, int]:
    return {row[by]: row["count"] for row in found}


def _server_name(command: list[str]) -> str | None:
    line = " ".join(command)
    return next((name for part, name in _NAMES.items() if part in line), None)


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(file, fcntl.LOCK_UN)
    return False
