"""`precog explain decision`: decided again from the stored facts, it comes out alike."""

import json
from collections import Counter
from decimal import Decimal

import psycopg
import pytest

from precog_core.config import set_override
from precog_core.database import Database
from precog_trading.explain.again import decided_again
from precog_trading.explain.chain import explain_decision, explain_trade
from precog_trading.explain.gates import gate_rows
from precog_trading.explain.links import Link
from precog_trading.ledger.statements import one
from precog_trading.monitor.closing import close_position
from precog_trading.tick.runner import run_pending
from tests.ops.command_line import invoke
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR


def again(conn: psycopg.Connection, decision_id: int) -> Link:
    decision = one(conn, "explain", "decision", decision_id=decision_id)
    assert decision is not None
    return decided_again(conn, decision)


@pytest.fixture
def traded(all_databases: Database) -> Database:
    """A short season, traded: decisions taken and skipped for many reasons, a cap, a full book."""
    with all_databases.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        season.add_season(conn, league, games=24, week_of=4, hours=(20, 6, 2))
    run_pending(all_databases)
    return all_databases


@pytest.mark.requirement("TRACE-002", "TRACE-005")
def test_decisions_of_a_season_come_out_alike_when_decided_again(traded: Database) -> None:
    with traded.connection() as conn:
        stored = conn.execute(
            "SELECT decision_id, coalesce(skip_reason, outcome) FROM decisions "
            "WHERE purpose = 'entry' AND (outcome = 'taken' OR decision_id % 5 = 0) "
            "ORDER BY decision_id"
        ).fetchall()
        found = {decision_id: again(conn, decision_id) for decision_id, _ in stored}
    different = [
        (decision_id, reason, [c for c in found[decision_id].checks if c.ok is not True])
        for decision_id, reason in stored
        if any(check.ok is not True for check in found[decision_id].checks)
    ]
    assert different[:3] == []
    reasons = Counter(reason for _, reason in stored)
    assert reasons["taken"] > 3
    assert len(reasons) > 4


@pytest.mark.requirement("TRACE-002")
def test_a_changed_fact_gives_another_decision_and_says_where(traded: Database) -> None:
    with traded.connection() as conn:
        row = conn.execute(
            "SELECT decision_id, market_id FROM decisions WHERE outcome = 'taken' "
            "AND purpose = 'entry' ORDER BY decision_id DESC LIMIT 1"
        ).fetchone()
        assert row is not None
        for change in (
            "UPDATE predictions SET p_home = 0.5, p_low = 0.48, p_high = 0.52",
            "UPDATE account_ledger SET amount = amount / 10",
        ):
            table = change.split()[1]
            with conn.transaction(force_rollback=True):
                conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
                conn.execute(change)
                failed = [c for c in again(conn, row[0]).checks if c.ok is False]
            assert failed, change
        set_override(conn, "trading.edge.shrink_to_market", "0.3", "test", "test")
        (check,) = again(conn, row[0]).checks
        assert check.ok is None
        assert "the settings have changed since" in str(check.note)


def test_a_made_up_model_is_a_broken_chain_with_exit_code_1(traded: Database) -> None:
    with traded.connection() as conn:
        trade = explain_trade(conn, traded, 1)
        skipped = conn.execute(
            "SELECT decision_id FROM decisions WHERE outcome = 'skipped' LIMIT 1"
        ).fetchone()
        assert skipped is not None
        decision = explain_decision(conn, traded, skipped[0])
    named = " ".join(trade.broken)
    assert "dataset" in named
    assert "MLflow's records cannot be read" in named
    links = {link.name: link for link in trade.links}
    for sound in ("trade", "order", "decision", "edge", "quote", "method", "prediction"):
        assert links[sound].verified, links[sound].checks
    result = invoke(["explain", "decision", str(skipped[0]), "--json"])
    assert result.exit_code == 1
    content = json.loads(result.output)
    assert content["chain"][1]["link"] == "decided again"
    assert [g["result"] for g in content["gates"]].count("failed") == 1
    assert "left" in decision.words
    assert "there is no trade 999999" in str(invoke(["explain", "trade", "999999"]).exception)


def test_a_gate_that_stopped_is_failed_and_later_ones_were_not_reached() -> None:
    inputs = {"control": "running", "spread": "0.05", "new_name": "1"}
    rows = {row["gate"]: row for row in gate_rows(inputs, "skipped", "spread_wide")}
    assert rows["trading is allowed"]["result"] == "passed"
    assert rows["the market is liquid"]["result"] == "failed"
    assert rows["the market is liquid"]["values"] == {"spread": "0.05"}
    assert rows["there is a size"]["result"] == "not reached"
    assert rows["other"]["values"] == {"new_name": "1"}
    unheard = gate_rows(inputs, "skipped", "a_new_reason")
    assert {row["result"] for row in unheard if row["row"]} == {"unknown"}


@pytest.mark.requirement("TRACE-002")
def test_a_sale_is_traced_through_the_entry_of_its_position(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY", "pre_game_managed")
    with all_databases.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62", "0.0200")
        for hours, bid in ((10, "0.49"), (9, "0.40"), (8.9, "0.40")):
            at, ask = FIRST_SUNDAY - hours * HOUR, f"{Decimal(bid) + Decimal('0.01')}"
            season.add_quote(conn, game.home, at, bid, ask)
    run_pending(all_databases)
    with all_databases.connection() as conn:
        sale = conn.execute(
            "SELECT trade_id FROM trades WHERE action = 'sell' ORDER BY trade_id LIMIT 1"
        ).fetchone()
        assert sale is not None
        found = explain_trade(conn, all_databases, sale[0])
    links = [link.name for link in found.links]
    assert "because of stop loss" in found.words
    assert links[:4] == ["trade", "order", "decision", "edge"]
    assert "prediction" in links
    for link in found.links:
        if link.name in ("trade", "order", "decision", "quote", "method", "prediction"):
            assert link.verified, (link.name, link.checks)


def test_a_sale_by_hand_is_traced_too(all_databases: Database) -> None:
    with all_databases.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62", "0.0200")
        season.add_quote(conn, game.home, FIRST_SUNDAY - 10 * HOUR, "0.49", "0.50")
    run_pending(all_databases)
    with all_databases.transaction() as conn:
        season.add_quote(conn, game.home, FIRST_SUNDAY - 9 * HOUR, "0.52", "0.53")
    run_pending(all_databases)
    close_position(all_databases, 1, "ann", "holiday")
    with all_databases.connection() as conn:
        found = explain_trade(conn, all_databases, 2)
    links = {link.name: link for link in found.links}
    assert "A person sold 500 contracts of position 1 by hand" in found.words
    for name in ("trade", "order", "decision"):
        assert links[name].verified, links[name].checks
