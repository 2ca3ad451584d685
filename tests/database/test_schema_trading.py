"""What the trading tables refuse, as the superuser, and what their triggers write by themselves."""

import re
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import errors

from precog_core.database import Database

if TYPE_CHECKING:
    from tests.database.conftest import World

DECIDED = datetime(2019, 12, 29, 16, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

EXITS = (
    "stop_loss circuit_breaker trailing_stop time_based_urgent liquidity_dried_up profit_target "
    "partial_exit_target early_exit edge_disappeared rebalance"
)
ENVIRONMENTS = "backtest paper demo live"
SEVERITIES = "critical high medium low"
ORDER_STATUSES = "intent sent resting filled canceled rejected unknown"
RUN_TABLES = [
    "edges", "decisions", "orders", "fills", "trades", "positions", "position_exits",
    "exit_attempts", "account_balance", "account_ledger", "circuit_breaker_events",
    "trading_controls",
]  # fmt: skip

CLOSED_SETS = {
    "edges.side": "yes no",
    "edges.confidence_level": "high medium low",
    "edges.recommended_action": "auto_execute alert ignore",
    "decisions.side": "yes no",
    "decisions.purpose": "entry exit",
    "decisions.exit_condition": EXITS,
    "decisions.outcome": "taken skipped",
    "orders.purpose": "entry exit",
    "orders.exit_condition": EXITS + " manual",
    "orders.action": "buy sell",
    "orders.side": "yes no",
    "orders.time_in_force": "gtc ioc fok",
    "orders.status": ORDER_STATUSES,
    "order_events.from_status": ORDER_STATUSES,
    "order_events.to_status": ORDER_STATUSES,
    "fills.action": "buy sell",
    "fills.side": "yes no",
    "position_exits.exit_condition": EXITS,
    "position_exits.exit_priority": SEVERITIES,
    "exit_attempts.exit_condition": EXITS,
    "exit_attempts.exit_priority": SEVERITIES,
    "exit_attempts.order_style": "market limit",
    "settlements.stage": "determined amended finalized",
    "settlements.outcome": "yes no scalar",
    "account_balance.source": "venue ledger",
    "account_ledger.entry_type": "deposit withdrawal purchase sale fee settlement rebate rounding"
    " adjustment reversal",
    "reconciliation_runs.execution_environment": ENVIRONMENTS,
    "reconciliation_runs.status": "running clean repaired mismatch failed",
    "backtest_runs.execution_environment": ENVIRONMENTS,
    "backtest_runs.status": "running completed failed canceled",
    "notification_deliveries.channel": "console file database email sms slack webhook",
    "notification_deliveries.status": "sent failed skipped",
    "circuit_breaker_events.action": "exits_only halted close_all",
    "trading_controls.scope": "global platform league strategy market",
    "trading_controls.state": "running exits_only halted",
    "trading_controls.set_by_kind": "person system",
    "system_health.status": "healthy degraded down",
    "config_overrides.data_type": "decimal int bool string json",
} | {f"{table}.execution_environment": ENVIRONMENTS for table in RUN_TABLES}


@pytest.mark.requirement("DB-007")
def test_every_closed_set_of_the_trading_tables_is_the_one_specified(world: "World") -> None:
    found = {}
    for table, column, check in world.all(
        "SELECT k.conrelid::REGCLASS::TEXT, a.attname, pg_get_constraintdef(k.oid)"
        " FROM pg_constraint AS k JOIN pg_attribute AS a"
        "   ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]"
        " WHERE k.contype = 'c' AND pg_get_constraintdef(k.oid) LIKE '%%ANY (ARRAY[%%'"
    ):
        found[f"{table}.{column}"] = set(re.findall(r"'(\w+)'::text", check))
    assert {key: found.get(key) for key in CLOSED_SETS} == {
        key: set(values.split()) for key, values in CLOSED_SETS.items()
    }


def test_no_environment_has_a_default(world: "World") -> None:
    rows = world.all(
        "SELECT table_name FROM information_schema.columns"
        " WHERE column_name = 'execution_environment' AND table_schema = 'public'"
        " AND (column_default IS NOT NULL OR is_nullable = 'YES')"
        " AND table_name IN (SELECT tablename FROM pg_tables)"
    )
    assert rows == []


# Edges


def test_an_edge_is_probability_minus_price_minus_fee_to_the_last_digit(world: "World") -> None:
    edge = world.edge()
    assert world.one("SELECT expected_value FROM edges WHERE edge_id = %s", edge) == Decimal(
        "0.0825"
    )
    with pytest.raises(errors.CheckViolation, match="ck_edges_expected_value_identity"):
        world.edge(edge_key="other", expected_value="0.082501")
    with pytest.raises(errors.CheckViolation, match="ck_edges_fee_sign"):
        world.edge(edge_key="other", fee="-0.01", expected_value="0.11")


def revalue(world: "World", at: datetime, probability: str, value: str) -> None:
    """What every writer of a history does: lock, close, insert, with one timestamp."""
    with world.conn.transaction():
        world.conn.execute("SELECT edge_id FROM edges WHERE row_current_ind FOR UPDATE")
        world.conn.execute(
            "UPDATE edges SET row_end_ts = %s, row_current_ind = false WHERE row_current_ind", (at,)
        )
        world.conn.execute(
            "INSERT INTO edges (execution_environment, edge_key, market_id, side, model_id,"
            " prediction_id, calculation_run_id, true_win_probability, market_implied_probability,"
            " market_price, fee, expected_value, recommended_action, event_ts, known_at,"
            " row_start_ts)"
            " SELECT execution_environment, edge_key, market_id, side, model_id, prediction_id,"
            " 'later', %s, market_implied_probability, market_price, fee, %s, recommended_action,"
            " %s, %s, %s FROM edges ORDER BY row_start_ts DESC LIMIT 1",
            (probability, value, at, at, at),
        )


@pytest.mark.requirement("DB-002")
def test_a_revalued_edge_keeps_its_history_without_gap_or_overlap(world: "World") -> None:
    world.edge()
    revalue(world, DECIDED + MINUTE, "0.6100", "0.0925")
    revalue(world, DECIDED + 2 * MINUTE, "0.5900", "0.0725")
    assert world.all(
        "SELECT expected_value, row_start_ts, row_end_ts FROM edges ORDER BY row_start_ts"
    ) == [
        (Decimal("0.0825"), DECIDED, DECIDED + MINUTE),
        (Decimal("0.0925"), DECIDED + MINUTE, DECIDED + 2 * MINUTE),
        (Decimal("0.0725"), DECIDED + 2 * MINUTE, None),
    ]
    assert world.all("SELECT true_win_probability, ticker FROM current_edges") == [
        (Decimal("0.5900"), "M1")
    ]
    with pytest.raises(errors.RestrictViolation):
        world.conn.execute("UPDATE edges SET expected_value = 0.1 WHERE row_current_ind")
    with pytest.raises(errors.UniqueViolation):
        world.edge(row_start_ts=DECIDED + 3 * MINUTE)


def test_one_edge_key_may_be_current_once_in_paper_and_once_per_backtest(world: "World") -> None:
    strategy, model = world.strategy(), world.model()
    prediction = world.prediction(model)
    for run in (None, world.backtest(strategy, model), world.backtest(strategy, model)):
        world.edge(
            model_id=model,
            prediction_id=prediction,
            execution_environment="backtest" if run else "paper",
            backtest_run_id=run,
        )
    assert world.one("SELECT count(*) FROM current_edges") == 3


@pytest.mark.requirement("DB-002")
def test_only_a_running_backtest_inserts_closed_edges_and_only_in_order(world: "World") -> None:
    strategy, model = world.strategy(), world.model()
    run = world.backtest(strategy, model)
    later = DECIDED + MINUTE
    closed = {"row_start_ts": DECIDED, "row_end_ts": later, "row_current_ind": False}
    shared = {
        "model_id": model, "prediction_id": world.prediction(model),
        "execution_environment": "backtest", "backtest_run_id": run,
    }  # fmt: skip
    with pytest.raises(errors.CheckViolation, match="inserted as current"):
        world.edge(**closed)
    world.edge(**shared, **closed)
    with pytest.raises(errors.CheckViolation, match="before its predecessor ended"):
        world.edge(**shared, **{**closed, "row_start_ts": DECIDED + MINUTE / 2})
    world.edge(**shared, row_start_ts=later)
    with pytest.raises(errors.CheckViolation, match="comes after the current one"):
        world.edge(**shared, row_start_ts=later + MINUTE, row_end_ts=later + 2 * MINUTE,
                   row_current_ind=False)  # fmt: skip
    world.conn.execute("UPDATE backtest_runs SET status = 'completed', completed_at = now()")
    with pytest.raises(errors.CheckViolation, match="inserted as current"):
        world.edge(**shared, **closed, edge_key="other")


# Two writers of one balance


@pytest.mark.requirement("DB-002")
def test_two_concurrent_writers_leave_one_current_balance(
    db: Database, committed_world: "World"
) -> None:
    """Each adds 1 dollar 20 times; the lock on the current row makes them take turns."""
    committed_world.insert(
        "account_balance", platform_id="simulated", execution_environment="paper", balance=1000,
        source="ledger", event_ts=DECIDED, known_at=DECIDED, row_start_ts=DECIDED,
    )  # fmt: skip
    failures: list[BaseException] = []

    def deposit_twenty() -> None:
        try:
            for _ in range(20):
                with db.transaction() as conn:
                    current = None
                    while current is None:
                        # A writer that waited finds the row closed and looks again.
                        current = conn.execute(
                            "SELECT balance_id, balance FROM account_balance"
                            " WHERE row_current_ind FOR UPDATE"
                        ).fetchone()
                    at = conn.execute("SELECT clock_timestamp()").fetchone()
                    assert at is not None
                    conn.execute(
                        "UPDATE account_balance SET row_end_ts = %s, row_current_ind = false"
                        " WHERE balance_id = %s",
                        (at[0], current[0]),
                    )
                    conn.execute(
                        "INSERT INTO account_balance (platform_id, execution_environment, balance,"
                        " source, event_ts, known_at, row_start_ts)"
                        " VALUES ('simulated', 'paper', %s, 'ledger', %s, %s, %s)",
                        (current[1] + 1, at[0], at[0], at[0]),
                    )
        except BaseException as failure:
            failures.append(failure)
            raise

    writers = [threading.Thread(target=deposit_twenty) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert committed_world.all("SELECT balance FROM current_balances") == [(Decimal(1040),)]
    assert committed_world.one("SELECT count(*) FROM account_balance") == 41
    assert (
        committed_world.one(
            "SELECT count(*) FROM account_balance AS a JOIN account_balance AS b"
            " ON b.row_start_ts = a.row_end_ts AND b.balance = a.balance + 1"
        )
        == 40
    )


def test_of_two_first_balances_of_one_account_one_is_refused(
    db: Database, committed_world: "World"
) -> None:
    values = (
        "INSERT INTO account_balance (platform_id, execution_environment, balance, source,"
        " event_ts, known_at, row_start_ts)"
        " VALUES ('simulated', 'paper', 1, 'ledger', now(), now(), now())"
    )
    outcomes: list[str] = []

    def second() -> None:
        try:
            with db.transaction() as conn:
                conn.execute(values)  # waits for the first, which is not committed
            outcomes.append("stored")
        except errors.UniqueViolation:
            outcomes.append("refused")

    with committed_world.conn.transaction():
        committed_world.conn.execute(values)
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        assert outcomes == []
    thread.join()
    assert outcomes == ["refused"]
    with pytest.raises(errors.CheckViolation):
        committed_world.insert(
            "account_balance", platform_id="kalshi", execution_environment="paper",
            balance="-0.01", source="ledger", event_ts=DECIDED, known_at=DECIDED,
            row_start_ts=DECIDED,
        )  # fmt: skip


# Runs


@pytest.mark.parametrize("table", RUN_TABLES)
def test_a_row_names_a_backtest_exactly_when_it_is_one(world: "World", table: str) -> None:
    assert world.all(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s",
        f"ck_{table}_execution_environment_backtest_run_id",
    ) == [("CHECK (((execution_environment = 'backtest'::text) = (backtest_run_id IS NOT NULL)))",)]


@pytest.mark.requirement("LEDGER-010")
def test_paper_money_and_backtests_never_mix(world: "World") -> None:
    run = world.backtest(world.strategy(), world.model())
    makers: list[Any] = [world.decision, world.position, world.fill, world.trade]
    for make in makers:
        with pytest.raises(errors.CheckViolation, match="execution_environment_backtest_run_id"):
            make(execution_environment="paper", backtest_run_id=run)
        with pytest.raises(errors.CheckViolation, match="execution_environment_backtest_run_id"):
            make(execution_environment="backtest")
        assert make(execution_environment="backtest", backtest_run_id=run) is not None


def test_a_finished_backtest_is_frozen(world: "World") -> None:
    run = world.backtest(world.strategy(), world.model())
    world.conn.execute("UPDATE backtest_runs SET status = 'completed', total_pnl = 12.5")
    with pytest.raises(errors.RestrictViolation):
        world.conn.execute("UPDATE backtest_runs SET total_pnl = 1000")
    with pytest.raises(errors.RestrictViolation):
        world.conn.execute("DELETE FROM backtest_runs")
    assert world.one("SELECT total_pnl FROM backtest_runs WHERE backtest_run_id = %s", run) == (
        Decimal("12.5")
    )
    with pytest.raises(errors.CheckViolation, match="is_backtest"):
        world.conn.execute(
            "INSERT INTO backtest_runs (run_name, execution_environment, strategy_id, model_id,"
            " league, period_start_ts, period_end_ts, starting_balance, config, seed, git_sha)"
            " SELECT run_name, 'paper', strategy_id, model_id, league, period_start_ts,"
            " period_end_ts, starting_balance, config, seed, git_sha FROM backtest_runs"
        )


def test_a_second_buy_of_the_same_owner_must_join_the_open_position(world: "World") -> None:
    world.position()
    with pytest.raises(errors.UniqueViolation, match="uq_positions_open_owner"):
        world.position()
    world.position(side="no")
    world.position(
        status="settled", quantity=0, original_quantity=10, exit_time=DECIDED,
        exit_reason="settlement",
    )  # fmt: skip
    assert world.one("SELECT count(*) FROM open_positions") == 2
