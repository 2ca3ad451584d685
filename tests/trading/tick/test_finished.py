"""Quotes after the result: nobody looks at them, unless a method does as long as it may."""

import psycopg
from psycopg.types.json import Jsonb

from precog_core.database import Database
from precog_trading.config import TradingConfig
from precog_trading.ledger.statements import value
from precog_trading.registry import register_configured
from precog_trading.tick.batches import pending_batches
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE, Game


def finished_game(conn: psycopg.Connection) -> Game:
    """Kansas City has won; the venue, not we, settles its market, and is slow."""
    league = season.create_league(conn)
    conn.execute("UPDATE platforms SET venue_environment = 'prod' WHERE platform_id = 'simulated'")
    game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
    season.add_prediction(conn, league, game, "0.50")
    season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    for minutes in (-1, 5, 7 * 60):
        known = game.kickoff + 4 * HOUR + minutes * MINUTE
        season.add_quote(conn, game.home, known, "0.87", "0.88")
    return game


def release_arbitrage(conn: psycopg.Connection) -> None:
    register_configured(conn)
    strategy_id, model_id = conn.execute(
        "SELECT s.strategy_id, m.model_id FROM strategies AS s, probability_models AS m "
        "WHERE s.strategy_name = 'settlement_arbitrage' AND m.status = 'testing'"
    ).fetchone()  # type: ignore[misc]
    empty = Jsonb({})
    method_id = value(
        conn, "registry", "insert_method",
        name="nfl_settlement_arbitrage", version="v1.0", description=None, template=None,
        strategy_id=strategy_id, model_id=model_id, config_hash="0" * 32, created_by="test",
        position_mgmt_config=empty, risk_config=empty, execution_config=empty, sport_config=empty,
    )  # fmt: skip
    value(conn, "registry", "release_method", method_id=method_id, who="test")


def test_a_finished_games_market_waits_only_for_a_method_that_looks_there(db: Database) -> None:
    with db.transaction() as conn:
        game = finished_game(conn)
        before = game.kickoff - 2 * HOUR
        after = game.kickoff + 4 * HOUR + 5 * MINUTE
        register_configured(conn)
        assert [b.at for b in pending_batches(conn, TradingConfig())] == [before]
        release_arbitrage(conn)
        assert [b.at for b in pending_batches(conn, TradingConfig())] == [before, after]
    report = run_pending(db, log=lambda _: None)
    with db.transaction() as conn:
        taken = conn.execute(
            "SELECT d.decided_at, s.strategy_name, p.side, p.quantity, d.prediction_id, "
            "p.position_metadata -> 'conditions' FROM decisions AS d "
            "JOIN strategies AS s USING (strategy_id) "
            "JOIN positions AS p ON p.market_id = d.market_id WHERE d.outcome = 'taken'"
        ).fetchall()
        waiting = pending_batches(conn, TradingConfig())
    # The third tick marks what is held by then; nobody enters seven hours after the result.
    assert (report.ticks, report.taken, report.fills) == (3, 1, 1)
    assert taken == [(after, "settlement_arbitrage", "yes", 500, None, ["circuit_breaker"])]
    assert waiting == []


def test_a_market_that_is_settled_takes_no_order(db: Database) -> None:
    with db.transaction() as conn:
        game = finished_game(conn)
        release_arbitrage(conn)
        known = game.kickoff + 4 * HOUR + 2 * MINUTE
        conn.execute(
            "INSERT INTO settlements (market_id, stage, outcome, settlement_value, raw, event_ts, "
            "known_at) VALUES (%s, 'determined', 'yes', 1, '{}', %s, %s)",
            (game.home, known, known),
        )
    run_pending(db, log=lambda _: None)
    with db.transaction() as conn:
        reasons = conn.execute(
            "SELECT DISTINCT skip_reason FROM decisions JOIN strategies USING (strategy_id) "
            "WHERE strategy_name = 'settlement_arbitrage' AND decided_at > %s",
            (game.kickoff,),
        ).fetchall()
    assert reasons == [("market_not_active",)]
