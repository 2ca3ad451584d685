"""`precog positions`, `trades`, `pnl` and `ledger verify`, as a user runs them."""

import json
from datetime import timedelta

import pytest
import typer
from typer.testing import CliRunner

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.backtest.runs import Request, run_backtest
from precog_trading.commands import register
from precog_trading.ledger.audit import verify_ledger
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR

app = typer.Typer()
register(app)


def precog(*arguments: str, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def one_win(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    run_pending(db)


def test_an_empty_home_says_so(all_databases: Database) -> None:
    assert "none" in precog("positions")
    assert "no trades yet" in precog("trades")
    assert json.loads(precog("ledger", "verify", "--json"))["balanced"] is True


def test_the_commands_tell_one_story_in_words_and_in_json(all_databases: Database) -> None:
    one_win(all_databases)
    table = precog("positions", "--status", "settled")
    assert "241.25" in table
    assert "prices: simulated quotes" in table
    assert "none" in precog("positions", "--status", "open")
    (position,) = json.loads(precog("positions", "--json"))["positions"]
    assert (position["realized_pnl"], position["exit_reason"]) == ("241.250000", "settlement")
    assert "0.09" in precog("trades")
    (trade,) = json.loads(precog("trades", "--json"))["trades"]
    assert (trade["price"], trade["fee"], trade["quote_source"]) == (
        "0.500000", "8.750000", "simulated",
    )  # fmt: skip
    assert "241.25" in precog("pnl")
    summary = json.loads(precog("pnl", "--json"))
    assert (summary["net"], summary["cash"]) == ("241.250000", "10241.250000")


def test_ledger_verify_prints_the_sums_and_fails_when_they_differ(all_databases: Database) -> None:
    one_win(all_databases)
    sums = json.loads(precog("ledger", "verify", "--json"))
    assert sums["balanced"] is True
    assert (sums["cash"], sums["gross_realized"], sums["fees"], sums["deposits"]) == (
        "10241.250000", "250.000000", "8.750000", "10000.000000",
    )  # fmt: skip
    assert "balanced" in precog("ledger", "verify")
    with all_databases.transaction() as conn:
        conn.execute("ALTER TABLE positions DISABLE TRIGGER USER")
        conn.execute("UPDATE positions SET realized_pnl = 1000")
    output = precog("ledger", "verify", code=1)
    assert "NOT balanced" in output
    assert "its fills give 241.25" in output


@pytest.mark.requirement("LEDGER-012")
def test_ledger_verify_covers_each_backtest_and_finds_its_lost_cent(
    all_databases: Database,
) -> None:
    one_win(all_databases)
    first, last = FIRST_SUNDAY - timedelta(days=3), FIRST_SUNDAY + timedelta(days=3)
    done = run_backtest(all_databases, Request("nfl_pre_game", "nfl", first, last))
    run_id = str(done.backtest_run_id)
    sums = json.loads(precog("ledger", "verify", "--backtest", run_id, "--json"))
    assert (sums["balanced"], sums["cash"], sums["fills"]) == (True, "10241.250000", 1)
    assert done.run_name in precog("ledger", "verify", "--backtest", run_id)
    everything = json.loads(precog("ledger", "verify", "--all", "--json"))
    assert everything["balanced"] is True
    assert [x["backtest_run_id"] for x in everything["ledgers"]] == [int(run_id), None]
    with all_databases.transaction() as conn:
        with pytest.raises(PrecogError, match=f"99 is not there; .* completed one: {run_id}"):
            verify_ledger(conn, "backtest", 99)
        conn.execute("ALTER TABLE fills DISABLE TRIGGER USER")
        conn.execute("UPDATE fills SET fee = fee + 0.01 WHERE backtest_run_id = %s", (run_id,))
    everything = json.loads(precog("ledger", "verify", "--all", "--json", code=1))
    assert [x["balanced"] for x in everything["ledgers"]] == [False, True]
    assert any("in the fills" in problem for problem in everything["ledgers"][0]["problems"])
