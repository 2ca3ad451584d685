"""`precog methods`: from a template to live and out again, each step by the rules of section 13."""

import json
from decimal import Decimal
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_dagster.resources import PostgresResource
from precog_trading.backtest.runs import Request, run_backtest
from precog_trading.config_exits import PromotionSettings
from precog_trading.defs.trading.lifecycle import daily_method_review, review_methods
from precog_trading.ledger.statements import one, rows
from precog_trading.methods.lifecycle import deprecate_losers, losers, move
from precog_trading.registry import register_configured
from precog_trading.tick.runner import run_pending
from tests.ops.command_line import invoke
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR

DAY = 24 * HOUR
EASY = PromotionSettings(method_trades=1)


def precog(*arguments: str, code: int = 0) -> str:
    result = invoke(arguments)
    if isinstance(result.exception, PrecogError):
        assert code == 1, result.exception
        return str(result.exception)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def played(db: Database, *scores: tuple[int, int]) -> None:
    """A season in which the paper account bought KC (at home) once a week at 0.50."""
    with db.transaction() as conn:
        league = season.create_league(conn)
        for week, score in enumerate(scores):
            game = season.add_game(conn, league, FIRST_SUNDAY + 7 * week * DAY, "KC", "BUF", score)
            season.add_prediction(conn, league, game, "0.62")
            season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    run_pending(db)


def make_parts_active(conn: psycopg.Connection) -> None:
    for table in ("strategies", "probability_models"):
        conn.execute(f"UPDATE {table} SET status = 'active' WHERE status = 'testing'")


@pytest.mark.requirement("METH-001", "METH-003", "METH-004", "METH-010", "METH-014")
def test_a_method_comes_from_a_template_and_travels_with_its_hash(
    all_databases: Database, tmp_path: Path
) -> None:
    with all_databases.transaction() as conn:
        season.create_league(conn)
        register_configured(conn)
    parts = ("--strategy", "pre_game", "--model", "nfl-xgboost", "--template", "conservative")
    first = json.loads(
        precog("methods", "create", "mine", *parts, "--set", "risk.kelly=0.12", "--by", "ann",
               "--json")
    )  # fmt: skip
    assert (first["version"], first["duplicates"]) == ("v1.0", [])
    with all_databases.connection() as conn:
        method = one(conn, "methods", "method", name="mine", version="v1.0")
        assert method is not None
        assert method["risk_config"] == {"kelly": "0.12", "position_usd": "500"}
        assert (method["status"], method["template_name"]) == ("draft", "conservative")
    before = precog("methods", "templates")
    assert '"kelly": "0.15"' in before

    again = precog("methods", "create", "mine", *parts, "--set", "risk.kelly=0.12")
    assert "mine v1.1 is a draft" in again
    assert "the same content as mine v1.0" in again
    assert "mine v2.0" in precog("methods", "create", "mine", *parts, "--major")
    assert precog("methods", "templates") == before

    file = tmp_path / "mine.json"
    assert f"wrote {file}" in precog("methods", "export", "mine", "v1.0", "--to", str(file))
    assert "is here already, with the same content" in precog("methods", "import", str(file))
    content = json.loads(file.read_text())
    changed = {**content, "name": "theirs"}
    file.write_text(json.dumps(changed))
    assert f"theirs v1.0 is a draft (hash {first['config_hash']})" in precog(
        "methods", "import", str(file)
    )
    file.write_text(json.dumps({**changed, "risk_config": {"kelly": "0.2"}}))
    assert "the file was changed after its export" in precog("methods", "import", str(file), code=1)
    listed = json.loads(precog("methods", "list", "--status", "draft", "--json"))["methods"]
    assert len(listed) == 4


def test_what_does_not_exist_or_is_out_of_range_is_refused(all_databases: Database) -> None:
    with all_databases.transaction() as conn:
        season.create_league(conn)
        register_configured(conn)
    parts = ("--strategy", "pre_game", "--model", "nfl-xgboost")
    for arguments, message in (
        (("x", "--strategy", "nope", "--model", "nfl-xgboost"), "no strategy nope here"),
        (("x", "--strategy", "pre_game", "--model", "m@v9.9"), "no model m v9.9 here"),
        (("x", *parts, "--template", "bold"), "expected one of conservative, moderate"),
        (("x", *parts, "--set", "risk.kelly=0.9"), "risk.kelly is '0.9'"),
        (("x", *parts, "--set", "risk.nonsense=1"), "risk.nonsense"),
        (("x", *parts, "--set", "kelly=0.1"), "is no setting of a method"),
        (("x", *parts, "--set", "kelly"), "is no assignment"),
    ):
        assert message in precog("methods", "create", *arguments, code=1), arguments
    assert "there is no method x v1.0" in precog("methods", "export", "x", "v1.0", code=1)


@pytest.mark.requirement("METH-005", "METH-006", "VER-004")
def test_only_a_method_that_has_shown_enough_becomes_active_and_a_person_says_so(
    all_databases: Database,
) -> None:
    played(all_databases, (24, 17))
    said = precog("methods", "activate", "nfl_pre_game", "v1.0", "--notes", "go", code=1)
    assert "stays in testing" in said
    assert "1 finished paper trades (at least 10)" in said
    assert "strategy pre_game v1.0 is testing (active)" in said
    assert "paper return" not in said  # it is positive
    arguments = {"who": "ann", "notes": "go", "settings": EASY}
    with all_databases.transaction() as conn:
        make_parts_active(conn)
        conditions = move(conn, "nfl_pre_game", "v1.0", "active", **arguments)
        assert all(condition.passed for condition in conditions)
        row = one(conn, "methods", "method", name="nfl_pre_game", version="v1.0")
        assert row is not None
        assert row["status"] == "active"
        (listed,) = [
            m for m in rows(conn, "methods", "methods", status="active")
            if m["method_name"] == "nfl_pre_game"
        ]  # fmt: skip
        assert (listed["approved_by"], listed["notes"]) == ("ann", "go")
        assert conn.execute(
            "SELECT count(*) FROM alerts WHERE alert_type = 'lifecycle_change'"
        ).fetchone() == (1,)
        with pytest.raises(PrecogError, match="is active; only one in testing becomes draft"):
            move(conn, "nfl_pre_game", "v1.0", "draft", **arguments)
    said = precog("methods", "deprecate", "nfl_pre_game", "v1.0", "--notes", "enough")
    assert "is deprecated" in said
    assert "is deprecated; only one in draft becomes testing" in precog(
        "methods", "release", "nfl_pre_game", "v1.0", code=1
    )


@pytest.mark.requirement("METH-006")
def test_an_open_leak_alarm_keeps_a_method_from_live(all_databases: Database) -> None:
    played(all_databases, (24, 17))
    with all_databases.transaction() as conn:
        make_parts_active(conn)
        conn.execute(
            "INSERT INTO alerts (alert_type, severity, category, component, message, environment) "
            "VALUES ('leak_alarm', 'high', 'data', 'training', 'x', 'paper')"
        )
        with pytest.raises(PrecogError, match="1 open leak alarms"):
            move(conn, "nfl_pre_game", "v1.0", "active", who="a", notes="b", settings=EASY)


@pytest.mark.requirement("METH-011")
def test_a_method_that_loses_too_much_is_withdrawn_with_an_alert(all_databases: Database) -> None:
    played(all_databases, (17, 24), (17, 24), (24, 17))
    now = FIRST_SUNDAY + 21 * DAY
    rules = PromotionSettings(deprecate_trades=3)
    with all_databases.transaction() as conn:
        assert losers(conn, now, rules) == []  # only active methods are withdrawn
        make_parts_active(conn)
        conn.execute("UPDATE methods SET status = 'active' WHERE status = 'testing'")
        assert losers(conn, now, PromotionSettings()) == []  # too few trades
        assert losers(conn, now + 60 * DAY, rules) == []  # too long ago
        (loser,) = deprecate_losers(conn, now, rules)
        # Bought three times at about 0.50: one dollar back for three halves is a third lost.
        assert loser.trades == 3
        assert -0.45 < loser.roi < -0.3
        assert "is below -10 %" in loser.reason
        status = one(conn, "methods", "method", name="nfl_pre_game", version="v1.0")
        assert status is not None
        assert status["status"] == "deprecated"
        alert = conn.execute(
            "SELECT message, severity FROM alerts WHERE alert_type = 'lifecycle_change'"
        ).fetchone()
        assert alert is not None
        assert "nfl_pre_game v1.0 was withdrawn: return -" in alert[0]
        assert deprecate_losers(conn, now, rules) == []


@pytest.mark.requirement("METH-015", "METH-007")
def test_the_record_of_a_method_is_a_recount_of_the_ledger(all_databases: Database) -> None:
    played(all_databases, (17, 24), (24, 17), (24, 17))
    (method,) = [
        m for m in json.loads(precog("methods", "list", "--json"))["methods"]
        if m["method_name"] == "nfl_pre_game"
    ]  # fmt: skip
    with all_databases.connection() as conn:
        positions = conn.execute(
            "SELECT p.position_id, p.realized_pnl, p.original_quantity * p.entry_price FROM "
            "positions AS p JOIN methods AS m USING (method_id) WHERE method_name = 'nfl_pre_game'"
        ).fetchall()
        nameless = conn.execute("SELECT count(*) FROM trades WHERE method_id IS NULL").fetchone()
    net = sum(row[1] for row in positions)
    cost = sum(row[2] for row in positions)
    assert nameless == (0,)
    assert method["total_trades"] == len(positions) == 3
    assert Decimal(method["net_pnl"]) == net
    assert Decimal(method["win_rate"]) == Decimal("0.6667")
    assert abs(Decimal(method["paper_roi"]) - net / cost) < Decimal("0.000001")
    assert "none" in precog("methods", "compare")


@pytest.mark.requirement("METH-007")
def test_methods_are_compared_by_their_newest_backtests(all_databases: Database) -> None:
    """The newest completed run of each counts, named runs may be older ones, and runs over other
    games are told apart from those over the same."""
    played(all_databases, (17, 24), (24, 17), (24, 17), (17, 24))
    parts = ("--strategy", "pre_game", "--model", "nfl-xgboost", "--template", "conservative")
    precog("methods", "create", "careful", *parts)
    begin, end = FIRST_SUNDAY - 3 * DAY, FIRST_SUNDAY + 60 * DAY
    refused = precog("methods", "compare", "--environment", "backtest", code=1)
    assert "two completed backtests, there is 0" in refused
    old = run_backtest(
        all_databases, Request("nfl_pre_game", "nfl", begin, FIRST_SUNDAY + 8 * DAY)
    ).backtest_run_id
    assert "method careful has no completed backtest" in precog(
        "methods", "compare", "careful", "nfl_pre_game", "--environment", "backtest", code=1
    )
    runs = [
        run_backtest(all_databases, Request(name, "nfl", begin, end)).backtest_run_id
        for name in ("careful", "nfl_pre_game")
    ]
    newest = ("methods", "compare", "careful", "nfl_pre_game", "--environment", "backtest")
    (pair,) = json.loads(precog(*newest, "--json"))["pairs"]
    assert [pair["run_a"], pair["run_b"]] == runs and pair["same_games"]
    assert (pair["a"], pair["b"]) == ("careful v1.0", "nfl_pre_game v1.0")
    assert (pair["n_a"], pair["n_b"]) == (4, 4)
    with all_databases.connection() as conn:
        roi = [
            conn.execute(
                "SELECT sum(realized_pnl) / sum(original_quantity * entry_price) FROM positions "
                "WHERE backtest_run_id = %s", (run,),
            ).fetchone()[0]  # type: ignore[index]
            for run in runs
        ]  # fmt: skip
    assert abs(Decimal(pair["roi_difference"]) - (roi[0] - roi[1])) < Decimal("0.000001")
    assert pair["verdict"] == "cannot be told apart"
    swapped = precog("methods", "compare", "--run", str(runs[1]), "--run", str(old), "--json")
    (pair,) = json.loads(swapped)["pairs"]
    assert (pair["run_a"], pair["run_b"], pair["n_a"]) == (runs[1], old, 4)
    assert pair["n_b"] == 2 and not pair["same_games"]
    assert "other periods" in precog("methods", "compare", "--run", str(old), "--run", str(runs[0]))
    assert "run 99 is not there" in precog("methods", "compare", "--run", "99", code=1)
    assert "no method nobody" in precog("methods", "compare", "nobody", code=1)


@pytest.mark.requirement("METH-011")
def test_methods_are_reviewed_every_morning(all_databases: Database) -> None:
    assert daily_method_review.default_status is dg.DefaultScheduleStatus.RUNNING
    result = review_methods.execute_in_process(resources={"postgres": PostgresResource()})
    assert result.output_for_node("withdraw_losers") == 0


def test_every_model_is_listed_with_its_last_fit(all_databases: Database) -> None:
    assert "none" in precog("models", "list")
    with all_databases.transaction() as conn:
        season.create_league(conn)
    (model,) = json.loads(precog("models", "list", "--json"))["models"]
    assert (model["model_name"], model["status"], model["predictions"]) == (
        "nfl-xgboost", "testing", 0,
    )  # fmt: skip
    assert model["mlflow_run_id"] == f"run-{model['model_id']}"
    assert "nfl-xgboost v1.0" in precog("models", "list", "--league", "nfl")
    assert "none" in precog("models", "list", "--league", "nba")
