"""Which book an order meets: its own, the next recorded one, or what earlier fills left of it."""

from datetime import datetime
from decimal import Decimal

import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.ledger.audit import verify_ledger
from precog_trading.tick.batches import pending_batches
from precog_trading.tick.runner import run_pending, tick_runner
from precog_trading.tick.steps import TickRunner
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE, Game

AT = FIRST_SUNDAY - 2 * HOUR


def recorded_game(db: Database, source: str = "recorded", platform: str = "kalshi") -> Game:
    """One quote of a real venue, of which nothing is assumed: rules, volume and fees are stored."""
    with db.transaction() as conn:
        league = season.create_league(conn, platform_id=platform)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, AT, "0.49", "0.50", source=source)
        conn.execute(
            "INSERT INTO fee_schedules (platform_id, fee_type, taker_rate, maker_rate, multiplier, "
            "rounding_increment, effective_from, source, known_at) "
            "VALUES ('kalshi', 'quadratic', 0.07, 0, 1, 0.0001, '2019-01-01Z', 'x', '2019-01-01Z')"
        )
    return game


def insert_intent(db: Database, game: Game) -> None:
    """The decision and intent of a taken candidate, as a tick would have committed them.

    A recorded quote lacks venue facts that the gate asks for and is skipped, so they are written
    here.
    """
    run_pending(db)
    with db.transaction() as conn:
        conn.execute(
            "INSERT INTO decisions (decision_key, tick_id, decided_at, execution_environment, "
            "market_id, side, purpose, strategy_id, model_id, method_id, prediction_id, outcome, "
            "probability, price, fee, edge, stake, quantity, quote_observed_at, inputs) "
            "SELECT 'by-hand', tick_id, decided_at, execution_environment, market_id, side, "
            "purpose, strategy_id, model_id, method_id, prediction_id, 'taken', 0.6075, 0.50, "
            "0.0175, 0.09, 50, 100, quote_observed_at, '{}' FROM decisions "
            "WHERE market_id = %s AND side = 'yes'",
            (game.home,),
        )
        conn.execute(
            "INSERT INTO orders (client_order_id, execution_environment, platform_id, market_id, "
            "decision_id, strategy_id, model_id, method_id, purpose, action, side, limit_price, "
            "quantity, time_in_force) SELECT 'abc', 'paper', 'kalshi', market_id, decision_id, "
            "strategy_id, model_id, method_id, 'entry', 'buy', 'yes', 0.52, 100, 'ioc' "
            "FROM decisions WHERE decision_key = 'by-hand'"
        )


def execute(db: Database, clock: datetime) -> TickRunner:
    with tick_runner(db) as runner:
        runner._execute(clock)
    return runner


def order(db: Database) -> tuple[object, ...]:
    with db.transaction() as conn:
        row = conn.execute(
            "SELECT status, filled_quantity, error_code FROM orders WHERE client_order_id = 'abc'"
        ).fetchone()
    assert row is not None
    return row


def test_an_order_on_a_recorded_quote_waits_for_the_next_one_and_fills_on_it(db: Database) -> None:
    game = recorded_game(db)
    insert_intent(db, game)
    assert execute(db, AT + 3 * MINUTE).waiting == 1
    assert order(db) == ("intent", 0, None)
    with db.transaction() as conn:
        season.add_quote(conn, game.home, AT + 4 * MINUTE, "0.50", "0.51", source="recorded")
    execute(db, AT + 3 * MINUTE)
    assert order(db)[0] == "intent", "the quote was not known yet"
    execute(db, AT + 4 * MINUTE)
    assert order(db) == ("filled", 100, None)
    with db.transaction() as conn:
        assert conn.execute("SELECT price, event_ts, known_at FROM fills").fetchall() == [
            (Decimal("0.51"), AT + 4 * MINUTE, AT + 4 * MINUTE)
        ]
        assert conn.execute("SELECT sent_at, closed_at FROM orders").fetchall() == [
            (AT, AT + 4 * MINUTE)
        ]


def test_without_a_recorded_quote_in_300_seconds_the_order_is_canceled(db: Database) -> None:
    game = recorded_game(db)
    insert_intent(db, game)
    with db.transaction() as conn:
        season.add_quote(conn, game.home, AT + 6 * MINUTE, "0.49", "0.50", source="recorded")
    execute(db, AT + 6 * MINUTE)
    assert order(db) == ("canceled", 0, "no_book")


def test_assumed_quotes_have_the_size_the_configuration_assumes(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn, platform_id="closing_line")
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.62")
        conn.execute(
            "INSERT INTO market_snapshots (market_id, observed_at, yes_bid, yes_ask, write_reason, "
            "source, known_at) VALUES (%s, %s, 0.49, 0.50, 'price', 'assumed_closing_line', %s)",
            (game.home, AT, AT),
        )
    run_pending(db)
    with db.transaction() as conn:
        assert conn.execute(
            "SELECT price, quantity, raw ->> 'quote_source' FROM fills"
        ).fetchall() == [(Decimal("0.50"), 500, "assumed_closing_line")]
        assert conn.execute("SELECT platform_id, balance FROM current_balances").fetchall() == [
            ("closing_line", Decimal("10241.25"))
        ]
        assert verify_ledger(conn).balanced


def test_a_manual_quote_fills_on_its_own_book(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, AT, "0.49", "0.50", size="40", source="manual")
    run_pending(db)
    with db.transaction() as conn:
        assert conn.execute("SELECT quantity FROM fills").fetchall() == [(40,)]


def test_a_quote_that_vanished_stops_the_run_with_its_name(db: Database) -> None:
    game = recorded_game(db)
    insert_intent(db, game)
    with db.transaction() as conn:
        conn.execute("ALTER TABLE market_snapshots DISABLE TRIGGER ALL")
        for (partition,) in conn.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits "
            "WHERE inhparent = 'market_snapshots'::regclass"
        ).fetchall():
            conn.execute(f"ALTER TABLE {partition} DISABLE TRIGGER ALL")
        conn.execute("DELETE FROM market_snapshots")
    with pytest.raises(PrecogError, match="is not stored; restore it"):
        execute(db, AT)
    assert order(db)[0] == "intent"


def test_a_second_order_on_one_book_gets_what_the_first_left(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, AT, "0.49", "0.50", size="500")
    with tick_runner(db) as runner:
        runner.resume()
        (batch,) = pending_batches(runner.conn, runner.config)
        runner.run_tick(batch)
        runner.conn.execute(
            "INSERT INTO decisions (decision_key, tick_id, decided_at, execution_environment, "
            "market_id, side, purpose, strategy_id, model_id, method_id, prediction_id, outcome, "
            "quote_observed_at, inputs) SELECT 'second', tick_id, decided_at, "
            "execution_environment, market_id, side, purpose, strategy_id, model_id, method_id, "
            "prediction_id, 'taken', quote_observed_at, '{}' FROM decisions "
            "WHERE outcome = 'taken'"
        )
        runner.conn.execute(
            "INSERT INTO orders (client_order_id, execution_environment, platform_id, market_id, "
            "decision_id, strategy_id, model_id, method_id, purpose, action, side, limit_price, "
            "quantity, time_in_force) SELECT 'second', 'paper', 'simulated', market_id, "
            "decision_id, strategy_id, model_id, method_id, 'entry', 'buy', 'yes', 0.52, 100, "
            "'ioc' FROM decisions WHERE decision_key = 'second'"
        )
        assert runner._execute(AT).fills == 0
    with db.transaction() as conn:
        assert conn.execute("SELECT sum(quantity) FROM fills").fetchone() == (500,)
        assert verify_ledger(conn).balanced
