"""Numbers stay exact, sets stay closed, and a fact that cannot be is not stored."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import errors

if TYPE_CHECKING:
    from tests.database.schema.conftest import Rows

NOW = datetime(2026, 9, 14, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)


SEVERITIES = "critical high medium low"
EXITS = (
    "stop_loss circuit_breaker trailing_stop time_based_urgent liquidity_dried_up profit_target "
    "partial_exit_target early_exit edge_disappeared rebalance"
)
ENTITIES = "team game market player"
LIFE = "draft testing active deprecated"

CLOSED_SETS = {
    "platforms.platform_type": "trading data_source hybrid",
    "platforms.venue_environment": "prod demo none",
    "platforms.status": "active inactive maintenance",
    "events.status": "scheduled live final canceled postponed",
    "markets.market_type": "binary scalar categorical",
    "strategies.strategy_type": "entry exit sizing hedging",
    "strategies.status": "draft testing active inactive deprecated",
    "probability_models.model_type": "elo regression ml ensemble matrix",
    "probability_models.status": LIFE,
    "methods.status": LIFE,
    "positions.execution_environment": "backtest paper demo live",
    "positions.side": "yes no",
    "positions.status": "open closed settled",
    "positions.trailing_stop_type": "percentage fixed atr",
    "positions.exit_reason": EXITS + " settlement manual",
    "positions.exit_priority": SEVERITIES,
    "trades.execution_environment": "backtest paper demo live",
    "trades.trade_source": "automated manual",
    "trades.action": "buy sell",
    "trades.side": "yes no",
    "trades.confidence_at_execution": "high medium low",
    "alerts.severity": SEVERITIES,
    "alerts.category": "risk system trading data",
    "alerts.environment": "backtest paper demo live",
    "alerts.resolution_action": "fixed false_positive ignored escalated",
    "games.game_type": "preseason regular postseason exhibition",
    "games.status": "scheduled live final postponed suspended canceled",
    "market_attributes.status": "unopened open paused closed determined disputed settled",
    "market_snapshots.write_reason": "price volume heartbeat decision",
    "market_trades.taker_side": "yes no",
    "fee_schedules.fee_type": "quadratic quadratic_with_maker_fees"
    " quadratic_with_combo_maker_fees flat",
    "game_states.status": "scheduled pregame live halftime delayed suspended postponed canceled"
    " final",
    "game_states.possession": "home away",
    "feature_definitions.entity_type": ENTITIES,
    "feature_definitions.data_type": "float int boolean categorical",
    "feature_definitions.status": "draft active deprecated",
    "features_historical.entity_type": ENTITIES,
    "training_datasets.label": "home_win score_margin",
    "model_training_runs.status": "running completed failed canceled",
    "model_evaluations.scope": "cv walk_forward holdout live",
    "model_evaluations.baseline": "home_rate elo market",
}

# Numbers and sets


@pytest.mark.requirement("DB-007", "ALERT-002")
def test_every_closed_set_is_the_one_specified(rows: "Rows") -> None:
    checks = rows.conn.execute(
        "SELECT k.conrelid::REGCLASS || '.' || a.attname, pg_get_constraintdef(k.oid)"
        " FROM pg_constraint AS k"
        " JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]"
        " WHERE k.contype = 'c' AND cardinality(k.conkey) = 1"
        " AND pg_get_constraintdef(k.oid) LIKE '%%ANY (ARRAY%%''::text%%'"
    ).fetchall()
    found = {column: set(re.findall(r"'(\w+)'", check)) for column, check in checks}
    tables = {column.split(".")[0] for column in CLOSED_SETS}
    assert {column: found[column] for column in found if column.split(".")[0] in tables} == {
        column: set(values.split()) for column, values in CLOSED_SETS.items()
    }


@pytest.mark.requirement("DB-003", "SYS-003")
@pytest.mark.parametrize("price", ["0.4275", "0.0001", "0.987654", "0", "1"])
def test_prices_return_exactly_as_they_were_stored(rows: "Rows", price: str) -> None:
    market = rows.market()
    rows.quote(market, NOW, yes_bid=price, yes_ask=None)
    stored = rows.one("SELECT yes_bid FROM market_snapshots WHERE market_id = %s", market)
    assert isinstance(stored, Decimal)
    assert stored == Decimal(price)


@pytest.mark.requirement("DB-003")
@pytest.mark.parametrize("probability", ["0.4275", "0.0001"])
def test_probabilities_return_exactly_as_they_were_stored(rows: "Rows", probability: str) -> None:
    prediction = rows.prediction(p_home=probability)
    stored = rows.one("SELECT p_home FROM predictions WHERE prediction_id = %s", prediction)
    assert stored == Decimal(probability)


def test_kinds_of_numbers_have_one_type_each(rows: "Rows") -> None:
    def type_of(table: str, column: str) -> str:
        return rows.one(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::REGCLASS AND attname = %s",
            table,
            column,
        )

    assert type_of("positions", "entry_price") == "numeric(12,6)"
    assert type_of("trades", "edge_at_execution") == "numeric(12,6)"
    assert type_of("predictions", "p_home") == "numeric(10,4)"
    assert type_of("positions", "realized_pnl") == "numeric(18,6)"
    assert type_of("positions", "unrealized_pnl_pct") == "numeric(14,4)"
    assert type_of("trades", "quantity") == "numeric(14,2)"
    assert type_of("features_historical", "feature_value") == "double precision"


@pytest.mark.requirement("SYS-003")
def test_no_money_column_is_a_float(rows: "Rows") -> None:
    floats = rows.conn.execute(
        "SELECT c.relname, a.attname"
        " FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'public'::REGNAMESPACE AND c.relkind IN ('r', 'p')"
        " AND a.attnum > 0 AND a.atttypid IN ('real'::REGTYPE, 'double precision'::REGTYPE)"
    ).fetchall()
    assert {table for table, _ in floats} == {
        "features_historical", "model_evaluations", "elo_rating_history",
    }  # fmt: skip


@pytest.mark.requirement("DB-003")
@pytest.mark.parametrize("price", ["-0.01", "1.01"])
def test_a_price_outside_zero_and_one_is_refused(rows: "Rows", price: str) -> None:
    market = rows.market()
    with rows.refused(errors.CheckViolation):
        rows.quote(market, NOW, yes_bid=price)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("side", "YES"),
        ("execution_environment", "production"),
        ("status", "done"),
        ("trailing_stop_type", "magic"),
        ("exit_priority", "urgent"),
    ],
)
def test_a_value_outside_a_closed_set_is_refused(rows: "Rows", column: str, value: str) -> None:
    with rows.refused(errors.CheckViolation):
        rows.position(**{column: value})


def test_a_position_has_no_default_environment(rows: "Rows") -> None:
    with rows.refused(errors.NotNullViolation):
        rows.position(execution_environment=None)


@pytest.mark.requirement("DB-007")
def test_an_unknown_code_of_an_open_set_is_stored_as_unknown(rows: "Rows") -> None:
    rows.insert("sports", code="chess", description="met in data", is_known=False)
    assert rows.one("SELECT is_known FROM sports WHERE code = 'chess'") is False


def test_the_seeds_let_nfl_and_nba_trade(rows: "Rows") -> None:
    found = rows.conn.execute(
        "SELECT league FROM leagues WHERE trading_enabled ORDER BY league"
    ).fetchall()
    assert found == [("nba",), ("nfl",)]
    assert rows.one("SELECT count(*) FROM components WHERE code = 'test_component'") == 1


def test_the_seeded_fees_are_those_of_a_quadratic_taker(rows: "Rows") -> None:
    found = rows.conn.execute(
        "SELECT platform_id, fee_type, taker_rate, maker_rate, multiplier, rounding_increment"
        " FROM fee_schedules WHERE series_id IS NULL AND event_id IS NULL ORDER BY platform_id"
    ).fetchall()
    terms = ("quadratic", Decimal("0.07"), Decimal(0), Decimal(1), Decimal("0.0001"))
    assert found == [("closing_line", *terms), ("simulated", *terms)]


@pytest.mark.requirement("METH-014")
def test_the_templates_differ_in_kelly_cap_and_target(rows: "Rows") -> None:
    found = rows.conn.execute(
        "SELECT template_name, risk_config -> 'sizing' ->> 'kelly',"
        " risk_config -> 'caps' ->> 'position_usd',"
        " position_mgmt_config -> 'exit' -> 'profit_target' ->> 'high'"
        " FROM method_templates ORDER BY template_id"
    ).fetchall()
    assert found == [
        ("conservative", "0.15", "500", "0.15"),
        ("moderate", "0.20", "750", "0.20"),
        ("aggressive", "0.25", "1000", "0.30"),
    ]


# Facts


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "final"},
        {"home_score": 21, "away_score": 14, "result_known_at": NOW + 4 * HOUR},
        {"status": "final", "home_score": -1, "away_score": 3, "result_known_at": NOW + 4 * HOUR},
        {"status": "final", "home_score": 7, "away_score": 3, "result_known_at": NOW - HOUR},
    ],
    ids=["final without result", "result before final", "negative score", "known before kickoff"],
)
def test_an_impossible_game_is_refused(rows: "Rows", wrong: dict[str, Any]) -> None:
    with rows.refused(errors.CheckViolation):
        rows.game(**wrong)


def test_a_team_does_not_play_itself(rows: "Rows") -> None:
    team = rows.insert("teams", league="nfl", team_code="X", name="X")
    with rows.refused(errors.CheckViolation):
        rows.game(home_team_id=team, away_team_id=team)


@pytest.mark.requirement("PIT-001")
def test_nothing_is_known_before_it_happened(rows: "Rows") -> None:
    market = rows.market()
    with rows.refused(errors.CheckViolation):
        rows.quote(market, NOW, known_at=NOW - HOUR)
    with rows.refused(errors.CheckViolation):
        rows.insert("market_candles", market_id=market, period_s=60, bar_end_ts=NOW,
            known_at=NOW - HOUR,
        )  # fmt: skip
    with rows.refused(errors.CheckViolation):
        rows.prediction(known_at=NOW - 2 * HOUR)


@pytest.mark.requirement("PIT-006")
def test_a_prediction_cannot_use_results_later_than_its_inputs(rows: "Rows") -> None:
    with rows.refused(errors.CheckViolation):
        rows.prediction(trained_until=NOW)


@pytest.mark.requirement("DB-006")
def test_a_row_that_is_referenced_cannot_be_deleted(rows: "Rows") -> None:
    rows.game()
    with rows.refused(errors.IntegrityError):
        rows.conn.execute("DELETE FROM teams")


def test_updated_at_is_the_time_of_the_change(rows: "Rows") -> None:
    rows.game()
    rows.conn.execute("UPDATE games SET week = 2, updated_at = '2000-01-01'")
    assert rows.one("SELECT updated_at = now() FROM games") is True
