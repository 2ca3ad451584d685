"""The views of results, on one small ledger worked out by hand.

pre_game holds to settlement: a win of 100 yes at 0.50 and a loss of 50 no at 0.60. momentum holds
a tie (40 yes at 0.45, paid 1 by mistake, reversed, then paid 0.5) and a win (20 no at 0.30), and
still holds 15 of 20 yes bought at 0.57 and 0.59, of which 5 were sold at 0.70.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.database.conftest import World

DECIDED = datetime(2019, 12, 29, 16, tzinfo=UTC)
SETTLED = DECIDED + timedelta(hours=6)
MINUTE = timedelta(minutes=1)


class Book:
    """Books what a trading day would: fills, trades, positions and cash of two methods."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.model = world.model()
        self.owners: dict[str, dict[str, int]] = {}
        for name in ("pre_game", "momentum"):
            strategy = world.strategy(name)
            self.owners[name] = {
                "strategy_id": strategy,
                "model_id": self.model,
                "method_id": world.method(f"{name}-method", strategy, self.model),
            }
        world.entry("deposit", "10000")

    def position(self, owner: str, ticker: str, side: str, quantity: int, price: str) -> int:
        return self.world.position(
            market_id=self.world.market(ticker), side=side, quantity=quantity, entry_price=price,
            **self.owners[owner],
        )  # fmt: skip

    def fill(
        self,
        owner: str,
        position: int,
        price: str,
        quantity: int,
        fee: str,
        action: str = "buy",
        **run: Any,
    ) -> int:
        """One execution with its decision, order, trade and two movements of cash."""
        market, side = self.world.all(
            "SELECT market_id, side FROM positions WHERE position_id = %s", position
        )[0]
        where = {"execution_environment": "paper", "market_id": market, "side": side, **run}
        leaving = action == "sell"
        decision = self.world.decision(
            **where, **self.owners[owner], purpose="exit" if leaving else "entry",
            position_id=position if leaving else None,
            exit_condition="profit_target" if leaving else None,
        )  # fmt: skip
        order = self.world.order(
            **where, **self.owners[owner], decision_id=decision, action=action, quantity=quantity,
            purpose="exit" if leaving else "entry",
            position_id=position if leaving else None,
            exit_condition="profit_target" if leaving else None,
        )  # fmt: skip
        fill = self.world.fill(
            **where, order_id=order, action=action, price=price, quantity=quantity, fee=fee
        )
        trade = self.world.trade(
            **where, **self.owners[owner], trade_source="automated", decision_id=decision,
            position_id=position, fill_id=fill, action=action, price=price, quantity=quantity,
            fee=fee, slippage="0.01",
        )  # fmt: skip
        cash = Decimal(price) * quantity
        account = {k: v for k, v in where.items() if k not in ("market_id", "side")}
        self.world.entry(
            "sale" if leaving else "purchase", cash if leaving else -cash,
            position_id=position, fill_id=fill, **account,
        )  # fmt: skip
        self.world.entry("fee", -Decimal(fee), position_id=position, fill_id=fill, **account)
        return trade

    def settle(self, position: int, payout: str) -> None:
        self.world.entry("settlement", payout, position_id=position, event_ts=SETTLED)
        self.world.conn.execute(
            "UPDATE positions SET quantity = 0, status = 'settled', exit_reason = 'settlement',"
            " exit_time = %s WHERE position_id = %s",
            (SETTLED, position),
        )


@pytest.fixture
def book(world: "World") -> Book:
    book = Book(world)
    win = book.position("pre_game", "WIN", "yes", 100, "0.50")
    book.fill("pre_game", win, "0.50", 100, "1.75")
    book.settle(win, "100")

    loss = book.position("pre_game", "LOSS", "no", 50, "0.60")
    book.fill("pre_game", loss, "0.60", 50, "0.84")
    book.settle(loss, "0")

    tie = book.position("momentum", "TIE", "yes", 40, "0.45")
    book.fill("momentum", tie, "0.45", 40, "0.693")
    mistaken = world.entry("settlement", "40", position_id=tie)
    world.entry("reversal", "-40", position_id=tie, reverses_entry_id=mistaken)
    book.settle(tie, "20")

    second_win = book.position("momentum", "WIN2", "no", 20, "0.30")
    book.fill("momentum", second_win, "0.30", 20, "0.294")
    book.settle(second_win, "20")

    held = book.position("momentum", "HELD", "yes", 20, "0.58")
    book.fill("momentum", held, "0.57", 10, "0.1716")
    book.fill("momentum", held, "0.59", 10, "0.1694")
    sale = book.fill("momentum", held, "0.70", 5, "0.0735", action="sell")
    world.conn.execute("UPDATE positions SET quantity = 15 WHERE position_id = %s", (held,))
    world.insert(
        "position_exits", position_id=held, trade_id=sale, execution_environment="paper",
        exit_condition="profit_target", exit_priority="medium", quantity_exited=5,
        remaining_quantity=15, exit_price="0.70", realized_pnl="0.441250",
        triggered_at=DECIDED, executed_at=DECIDED + timedelta(seconds=12),
    )  # fmt: skip
    for filled in (0, 5):
        world.insert(
            "exit_attempts", position_id=held, order_id=world.order(),
            execution_environment="paper", exit_condition="profit_target",
            exit_priority="medium", order_style="limit", attempt_number=1, limit_price="0.70",
            quantity=5, filled_quantity=filled, timeout_seconds=30, success=filled == 5,
            placed_at=DECIDED, ended_at=DECIDED + MINUTE,
        )  # fmt: skip

    world.entry("rounding", "-0.01", note="nobody's")
    return book


@pytest.mark.requirement("LEDGER-006")
def test_profit_is_attributed_to_the_cent_and_sums_to_the_ledger(
    world: "World", book: Book
) -> None:
    rows = world.all(
        "SELECT strategy_name, model_name, method_name, positions, realised, settlement, fees,"
        " open_cost, adjustments, net FROM pnl_by_strategy_model ORDER BY strategy_name"
    )
    assert rows == [
        (
            "momentum", "nfl-elo", "momentum-method", 3,
            Decimal("0.60"),  # 5 x (0.70 - 0.58)
            Decimal("16"),  # tie 40 x (0.5 - 0.45), win 20 x (1 - 0.30)
            Decimal("1.4015"),
            Decimal("8.70"),  # 15 x 0.58 still held
            Decimal("0"), Decimal("6.4985"),
        ),
        (
            "pre_game", "nfl-elo", "pre_game-method", 2, Decimal("0"),
            Decimal("20"),  # 100 x (1 - 0.50) - 50 x 0.60
            Decimal("2.59"), Decimal("0"), Decimal("0"), Decimal("17.41"),
        ),
        (None, None, None, 0, Decimal(0), Decimal(0), Decimal("0.01"), Decimal(0), Decimal(0),
         Decimal("-0.01")),
    ]  # fmt: skip
    total = world.one("SELECT sum(net) FROM pnl_by_strategy_model")
    assert total == Decimal("23.8985")
    assert total == world.one("SELECT sum(amount) - 10000 FROM account_ledger")
    assert world.one(
        "SELECT bool_and(net = realised + settlement - fees - open_cost + adjustments)"
        " FROM pnl_by_strategy_model"
    )


def test_capital_given_back_and_a_reversed_deposit_are_no_loss(world: "World", book: Book) -> None:
    deposit = world.entry("deposit", "500")
    world.entry("reversal", "-500", reverses_entry_id=deposit)
    world.entry("withdrawal", "-2000")
    assert world.one("SELECT sum(net) FROM pnl_by_strategy_model") == Decimal("23.8985")


@pytest.mark.requirement("LEDGER-006")
def test_a_fill_nobody_ordered_is_unattributed_not_lost(world: "World", book: Book) -> None:
    world.entry("purchase", "-7.77", fill_id=world.fill())
    assert world.all(
        "SELECT realised, net FROM pnl_by_strategy_model WHERE strategy_id IS NULL"
    ) == [(Decimal("-7.77"), Decimal("-7.78"))]
    assert world.one("SELECT sum(net) FROM pnl_by_strategy_model") == Decimal("16.1285")


def test_a_rounded_average_cost_moves_no_money_between_columns(world: "World", book: Book) -> None:
    """Three contracts for 1.00: the average 0.333333 times three is not what was paid."""
    thirds = book.position("momentum", "THIRDS", "yes", 3, "0.333333")
    book.fill("momentum", thirds, "0.33", 2, "0")
    book.fill("momentum", thirds, "0.34", 1, "0")
    book.settle(thirds, "3")
    assert world.all(
        "SELECT realised, settlement, net FROM pnl_by_strategy_model"
        " WHERE strategy_name = 'momentum'"
    ) == [(Decimal("0.60"), Decimal("18"), Decimal("8.4985"))]


def test_a_backtest_has_a_row_of_its_own_and_no_part_in_the_methods_record(
    world: "World", book: Book
) -> None:
    before = world.all("SELECT * FROM method_performance ORDER BY method_id")
    owner = book.owners["pre_game"]
    run = {
        "execution_environment": "backtest",
        "backtest_run_id": world.backtest(owner["strategy_id"], owner["model_id"]),
    }
    position = world.position(
        market_id=world.market("BT"), quantity=10, entry_price="0.10", **owner, **run
    )
    book.fill("pre_game", position, "0.10", 10, "0.063", **run)
    world.entry("settlement", "10", position_id=position, **run)
    world.conn.execute(
        "UPDATE positions SET quantity = 0, status = 'settled', exit_reason = 'settlement',"
        " exit_time = %s WHERE position_id = %s",
        (SETTLED, position),
    )
    assert world.all(
        "SELECT backtest_run_id, settlement, net FROM pnl_by_strategy_model"
        " WHERE execution_environment = 'backtest'"
    ) == [(run["backtest_run_id"], Decimal("9"), Decimal("8.937"))]
    assert world.all("SELECT * FROM method_performance ORDER BY method_id") == before


@pytest.mark.requirement("METH-015", "METH-009")
def test_methods_are_measured_on_their_finished_positions(world: "World", book: Book) -> None:
    """Returns: pre_game 48.25 / 50 and -30.84 / 30; momentum 1.307 / 18 and 13.706 / 6."""
    rows = world.all(
        "SELECT method_name, total_trades, total_fills, win_rate, net_pnl, paper_trades,"
        " paper_roi, live_trades, live_roi, sharpe, last_finished_at"
        " FROM method_performance ORDER BY method_id"
    )
    assert [row[:9] for row in rows] == [
        (
            "pre_game-method", 2, 2, Decimal("0.5"), Decimal("17.41"), 2,
            Decimal("0.217625"), 0, None,
        ),
        (
            "momentum-method", 2, 5, Decimal("1"), Decimal("15.013"), 2,
            Decimal("0.625542"), 0, None,
        ),
    ]  # fmt: skip
    assert [row[9] for row in rows] == pytest.approx([-0.0223521, 0.7535354], abs=1e-6)
    assert {row[10] for row in rows} == {SETTLED}


@pytest.mark.requirement("METH-008", "METH-009")
def test_a_comparison_states_how_sure_it_is(world: "World", book: Book) -> None:
    [row] = world.all(
        "SELECT execution_environment, method_a_name, method_b_name, n_a, n_b,"
        " win_rate_difference, roi_difference, mean_return_difference, standard_error"
        " FROM method_comparison"
    )
    assert row[:7] == (
        "paper", "pre_game-method", "momentum-method", 2, 2, Decimal("-0.5"),
        Decimal("-0.407917"),
    )  # fmt: skip
    # Means -0.0315 and 1.1784722; deviations 1.4092638 and 1.5639238; sqrt((a^2 + b^2) / 2).
    assert row[7:] == pytest.approx((-1.2099722, 1.4886038), abs=1e-6)


def test_a_method_without_trades_is_listed_and_compared_with_nobody(world: "World") -> None:
    world.method("idle", world.strategy(), world.model())
    assert world.all(
        "SELECT method_name, total_trades, win_rate, paper_roi, sharpe FROM method_performance"
    ) == [("idle", 0, None, None, None)]
    assert world.all("SELECT * FROM method_comparison") == []


@pytest.mark.requirement("TRACE-001")
def test_a_trade_is_traced_to_the_data_behind_its_prediction(world: "World", book: Book) -> None:
    prediction = world.prediction(book.model, "TRACED", p_home="0.6400")
    market = world.market("TRACED")
    owner = book.owners["pre_game"]
    decision = world.decision(
        market_id=market, prediction_id=prediction, tick_id="t:traced", **owner
    )
    order = world.order(market_id=market, decision_id=decision, **owner)
    fill = world.fill(market_id=market, order_id=order)
    trade = world.trade(
        market_id=market, fill_id=fill, decision_id=decision, trade_source="automated", **owner
    )
    [row] = world.all(
        "SELECT ticker, order_id, order_status, decision_id, tick_id, prediction_id, p_home,"
        " predicted_at, mlflow_run_id, git_sha, dataset_sha256, strategy_name, strategy_version,"
        " model_name, model_version, method_name, method_version"
        " FROM trade_attribution WHERE trade_id = %s",
        trade,
    )
    run = world.one("SELECT mlflow_run_id FROM model_training_runs ORDER BY 1 DESC")
    assert row == (
        "TRACED", order, "intent", decision, "t:traced", prediction, Decimal("0.6400"),
        DECIDED - timedelta(hours=22), run, "a" * 40, "d" * 64, "pre_game", "v1.0", "nfl-elo",
        "v1.0", "pre_game-method", "v1.0",
    )  # fmt: skip


@pytest.mark.requirement("TRACE-001")
def test_every_trade_has_exactly_one_line_of_attribution(world: "World", book: Book) -> None:
    world.trade()  # by hand, with neither order nor decision
    assert world.one("SELECT count(*) FROM trade_attribution") == 8
    assert world.one("SELECT count(*) FROM trades") == 8
    assert world.one("SELECT count(DISTINCT trade_id) FROM trade_attribution") == 8


@pytest.mark.requirement("EXIT-005")
def test_exits_are_summed_per_condition(world: "World", book: Book) -> None:
    world.insert(
        "exit_attempts", position_id=world.position(market_id=world.market("OTHER")),
        order_id=world.order(), execution_environment="paper", exit_condition="stop_loss",
        exit_priority="critical", order_style="market", attempt_number=1, limit_price="0.30",
        quantity=10, filled_quantity=0, timeout_seconds=5, success=False, placed_at=DECIDED,
        ended_at=DECIDED,
    )  # fmt: skip
    assert world.all("SELECT * FROM exit_performance_summary ORDER BY exit_condition") == [
        (
            "paper", "profit_target", 1, Decimal("5"), 2, Decimal("0.5"), Decimal("0.44125"),
            Decimal("0.01"), 12.0,
        ),
        ("paper", "stop_loss", 0, Decimal(0), 1, Decimal(0), Decimal(0), None, None),
    ]  # fmt: skip
