"""Writes a finished replay into the tables of trading: in bulk, in the caller's one transaction.

Rows arrive by COPY with the keys they were known by in memory; ids are looked up once per table.
The status paths and histories that triggers keep are made the way they happen: an order is born
an intent and then moves, a version of a position is written after the one before it. Edges, the
one history with many versions, arrive whole.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from precog_core.database.copying import copy_rows
from precog_core.errors import PrecogError
from precog_core.progress import Progress, unseen
from precog_trading.backtest.edge_history import EdgeHistory
from precog_trading.backtest.templates import inputs_text
from precog_trading.engine.state import Decision
from precog_trading.ledger.statements import Row, as_json, change, rows, rows_of_all

_BALANCES_AT_ONCE = 200
_TOLD_EVERY = 1_000
"""Decisions from one word of progress to the next."""
_ENVIRONMENT = "backtest"
_JSON = frozenset(
    {
        "inputs", "confidence_metrics", "raw", "trade_metadata", "position_metadata", "terms",
        "conflicting_triggers", "trigger_value",
    }
)  # fmt: skip


@dataclass
class RunRows:
    """Everything one run says, as rows of the tables with keys in place of ids.

    ``orders`` name their decision by ``decision_key`` and their position by ``position_key``;
    ``fills`` their order by ``client_order_id``; ``trades`` their fill by ``venue_fill_id``;
    ledger ``entries`` their settlement by (market_id, revision) and what they take back by
    ``reverses_entry_key``. ``positions`` are lists of the versions of one row, the oldest first.
    """

    decisions: Sequence[Decision] = ()
    known_at: Mapping[str, datetime] = field(default_factory=dict)
    position_keys: Mapping[int, str] = field(default_factory=dict)
    """position_id of the replay → position_key"""
    positions: Sequence[Sequence[Row]] = ()
    orders: Sequence[Row] = ()
    fills: Sequence[Row] = ()
    trades: Sequence[Row] = ()
    exits: Sequence[Row] = ()
    attempts: Sequence[Row] = ()
    entries: Sequence[Row] = ()
    balances: Sequence[Row] = ()
    """platform_id, balance, at, row_start_ts: the versions of each platform, the oldest first"""
    equity: Sequence[Row] = ()
    breakers: Sequence[Row] = ()


def write_run(
    conn: psycopg.Connection,
    backtest_run_id: int,
    run_key: str,
    run: RunRows,
    progress: Progress = unseen,
) -> dict[str, int]:
    """Store all rows of a run; returns how many by table."""
    writer = _Writer(conn, backtest_run_id, run_key)
    position_ids = writer.positions(run.positions)
    ids = {number: position_ids[key] for number, key in run.position_keys.items()}
    edges = writer.decisions(run.decisions, run.known_at, ids, progress)
    writer.orders(run.orders, position_ids)
    writer.fills(run.fills)
    writer.trades(run.trades, position_ids)
    writer.exits(run.exits, position_ids)
    writer.attempts(run.attempts, position_ids)
    writer.entries(run.entries, position_ids)
    writer.balances(run.balances)
    writer.equity(run.equity)
    writer.breakers(run.breakers)
    return {
        "decisions": len(run.decisions),
        "edges": edges,
        "orders": len(run.orders),
        "fills": len(run.fills),
        "trades": len(run.trades),
        "positions": len(run.positions),
        "position_exits": len(run.exits),
        "exit_attempts": len(run.attempts),
        "account_ledger": len(run.entries),
        "account_balance": len(run.balances),
        "equity_points": len(run.equity),
    }


class _Writer:
    def __init__(self, conn: psycopg.Connection, backtest_run_id: int, run_key: str) -> None:
        self._conn = conn
        self._run = {"execution_environment": _ENVIRONMENT, "backtest_run_id": backtest_run_id}
        self._id = backtest_run_id
        self._run_key = run_key
        self._decisions: dict[str, int] = {}
        self._decided: dict[str, str] = {}
        self._orders: dict[str, int] = {}
        self._fills: dict[str, int] = {}

    def positions(self, positions: Sequence[Sequence[Row]]) -> dict[str, int]:
        """Insert each as it was opened, then carry it through its later versions."""
        self._copy("positions", [versions[0] for versions in positions])
        found = rows(self._conn, "backtest", "position_ids", backtest_run_id=self._id)
        ids = {row["position_key"]: row["position_id"] for row in found}
        later = [
            {"version": number, **_without(version, "execution_environment")}
            for versions in positions
            for number, version in enumerate(versions)
            if number
        ]
        if later:
            self._bulk("bulk_positions", "positions", later, version="INTEGER")
            for number in range(1, max(row["version"] for row in later) + 1):
                at = {"version": number, "backtest_run_id": self._id}
                change(self._conn, "backtest", "advance_positions", **at)
            self._conn.execute("DROP TABLE bulk_positions")
        return ids

    def decisions(
        self,
        decisions: Sequence[Decision],
        known_at: Mapping[str, datetime],
        position_ids: Mapping[int, int],
        progress: Progress,
    ) -> int:
        """Store decisions as they are read, then the edges they valued; returns how many edges."""
        edges = EdgeHistory(known_at, self._run_key)

        def values() -> Iterable[Sequence[Any]]:
            for number, decision in enumerate(decisions):
                if number % _TOLD_EVERY == 0:
                    progress(number, len(decisions))
                edges.add(decision)
                yield (*_decision(decision, position_ids), _ENVIRONMENT, self._id)

        copy_rows(self._conn, "decisions", [*_DECISION, *self._run], values())
        found = rows(self._conn, "backtest", "ordering_decision_ids", backtest_run_id=self._id)
        self._decisions = {row["decision_key"]: row["decision_id"] for row in found}
        self._copy("edges", edges.versions)
        progress(1, 1)
        return len(edges.versions)

    def orders(self, orders: Sequence[Row], position_ids: Mapping[str, int]) -> None:
        if not orders:
            return
        born = []
        self._decided = {order["client_order_id"]: order["decision_key"] for order in orders}
        for order in orders:
            row = {
                name: value
                for name, value in order.items()
                if name not in (*_OUTCOME, "decision_key", "position_key", "rested")
            }
            row["decision_id"] = self._decisions[order["decision_key"]]
            key = order.get("position_key")
            row["position_id"] = None if key is None else position_ids[key]
            born.append(row)
        self._copy("orders", born)
        outcomes = [
            {name: order.get(name) for name in ("client_order_id", "rested", *_OUTCOME)}
            for order in orders
        ]
        self._bulk("bulk_orders", "orders", outcomes, rested="BOOLEAN")
        for name in ("send_orders", "rest_orders", "end_orders"):
            change(self._conn, "backtest", name, backtest_run_id=self._id)
        self._conn.execute("DROP TABLE bulk_orders")
        found = rows(self._conn, "backtest", "order_ids", backtest_run_id=self._id)
        self._orders = {row["client_order_id"]: row["order_id"] for row in found}

    def fills(self, fills: Sequence[Row]) -> None:
        self._copy("fills", (self._with_order(row) for row in fills))
        found = rows(self._conn, "backtest", "fill_ids", backtest_run_id=self._id)
        self._fills = {row["venue_fill_id"]: row["fill_id"] for row in found}

    def trades(self, trades: Sequence[Row], position_ids: Mapping[str, int]) -> None:
        self._copy(
            "trades",
            (
                {
                    **_without(row, "venue_fill_id", "position_key", "client_order_id"),
                    "fill_id": self._fills[row["venue_fill_id"]],
                    "position_id": position_ids[row["position_key"]],
                    "decision_id": self._decisions[self._decided[row["client_order_id"]]],
                }
                for row in trades
            ),
        )

    def exits(self, exits: Sequence[Row], position_ids: Mapping[str, int]) -> None:
        if not exits:
            return
        found = rows(self._conn, "backtest", "trade_ids", backtest_run_id=self._id)
        trade_ids = {row["fill_id"]: row["trade_id"] for row in found}
        self._copy(
            "position_exits",
            (
                {
                    **_without(row, "venue_fill_id", "position_key"),
                    "trade_id": trade_ids[self._fills[row["venue_fill_id"]]],
                    "position_id": position_ids[row["position_key"]],
                }
                for row in exits
            ),
        )

    def attempts(self, attempts: Sequence[Row], position_ids: Mapping[str, int]) -> None:
        self._copy(
            "exit_attempts",
            (
                {
                    **self._with_order(_without(row, "position_key")),
                    "position_id": position_ids[row["position_key"]],
                }
                for row in attempts
            ),
        )

    def entries(self, entries: Sequence[Row], position_ids: Mapping[str, int]) -> None:
        markets = sorted({row["settlement"][0] for row in entries if row.get("settlement")})
        found = rows(self._conn, "backtest", "settlement_ids", market_ids=markets)
        settlements = {(r["market_id"], r["revision"]): r["settlement_id"] for r in found}
        missing = sorted(
            {r["settlement"] for r in entries if r.get("settlement")} - settlements.keys()
        )
        if missing:
            raise PrecogError(
                f"market {missing[0][0]} paid in the replay but has no settlement revision "
                f"{missing[0][1]}; its result changed meanwhile: run the backtest again"
            )
        booked = [
            {
                **_without(row, "settlement", "venue_fill_id", "position_key"),
                "position_id": _of(position_ids, row.get("position_key")),
                "fill_id": _of(self._fills, row.get("venue_fill_id")),
                "settlement_id": _of(settlements, row.get("settlement")),
            }
            for row in entries
        ]
        # What a reversal takes back is never a reversal, so all of that has its id before.
        taken_back = {row["reverses_entry_key"] for row in booked} - {None}
        self._copy(
            "account_ledger",
            (
                _without(row, "reverses_entry_key")
                for row in booked
                if row["reverses_entry_key"] is None
            ),
        )
        if not taken_back:
            return
        found = rows(
            self._conn,
            "backtest",
            "ledger_entry_ids",
            backtest_run_id=self._id,
            entry_keys=sorted(taken_back),
        )
        ids = {row["entry_key"]: row["entry_id"] for row in found}
        self._copy(
            "account_ledger",
            (
                {
                    **_without(row, "reverses_entry_key"),
                    "reverses_entry_id": ids[row["reverses_entry_key"]],
                }
                for row in booked
                if row["reverses_entry_key"] is not None
            ),
        )

    def balances(self, balances: Sequence[Row]) -> None:
        """One version after the other: each closes the one before."""
        writes: list[tuple[str, str, Mapping[str, Any]]] = []
        seen: set[str] = set()
        for row in balances:
            account = {"backtest_run_id": self._id, "platform_id": row["platform_id"]}
            start = row["row_start_ts"]
            if row["platform_id"] in seen:
                closing = {**account, "row_end_ts": start}
                writes.append(("backtest", "close_balance_version", closing))
            seen.add(row["platform_id"])
            opened = {
                **account, "balance": row["balance"], "event_ts": row["at"],
                "row_start_ts": start,
            }  # fmt: skip
            writes.append(("backtest", "insert_balance_version", opened))
        for first in range(0, len(writes), _BALANCES_AT_ONCE):
            rows_of_all(self._conn, *writes[first : first + _BALANCES_AT_ONCE])

    def equity(self, points: Sequence[Row]) -> None:
        self._copy("equity_points", points)

    def breakers(self, events: Sequence[Row]) -> None:
        self._copy("circuit_breaker_events", events)

    def _with_order(self, row: Row) -> Row:
        return {
            **_without(row, "client_order_id"),
            "order_id": self._orders[row["client_order_id"]],
        }

    def _copy(self, table: str, found: Iterable[Row]) -> None:
        """COPY rows that all have the columns of the first, marked with the run."""
        iterator = iter(found)
        first = next(iterator, None)
        if first is None:
            return
        columns = [name for name in first if name not in self._run]
        marked = [*columns, *self._run]
        tail = tuple(self._run.values())

        def values() -> Iterable[Sequence[Any]]:
            for row in itertools.chain((first,), iterator):
                yield (*(_stored(name, row[name]) for name in columns), *tail)

        copy_rows(self._conn, table, marked, values())

    def _bulk(self, name: str, like: str, found: Sequence[Row], **own: LiteralString) -> None:
        """A temporary table of ``found`` with the types of ``like`` and some columns of its own."""
        columns = list(found[0])
        shared = [column for column in columns if column not in own]
        selected: list[sql.Composable] = [sql.Identifier(column) for column in shared]
        selected += [
            sql.SQL("CAST(NULL AS {}) AS {}").format(sql.SQL(kind), sql.Identifier(column))
            for column, kind in own.items()
        ]
        self._conn.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0").format(
                sql.Identifier(name), sql.SQL(", ").join(selected), sql.Identifier(like)
            )
        )
        ordered = [*shared, *own]
        copy_rows(
            self._conn,
            f"pg_temp.{name}",
            ordered,
            ([_stored(c, row[c]) for c in ordered] for row in found),
        )


_OUTCOME = (
    "status", "sent_at", "venue_order_id", "filled_quantity", "closed_at", "error_code",
    "error_message",
)  # fmt: skip


_DECISION = (
    "decision_key", "tick_id", "dagster_run_id", "decided_at", "market_id", "side", "purpose",
    "exit_condition", "position_id", "strategy_id", "model_id", "method_id", "prediction_id",
    "outcome", "skip_reason", "probability", "price", "fee", "edge", "stake", "quantity",
    "quote_observed_at", "inputs",
)  # fmt: skip


def _decision(decision: Decision, position_ids: Mapping[int, int]) -> tuple[Any, ...]:
    """The values of the columns ``_DECISION``."""
    condition = decision.exit_condition
    return (
        decision.decision_key, decision.tick_id, decision.dagster_run_id, decision.decided_at,
        decision.market_id, decision.side.value, decision.purpose.value,
        None if condition is None else condition.value,
        _of(position_ids, decision.position_id), decision.strategy_id, decision.model_id,
        decision.method_id, decision.prediction_id, decision.outcome.value, decision.skip_reason,
        decision.probability, decision.price, decision.fee, decision.edge, decision.stake,
        decision.quantity, decision.quote_observed_at, Jsonb(decision.inputs, dumps=inputs_text),
    )  # fmt: skip


def _stored(name: str, value: Any) -> Any:
    """A value as COPY takes it into column ``name``."""
    if name in _JSON and value is not None:
        return Jsonb(value, dumps=as_json)
    return value.value if isinstance(value, Enum) else value


def _of(ids: Mapping[Any, int], key: Any) -> int | None:
    return None if key is None else ids[key]


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}
