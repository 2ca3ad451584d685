"""Strategies and methods become rows once, stay as they are, and follow the champion."""

from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_trading.registry import methods_in_force, register_configured
from tests.trading import season

STRATEGIES = ["pre_game", "pre_game_managed", "settlement_arbitrage"]


def versions(conn: psycopg.Connection) -> list[tuple[str, str, str, str]]:
    return conn.execute(
        "SELECT method_name, method_version, model_name, me.status FROM methods AS me "
        "JOIN probability_models USING (model_id) ORDER BY method_id"
    ).fetchall()


def test_configured_versions_are_created_once_and_released_for_paper(db: Database) -> None:
    with db.transaction() as conn:
        season.create_league(conn)
        created = register_configured(conn)
        again = register_configured(conn)
        strategies = conn.execute(
            "SELECT strategy_name, strategy_version, status, approved_by FROM strategies "
            "ORDER BY strategy_name"
        ).fetchall()
        (method,) = methods_in_force(conn)
    assert created == [*(f"{name} v1.0" for name in STRATEGIES), "nfl_pre_game v1.0"]
    assert again == []
    assert strategies == [(name, "v1.0", "testing", "bootstrap") for name in STRATEGIES]
    assert (method.strategy.name, method.model.name) == ("pre_game", "nfl-xgboost")
    assert method.strategy.rules.hold_to_settlement
    assert method.status == "testing"


def test_a_method_waits_for_its_champion(db: Database) -> None:
    with db.transaction() as conn:
        assert register_configured(conn) == [f"{name} v1.0" for name in STRATEGIES]
        season.create_league(conn)
        assert len(register_configured(conn)) == 1


def test_another_champion_gets_the_next_minor_version(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        register_configured(conn)
        other = season.create_model(conn, "nfl-elo")
        conn.execute(
            "UPDATE probability_models SET status = 'draft' WHERE model_id = %s",
            (league.model_id,),
        )
        conn.execute(
            "UPDATE probability_models SET status = 'testing', activated_at = now() "
            "WHERE model_id = %s",
            (other,),
        )
        register_configured(conn)
        register_configured(conn)
        found = versions(conn)
    assert [(version, model) for _, version, model, _ in found] == [
        ("v1.0", "nfl-xgboost"),
        ("v1.1", "nfl-elo"),
    ]


def test_a_changed_configuration_under_the_same_version_is_refused(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.transaction() as conn:
        season.create_league(conn)
        register_configured(conn)
        monkeypatch.setenv("PRECOG__STRATEGIES__STRATEGIES__PRE_GAME__CONFIG__LATEST_H", "1")
        with pytest.raises(PrecogError, match=r"pre_game v1\.0 is .* raise the version"):
            register_configured(conn)


def test_the_database_refuses_to_edit_a_version(db: Database) -> None:
    with db.transaction() as conn:
        season.create_league(conn)
        register_configured(conn)
    with pytest.raises(psycopg.errors.RestrictViolation), db.transaction() as conn:
        conn.execute("UPDATE strategies SET config = %s", (Jsonb({"type": "other"}),))


def test_a_row_that_no_longer_describes_a_strategy_is_named(db: Database) -> None:
    with db.transaction() as conn:
        season.create_league(conn)
        register_configured(conn)
        conn.execute("ALTER TABLE strategies DISABLE TRIGGER USER")
        conn.execute("UPDATE strategies SET config = '{}'")
        with pytest.raises(PrecogError, match="has no type"):
            methods_in_force(conn)


def test_the_queries_of_trading_live_in_sql_files() -> None:
    """Python of this package holds no statement longer than a SET."""
    package = Path(__file__).resolve().parents[3] / "precog_trading"
    for path in package.rglob("*.py"):
        text = path.read_text()
        assert "INSERT INTO" not in text, path
        assert "UPDATE " not in text or "UPDATE of" in text, path
