"""What markets pay: results, ties, cancellations, provisional words and amendments."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from precog_core.database import Database
from precog_trading.ledger.audit import verify_ledger
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, Game

KNOWN = FIRST_SUNDAY + 4 * HOUR


def venue_game(conn: psycopg.Connection, score: tuple[int, int] | None = None) -> Game:
    """500 contracts bought at 0.50 (fee 8.75) on a platform that has a venue to settle it."""
    conn.execute("UPDATE platforms SET venue_environment = 'prod' WHERE platform_id = 'simulated'")
    league = season.create_league(conn)
    game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", score)
    season.add_prediction(conn, league, game, "0.62")
    season.add_quote(conn, game.home, FIRST_SUNDAY - 2 * HOUR, "0.49", "0.50")
    return game


def settle_as(
    conn: psycopg.Connection, game: Game, revision: int, stage: str, value: str, outcome: str = ""
) -> None:
    outcome = outcome or {"1": "yes", "0": "no"}.get(value, "scalar")
    at = KNOWN + revision * timedelta(minutes=10)
    conn.execute(
        "INSERT INTO settlements (market_id, revision, stage, outcome, settlement_value, raw, "
        "event_ts, known_at) VALUES (%s, %s, %s, %s, %s, '{}', %s, %s)",
        (game.home, revision, stage, outcome, value, at, at),
    )


def account(db: Database) -> tuple[Any, ...]:
    """(cash, position status, realised) with the ledger proven."""
    with db.transaction() as conn:
        audit = verify_ledger(conn)
        assert audit.balanced, audit.problems
        row = conn.execute(
            "SELECT b.balance, p.status, p.realized_pnl FROM current_balances AS b, positions AS p"
        ).fetchone()
        assert row is not None
        return row


@pytest.mark.requirement("LEDGER-008")
def test_s11_a_venue_pays_when_it_is_final_and_an_amendment_takes_the_old_word_back(
    db: Database,
) -> None:
    """Determined 1: no cash. Final 1: +500. Amended to 0: -500. Amended to a tie: +250."""
    with db.transaction() as conn:
        game = venue_game(conn)
        settle_as(conn, game, 1, "determined", "1")
    run_pending(db)
    assert account(db) == (Decimal("9741.25"), "open", 0)
    for revision, stage, value, cash, pnl in (
        (2, "finalized", "1", "10241.25", "241.25"),
        (3, "amended", "0", "9741.25", "-258.75"),
        (4, "amended", "0.5", "9991.25", "-8.75"),
    ):
        with db.transaction() as conn:
            settle_as(conn, game, revision, stage, value)
        run_pending(db)
        assert account(db) == (Decimal(cash), "settled", Decimal(pnl)), revision
        before = one(db, "SELECT count(*) FROM account_ledger")
        run_pending(db)
        assert one(db, "SELECT count(*) FROM account_ledger") == before, "nothing twice"
    with db.transaction() as conn:
        booked = conn.execute(
            "SELECT entry_type, amount FROM account_ledger WHERE entry_type IN "
            "('settlement', 'reversal') ORDER BY entry_id"
        ).fetchall()
    assert booked == [
        ("settlement", 500), ("reversal", -500), ("settlement", 0), ("reversal", 0),
        ("settlement", 250),
    ]  # fmt: skip


def test_an_amendment_before_the_final_word_only_corrects_it(db: Database) -> None:
    with db.transaction() as conn:
        game = venue_game(conn)
        settle_as(conn, game, 1, "determined", "1")
        settle_as(conn, game, 2, "amended", "0")
    run_pending(db)
    assert account(db)[1] == "open"
    with db.transaction() as conn:
        settle_as(conn, game, 3, "finalized", "0")
    run_pending(db)
    assert account(db) == (Decimal("9741.25"), "settled", Decimal("-258.75"))


def test_the_venue_pays_even_against_the_result_and_nobody_settles_for_it(db: Database) -> None:
    """The home team won and the venue says no: its word pays, and no row of ours replaces it."""
    with db.transaction() as conn:
        game = venue_game(conn, (24, 17))
    run_pending(db)
    assert account(db)[1] == "open", "the result alone does not pay where a venue settles"
    with db.transaction() as conn:
        settle_as(conn, game, 1, "finalized", "0")
    run_pending(db)
    assert account(db) == (Decimal("9741.25"), "settled", Decimal("-258.75"))


def test_a_canceled_game_pays_its_last_mid_where_there_is_no_venue(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, FIRST_SUNDAY - 2 * HOUR, "0.49", "0.50")
        season.add_quote(conn, game.home, FIRST_SUNDAY - HOUR, "0.53", "0.55")
    run_pending(db)
    with db.transaction() as conn:
        conn.execute("UPDATE games SET status = 'canceled'")
    run_pending(db)
    with db.transaction() as conn:
        settled = conn.execute(
            "SELECT market_id, outcome, settlement_value, raw ->> 'rule', known_at "
            "FROM settlements ORDER BY market_id"
        ).fetchall()
    assert settled == [
        (game.home, "scalar", Decimal("0.54"), "canceled_at_mid", FIRST_SUNDAY),
        (game.away, "scalar", Decimal("0.5"), "canceled_at_mid", FIRST_SUNDAY),
    ]
    assert account(db) == (Decimal("10011.25"), "settled", Decimal("11.25"))


def test_a_position_sold_in_part_is_settled_for_the_rest(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half sold at 0.58, half paid 1: 250 * 0.08 - 4.263 + 250 * 0.50 - 8.75."""
    monkeypatch.setenv("PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY", "pre_game_managed")
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.62", "0.0200")
        season.add_prediction(conn, league, game, "0.57", "0.0200", at=FIRST_SUNDAY - 9.5 * HOUR)
        season.add_quote(conn, game.home, FIRST_SUNDAY - 10 * HOUR, "0.49", "0.50")
        for hour in (9, 8):
            season.add_quote(conn, game.home, FIRST_SUNDAY - hour * HOUR, "0.58", "0.59")
    run_pending(db)
    assert account(db) == (Decimal("10131.987"), "settled", Decimal("131.987"))
    with db.transaction() as conn:
        assert conn.execute(
            "SELECT exit_reason, exit_price, original_quantity FROM positions"
        ).fetchall() == [("settlement", Decimal("0.79"), 500)]


def one(db: Database, query: str) -> Any:
    with db.transaction() as conn:
        return conn.execute(query).fetchone()
