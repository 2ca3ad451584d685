"""The same quotes through the paper tick and through the backtest: the same tables, row for row.

Both write into one database; what is compared is everything they say there, without the ids, hashes
and environments that must differ.
"""

import json
import random
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from precog_core.database import Database
from precog_trading.backtest.runs import Request, run_backtest
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, MINUTE, Game

REQUEST = Request(
    "nfl_pre_game", "nfl", FIRST_SUNDAY - timedelta(days=3), FIRST_SUNDAY + timedelta(days=60)
)
_HIDDEN = """{created_at,updated_at,execution_environment,backtest_run_id,dagster_run_id,
    decision_key,decision_id,client_order_id,order_id,venue_order_id,venue_fill_id,fill_id,
    position_key,position_id,trade_id,exit_id,attempt_id,entry_id,entry_key,balance_id,edge_id,
    equity_point_id,breaker_event_id,calculation_run_id,order_event_id}"""
TABLES = {
    "decisions": "decided_at, market_id, side, purpose, exit_condition, attempt",
    "edges": "edge_key, row_start_ts",
    "orders": "attempt",
    "fills": "event_ts, market_id, side, action, price, quantity",
    "trades": "event_ts, market_id, side, action, price, quantity",
    "positions": "entry_time, market_id, side",
    "position_exits": "executed_at, exit_condition, stage, quantity_exited",
    "exit_attempts": "placed_at, ended_at, attempt_number, quantity",
    "account_ledger": "event_ts, entry_type, amount, note",
    "account_balance": "platform_id, row_start_ts",
    "equity_points": "platform_id, event_ts",
    "circuit_breaker_events": "triggered_at, breaker_type",
}


def stored(conn: psycopg.Connection, table: str, environment: str) -> list[str]:
    """The rows of one environment as text, without what must differ, sorted."""
    rows = conn.execute(
        f"SELECT (to_jsonb(t) - '{_HIDDEN}'::text[])::text FROM {table} AS t "
        "WHERE execution_environment = %s",
        (environment,),
    ).fetchall()
    found = [
        re.sub(
            "(paper|backtest):[0-9a-f]{32}",
            "a position",
            text.replace(f"cash of the {environment} account", "cash"),
        )
        for (text,) in rows
    ]
    return sorted(found)


def _differences(ours: str, theirs: str) -> dict[str, tuple[Any, Any]]:
    """The columns, and the inputs, in which two rows differ: backtest first."""
    mine, other = json.loads(ours), json.loads(theirs)
    for row in (mine, other):
        row.update({f"inputs.{k}": v for k, v in (row.pop("inputs", None) or {}).items()})
    return {
        name: (mine.get(name), other.get(name))
        for name in {*mine, *other}
        if mine.get(name) != other.get(name)
    }


def with_prices_through_the_games(
    conn: psycopg.Connection, games: list[Game], source: str, seed: int
) -> None:
    """Quotes every few minutes from an hour before the start to the end, wandering."""
    rng = random.Random(seed)
    for game in games:
        mid = rng.uniform(0.35, 0.65)
        minute = -70
        while minute < 190:
            minute += rng.choice((1, 1, 2, 3, 5, 9))
            mid = min(max(mid + rng.gauss(0, 0.025), 0.06), 0.88)
            bid = Decimal(round(mid * 100) - 1) / 100
            spread = Decimal(rng.choice((1, 1, 2, 2, 4, 9))) / 100
            at = game.kickoff + minute * MINUTE
            size = str(rng.choice((15, 60, 200)))
            season.add_quote(conn, game.home, at, str(bid), str(bid + spread), size, source)
            if minute % 7 == 0:
                conn.execute(
                    "INSERT INTO market_candles (market_id, period_s, bar_end_ts, open_price, "
                    "high_price, low_price, close_price, volume, known_at) "
                    "VALUES (%s, 60, %s, %s, %s, %s, %s, 900, %s)",
                    (game.home, at + MINUTE, bid, bid + Decimal("0.05"), bid, bid, at + MINUTE),
                )


@pytest.mark.requirement("TEST-004")
@pytest.mark.parametrize(
    ("strategy", "source"),
    [
        ("pre_game", "simulated"),
        ("pre_game_managed", "simulated"),
        ("pre_game_managed", "recorded_candle"),
    ],
)
def test_paper_and_backtest_agree_row_for_row(
    db: Database, monkeypatch: pytest.MonkeyPatch, strategy: str, source: str
) -> None:
    monkeypatch.setenv("PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY", strategy)
    with db.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        games = season.add_season(conn, league, 8, hours=(24, 18, 12, 7, 4, 2), week_of=4, seed=3)
        with_prices_through_the_games(conn, games, source, seed=5)
    run_pending(db, maximum=5_000)
    done = run_backtest(db, REQUEST)
    assert done.rows["fills"] > 0
    with db.transaction() as conn:
        for table in TABLES:
            paper, backtest = stored(conn, table, "paper"), stored(conn, table, "backtest")
            for ours, theirs in zip(backtest, paper, strict=False):
                assert _differences(ours, theirs) == {}, table
            assert len(backtest) == len(paper), table
    if strategy == "pre_game_managed":
        assert done.rows["position_exits"] > 0
        assert done.rows["exit_attempts"] > 0
