"""One backtest from a request to a completed row of ``backtest_runs``.

A run is named by everything that determines it: method, rules, league, period, seed, code and
data. Asking for the same run again returns the one that is there; a run that was killed has
written nothing but its own row, and is taken up under that row.
"""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

import precog_trading
from precog_core.build_info import git_dirty, git_sha
from precog_core.config import load_section
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.progress import Progress, part, unseen
from precog_trading.backtest.fast import replay_fast
from precog_trading.backtest.history import History, load_history
from precog_trading.backtest.recording import write_run
from precog_trading.backtest.replay import Replay, Setup
from precog_trading.backtest.report import run_metrics
from precog_trading.backtest.rows import run_rows
from precog_trading.config import TradingConfig
from precog_trading.engine.state import Method
from precog_trading.ledger.holdings import Execution, fold
from precog_trading.ledger.settlement import market_settlements
from precog_trading.ledger.statements import Row, as_json, change, one, rows, value
from precog_trading.registry import method_from_row, register_configured, require_exits_fit
from precog_trading.versions import MethodsConfig

LOGGER = logging.getLogger(__name__)
_ALLOWED = ("draft", "testing", "active")
_REPLAYED = 0.4
"""Share of the time that the replay takes; the rest is writing what came of it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to replay. ``last`` is exclusive; ``version`` None is the newest of the method."""

    method: str
    league: str
    first: datetime
    last: datetime
    version: str | None = None
    seed: int = 0
    dagster_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A completed run. ``was_there`` says that nothing had to be done."""

    backtest_run_id: int
    run_name: str
    was_there: bool
    total_pnl: Decimal
    metrics: dict[str, Any]
    mlflow_run_id: str | None = None
    rows: dict[str, int] = field(default_factory=dict)


Tracker = Callable[[str, str], str]
"""(run name, identity) → id of the MLflow run, opened or found again before the run completes."""


def run_backtest(
    db: Database,
    request: Request,
    *,
    track: Tracker | None = None,
    log: Callable[[str], None] = LOGGER.info,
    progress: Progress = unseen,
) -> Finished:
    """Replay, write everything in one transaction, and complete the run.

    Raises PrecogError for an unknown method, one that may not trade, or a period without quotes.
    """
    with db.connection(autocommit=True) as conn:
        with conn.transaction():
            config = load_section("trading", TradingConfig, conn=conn)
            register_configured(conn)
            row = method_row(conn, request)
            method = method_from_row(row)
            require_exits_fit([method], config)
        # One transaction, so that all facts are of one moment although rows keep arriving.
        with conn.transaction():
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            history = load_history(
                conn, request.league, method.model.model_id, request.first, request.last
            )
        _require_facts(request, history)
        identity = run_identity(request, row, config, history)
        name = run_name(request, method, identity)
        value(conn, "backtest", "lock_identity", identity=identity)
        try:
            there = rows(conn, "backtest", "runs_of_identity", identity=identity)
            if there and there[0]["status"] == "completed":
                log(f"{name} is there already: run {there[0]['backtest_run_id']}")
                return finished_run(conn, there[0]["backtest_run_id"], was_there=True)
            run_id = (
                there[0]["backtest_run_id"]
                if there
                else _start(conn, request, row, config, name, identity)
            )
            return _carry_out(
                conn,
                Setup(history, method, config, run_key=name, progress=part(progress, 0, _REPLAYED)),
                run_id,
                name,
                None if track is None else track(name, identity),
                log,
                part(progress, _REPLAYED, 1),
            )
        finally:
            conn.execute("SELECT pg_advisory_unlock_all()")


def _carry_out(
    conn: psycopg.Connection,
    setup: Setup,
    run_id: int,
    name: str,
    mlflow_run_id: str | None,
    log: Callable[[str], None],
    writing: Progress,
) -> Finished:
    try:
        result = replay_fast(setup)
        require_balance(result, setup.config.paper.starting_cash_usd)
        log(
            f"{name}: {result.events} events, {len(result.decisions)} decisions, "
            f"{len(result.account.fills)} fills; writing"
        )
        with conn.transaction():
            # Half a million decisions are one COPY; on a busy machine it takes longer than any
            # single statement may otherwise.
            conn.execute("SET LOCAL statement_timeout = 0")
            _record_settlements(conn, _last_settlement(setup.history))
            written = write_run(conn, run_id, name, run_rows(result), writing)
            metrics = run_metrics(conn, run_id)
            total = sum((p.row["realized_pnl"] for p in result.account.positions), Decimal(0))
            change(
                conn, "backtest", "complete_run",
                backtest_run_id=run_id, total_pnl=total, metrics=Jsonb(metrics),
                mlflow_run_id=mlflow_run_id,
            )  # fmt: skip
    except Exception as error:
        change(
            conn, "backtest", "fail_run",
            backtest_run_id=run_id, reason=f"{type(error).__name__}: {error}",
        )  # fmt: skip
        raise
    done = finished_run(conn, run_id, was_there=False)
    return Finished(
        done.backtest_run_id, done.run_name, False, done.total_pnl, done.metrics,
        done.mlflow_run_id, written,
    )  # fmt: skip


def finished_run(conn: psycopg.Connection, run_id: int, *, was_there: bool) -> Finished:
    """A completed run as stored."""
    row = one(conn, "backtest", "run", backtest_run_id=run_id)
    if row is None or row["status"] != "completed":
        raise PrecogError(f"backtest run {run_id} is not completed; run it again")
    return Finished(
        run_id, row["run_name"], was_there, row["total_pnl"], row["metrics"], row["mlflow_run_id"]
    )


def require_balance(run: Replay, starting_cash: Decimal) -> None:
    """cash + open cost + fees - gross realised = deposits, to the last digit.

    Raises PrecogError with the sums: a run that loses a cent is not written.
    """
    account = run.account
    cash = sum((c.balance for c in account.cash.values()), Decimal(0))
    fees = sum((row["fee"] for row in account.fills), Decimal(0))
    cost = gross = Decimal(0)
    held: dict[str, list[Execution]] = defaultdict(list)
    for row in account.trades:
        held[row["position_key"]].append(
            Execution(
                row["venue_fill_id"], row["event_ts"], row["action"], row["price"],
                row["quantity"], row["fee"],
            )
        )  # fmt: skip
    for position in account.positions:
        executed = held[position.row["position_key"]]
        holding = fold(executed, settlement_value=position.paid_value)
        cost += holding.cost
        gross += holding.gross_realized
    deposits = starting_cash * len(account.cash)
    if cash + cost + fees - gross != deposits:
        raise PrecogError(
            f"the replay does not balance: cash {cash} + open cost {cost} + fees {fees} - gross "
            f"realised {gross} is not deposits {deposits}; this is a defect, nothing was written"
        )


def run_identity(request: Request, method: Row, config: TradingConfig, history: History) -> str:
    """64 hex digits over everything that determines the run."""
    content = {
        "method": [method["method_name"], method["method_version"], method["config_hash"]],
        "statuses": [method["status"], method["strategy_status"], method["model_status"]],
        "league": request.league,
        "first": request.first.isoformat(),
        "last": request.last.isoformat(),
        "seed": request.seed,
        "settings": config.fingerprint,
        "code": code_version(),
        "data": history.fingerprint,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_version() -> str:
    """What this process runs: the commit, in a changed checkout also a hash of this package."""
    if not git_dirty():
        return git_sha()
    digest = hashlib.sha256()
    folder = Path(precog_trading.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return f"{git_sha()}+{digest.hexdigest()[:16]}"


def run_name(request: Request, method: Method, identity: str) -> str:
    """What a person calls the run, and what names it in decision and order ids."""
    return (
        f"{method.name}@{method.version}:{request.league}:{request.first:%Y-%m-%d}:"
        f"{request.last:%Y-%m-%d}:{identity[:12]}"
    )


def _start(
    conn: psycopg.Connection,
    request: Request,
    method: Row,
    config: TradingConfig,
    name: str,
    identity: str,
) -> int:
    return int(
        value(
            conn, "backtest", "start_run",
            run_name=name, strategy_id=method["strategy_id"], model_id=method["model_id"],
            method_id=method["method_id"], league=request.league, first=request.first,
            last=request.last, starting_balance=config.paper.starting_cash_usd,
            config=Jsonb(
                {
                    "identity": identity,
                    "settings": config.fingerprint,
                    "config_hash": method["config_hash"],
                    "code": code_version(),
                    "trading": config.model_dump(mode="json"),
                }
            ),
            seed=request.seed, git_sha=git_sha(), dagster_run_id=request.dagster_run_id,
        )
    )  # fmt: skip


def method_row(conn: psycopg.Connection, request: Request) -> Row:
    found = rows(
        conn, "backtest", "method_versions_to_replay",
        name=request.method, version=request.version,
    )  # fmt: skip
    if not found:
        names = [row["method_name"] for row in rows(conn, "backtest", "method_names")]
        version = f" {request.version}" if request.version else ""
        spec = load_section("methods", MethodsConfig, conn=conn).methods.get(request.method)
        if spec is not None and request.method not in names:
            raise PrecogError(
                f"method {request.method} waits for its model: {spec.league or 'its league'} has "
                f"no {spec.model}; load the league's games and run `train` in Dagster first"
            )
        raise PrecogError(
            f"there is no method {request.method}{version}; expected one of "
            f"{', '.join(names) or 'none yet: a method needs a champion model'}"
        )
    row = found[0]
    for what in ("", "strategy_", "model_"):
        if row[f"{what}status"] not in _ALLOWED:
            raise PrecogError(
                f"method {row['method_name']} {row['method_version']}: its "
                f"{what.strip('_') or 'own'} status is {row[f'{what}status']}; "
                f"a backtest takes {', '.join(_ALLOWED)}"
            )
    leagues = {row["strategy_league"], row["model_league"]} - {None}
    if leagues - {request.league}:
        raise PrecogError(
            f"method {row['method_name']} trades {', '.join(sorted(leagues))}, not {request.league}"
        )
    return row


def _require_facts(request: Request, history: History) -> None:
    period = f"{request.first:%Y-%m-%d} to {request.last:%Y-%m-%d}"
    if not history.markets or not len(history.quotes):
        raise PrecogError(
            f"no {request.league} quotes are stored for {period}; load quotes of that period first "
            "(docs/backtest.md)"
        )
    if not history.predictions:
        raise PrecogError(
            f"the method's model has no predictions for {request.league} games of {period}; "
            "predictions are issued by the assets of that season"
        )


def _last_settlement(history: History) -> datetime:
    return max((s.known_at for s in history.settlements), default=history.last)


def _record_settlements(conn: psycopg.Connection, through: datetime) -> None:
    """Settle the markets of games whose result is the settlement, where nobody has yet."""
    finished = rows(conn, "ledger", "unsettled_markets", after=None, through=through)
    if finished:
        change(conn, "ledger", "insert_settlements", rows=as_json(market_settlements(finished)))
