"""The look over trading's tables: each finding has its alert once, and the past wakes nobody."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from precog_core.alerts import events
from precog_core.alerts.config import Day
from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_trading.rules.controls import NEW_YORK
from precog_trading.tick.runner import run_waiting, tick_runner
from precog_trading.watch import look
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY

LIMITS = Day(loss_usd=Decimal(100), gain_usd=Decimal(500))


def _alerts(conn: psycopg.Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT alert_type, severity, environment, source_table, message FROM alerts "
        "ORDER BY alert_id"
    ).fetchall()


def _types(conn: psycopg.Connection) -> list[str]:
    return [row[0] for row in _alerts(conn)]


def _settle(conn: psycopg.Connection, market_id: int, value: str, revision: int = 1) -> None:
    outcome = {"0": "no", "1": "yes"}.get(value, "scalar")
    conn.execute(
        "INSERT INTO settlements (market_id, revision, stage, outcome, settlement_value, raw, "
        "event_ts, known_at) VALUES (%s, %s, 'finalized', %s, %s, '{}', now(), now())",
        (market_id, revision, outcome, value),
    )


@pytest.mark.requirement("DB-007")
def test_s11_settlements_against_the_result_and_codes_nobody_described(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        won = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        tie = season.add_game(conn, league, FIRST_SUNDAY, "GB", "DAL", (20, 20))
        _settle(conn, won.home, "1")
        _settle(conn, won.away, "1")
        _settle(conn, tie.home, "0.5")
        _settle(conn, tie.away, "0")
        _settle(conn, tie.away, "0.5", revision=2)
        conn.execute("INSERT INTO market_categories VALUES ('opera', 'met in data', false)")
        assert look(conn, LIMITS) == 2
        assert look(conn, LIMITS) == 0
        found = _alerts(conn)
    assert [row[:4] for row in found] == [
        ("settlement_mismatch", "high", "paper", "settlements"),
        ("unknown_code", "medium", "paper", None),
    ]
    assert "was settled at 1.000000; by the result 24:17 it is 0" in found[0][4]
    assert "market_categories has no description of 'opera'" in found[1][4]


def _decide(
    conn: psycopg.Connection, market_id: int, league: season.League, at: datetime, **columns: Any
) -> None:
    row = {
        "decision_key": f"{market_id}:{at.isoformat()}:{columns}",
        "tick_id": "t:1",
        "decided_at": at,
        "execution_environment": "paper",
        "market_id": market_id,
        "side": "yes",
        "purpose": "entry",
        "outcome": "skipped",
        "model_id": league.model_id,
        "strategy_id": _strategy(conn),
        "inputs": Jsonb({"probability": "0.7100", "mid": "0.400000", "settings": "x"}),
    } | columns
    names = ", ".join(row)
    conn.execute(
        f"INSERT INTO decisions ({names}) VALUES ({', '.join(['%s'] * len(row))})",
        list(row.values()),
    )


def _strategy(conn: psycopg.Connection) -> int:
    row = conn.execute(
        "SELECT strategy_id FROM strategies WHERE strategy_name = 'made_up'"
    ).fetchone()
    if row is None:
        row = conn.execute(
            "INSERT INTO strategies (strategy_name, strategy_version, strategy_type, category, "
            "config) VALUES ('made_up', 'v1.0', 'entry', 'sports', '{}') RETURNING strategy_id"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_s15_quarantined_edges_of_the_present_are_told_and_a_replays_are_not(db: Database) -> None:
    now = datetime.now(UTC)
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, now + timedelta(hours=3), "KC", "BUF", None)
        _decide(conn, game.home, league, FIRST_SUNDAY, skip_reason="edge_quarantined")
        _decide(conn, game.home, league, now, skip_reason="edge_below_min")
        assert look(conn, LIMITS) == 0
        for second in range(3):
            _decide(
                conn,
                game.home,
                league,
                now + timedelta(seconds=second),
                skip_reason="edge_quarantined",
            )
        assert look(conn, LIMITS) == 1
        assert look(conn, LIMITS) == 0
        (row,) = conn.execute(
            "SELECT alert_type, severity, details, source_table, source_id FROM alerts"
        ).fetchall()
        assert row[:2] == ("edge_anomaly", "high")
        assert (row[2]["probability"], row[2]["mid"]) == ("0.7100", "0.400000")
        assert "settings" not in row[2]
        newest = conn.execute("SELECT max(decision_id) FROM decisions").fetchone()
        assert newest == (row[4],)
        # The same market again is the same cause.
        _decide(conn, game.home, league, now + timedelta(seconds=9), skip_reason="edge_quarantined")
        assert look(conn, LIMITS) == 1
        assert _types(conn) == ["edge_anomaly"]


def _equity(conn: psycopg.Connection, at: datetime, cash: int, value: int) -> None:
    conn.execute(
        "INSERT INTO equity_points (platform_id, execution_environment, event_ts, cash, "
        "portfolio_value) VALUES ('simulated', 'paper', %s, %s, %s)",
        (at, cash, value),
    )


def test_s15_a_days_loss_of_100_and_gain_of_500_are_told_once_a_day(db: Database) -> None:
    day = datetime.now(NEW_YORK).date()
    began = datetime.combine(day, time(), tzinfo=NEW_YORK)
    with db.transaction() as conn:
        _equity(conn, began - timedelta(hours=3), 9000, 1000)
        assert look(conn, LIMITS, began + timedelta(minutes=1)) == 0
        _equity(conn, began + timedelta(hours=1), 9000, 901)
        assert look(conn, LIMITS, began + timedelta(hours=1)) == 0
        _equity(conn, began + timedelta(hours=2), 9900, 0)
        assert look(conn, LIMITS, began + timedelta(hours=2)) == 1
        assert look(conn, LIMITS, began + timedelta(hours=9)) == 0
        _equity(conn, began + timedelta(hours=10), 10500, 0)
        assert look(conn, LIMITS, began + timedelta(hours=10)) == 1
        assert [row[:3] for row in _alerts(conn)] == [
            ("day_loss", "high", "paper"),
            ("day_gain", "medium", "paper"),
        ]
        assert f"{day}: lost 100.00 dollars (paper)" in _alerts(conn)[0][4]


def test_s15_a_stop_by_a_person_is_critical_and_told_once(db: Database) -> None:
    with db.transaction() as conn:
        for state in ("halted", "running", "exits_only"):
            conn.execute(
                "INSERT INTO trading_controls (execution_environment, scope, state, reason, "
                "set_by, set_by_kind) VALUES ('paper', 'global', %s, 'storm', 'ann', 'person')",
                (state,),
            )
        assert look(conn, LIMITS) == 1
        assert look(conn, LIMITS) == 0
        assert _alerts(conn) == [
            (
                "kill_switch",
                "critical",
                "paper",
                "trading_controls",
                "Trading of everything is exits_only by ann: storm",
            )
        ]


def test_s12_a_breaker_of_the_present_is_told_and_linked_and_one_of_a_replay_is_not(
    db: Database,
) -> None:
    with db.transaction() as conn:
        for breaker, at in (("drawdown", FIRST_SUNDAY), ("unknown_order", datetime.now(UTC))):
            conn.execute(
                "INSERT INTO circuit_breaker_events (breaker_type, execution_environment, action, "
                "triggered_at, trigger_value) VALUES (%s, 'paper', 'exits_only', %s, '{}')",
                (breaker, at),
            )
        assert look(conn, LIMITS) == 1
        assert look(conn, LIMITS) == 0
        assert _alerts(conn) == [
            (
                "breaker_tripped",
                "critical",
                "paper",
                "circuit_breaker_events",
                "Breaker unknown_order opened: exits_only",
            )
        ]
        linked = conn.execute(
            "SELECT breaker_type FROM circuit_breaker_events WHERE alert_id IS NOT NULL"
        ).fetchall()
        assert linked == [("unknown_order",)]


def test_s15_fees_quiet_positions_reconciliations_and_a_clock_set_back_are_told_once(
    db: Database,
) -> None:
    kickoff = FIRST_SUNDAY
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, kickoff, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, kickoff - 2 * season.HOUR, "0.49", "0.50")
    with tick_runner(db) as runner:
        run_waiting(db, runner, now=kickoff - season.HOUR)
    decided = kickoff - 2 * season.HOUR
    soon = decided + timedelta(minutes=4)
    later = decided + timedelta(minutes=6)
    with db.transaction() as conn:
        assert look(conn, LIMITS, soon) == 0, "four minutes without a quote are none"
        assert look(conn, LIMITS, later) == 1
        assert look(conn, LIMITS, later) == 0
        assert _types(conn) == ["quote_stale"]
        assert "for 360 s" in _alerts(conn)[0][4]
        _charge(conn, "9.990000", later)
        conn.execute(
            "INSERT INTO reconciliation_runs (platform_id, execution_environment, started_at,"
            " status, mismatches) VALUES ('simulated', 'paper', %s, 'mismatch', '[]')", (later,)
        )  # fmt: skip
        assert look(conn, LIMITS, later) == 2
        assert look(conn, LIMITS, later) == 0
        assert _types(conn)[1:] == ["reconcile_mismatch", "fee_mismatch"]
        linked = conn.execute("SELECT alert_id IS NOT NULL FROM reconciliation_runs").fetchall()
        assert (True,) in linked
        assert look(conn, LIMITS, decided - timedelta(minutes=2)) == 1
        assert look(conn, LIMITS, decided - timedelta(minutes=2)) == 0
        told = _alerts(conn)[-1]
        assert told[:2] == ("clock_jump", "high")
        assert "still to come" in told[4]


@pytest.mark.requirement("MON-002")
def test_an_unchecked_position_says_whether_trading_or_its_quotes_stand_still(
    db: Database,
) -> None:
    now = datetime.now(UTC)
    at = now - timedelta(minutes=4)
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, now + 2 * season.HOUR, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62", at=now - season.HOUR)
        season.add_quote(conn, game.home, at, "0.49", "0.50")
    with tick_runner(db) as runner:
        run_waiting(db, runner, now=at + timedelta(seconds=30))

    def told() -> str:
        with db.transaction() as conn:
            look(conn, LIMITS, now)
            (message,) = conn.execute(
                "SELECT message FROM alerts WHERE alert_type = 'position_unchecked' "
                "ORDER BY alert_id DESC"
            ).fetchone() or ("none",)
        return str(message)

    def looked(at: datetime) -> None:
        with db.transaction() as conn:
            load_queries("reports").note_look(conn, environment="paper", at=at)

    with db.transaction() as conn:
        conn.execute("DELETE FROM trading_looks")
    assert "Trading has never looked: does the trading sensor run?" in told()
    looked(now - timedelta(minutes=30))
    assert "has never looked" in told(), "the same cause is counted and keeps its words"
    looked(now)
    said = told()
    assert "Trading runs (it looked " in said
    assert f"the newest of SIM-{game.key}-KC is 240 s old: is its feed alive?" in said
    with db.transaction() as conn:
        season.add_quote(conn, game.home, now - timedelta(minutes=1), "0.48", "0.49")
    assert "passed over 1 newer quote(s), such as that of SIM-" in told()


def _charge(conn: psycopg.Connection, fee: str, at: datetime) -> None:
    """The last fill once more, under another id and with another fee."""
    changed = {"venue_fill_id": "another", "fee": fee, "event_ts": at, "known_at": at}
    columns = [
        row[0]
        for row in conn.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'fills'::regclass"
            " AND attnum > 0 AND attidentity = '' AND NOT attisdropped"
        )
        if row[0] not in changed
    ]
    same = sql.SQL(", ").join(map(sql.Identifier, columns))
    conn.execute(
        sql.SQL(
            "INSERT INTO fills ({same}, {new}) SELECT {same}, {values} FROM fills LIMIT 1"
        ).format(
            same=same,
            new=sql.SQL(", ").join(map(sql.Identifier, changed)),
            values=sql.SQL(", ").join(map(sql.Literal, changed.values())),
        )
    )


def test_a_blocked_exit_is_one_alert_per_position(db: Database) -> None:
    with db.transaction() as conn:
        for blocked_by in ("no_bid", "critical_floor"):
            alert_id = events.exit_blocked(
                conn,
                position_id=7,
                ticker="KX-1",
                condition="stop_loss",
                blocked_by=blocked_by,
                environment="paper",
                at=FIRST_SUNDAY,
            )
        found = conn.execute(
            "SELECT severity, occurrence_count FROM alerts WHERE alert_id = %s", (alert_id,)
        ).fetchone()
    assert found == ("critical", 2)
