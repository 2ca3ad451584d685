"""The same quotes through the paper tick and through the backtest: the same money, row for row."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from precog_core.config import load_section
from precog_core.database import Database
from precog_trading.backtest.history import load_history
from precog_trading.backtest.replay import Replay, Setup, replay
from precog_trading.config import TradingConfig
from precog_trading.registry import methods_in_force
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY


def replayed(conn: psycopg.Connection) -> Replay:
    """The stored season through the backtest, in memory."""
    (method,) = [m for m in methods_in_force(conn) if m.name == "nfl_pre_game"]
    history = load_history(
        conn, "nfl", method.model.model_id, FIRST_SUNDAY - timedelta(days=3),
        FIRST_SUNDAY + timedelta(days=60),
    )  # fmt: skip
    config = load_section("trading", TradingConfig, conn=conn)
    return replay(Setup(history, method, config))


def paper_decisions(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT tick_id, decided_at, market_id, side, purpose, exit_condition, strategy_id, "
        "model_id, method_id, prediction_id, outcome, skip_reason, probability, price, fee, edge, "
        "stake, quantity, quote_observed_at, inputs FROM decisions ORDER BY decision_id"
    ).fetchall()


@pytest.mark.requirement("TEST-004")
def test_paper_and_backtest_agree_row_for_row(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        season.add_season(conn, league, 12, hours=(24, 8, 2, 1), week_of=4)
    run_pending(db)
    with db.transaction() as conn:
        run = replayed(conn)
        stored = paper_decisions(conn)
        decided = [
            (
                d.tick_id, d.decided_at, d.market_id, d.side.value, d.purpose.value,
                d.exit_condition, d.strategy_id, d.model_id, d.method_id, d.prediction_id,
                d.outcome.value, d.skip_reason, d.probability, d.price, d.fee, d.edge, d.stake,
                d.quantity, d.quote_observed_at, dict(d.inputs),
            )
            for d in run.decisions
        ]  # fmt: skip
        for ours, theirs in zip(decided, stored, strict=True):
            assert ours == theirs
        assert len(run.taken) > 0
        fills = conn.execute(
            "SELECT market_id, side, action, price, quantity, fee, modelled_fee, event_ts, "
            "known_at FROM fills ORDER BY fill_id"
        ).fetchall()
        assert fills == [
            (
                f["market_id"], f["side"], f["action"], f["price"], f["quantity"], f["fee"],
                f["modelled_fee"], f["event_ts"], f["known_at"],
            )
            for f in run.account.fills
        ]  # fmt: skip
        columns = (
            "market_id, side, original_quantity, quantity, entry_price, fees, realized_pnl, "
            "status, exit_price, exit_reason, entry_time, exit_time, edge_at_entry"
        )
        positions = conn.execute(f"SELECT {columns} FROM positions ORDER BY position_id").fetchall()
        assert positions == [
            tuple(p.row[name] for name in columns.split(", ")) for p in run.account.positions
        ]
        ledger = conn.execute(
            "SELECT entry_type, amount, event_ts, note FROM account_ledger "
            "WHERE entry_type <> 'deposit' ORDER BY entry_id"
        ).fetchall()
        assert ledger == [
            (e["entry_type"], e["amount"], e["event_ts"], e["note"])
            for e in run.account.entries
            if e["entry_type"] != "deposit"
        ]
        balances = conn.execute(
            "SELECT balance, row_start_ts FROM account_balance ORDER BY row_start_ts"
        ).fetchall()
        assert balances == [
            (v["balance"], v["row_start_ts"]) for v in run.account.cash["simulated"].versions
        ]
