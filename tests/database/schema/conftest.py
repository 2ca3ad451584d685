"""Valid rows for the tests of the schema, one method per table: a test changes what it is about.

The tests work as the superuser of the test server, the strongest role there is: what is refused
to it is refused to everybody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import sql

from precog_core.database import Database

NOW = datetime(2026, 9, 14, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
_numbers = count(1)


class Rows:
    """Inserts rows on one connection. Keyword arguments replace or add column values."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self.conn = conn

    def on(self, conn: psycopg.Connection) -> "Rows":
        """The same on another connection, for tests of two sessions."""
        return Rows(conn)

    def insert(self, table: str, **values: Any) -> Any:
        """Insert one row; returns its first column, the key."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        )
        row = self.conn.execute(statement, values).fetchone()
        assert row is not None
        return row[0]

    def one(self, query: str, *args: Any) -> Any:
        """The first value of the first row."""
        row = self.conn.execute(query, args).fetchone()
        assert row is not None
        return row[0]

    @contextmanager
    def refused(self, error: type[psycopg.Error], match: str | None = None) -> Iterator[None]:
        """The block raises ``error``; the transaction around it goes on."""
        with pytest.raises(error, match=match), self.conn.transaction():
            yield

    def market(self) -> int:
        n = next(_numbers)
        series = self.insert(
            "series", platform_id="simulated", series_ticker=f"S{n}", category="sports",
            league="nfl", title="NFL winner", frequency="weekly",
        )  # fmt: skip
        event = self.insert(
            "events", platform_id="simulated", series_id=series, event_ticker=f"E{n}", title="A@B"
        )
        return self.insert(
            "markets", platform_id="simulated", event_id=event, ticker=f"M{n}",
            market_type="binary",
        )  # fmt: skip

    def attributes(self, market: int, start: datetime, **values: Any) -> int:
        row = {
            "market_id": market, "title": "A@B", "status": "open", "count_step": 1, "raw": "{}",
            "price_ranges": '[{"start": "0.00", "end": "1.00", "step": "0.01"}]',
            "event_ts": start, "known_at": start, "row_start_ts": start,
        }  # fmt: skip
        return self.insert("market_attributes", **{**row, **values})

    def quote(self, market: int, at: datetime, **values: Any) -> None:
        row = {
            "market_id": market, "observed_at": at, "yes_bid": "0.56", "yes_ask": "0.57",
            "write_reason": "price", "source": "simulated", "known_at": at,
        }  # fmt: skip
        self.insert("market_snapshots", **{**row, **values})

    def game(self, **values: Any) -> int:
        n = next(_numbers)
        home = self.insert("teams", league="nfl", team_code=f"H{n}", name="Home")
        away = self.insert("teams", league="nfl", team_code=f"A{n}", name="Away")
        row = {
            "game_key": f"nfl:2026:2026-09-14:A{n}@H{n}", "league": "nfl", "season": 2026,
            "game_type": "regular", "kickoff_at": NOW, "home_team_id": home, "away_team_id": away,
            "source": "sample", "known_at": NOW - 48 * HOUR,
        }  # fmt: skip
        return self.insert("games", **{**row, **values})

    def strategy(self, version: str = "v1.0", **values: Any) -> int:
        row = {
            "strategy_name": "edge", "strategy_version": version, "strategy_type": "entry",
            "category": "sports", "config": '{"edge": "0.05"}',
        }  # fmt: skip
        return self.insert("strategies", **{**row, **values})

    def model(self) -> int:
        return self.insert(
            "probability_models", model_name="nfl-elo", model_version="v1.0", model_type="elo",
            category="sports", config='{"k": "20"}',
        )  # fmt: skip

    def training_run(self, model: int) -> int:
        dataset = self.insert(
            "training_datasets", dataset_name="nfl", dataset_version="2025", league="nfl",
            season_from=2020, season_to=2025, label="home_win", as_of=NOW, manifest="{}",
            git_sha="0" * 40, row_count=10, feature_count=0, parquet_path="d.parquet",
            sha256="a" * 64,
        )  # fmt: skip
        return self.insert(
            "model_training_runs", model_id=model, dataset_id=dataset, mlflow_run_id="m1",
            git_sha="0" * 40, seed=42, params="{}", trained_until=NOW - 24 * HOUR, started_at=NOW,
        )  # fmt: skip

    def prediction(self, **values: Any) -> int:
        """Its model and training run are made too, so one per test."""
        model = self.model()
        row = {
            "game_id": self.game(), "model_id": model, "training_run_id": self.training_run(model),
            "p_home": "0.4275", "trained_until": NOW - 24 * HOUR, "mlflow_run_id": "m1",
            "event_ts": NOW - HOUR, "known_at": NOW - HOUR,
        }  # fmt: skip
        return self.insert("predictions", **{**row, **values})

    def rating(self, **values: Any) -> int:
        game = self.game()
        home, away = self.conn.execute(
            "SELECT home_team_id, away_team_id FROM games WHERE game_id = %s", (game,)
        ).fetchall()[0]
        row = {
            "model_id": self.model(), "team_id": home, "opponent_team_id": away, "game_id": game,
            "is_home": True, "rating_before": 1505.0, "rating_after": 1512.5, "expected": 0.6,
            "actual": 1.0, "k_factor": 20.0, "event_ts": NOW, "known_at": NOW + 4 * HOUR,
        }  # fmt: skip
        return self.insert("elo_rating_history", **{**row, **values})

    def source_snapshot(self, **values: Any) -> int:
        row = {
            "source": "sample", "dataset": "games", "uri": "nfl_games.csv.gz", "sha256": "a" * 64,
            "row_count": 2926, "fetched_at": NOW,
        }  # fmt: skip
        return self.insert("source_snapshots", **{**row, **values})

    def feature(self, **values: Any) -> int:
        row = {
            "feature_name": "elo_diff", "feature_version": "v1.0", "entity_type": "game",
            "category": "rating", "data_type": "float", "calculation": "R_home - R_away + HFA",
        }  # fmt: skip
        return self.insert("feature_definitions", **{**row, **values})

    def position(self, **values: Any) -> int:
        row = {
            "position_key": f"p{next(_numbers)}", "platform_id": "simulated",
            "market_id": self.market(), "execution_environment": "paper", "side": "yes",
            "original_quantity": 10, "quantity": 10, "entry_price": "0.57",
        }  # fmt: skip
        return self.insert("positions", **{**row, **values})

    def alert(self, **values: Any) -> int:
        row = {
            "alert_type": "self_test", "severity": "low", "category": "system",
            "component": "test_component", "message": "a test", "fingerprint": "0" * 32,
            "environment": "paper",
        }  # fmt: skip
        return self.insert("alerts", **{**row, **values})


@pytest.fixture
def conn(_shared: Database) -> Iterator[psycopg.Connection]:
    """A migrated database inside a transaction that is rolled back at the end of the test."""
    with (
        _shared.connection(autocommit=True) as connection,
        connection.transaction(force_rollback=True),
    ):
        yield connection


@pytest.fixture
def rows(conn: psycopg.Connection) -> Rows:
    return Rows(conn)
