"""The long-lived loop on a clock of its own, and what a person orders beside it."""

import multiprocessing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.ledger.audit import verify_ledger
from precog_trading.monitor.closing import close_position
from precog_trading.monitor.controls import breakers, halt, rearm, resume
from precog_trading.monitor.loop import Monitor
from precog_trading.tick.runner import run_pending, tick_runner
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE, Game, League

SECOND = timedelta(seconds=1)


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += timedelta(seconds=seconds)


@pytest.fixture
def managed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY", "pre_game_managed")


def one_game(conn: psycopg.Connection) -> tuple[League, Game]:
    """A game with a quote ten hours before its start, at which 500 contracts are bought at 0.50."""
    league = season.create_league(conn)
    game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
    season.add_prediction(conn, league, game, "0.62", "0.0200")
    season.add_quote(conn, game.home, FIRST_SUNDAY - 10 * HOUR, "0.49", "0.50")
    return league, game


def one(db: Database, query: str) -> Any:
    with db.transaction() as conn:
        return conn.execute(query).fetchone()


@pytest.mark.requirement("MON-001", "MON-002", "MON-003")
def test_positions_are_looked_at_every_30_s_and_every_5_s_near_the_stop(
    db: Database, managed: None
) -> None:
    with db.transaction() as conn:
        _, game = one_game(conn)
    began = FIRST_SUNDAY - 10 * HOUR
    clock = FakeClock(began)
    looks = (
        "SELECT last_check_time, current_price, unrealized_pnl, unrealized_pnl_pct FROM positions"
    )
    with Monitor(db, clock=clock) as monitor:
        clock.sleep(monitor.turn().next_in_s)
        assert one(db, looks)[0] is None, "bought in this very cycle"
        cycle = monitor.turn()
        assert (cycle.looked, cycle.next_in_s) == (True, 30)
        assert one(db, looks) == (
            began + 30 * SECOND, Decimal("0.49"), Decimal(-5), Decimal("-0.02"),
        )  # fmt: skip
        clock.sleep(30)
        with db.transaction() as conn:
            season.add_quote(conn, game.home, clock.now(), "0.44", "0.45")
        cycle = monitor.turn()
        assert (cycle.report.ticks, cycle.looked, cycle.next_in_s) == (1, False, 5)
        clock.sleep(5)
        assert (monitor.turn().looked, clock.now()) == (True, began + 65 * SECOND)
        assert one(db, looks)[:2] == (began + 65 * SECOND, Decimal("0.44"))
        clock.sleep(5)
        with db.transaction() as conn:
            season.add_quote(conn, game.home, clock.now(), "0.42", "0.43")
        monitor.turn()
        assert one(db, "SELECT status, exit_reason FROM positions") == ("closed", "stop_loss")
        clock.sleep(5)
        assert monitor.turn().looked is False, "nothing is held any more"
    assert one(db, "SELECT count(*) FROM decisions WHERE purpose = 'entry'")[0] == 6
    with db.transaction() as conn:
        assert verify_ledger(conn).balanced


def test_a_rung_ends_with_time_alone_and_the_next_one_follows(db: Database, managed: None) -> None:
    """No new quote: at the mid nobody buys for 30 s, a tick lower the bid takes half."""
    with db.transaction() as conn:
        league, game = one_game(conn)
        at = FIRST_SUNDAY - 9 * HOUR
        season.add_prediction(conn, league, game, "0.55", "0.0200", at=at - MINUTE)
        season.add_quote(conn, game.home, at, "0.58", "0.59")
    clock = FakeClock(FIRST_SUNDAY - 10 * HOUR)
    with Monitor(db, clock=clock) as monitor:
        monitor.turn()
        clock.sleep((at - clock.now()).total_seconds())
        monitor.turn()
        resting = "SELECT status, limit_price FROM orders WHERE purpose = 'exit' ORDER BY order_id"
        assert one(db, resting) == ("resting", Decimal("0.59"))
        clock.sleep(31)
        monitor.turn()
    with db.transaction() as conn:
        assert conn.execute(resting).fetchall() == [
            ("canceled", Decimal("0.59")),
            ("filled", Decimal("0.58")),
        ]


@pytest.mark.requirement("LEDGER-011")
def test_halt_stops_entries_survives_a_restart_and_is_ended_by_a_person(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_game(conn)
    assert halt(db, "exits_only", "ann", "rehearsal") == 0
    assert run_pending(db).taken == 0
    assert one(db, "SELECT DISTINCT skip_reason FROM decisions") == ("halted",)
    assert one(db, "SELECT state, set_by, set_by_kind, reason FROM trading_controls") == (
        "exits_only", "ann", "person", "rehearsal",
    )  # fmt: skip
    resume(db, "ann", "rehearsal over")
    with db.transaction() as conn:
        season.add_quote(conn, game.home, FIRST_SUNDAY - 8 * HOUR, "0.49", "0.50")
    assert run_pending(db).taken == 1
    assert one(db, "SELECT count(*) FROM trading_controls") == (2,)
    with pytest.raises(PrecogError, match="expected exits_only or halted"):
        halt(db, "stop", "ann", "typo")
    with pytest.raises(PrecogError, match="no exchange for live"), tick_runner(db, "live"):  # type: ignore[arg-type]
        pass


def test_halt_cancels_what_rests_and_what_waits(db: Database, managed: None) -> None:
    with db.transaction() as conn:
        league, game = one_game(conn)
        at = FIRST_SUNDAY - 9 * HOUR
        season.add_prediction(conn, league, game, "0.55", "0.0200", at=at - MINUTE)
        season.add_quote(conn, game.home, at, "0.58", "0.59")
    with Monitor(db, clock=FakeClock(at)) as monitor:
        monitor.turn()
    assert one(db, "SELECT count(*) FROM orders WHERE status = 'resting'") == (1,)
    assert halt(db, "halted", "ann", "fire drill") == 1
    assert one(db, "SELECT status, error_code, closed_at FROM orders WHERE purpose = 'exit'") == (
        "canceled",
        "halted",
        at,
    )
    assert one(db, "SELECT success, error_message FROM exit_attempts") == (
        False, "halted by ann: fire drill",
    )  # fmt: skip


def test_a_person_closes_a_position_by_hand(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_game(conn)
    run_pending(db)
    with db.transaction() as conn:
        season.add_quote(conn, game.home, FIRST_SUNDAY - 9 * HOUR, "0.52", "0.53")
    run_pending(db)
    (position_id,) = one(db, "SELECT position_id FROM positions")
    done = close_position(db, position_id, "ann", "holiday")
    assert (done.sold, done.limit_price, done.waits) == (500, Decimal("0.49"), False)
    assert one(db, "SELECT status, exit_reason, exit_priority FROM positions") == (
        "closed", "manual", None,
    )  # fmt: skip
    assert one(db, "SELECT price, trade_source, slippage FROM trades WHERE action = 'sell'") == (
        Decimal("0.52"),
        "manual",
        0,
    )
    assert one(db, "SELECT inputs ->> 'who' FROM decisions WHERE purpose = 'exit'") == ("ann",)
    with db.transaction() as conn:
        audit = verify_ledger(conn)
        assert audit.balanced, audit.problems
    with pytest.raises(PrecogError, match="is closed"):
        close_position(db, position_id, "ann", "again")
    with pytest.raises(PrecogError, match="does not exist"):
        close_position(db, 0, "ann", "what")


@pytest.mark.requirement("RISK-001", "RISK-002")
def test_a_breaker_trips_blocks_and_is_rearmed_by_a_person(db: Database) -> None:
    """A quote of a real book falls from 0.49 to 0.05 within minutes: $220 are gone, entries stop.
    Nobody re-arms by himself, because this is no replay; re-armed, the loss is not counted again.
    """
    with db.transaction() as conn:
        league, game = one_game(conn)
        other = season.add_game(conn, league, FIRST_SUNDAY, "GB", "DAL", None)
        season.add_prediction(conn, league, other, "0.62", "0.0200")
        at = FIRST_SUNDAY - 10 * HOUR
        season.add_quote(conn, game.home, at + 10 * MINUTE, "0.05", "0.06", source="manual")
        season.add_quote(conn, other.home, at + 11 * MINUTE, "0.49", "0.50", source="manual")
    run_pending(db)
    tripped = one(db, "SELECT breaker_type, action, trigger_value FROM circuit_breaker_events")
    assert tripped[0] == "rapid_loss"
    assert Decimal(tripped[2]["loss"]) == 500 * (Decimal("0.50") - Decimal("0.05")) + Decimal(
        "8.75"
    )
    blocked = one(
        db,
        "SELECT skip_reason, inputs ->> 'breakers' FROM decisions ORDER BY decided_at DESC, "
        "decision_id LIMIT 1",
    )
    assert blocked == ("breaker_open", "rapid_loss")
    with pytest.raises(PrecogError, match="open: rapid_loss"):
        rearm(db, "drawdown", "ann", "wrong one")
    rearm(db, "rapid_loss", "ann", "the quote was a joke")
    with db.transaction() as conn:
        (row,) = breakers(conn)
        assert (row["resolved_by"], row["notes"]) == ("ann", "the quote was a joke")
        assert row["resolved_at"] == at + 11 * MINUTE, "on the decision clock"
        season.add_quote(conn, other.home, at + 12 * MINUTE, "0.49", "0.50")
    assert run_pending(db).taken == 1


def _work(url: str, seconds: float) -> None:
    import time

    from precog_trading.tick.writer_lock import trading_platforms, writer_lock

    conn = Database(url).connect(autocommit=True)
    conn.execute("SELECT set_config('application_name', 'precog trading other', false)")
    with writer_lock(conn, trading_platforms(conn), "paper"):
        time.sleep(seconds)
    conn.close()


@pytest.mark.requirement("LEDGER-009")
def test_two_processes_one_works_the_other_says_why_it_waits(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with db.transaction() as conn:
        one_game(conn)
    other = multiprocessing.get_context("spawn").Process(target=_work, args=(db.base_url, 1.5))
    other.start()
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while datetime.now(UTC) < deadline:
        held = one(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        if held[0]:
            break
    with caplog.at_level("INFO"):
        assert run_pending(db).taken == 1
    other.join()
    assert "waiting: precog trading other" in caplog.text


def test_a_writer_that_lost_its_lock_unnoticed_keeps_nothing(db: Database) -> None:
    with db.transaction() as conn:
        one_game(conn)
    with tick_runner(db) as first, tick_runner(db) as second:
        first.resume()
        second.resume()
        with pytest.raises(PrecogError, match="another process has written"), first._write():
            first.conn.execute("UPDATE trading_writers SET fence = fence + 1")
    assert one(db, "SELECT count(*) FROM decisions") == (0,)


def test_in_a_replay_an_operator_rearms_at_nine_the_next_morning(db: Database) -> None:
    """Simulated quotes: a loss of $258.75 stops entries until 09:00 in New York, and not again."""
    with db.transaction() as conn:
        league = season.create_league(conn)
        loss = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (17, 24))
        season.add_prediction(conn, league, loss, "0.62")
        season.add_quote(conn, loss.home, FIRST_SUNDAY - 2 * HOUR, "0.49", "0.50")
        for day, (home, away) in enumerate((("GB", "DAL"), ("DAL", "GB"))):
            # Two games late the same evening and the next: 4 h and 28 h after the first began.
            kickoff = FIRST_SUNDAY + (6 + 24 * day) * HOUR
            game = season.add_game(conn, league, kickoff, home, away, None)
            season.add_prediction(conn, league, game, "0.62", at=kickoff - 3 * HOUR)
            at = kickoff - 2 * HOUR + 5 * MINUTE
            season.add_quote(conn, game.home, at, "0.49", "0.50")
    run_pending(db)
    with db.transaction() as conn:
        (row,) = breakers(conn)
        reasons = conn.execute(
            "SELECT skip_reason FROM decisions WHERE side = 'yes' ORDER BY decided_at"
        ).fetchall()
    assert (row["breaker_type"], row["action"]) == ("rapid_loss", "exits_only")
    assert row["triggered_at"] == FIRST_SUNDAY + 4 * HOUR + 5 * MINUTE
    assert row["resolved_at"] == datetime(2019, 9, 9, 13, tzinfo=UTC), "09:00 in New York"
    assert row["resolved_by"] == "simulated operator"
    assert reasons == [(None,), ("breaker_open",), (None,)]


@pytest.mark.requirement("RISK-002")
def test_a_day_that_loses_its_limit_closes_what_is_open(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """close_all sells even a position that is held to settlement; a gain would never trip."""
    monkeypatch.setenv("PRECOG__TRADING__BREAKER__DAILY_LOSS", "200")
    with db.transaction() as conn:
        league = season.create_league(conn)
        lost = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (17, 24))
        held = season.add_game(conn, league, FIRST_SUNDAY + 8 * HOUR, "GB", "DAL", (24, 17))
        for game in (lost, held):
            season.add_prediction(conn, league, game, "0.62", at=FIRST_SUNDAY - 4 * HOUR)
            season.add_quote(conn, game.home, FIRST_SUNDAY - 2 * HOUR, "0.49", "0.50")
        season.add_quote(conn, held.home, FIRST_SUNDAY + 5 * HOUR, "0.49", "0.50")
    run_pending(db)
    with db.transaction() as conn:
        found = {row["breaker_type"]: row["action"] for row in breakers(conn)}
        exits = conn.execute(
            "SELECT exit_condition, exit_priority, quantity_exited, exit_price FROM position_exits"
        ).fetchall()
        assert verify_ledger(conn).balanced
    assert found["daily_loss"] == "close_all"
    assert exits == [("circuit_breaker", "critical", 500, Decimal("0.49"))]


@pytest.mark.requirement("EXIT-001", "EXEC-004")
def test_a_stop_loss_takes_the_place_of_an_exit_that_still_rests(
    db: Database, managed: None
) -> None:
    with db.transaction() as conn:
        league, game = one_game(conn)
        at = FIRST_SUNDAY - 9 * HOUR
        season.add_prediction(conn, league, game, "0.55", "0.0200", at=at - MINUTE)
        season.add_quote(conn, game.home, at, "0.58", "0.59")
        season.add_quote(conn, game.home, at + 10 * SECOND, "0.40", "0.41")
    clock = FakeClock(at)
    with Monitor(db, clock=clock) as monitor:
        monitor.turn()
        clock.sleep(10)
        monitor.turn()
    with db.transaction() as conn:
        orders = conn.execute(
            "SELECT exit_condition, status, error_code, filled_quantity FROM orders "
            "WHERE purpose = 'exit' ORDER BY order_id"
        ).fetchall()
        attempts = conn.execute(
            "SELECT exit_condition, filled_quantity, ended_at FROM exit_attempts "
            "ORDER BY attempt_id"
        ).fetchall()
        assert verify_ledger(conn).balanced
    assert orders == [
        ("partial_exit_target", "canceled", "replaced", 0),
        ("stop_loss", "filled", None, 500),
    ]
    assert attempts == [
        ("partial_exit_target", 0, at + 10 * SECOND),
        ("stop_loss", 500, at + 10 * SECOND),
    ]
