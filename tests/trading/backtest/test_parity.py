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
from precog_trading.ledger.audit import verify_all
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE, Game
from tests.trading.tick.test_finished import finished_game

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


def require_the_same_rows(conn: psycopg.Connection) -> None:
    """Every table says the same of paper and of the one backtest, and both ledgers balance."""
    for table in TABLES:
        paper, backtest = stored(conn, table, "paper"), stored(conn, table, "backtest")
        for ours, theirs in zip(backtest, paper, strict=False):
            assert _differences(ours, theirs) == {}, table
        assert len(backtest) == len(paper), table
    assert [audit.problems for audit in verify_all(conn)] == [(), ()]


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
        require_the_same_rows(conn)
    if strategy == "pre_game_managed":
        assert done.rows["position_exits"] > 0
        assert done.rows["exit_attempts"] > 0


@pytest.mark.requirement("TEST-004")
def test_finished_games_are_traded_alike(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both look at the market of a known winner for six hours, until the venue decides it."""
    monkeypatch.setenv("PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY", "settlement_arbitrage")
    with db.transaction() as conn:
        first = finished_game(conn)
        league = season.League(
            dict(conn.execute("SELECT team_code, team_id FROM teams").fetchall()),
            *conn.execute(
                "SELECT model_id, training_run_id, series_id, platform_id "
                "FROM model_training_runs, series"
            ).fetchone(),  # type: ignore[misc]
        )
        second = season.add_game(conn, league, FIRST_SUNDAY + HOUR, "GB", "DAL", (10, 20))
        for game, value, price in ((first, "1", None), (second, "0", "0.10")):
            result = game.kickoff + 4 * HOUR
            if price is not None:
                season.add_quote(conn, game.home, result + 5 * MINUTE, price, "0.12")
                season.add_quote(conn, game.home, result + 95 * MINUTE, price, "0.12")
            for revision, stage, minutes in ((1, "determined", 90), (2, "finalized", 120)):
                at = result + minutes * MINUTE
                conn.execute(
                    "INSERT INTO settlements (market_id, revision, stage, outcome, "
                    "settlement_value, raw, event_ts, known_at) "
                    "VALUES (%s, %s, %s, %s, %s, '{}', %s, %s)",
                    (game.home, revision, stage, "yes" if value == "1" else "no", value, at, at),
                )
    run_pending(db)
    done = run_backtest(db, REQUEST)
    with db.transaction() as conn:
        require_the_same_rows(conn)
        assert conn.execute(
            "SELECT side, exit_reason FROM positions WHERE backtest_run_id = %s ORDER BY side",
            (done.backtest_run_id,),
        ).fetchall() == [("no", "settlement"), ("yes", "settlement")]
        reasons = {
            reason
            for (reason,) in conn.execute(
                "SELECT skip_reason FROM decisions WHERE backtest_run_id IS NOT NULL"
            )
        }
    assert "market_not_active" in reasons, "determined: nothing may be ordered any more"


@pytest.mark.requirement("TEST-004")
def test_a_canceled_game_pays_alike_and_is_not_known_early(db: Database) -> None:
    """It is bought while nobody knows, refused from the word on, and pays its last mid."""
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, FIRST_SUNDAY - 2 * HOUR, "0.49", "0.50")
        season.add_quote(conn, game.home, FIRST_SUNDAY - 40 * MINUTE, "0.53", "0.55")
        conn.execute("UPDATE games SET status = 'canceled', known_at = %s", (FIRST_SUNDAY - HOUR,))
    run_pending(db)
    done = run_backtest(db, REQUEST)
    assert done.total_pnl == Decimal("11.25")  # 500 · (0.54 - 0.50) less fees of 8.75
    with db.transaction() as conn:
        require_the_same_rows(conn)
        assert conn.execute(
            "SELECT DISTINCT skip_reason FROM decisions WHERE decided_at > %s",
            (FIRST_SUNDAY - HOUR,),
        ).fetchall() == [("outside_window",)]


@pytest.mark.requirement("TEST-004", "TRAIL-001")
def test_an_atr_stop_sees_the_same_bars(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars of a minute: after six of them the distance is three average true ranges."""
    monkeypatch.setenv("PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY", "pre_game_managed")
    for name, setting in (("TYPE", "atr"), ("ATR__BAR_S", "60"), ("ATR__PERIOD", "5")):
        monkeypatch.setenv(f"PRECOG__TRADING__TRAILING__{name}", setting)
    mids = [50, 51, 49, 50, 52, 51, 50, 51, 53, 54, 56, 58, 58, 57, 58, 57, 56, 54, 51, 49, 48]
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.64", "0.0200")
        for number, mid in enumerate(mids):
            for half in (0, 30):
                at = FIRST_SUNDAY - HOUR + number * MINUTE + half * timedelta(seconds=1)
                bid, ask = Decimal(mid - 1) / 100, Decimal(mid + (half > 0)) / 100
                season.add_quote(conn, game.home, at, str(bid), str(ask))
    run_pending(db)
    run_backtest(db, REQUEST)
    with db.transaction() as conn:
        require_the_same_rows(conn)
        ((kind, distance),) = conn.execute(
            "SELECT trailing_stop_type, trailing_stop_distance FROM positions "
            "WHERE backtest_run_id IS NOT NULL"
        ).fetchall()
    assert (kind, Decimal("0.02") < distance < Decimal("0.15")) == ("atr", True)
