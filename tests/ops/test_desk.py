"""`precog edges`, `decisions`, `approve`, `paper reset`: what a person does at the desk."""

import json
from datetime import UTC, datetime

import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.ledger.audit import verify_ledger
from precog_trading.tick.runner import run_pending
from tests.ops.command_line import invoke
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE


def precog(*arguments: str) -> str:
    result = invoke(arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refused(*arguments: str) -> str:
    result = invoke(arguments)
    assert isinstance(result.exception, PrecogError), (result.output, result.exception)
    return str(result.exception)


@pytest.mark.requirement("VER-004")
def test_a_person_approves_what_lies_in_the_band_and_the_next_quote_buys_it(
    all_databases: Database,
) -> None:
    now = datetime.now(UTC)
    with all_databases.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, now + 3 * HOUR, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.6200", at=now - HOUR)
        season.add_quote(conn, game.home, now - 2 * MINUTE, "0.53", "0.54")
    run_pending(all_databases)
    (best, *_) = json.loads(precog("edges", "--min", "0.04", "--json"))["edges"]
    assert (best["side"], best["recommended_action"]) == ("yes", "alert")
    decision_id = str(best["decision_id"])
    assert "may be bought until" in precog("approve", decision_id, "--by", "ann")
    assert "a yes is given once" in refused("approve", decision_id)
    assert "there is no decision 999" in refused("approve", "999")
    with all_databases.transaction() as conn:
        other = conn.execute(
            "SELECT decision_id FROM decisions WHERE skip_reason <> 'needs_approval' LIMIT 1"
        ).fetchone()
        assert other is not None
        season.add_quote(conn, game.home, datetime.now(UTC), "0.53", "0.54")
    assert "asked for no approval" in refused("approve", str(other[0]))
    run_pending(all_databases)
    (trade,) = json.loads(precog("trades", "--json"))["trades"]
    assert (trade["action"], trade["price"]) == ("buy", "0.540000")
    decisions_are_found(best["ticker"])
    assert "positions and 0 orders are open" in refused("paper", "reset", "--yes", "--reason", "x")


def decisions_are_found(ticker: str) -> None:
    """The newest first, by method, outcome, reason and market; a hint for what no decision has."""

    def listed(*arguments: str) -> list[dict[str, object]]:
        found = json.loads(precog("decisions", *arguments, "--json"))["decisions"]
        assert isinstance(found, list)
        return found

    everything = listed("--limit", "1000")
    assert [row["decided_at"] for row in everything] == sorted(
        (str(row["decided_at"]) for row in everything), reverse=True
    )
    (taken,) = listed("--outcome", "taken", "--market", ticker)
    assert (taken["method_name"], taken["purpose"]) == ("nfl_pre_game", "entry")
    assert f"decision {taken['decision_id']}" in invoke(("explain", "trade", "1")).output
    waiting = listed("--reason", "needs_approval")
    assert {row["outcome"] for row in waiting} == {"skipped"}
    assert 0 < len(waiting) < len(everything)
    assert listed("--method", "nfl_pre_game", "--outcome", "taken") == [taken]
    assert len(listed("--limit", "1")) == 1
    assert listed("--purpose", "exit") == listed("--market", "x") == listed("--backtest", "9") == []
    table = precog("decisions", "--reason", "needs_approval")
    assert "needs_approval" in table
    assert "precog explain decision ID" in table
    assert "reasons there are: " in precog("decisions", "--reason", "nonsense")


def test_the_paper_account_starts_anew_and_still_adds_up(all_databases: Database) -> None:
    with all_databases.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    run_pending(all_databases)
    reset = ("paper", "reset", "--yes", "--reason", "a new season", "--by", "ann")
    (account,) = json.loads(precog(*reset, "--json"))["accounts"]
    assert (account["before"], account["after"]) == ("10241.250000", "10000")
    assert "nothing to reset" in precog(*reset)
    with all_databases.connection() as conn:
        audit = verify_ledger(conn)
        note = conn.execute("SELECT note FROM account_ledger ORDER BY entry_id DESC LIMIT 1")
        assert note.fetchone() == ("paper account reset by ann: a new season",)
    assert audit.balanced, audit.problems
    assert json.loads(precog("pnl", "--json"))["net"] == "241.250000"
