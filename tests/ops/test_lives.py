"""`precog strategies` and `precog models`: the gates to live, through to an active method."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_pipelines.training.life import LiveGate, SettledGame, market_gate
from precog_trading.config_exits import PromotionSettings
from precog_trading.methods.strategies import drawdown, move
from precog_trading.tick.runner import run_pending
from tests.ops.test_methods import precog
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE

DAY = 24 * HOUR
WHY = ("--reason", "it earned it", "--by", "ann")


def played(db: Database, weeks: int = 3) -> None:
    """KC wins at home each week, bought on paper at 0.50, predicted twice; it closes at 0.60.

    The venue's price of each game is stored as well, so that the model has a market beside it.
    """
    with db.transaction() as conn:
        league = season.create_league(conn)
        games = []
        for week in range(weeks):
            kickoff = FIRST_SUNDAY + 7 * week * DAY
            game = season.add_game(conn, league, kickoff, "KC", "BUF", (24, 17))
            season.add_prediction(conn, league, game, "0.62")
            season.add_prediction(conn, league, game, "0.64", at=kickoff - HOUR)
            season.add_quote(conn, game.home, kickoff - 2 * HOUR, "0.49", "0.50")
            season.add_quote(conn, game.home, kickoff - 5 * MINUTE, "0.59", "0.60")
            games.append(game)
    run_pending(db)
    with db.transaction() as conn:
        (series,) = conn.execute(
            "INSERT INTO series (platform_id, series_ticker, category, league, title, frequency) "
            "VALUES ('kalshi', 'KXNFLGAME', 'sports', 'nfl', 'NFL', 'weekly') RETURNING series_id"
        ).fetchone() or (0,)
        for game in games:
            (market,) = conn.execute(
                "WITH e AS (INSERT INTO events (platform_id, series_id, event_ticker, title, "
                "start_at, game_id) VALUES ('kalshi', %s, %s, 'x', %s, %s) RETURNING event_id) "
                "INSERT INTO markets (platform_id, event_id, ticker, market_type, yes_team_id) "
                "SELECT 'kalshi', event_id, %s, 'binary', %s FROM e RETURNING market_id",
                (series, f"KX{game.game_id}", game.kickoff, game.game_id, f"KX{game.game_id}-KC",
                 league.teams["KC"]),
            ).fetchone() or (0,)  # fmt: skip
            at = game.kickoff - 2 * HOUR
            season.add_quote(conn, market, at, "0.53", "0.55", source="recorded")
            # After the decision, and a better forecast: it must not be what the model is held to.
            season.add_quote(conn, market, game.kickoff - MINUTE, "0.90", "0.92", source="recorded")


@pytest.mark.requirement("VER-004", "METH-005", "METH-006")
def test_strategy_model_and_method_become_active_once_each_has_shown_enough(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(all_databases)
    said = precog("strategies", "activate", "pre_game", "v1.0", *WHY, code=1)
    assert "strategy pre_game v1.0 stays testing: 3 finished paper trades (at least 50)" in said
    assert "14.2 days from the first entry to the last result (at least 60)" in said
    assert "closing-line value" not in said  # it is positive, as are the rest
    said = precog("models", "activate", "nfl-xgboost", "v1.0", *WHY, code=1)
    assert "stays testing: 3 settled predictions beside the venue's price" in said
    assert "(at least 100); over 14.0 days (at least 30)" in said
    said = precog("methods", "activate", "nfl_pre_game", "v1.0", *WHY, code=1)
    assert "strategy pre_game v1.0 is testing (active); model nfl-xgboost v1.0 is testing" in said

    for key, allowed in (("strategy_trades", 3), ("strategy_days", 14), ("model_predictions", 3),
                         ("model_days", 14), ("method_trades", 3)):  # fmt: skip
        monkeypatch.setenv(f"PRECOG__TRADING__PROMOTION__{key.upper()}", str(allowed))
    done = json.loads(precog("strategies", "activate", "pre_game", "v1.0", *WHY, "--json"))
    assert (done["before"], done["status"], done["by"]) == ("testing", "active", "ann")
    assert all(each["passed"] for each in done["conditions"])
    assert any("mean closing-line value +0." in each["text"] for each in done["conditions"])
    said = precog("models", "activate", "nfl-xgboost", "v1.0", *WHY)
    assert "passed: Brier 0.1296 against 0.2116 of the market (below it); P(better) 1.000" in said
    assert "nfl-xgboost v1.0 is active" in said
    assert "nfl_pre_game v1.0 is active" in precog(
        "methods", "activate", "nfl_pre_game", "v1.0", *WHY
    )
    (listed,) = json.loads(precog("strategies", "list", "--status", "active", "--json"))[
        "strategies"
    ]
    assert (listed["approved_by"], listed["notes"]) == ("ann", "it earned it")
    assert listed["paper_trades"] == 3
    with all_databases.connection() as conn:
        told = {row[0] for row in conn.execute("SELECT message FROM alerts").fetchall()}
    assert "strategy pre_game v1.0 is active: it earned it (ann)" in told
    assert "model nfl-xgboost v1.0 is active: it earned it (ann)" in told

    said = precog("strategies", "deactivate", "pre_game", "v1.0", *WHY)
    assert "these methods enter no more with it: " in said
    assert "nfl_pre_game v1.0" in said
    assert "is active" in precog("strategies", "activate", "pre_game", "v1.0", *WHY)
    assert "is deprecated" in precog("strategies", "deprecate", "pre_game", "v1.0", *WHY)
    assert "is deprecated; only one in testing or inactive becomes active" in precog(
        "strategies", "activate", "pre_game", "v1.0", *WHY, code=1
    )
    said = json.loads(precog("models", "deprecate", "nfl-xgboost", "v1.0", *WHY, "--json"))
    assert "nfl_pre_game v1.0" in said["methods"]
    assert "only one in testing becomes active" in precog(
        "models", "activate", "nfl-xgboost", "v1.0", *WHY, code=1
    )


@pytest.mark.requirement("VER-004")
def test_a_step_names_what_is_wrong_with_it(db: Database) -> None:
    """An unknown version, a step off the path, no person; an alarm and a drawdown refuse."""
    from tests.ops.test_methods import played as lost_and_won

    lost_and_won(db, (17, 24), (24, 17))
    easy = PromotionSettings(
        strategy_trades=1, strategy_days=1, strategy_drawdown=Decimal("0.0001")
    )
    step = {"who": "ann", "reason": "go", "settings": easy, "cash": Decimal(10000)}
    with db.transaction() as conn:
        conn.execute(
            "INSERT INTO alerts (alert_type, severity, category, component, message, environment) "
            "VALUES ('leak_alarm', 'high', 'data', 'training', 'x', 'paper')"
        )
        for name, to, message in (
            ("pre_game v9.9", "active", r"there is no strategy pre_game v9.9; it has v1.0"),
            ("nope v1.0", "active", "`precog strategies list` has them"),
            ("pre_game v1.0", "inactive", "is testing; only one in active becomes inactive"),
            ("pre_game v1.0", "active", r"mean closing-line value -.*over 2 entries"),
            ("pre_game v1.0", "active", r"drawdown \d\.\d\d % of 10,000 dollars"),
            ("pre_game v1.0", "active", r"1 open leak alarms \(none\)"),
        ):
            with pytest.raises(PrecogError, match=message):
                move(conn, *name.split(), to, **step)
        with pytest.raises(PrecogError, match="needs a person and a reason"):
            move(conn, "pre_game", "v1.0", "active", **{**step, "reason": " "})
        assert move(conn, "pre_game", "v1.0", "draft", **step).status == "draft"
        assert move(conn, "pre_game", "v1.0", "testing", **step).status == "testing"


def test_the_deepest_fall_is_measured_from_the_highest_point() -> None:
    assert drawdown([], Decimal(100)) == 0
    results = [Decimal(value) for value in (-10, 60, -30, -15, 40)]
    assert drawdown(results, Decimal(100)) == Decimal(45) / 150


def _games(model: float, market: float | None, n: int = 120, share: float = 0.7) -> list:
    """``n`` games a day apart, won with ``share``, alternately in the home team's favour."""
    return [
        SettledGame(
            datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number),
            model if number % 2 else 1 - model,
            int((number * 7919 % 100 < 100 * share) == bool(number % 2)),
            None if market is None else market if number % 2 else 1 - market,
        )
        for number in range(n)
    ]


@pytest.mark.requirement("VER-004")
def test_s13_the_model_gate_looks_at_the_market_and_at_calibration() -> None:
    def failed(games: list) -> str:
        return "; ".join(each.text for each in market_gate(games, LiveGate()) if not each.passed)

    assert failed(_games(0.7, 0.55)) == ""
    assert "0 settled predictions beside" in failed(_games(0.7, None))
    assert "99 settled predictions beside" in failed(_games(0.7, 0.55, n=99))
    worse = failed(_games(0.55, 0.7))
    assert "Brier" in worse
    assert "log loss" in worse
    # As good as the market is not better than it.
    assert "P(better) 0.000" in failed(_games(0.7, 0.7))
    overconfident = failed(_games(0.97, 0.30))
    assert "calibration error" in overconfident
    assert "2 bins of 30 games or more outside" in overconfident
