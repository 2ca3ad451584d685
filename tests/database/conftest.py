"""A small trading world in the database: rows of every table, with the parts a test does not care
about filled in."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from precog_core.database import Database
from precog_core.database.migrations import migrate

if TYPE_CHECKING:
    from tests.conftest import Server

KICKOFF = datetime(2019, 12, 29, 18, tzinfo=UTC)
DECIDED = KICKOFF - timedelta(hours=2)


class World:
    """Inserts rows through one connection; every method returns the new key."""

    def __init__(self, conn: "psycopg.Connection | Undone") -> None:
        self.conn = conn
        self._numbers = count(1)
        self.markets: dict[str, int] = {}

    def one(self, query: str, *args: Any) -> Any:
        """The first column of the first row."""
        row = self.conn.execute(query, args).fetchone()
        assert row is not None, query
        return row[0]

    def all(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        return self.conn.execute(query, args).fetchall()

    def insert(self, table: str, **values: Any) -> Any:
        """Insert one row; returns its first column, which is the key."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        )
        adapted = {
            name: Jsonb(value) if isinstance(value, dict | list) else value
            for name, value in values.items()
        }
        row = self.conn.execute(statement, adapted).fetchone()
        assert row is not None
        return row[0]

    def number(self) -> int:
        return next(self._numbers)

    # Reference

    def market(self, ticker: str = "M1") -> int:
        """A market of a game of its own, made once per ticker."""
        if ticker not in self.markets:
            home = self.insert("teams", league="nfl", team_code=f"H-{ticker}", name="Home")
            away = self.insert("teams", league="nfl", team_code=f"A-{ticker}", name="Away")
            game = self.insert(
                "games", game_key=f"nfl:2019:{ticker}", league="nfl", season=2019,
                game_type="regular", kickoff_at=KICKOFF, home_team_id=home, away_team_id=away,
                source="sample", known_at=KICKOFF - timedelta(days=90),
            )  # fmt: skip
            series = self.insert(
                "series", platform_id="simulated", series_ticker=f"S-{ticker}", category="sports",
                league="nfl", title="Winner", frequency="weekly",
            )  # fmt: skip
            event = self.insert(
                "events", platform_id="simulated", series_id=series, event_ticker=f"E-{ticker}",
                title="A@H", game_id=game,
            )  # fmt: skip
            self.markets[ticker] = self.insert(
                "markets", platform_id="simulated", event_id=event, ticker=ticker,
                market_type="binary", yes_team_id=home,
            )  # fmt: skip
        return self.markets[ticker]

    def strategy(self, name: str = "pre_game") -> int:
        return self.insert(
            "strategies", strategy_name=name, strategy_version="v1.0", strategy_type="entry",
            category="sports", config={"edge": "0.05"},
        )  # fmt: skip

    def model(self, name: str = "nfl-elo") -> int:
        return self.insert(
            "probability_models", model_name=name, model_version="v1.0", model_type="elo",
            category="sports", config={"k": "20"},
        )  # fmt: skip

    def method(self, name: str, strategy: int, model: int) -> int:
        return self.insert(
            "methods", method_name=name, method_version="v1.0", strategy_id=strategy,
            model_id=model, position_mgmt_config={}, risk_config={}, execution_config={},
            sport_config={}, config_hash=f"{self.number():032x}",
        )  # fmt: skip

    def prediction(self, model: int, ticker: str = "M1", p_home: str = "0.6000") -> int:
        number = self.number()
        dataset = self.insert(
            "training_datasets", dataset_name="nfl", dataset_version=f"v1.{number}", league="nfl",
            season_from=2009, season_to=2018, label="home_win", as_of=DECIDED, manifest={},
            git_sha="0" * 40, row_count=100, feature_count=0, parquet_path="nfl.parquet",
            sha256="d" * 64,
        )  # fmt: skip
        run = self.insert(
            "model_training_runs", model_id=model, dataset_id=dataset,
            mlflow_run_id=f"mlflow-{number}", git_sha="a" * 40, seed=7, params={},
            trained_until=DECIDED - timedelta(days=7), started_at=DECIDED,
        )  # fmt: skip
        self.market(ticker)
        return self.insert(
            "predictions",
            game_id=self.one("SELECT game_id FROM games WHERE game_key = %s", f"nfl:2019:{ticker}"),
            model_id=model, training_run_id=run, p_home=p_home,
            trained_until=DECIDED - timedelta(days=7), mlflow_run_id=f"mlflow-{number}",
            event_ts=KICKOFF - timedelta(hours=24), known_at=KICKOFF - timedelta(hours=24),
        )  # fmt: skip

    # Trading

    def decision(self, **values: Any) -> int:
        return self.insert(
            "decisions",
            **{
                "decision_key": f"decision-{self.number()}", "tick_id": "t:1",
                "decided_at": DECIDED, "execution_environment": "paper",
                "market_id": values.get("market_id") or self.market(), "side": "yes",
                "purpose": "entry", "outcome": "taken",
                "inputs": {}, **values,
            },
        )  # fmt: skip

    def order(self, **values: Any) -> int:
        market = values.get("market_id") or self.market()
        return self.insert(
            "orders",
            **{
                "client_order_id": f"{self.number():032x}", "execution_environment": "paper",
                "platform_id": "simulated", "market_id": market,
                "decision_id": values.get("decision_id")
                or self.decision(
                    market_id=market,
                    execution_environment=values.get("execution_environment", "paper"),
                    backtest_run_id=values.get("backtest_run_id"),
                ),
                "purpose": "entry", "action": "buy",
                "side": "yes", "limit_price": "0.55", "quantity": 10, "time_in_force": "ioc",
                **values,
            },
        )  # fmt: skip

    def position(self, **values: Any) -> int:
        quantity = values.get("quantity", 10)
        return self.insert(
            "positions",
            **{
                "position_key": f"position-{self.number()}", "platform_id": "simulated",
                "market_id": values.get("market_id") or self.market(),
                "execution_environment": "paper", "side": "yes", "original_quantity": quantity,
                "quantity": quantity, "entry_price": "0.50", "entry_time": DECIDED, **values,
            },
        )  # fmt: skip

    def fill(self, **values: Any) -> int:
        number = self.number()
        return self.insert(
            "fills",
            **{
                "platform_id": "simulated", "execution_environment": "paper",
                "venue_fill_id": f"fill-{number}", "venue_order_id": f"order-{number}",
                "market_id": values.get("market_id") or self.market(), "action": "buy",
                "side": "yes", "price": "0.50", "quantity": 10, "fee": "0.175",
                "modelled_fee": values.get("fee", "0.175"), "is_taker": True, "event_ts": DECIDED,
                "known_at": DECIDED, "raw": {}, **values,
            },
        )  # fmt: skip

    def trade(self, **values: Any) -> int:
        return self.insert(
            "trades",
            **{
                "platform_id": "simulated", "execution_environment": "paper",
                "market_id": values.get("market_id") or self.market(), "trade_source": "manual",
                "action": "buy", "side": "yes", "price": "0.50", "quantity": 10, "fee": "0.175",
                "is_taker": True, "event_ts": DECIDED, "known_at": DECIDED,
                "fill_id": values.get("fill_id") or self.fill(), **values,
            },
        )  # fmt: skip

    def entry(self, entry_type: str, amount: str | Decimal, **values: Any) -> int:
        return self.insert(
            "account_ledger",
            **{
                "entry_key": f"entry-{self.number()}", "platform_id": "simulated",
                "execution_environment": "paper", "entry_type": entry_type, "amount": amount,
                "event_ts": DECIDED, "known_at": DECIDED, **values,
            },
        )  # fmt: skip

    def settlement(self, **values: Any) -> int:
        return self.insert(
            "settlements",
            **{
                "market_id": values.get("market_id") or self.market(), "stage": "finalized",
                "outcome": "yes", "settlement_value": 1, "raw": {},
                "event_ts": KICKOFF + timedelta(hours=4), "known_at": KICKOFF + timedelta(hours=4),
                **values,
            },
        )  # fmt: skip

    def backtest(self, strategy: int, model: int) -> int:
        return self.insert(
            "backtest_runs", run_name="season", execution_environment="backtest",
            strategy_id=strategy, model_id=model, league="nfl", period_start_ts=DECIDED,
            period_end_ts=KICKOFF, starting_balance=10000, config={}, seed=7, git_sha="a" * 40,
        )  # fmt: skip

    def alert(self, **values: Any) -> int:
        return self.insert(
            "alerts",
            **{
                "alert_type": "test", "severity": "high", "category": "system",
                "component": "test_component", "message": "m", "environment": "paper", **values,
            },
        )  # fmt: skip

    def edge(self, **values: Any) -> int:
        if "prediction_id" not in values:
            values["model_id"] = values.get("model_id") or self.model(f"model-{self.number()}")
            values["prediction_id"] = self.prediction(values["model_id"])
        return self.insert(
            "edges",
            **{
                "execution_environment": "paper", "edge_key": "1:yes:1:1:",
                "market_id": self.market(), "side": "yes", "calculation_run_id": "run",
                "true_win_probability": "0.6000", "market_implied_probability": "0.4950",
                "market_price": "0.50", "fee": "0.0175", "expected_value": "0.0825",
                "recommended_action": "auto_execute", "event_ts": DECIDED, "known_at": DECIDED,
                "row_start_ts": DECIDED, **values,
            },
        )  # fmt: skip


class Undone:
    """A connection in one transaction that is never committed: a test costs no database of its own.

    Each statement has a savepoint, so that a refused one leaves the transaction usable.
    """

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn

    def execute(self, query: Any, params: Any = None) -> psycopg.Cursor[Any]:
        with self._conn.transaction():
            return self._conn.execute(query, params)

    def transaction(self) -> AbstractContextManager[psycopg.Transaction]:
        return self._conn.transaction()


@pytest.fixture(scope="session")
def _shared(server: "Server") -> Iterator[Database]:
    database = server.create("precog_schema_shared")
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def undone(_shared: Database) -> Iterator[psycopg.Connection]:
    """A migrated database in a transaction that is rolled back after the test."""
    with _shared.connect() as connection, connection.transaction(force_rollback=True):
        yield connection


@pytest.fixture
def world(undone: psycopg.Connection) -> World:
    """Everything is rolled back after the test; nothing is visible to another connection."""
    return World(Undone(undone))


@pytest.fixture
def committed_world(db: Database) -> Iterator[World]:
    """In ``db`` and committed statement by statement, for tests with several connections."""
    with db.connection(autocommit=True) as connection:
        yield World(connection)
