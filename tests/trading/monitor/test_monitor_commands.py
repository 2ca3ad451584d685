"""The commands that stop, watch, re-arm and sell, as a person types them."""

import json

import pytest
from typer.testing import CliRunner

from precog_core.cli import build_app
from precog_core.database import Database
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR


@pytest.mark.requirement("LEDGER-011")
def test_a_person_stops_watches_rearms_and_sells(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECOG_DATABASE_URL", db.base_url)
    monkeypatch.setenv("COLUMNS", "200")
    run = CliRunner()

    def precog(*words: str, ends: int = 0) -> str:
        result = run.invoke(build_app(), list(words))
        told = result.output + str(result.exception or "")
        assert result.exit_code == ends or (ends and result.exception), told
        return told

    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, FIRST_SUNDAY - 3 * HOUR, "0.49", "0.50")
    assert "paper is halted; 0 orders canceled" in precog("halt", "--reason", "test", "--by", "ann")
    assert "1 ticks, 0 orders" in precog("monitor", "--once")
    assert "paper runs" in precog("resume", "--reason", "done", "--by", "ann")
    with db.transaction() as conn:
        season.add_quote(conn, game.home, FIRST_SUNDAY - 2 * HOUR, "0.49", "0.50")
        conn.execute(
            "INSERT INTO circuit_breaker_events (breaker_type, execution_environment, action, "
            "triggered_at, trigger_value) VALUES ('manual', 'paper', 'exits_only', %s, %s)",
            (FIRST_SUNDAY - 4 * HOUR, json.dumps({"why": "test"})),
        )
    assert "manual" in precog("breakers")
    (row,) = json.loads(precog("breakers", "list", "--json"))["breakers"]
    assert (row["breaker_type"], row["resolved_at"]) == ("manual", None)
    assert "still open: manual" in precog("resume", "--reason", "again")
    assert "is armed again" in precog("breakers", "rearm", "manual", "--note", "looked")
    assert "no breaker 'manual' is open" in precog(
        "breakers", "rearm", "manual", "--note", "x", ends=1
    )
    assert run_pending(db).fills == 1
    with db.transaction() as conn:
        (position_id,) = conn.execute("SELECT position_id FROM positions").fetchone()  # type: ignore[misc]
    assert "sold 500 of 500 at 0.46 or better" in precog("close", str(position_id), "--reason", "x")
    assert "is closed in paper" in precog("close", str(position_id), "--reason", "x", ends=1)
    assert "expected paper, demo, live" in precog("monitor", "--environment", "moon", ends=1)
    verified = json.loads(precog("ledger", "verify", "--json"))
    assert verified["balanced"] is True
