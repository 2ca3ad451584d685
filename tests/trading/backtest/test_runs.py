"""A run from request to completed row: whole, once, and balanced."""

from datetime import timedelta
from decimal import Decimal

import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.backtest.runs import Request, run_backtest
from precog_trading.ledger.audit import verify_all, verify_ledger
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE

REQUEST = Request(
    "nfl_pre_game", "nfl", FIRST_SUNDAY - timedelta(days=3), FIRST_SUNDAY + timedelta(days=60)
)


@pytest.mark.requirement("TEST-004", "UX-002")
def test_a_run_is_written_whole_once_and_balances(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        season.add_season(conn, league, 12, hours=(24, 8, 2, 1), week_of=4)
    told: list[float] = []
    done = run_backtest(db, REQUEST, progress=lambda share, _: told.append(share))
    assert told == sorted(told) and told[-1] == 1
    assert len({share for share in told if share < 0.4}) > 5, "the replay says where it is"
    run = (done.backtest_run_id,)
    assert done.rows["fills"] > 0 and not done.was_there
    with db.transaction() as conn:
        for table, count in done.rows.items():
            stored = conn.execute(
                f"SELECT count(*) FROM {table} WHERE backtest_run_id = %s", run
            ).fetchone()
            assert stored == (count,), table
        assert conn.execute("SELECT DISTINCT execution_environment FROM decisions").fetchall() == [
            ("backtest",)
        ]
        # Every order went its way in steps, and the ledger is the balance is the profit.
        paths = conn.execute(
            "SELECT DISTINCT array_agg(v.to_status ORDER BY v.order_event_id) FROM order_events v "
            "JOIN orders o USING (order_id) WHERE o.backtest_run_id = %s GROUP BY order_id", run,
        ).fetchall()  # fmt: skip
        assert {path[0][:2] == ["intent", "sent"] for path in paths} == {True}
        assert conn.execute(
            "SELECT sum(amount), (SELECT balance FROM account_balance WHERE row_current_ind "
            "AND backtest_run_id = %s) FROM account_ledger WHERE backtest_run_id = %s", run * 2,
        ).fetchone() == (10_000 + done.total_pnl,) * 2  # fmt: skip
        assert conn.execute(
            "SELECT sum(net) FROM pnl_by_strategy_model WHERE backtest_run_id = %s", run
        ).fetchone() == (done.total_pnl,)
        assert Decimal(done.metrics["net"]) == done.total_pnl
        assert conn.execute(
            "SELECT count(*) FROM positions p JOIN position_history h USING (position_id) "
            "WHERE h.version = 2 AND p.status = 'settled'"
        ).fetchone() == (done.rows["positions"],)
        assert conn.execute(
            "SELECT count(*) FROM (SELECT edge_key FROM edges WHERE row_current_ind "
            "GROUP BY edge_key HAVING count(*) > 1) AS doubled"
        ).fetchone() == (0,)
        status = conn.execute(
            "SELECT status, total_pnl FROM backtest_runs WHERE backtest_run_id = %s", run
        ).fetchone()
    assert status == ("completed", done.total_pnl)
    again = run_backtest(db, REQUEST)
    assert again.was_there
    assert again.backtest_run_id == done.backtest_run_id
    assert again.metrics == done.metrics


def test_a_run_that_was_cut_off_is_taken_up_under_its_own_row(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import precog_trading.backtest.runs as runs

    with db.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        season.add_season(conn, league, 4, hours=(8, 2, 1), week_of=4)

    class Killed(BaseException):
        """What a kill looks like from inside: no handler runs."""

    written = runs.write_run

    def killed(*args: object, **kwargs: object) -> object:
        written(*args, **kwargs)  # type: ignore[arg-type]
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(runs, "write_run", killed)
        with pytest.raises(Killed):
            run_backtest(db, REQUEST)
    with db.transaction() as conn:
        assert conn.execute("SELECT count(*) FROM decisions").fetchone() == (0,)
        left = conn.execute("SELECT backtest_run_id, status FROM backtest_runs").fetchall()
    assert [status for _, status in left] == ["running"]
    done = run_backtest(db, REQUEST)
    assert done.backtest_run_id == left[0][0]
    assert not done.was_there


@pytest.mark.requirement("LEDGER-008")
def test_s11_an_amendment_takes_back_what_the_run_had_booked(db: Database) -> None:
    """Paid 1, amended to 0, said again, amended to a tie: three payments, two taken back, and the
    run says the same as the paper account that lived through it."""
    words = (("finalized", "1"), ("amended", "0"), ("finalized", "0"), ("amended", "0.5"))
    with db.transaction() as conn:
        conn.execute(
            "UPDATE platforms SET venue_environment = 'prod' WHERE platform_id = 'simulated'"
        )
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, FIRST_SUNDAY - 2 * HOUR, "0.49", "0.50")
        later = season.add_game(conn, league, FIRST_SUNDAY + 12 * HOUR, "BUF", "KC", None)
        season.add_prediction(conn, league, later, "0.50")
        for revision, (stage, value) in enumerate(words, start=1):
            at = FIRST_SUNDAY + (3 + revision) * HOUR
            conn.execute(
                "INSERT INTO settlements (market_id, revision, stage, outcome, settlement_value, "
                "raw, event_ts, known_at) VALUES (%s, %s, %s, %s, %s, '{}', %s, %s)",
                (game.home, revision, stage, {"1": "yes", "0": "no"}.get(value, "scalar"), value,
                 at, at),
            )  # fmt: skip
            # A quote nobody buys on: the account looks at what is known by now.
            season.add_quote(conn, later.home, at + 10 * MINUTE, "0.49", "0.50")
    run_pending(db, maximum=100)
    done = run_backtest(db, REQUEST)
    booked = (
        "SELECT l.entry_type, l.amount, l.note, l.event_ts, r.amount, s.revision "
        "FROM account_ledger AS l "
        "LEFT JOIN account_ledger AS r ON r.entry_id = l.reverses_entry_id "
        "LEFT JOIN settlements AS s ON s.settlement_id = l.settlement_id WHERE "
        "l.execution_environment = %s AND l.entry_type IN ('settlement', 'reversal') "
        "ORDER BY l.event_ts, l.entry_type"
    )
    with db.transaction() as conn:
        ours = conn.execute(booked, ("backtest",)).fetchall()
        assert ours == conn.execute(booked, ("paper",)).fetchall()
        assert [(row[0], row[1], row[4]) for row in ours] == [
            ("settlement", 500, None),
            ("reversal", -500, 500), ("settlement", 0, None),
            ("reversal", 0, 0), ("settlement", 250, None),
        ]  # fmt: skip
        for audit in verify_all(conn):
            assert audit.balanced, (audit.label, audit.problems)
        assert [audit.backtest_run_id for audit in verify_all(conn)] == [
            done.backtest_run_id, None,
        ]  # fmt: skip
        run = verify_ledger(conn, "backtest", done.backtest_run_id).as_dict()
        paper = verify_ledger(conn, "paper").as_dict()
        for name in ("cash", "open_cost", "fees", "gross_realized", "deposits", "fills"):
            assert run[name] == paper[name], name
        assert conn.execute(
            "SELECT sum(amount) FROM account_ledger WHERE backtest_run_id = %s",
            (done.backtest_run_id,),
        ).fetchone() == (10_000 + done.total_pnl,)
    assert done.total_pnl == Decimal("-8.75")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request("nobody", "nfl", REQUEST.first, REQUEST.last), "no method nobody"),
        (Request("nfl_pre_game", "nba", REQUEST.first, REQUEST.last), "trades nfl, not nba"),
        (
            Request("nfl_pre_game", "nfl", REQUEST.first - timedelta(days=900), REQUEST.first),
            "no nfl quotes are stored",
        ),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_a_reason(
    db: Database, request_: Request, words: str
) -> None:
    with db.transaction() as conn:
        season.create_league(conn)
    with pytest.raises(PrecogError, match=words):
        run_backtest(db, request_)
    with db.transaction() as conn:
        assert conn.execute("SELECT count(*) FROM backtest_runs").fetchone() == (0,)
