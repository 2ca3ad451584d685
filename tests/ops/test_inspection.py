"""`precog status`, `precog doctor`, `precog logs`: what an operator sees."""

import json
import logging
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from precog_core.alerts import report
from precog_core.database import Database
from precog_core.logging import configure_logging, log_context
from precog_core.paths import home
from precog_platform.processes import sole_user
from tests.ops.command_line import invoke
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR


def precog(*arguments: str, code: int = 0) -> str:
    result = invoke(arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def status(*arguments: str, code: int = 0) -> dict[str, object]:
    content: dict[str, object] = json.loads(precog("status", "--json", *arguments, code=code))
    return content


def hold_a_position(conn: psycopg.Connection) -> None:
    league = season.create_league(conn)
    game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
    season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    conn.execute(
        "INSERT INTO positions (position_key, platform_id, market_id, execution_environment, side, "
        "original_quantity, quantity, entry_price, fees, unrealized_pnl, entry_time) "
        "VALUES ('p', 'simulated', %s, 'paper', 'yes', 100, 100, 0.50, 1.75, 4, %s)",
        (game.home, game.kickoff - 2 * HOUR),
    )


def test_the_status_of_an_empty_home_is_ok_and_says_what_to_do(all_databases: Database) -> None:
    content = status("--check")
    assert content["state"] == "ok"
    assert content["running"] == {"up": False, "servers": []}
    assert content["open_positions"] == []
    assert content["freshness"]["quotes"] == {"newest": None, "age_s": None}
    said = precog("status")
    assert "nothing; `precog up` starts it" in said
    assert "quotes never" in said


def test_the_status_names_positions_alerts_breakers_and_controls(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    with all_databases.transaction() as conn:
        hold_a_position(conn)
        report(conn, "venue_outage", "the venue is away")
        conn.execute(
            "INSERT INTO circuit_breaker_events (breaker_type, execution_environment, action, "
            "triggered_at, trigger_value) VALUES ('rapid_loss', 'paper', 'exits_only', %s, '{}')",
            (now - timedelta(hours=3),),
        )
    content = status("--check", code=1)
    assert content["state"] == "attention"
    (position,) = content["open_positions"]
    assert (position["quantity"], position["unrealized_pnl"]) == ("100.00", "4.000000")
    assert (content["pnl"]["open_cost"], content["pnl"]["unrealized"]) == (
        "50.00000000", "4.000000",
    )  # fmt: skip
    assert content["alerts"]["open"] == {"high": 1}
    assert [b["breaker_type"] for b in content["breakers"]] == ["rapid_loss"]
    said = precog("status")
    assert "the venue is away" in said
    assert "rapid_loss" in said

    with all_databases.transaction() as conn:
        conn.execute(
            "INSERT INTO trading_controls (execution_environment, scope, scope_key, state, reason, "
            "set_by, set_by_kind) VALUES ('paper', 'global', '*', 'halted', 'r', 'me', 'person')"
        )
    assert status()["state"] == "halted"
    with sole_user(home()):
        assert status()["running"]["up"] is True
    monkeypatch.setenv("PRECOG_HALT", "exits_only")
    assert "PRECOG_HALT is exits_only" in precog("status")


def test_the_doctor_finds_a_taken_port_a_bad_setting_and_a_pending_migration(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def doctor(port: int, code: int) -> dict[str, dict[str, str]]:
        said = precog("doctor", "--json", "--port", str(port), "--mlflow-port", "0", code=code)
        return {finding["check"]: finding for finding in json.loads(said)["findings"]}

    sound = doctor(0, code=0)
    assert {finding["state"] for finding in sound.values()} <= {"ok", "warning"}
    assert "PostgreSQL" in sound["database"]["said"]
    assert sound["migrations"]["state"] == "ok"
    assert sound["credentials Kalshi"]["said"].startswith("absent")

    (home() / "config").mkdir(parents=True)
    (home() / "config" / "trading.yaml").write_text("nonsense: 1\n")
    monkeypatch.setenv("KALSHI_KEY_ID", "abcdef-123456")
    with all_databases.transaction() as conn:
        conn.execute("DELETE FROM precog_meta.schema_migrations WHERE number > 30")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = doctor(port, code=1)
        assert found[f"port {port}"]["state"] == "failure"
    assert "trading.nonsense is no setting" in found["settings"]["said"]
    assert found["migrations"]["state"] == "warning"
    assert found["credentials Kalshi"]["said"] == "present"
    assert "abcdef-123456" not in json.dumps(found)
    monkeypatch.setenv("PRECOG_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/precog")
    assert doctor(0, code=1)["database"]["state"] == "failure"


@pytest.mark.requirement("SYS-006")
def test_logs_are_read_back_by_level_run_and_text(tmp_path: Path) -> None:
    configure_logging(folder=home() / "logs")
    logger = logging.getLogger("precog_trading.test")
    try:
        with log_context(run_id="run-one", tick_id="t:1"):
            logger.info("decided", extra={"orders": 3})
        with log_context(run_id="run-two"):
            logger.warning("slow")
    finally:
        for handler in list(logging.getLogger("precog_trading").handlers):
            if type(handler).__name__ == "DailyFiles":
                logging.getLogger("precog_trading").removeHandler(handler)
    whole = precog("logs").splitlines()
    assert len(whole) == 2
    assert "precog_trading.test: decided  run_id=run-one tick_id=t:1 orders=3" in whole[0]
    assert "slow" in precog("logs", "--level", "warning")
    assert "decided" not in precog("logs", "--level", "warning")
    assert "decided" in precog("logs", "--run", "t:1")
    assert json.loads(precog("logs", "--run", "run-two", "--json"))["message"] == "slow"
    assert precog("logs", "--grep", "nothing of this kind") == ""
    assert "expected debug" in str(invoke(["logs", "--level", "loud"]).exception)
