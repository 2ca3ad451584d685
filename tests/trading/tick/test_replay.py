"""A season small enough to check by hand goes through ticks, paper exchange and settlement."""

from datetime import datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from precog_core.database import Database
from precog_trading.ledger.audit import verify_ledger
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.content import contents, row_counts
from tests.trading.season import FIRST_SUNDAY, HOUR, Game, League

WEEK = timedelta(days=7)
RESULTS = [(24, 17), (17, 24), (20, 20)]


def three_games(conn: psycopg.Connection) -> tuple[League, list[Game]]:
    """A win, a loss and a tie, a week apart, each quoted once two hours before the start.

    P(home) 0.62 against 0.49 / 0.50: p̂ = 0.9·0.62 + 0.1·0.495 = 0.6075, the fee of a contract at
    0.50 is 0.0175, so the edge is 0.09 and passes the automatic threshold of 0.08. The book holds
    500 contracts, fewer than the stake would buy.
    """
    league = season.create_league(conn)
    games = []
    for week, score in enumerate(RESULTS):
        game = season.add_game(conn, league, FIRST_SUNDAY + week * WEEK, "KC", "BUF", score)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
        games.append(game)
    return league, games


@pytest.mark.requirement("LEDGER-008")
def test_win_loss_and_tie_come_to_the_cent(db: Database) -> None:
    with db.transaction() as conn:
        _, games = three_games(conn)
    report = run_pending(db)
    assert (report.ticks, report.decisions, report.taken, report.fills) == (3, 6, 3, 3)
    assert (report.settlements, report.positions_settled, report.remaining) == (6, 3, False)
    with db.transaction() as conn:
        trades = conn.execute(
            "SELECT market_id, side, action, price, quantity, fee, edge_at_execution, slippage, "
            "event_ts, trade_metadata ->> 'quote_source' FROM trades ORDER BY trade_id"
        ).fetchall()
        assert trades == [
            (
                game.home, "yes", "buy", Decimal("0.50"), Decimal(500), Decimal("8.75"),
                Decimal("0.09"), 0, game.kickoff - 2 * HOUR, "simulated",
            )
            for game in games
        ]  # fmt: skip
        positions = conn.execute(
            "SELECT status, quantity, original_quantity, entry_price, exit_price, fees, "
            "realized_pnl, exit_reason, exit_time, edge_at_entry FROM positions "
            "ORDER BY position_id"
        ).fetchall()
        assert positions == [
            (
                "settled", 0, 500, Decimal("0.50"), Decimal(paid), Decimal("8.75"), Decimal(pnl),
                "settlement", game.kickoff + 4 * HOUR, Decimal("0.09"),
            )
            for game, paid, pnl in zip(
                games, ("1", "0", "0.5"), ("241.25", "-258.75", "-8.75"), strict=True
            )
        ]  # fmt: skip
        balances = conn.execute(
            "SELECT balance, row_current_ind FROM account_balance ORDER BY row_start_ts"
        ).fetchall()
        assert balances == [
            (Decimal("10000"), False),
            (Decimal("9741.25"), False),
            (Decimal("10241.25"), False),
            (Decimal("9982.50"), False),  # the loss pays nothing, so it moves no cash
            (Decimal("9723.75"), False),
            (Decimal("9973.75"), True),
        ]
        orders = conn.execute(
            "SELECT status, filled_quantity, time_in_force, sent_at = closed_at FROM orders"
        ).fetchall()
        assert orders == [("canceled", 500, "ioc", True)] * 3
        audit = verify_ledger(conn)
        assert audit.balanced, audit.problems
        assert audit.accounts[0].gross_realized == 0
        assert audit.accounts[0].fees == Decimal("26.25")


def test_every_market_of_a_finished_game_is_settled_traded_or_not(db: Database) -> None:
    with db.transaction() as conn:
        _, games = three_games(conn)
    run_pending(db)
    with db.transaction() as conn:
        settled = conn.execute(
            "SELECT market_id, outcome, settlement_value, stage, known_at FROM settlements "
            "ORDER BY market_id"
        ).fetchall()
    values = [("yes", 1), ("no", 0), ("no", 0), ("yes", 1), ("scalar", Decimal("0.5"))]
    expected = [*values, ("scalar", Decimal("0.5"))]
    markets = [market for game in games for market in (game.home, game.away)]
    known = [game.kickoff + 4 * HOUR for game in games for _ in range(2)]
    assert settled == [
        (market, outcome, value, "finalized", at)
        for market, (outcome, value), at in zip(markets, expected, known, strict=True)
    ]


def test_the_no_side_of_the_mirror_market_earns_the_same(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.away, game.kickoff - 2 * HOUR, "0.50", "0.51")
    run_pending(db)
    with db.transaction() as conn:
        assert conn.execute(
            "SELECT market_id, side, entry_price, exit_price, realized_pnl FROM positions"
        ).fetchall() == [(game.away, "no", Decimal("0.50"), Decimal(1), Decimal("241.25"))]


@pytest.mark.requirement("LEDGER-001")
def test_running_again_changes_no_row(db: Database) -> None:
    with db.transaction() as conn:
        three_games(conn)
    run_pending(db)
    with db.transaction() as conn:
        before = contents(conn)
    report = run_pending(db)
    assert (report.ticks, report.decisions, report.fills, report.resumed_orders) == (0, 0, 0, 0)
    with db.transaction() as conn:
        assert contents(conn) == before


def test_one_run_and_many_small_ones_give_the_same_tables(server, db: Database) -> None:  # type: ignore[no-untyped-def]
    from precog_core.database.migrations import migrate

    other = server.create("precog_chunked")
    migrate(other)
    try:
        for database in (db, other):
            with database.transaction() as conn:
                league = season.create_league(conn, season.EIGHT_TEAMS)
                season.add_season(conn, league, 8, hours=(24, 8, 2, 1), week_of=4)
        run_pending(db)
        while run_pending(other, maximum=2).remaining:
            pass
        with db.transaction() as first, other.transaction() as second:
            assert contents(first) == contents(second)
            assert row_counts(first)["trades"] > 0
            assert verify_ledger(first).balanced
    finally:
        other.close()
        server.drop("precog_chunked")


def test_a_position_waits_while_its_game_is_not_over(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    run_pending(db)
    with db.transaction() as conn:
        assert conn.execute("SELECT status, quantity FROM positions").fetchall() == [("open", 500)]
        audit = verify_ledger(conn)
        assert audit.balanced
        assert audit.accounts[0].open_cost == 250
        conn.execute(
            "UPDATE games SET status = 'final', home_score = 24, away_score = 17, "
            "result_known_at = %s WHERE game_id = %s",
            (game.kickoff + 4 * HOUR, game.game_id),
        )
    report = run_pending(db)
    assert (report.ticks, report.positions_settled) == (0, 1)
    with db.transaction() as conn:
        assert conn.execute("SELECT balance FROM current_balances").fetchone() == (
            Decimal("10241.25"),
        )
        assert verify_ledger(conn).balanced


def test_a_result_settles_no_earlier_than_it_was_known(db: Database) -> None:
    """The second game is decided before the first one's result is known, so its cash is out."""
    with db.transaction() as conn:
        league = season.create_league(conn)
        for kickoff, home, away in (
            (FIRST_SUNDAY, "KC", "BUF"),
            (FIRST_SUNDAY + 5 * HOUR, "GB", "DAL"),
        ):
            game = season.add_game(conn, league, kickoff, home, away, (24, 17))
            season.add_prediction(conn, league, game, "0.62")
            season.add_quote(conn, game.home, kickoff - 2 * HOUR, "0.49", "0.50")
    run_pending(db)
    with db.transaction() as conn:
        course = conn.execute(
            "SELECT event_ts, balance FROM account_balance ORDER BY row_start_ts"
        ).fetchall()
    assert course == [
        (FIRST_SUNDAY - 2 * HOUR, Decimal(10000)),
        (FIRST_SUNDAY - 2 * HOUR, Decimal("9741.25")),
        (FIRST_SUNDAY + 3 * HOUR, Decimal("9482.50")),
        (FIRST_SUNDAY + 4 * HOUR, Decimal("9982.50")),
        (FIRST_SUNDAY + 9 * HOUR, Decimal("10482.50")),
    ]


def test_an_edge_is_closed_and_followed_only_when_it_changes(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.55")
        prices = [("0.54", "0.55"), ("0.54", "0.55"), ("0.55", "0.56")]
        for hour, (bid, ask) in zip((5, 4, 3), prices, strict=True):
            season.add_quote(conn, game.home, game.kickoff - hour * HOUR, bid, ask)
    run_pending(db)
    with db.transaction() as conn:
        history = conn.execute(
            "SELECT market_price, row_start_ts, row_end_ts, row_current_ind FROM edges "
            "WHERE side = 'yes' ORDER BY row_start_ts"
        ).fetchall()
    at: list[datetime] = [game.kickoff - hour * HOUR for hour in (5, 3)]
    assert history == [
        (Decimal("0.55"), at[0], at[1], False),
        (Decimal("0.56"), at[1], None, True),
    ]


@pytest.mark.parametrize("word", ["stop", "Halted"])
def test_an_unknown_halt_command_stops_the_start(
    db: Database, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    from precog_core.errors import PrecogError

    monkeypatch.setenv("PRECOG_HALT", word)
    with pytest.raises(PrecogError, match="expected exits_only or halted"):
        run_pending(db)


@pytest.mark.requirement("TRACE-005")
def test_a_halt_command_explains_every_no(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.transaction() as conn:
        three_games(conn)
    monkeypatch.setenv("PRECOG_HALT", "halted")
    assert run_pending(db).taken == 0
    with db.transaction() as conn:
        reasons = conn.execute("SELECT DISTINCT skip_reason FROM decisions").fetchall()
    assert reasons == [("halted",)]
