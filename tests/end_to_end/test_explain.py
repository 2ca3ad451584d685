"""`precog explain trade` on a bootstrap's trade: verified, and each broken link named."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from precog_core.database import Database
from precog_trading.explain.chain import explain_trade
from precog_trading.explain.links import Explanation
from tests.end_to_end.conftest import Home

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CHAIN = [
    "trade", "order", "decision", "edge", "quote", "method", "prediction", "model version",
    "MLflow run", "dataset", "feature versions", "source snapshot",
]  # fmt: skip
# What an intruder could change behind the triggers, and the words that must name it.
TAMPERINGS = {
    "trade price": ("trades", "UPDATE trades SET price = price + 0.01", "trade 1: price is"),
    "order id": (
        "orders", "UPDATE orders SET client_order_id = repeat('0', 32) WHERE order_id = 1",
        "order 1: client_order_id recomputed",
    ),
    "tick": ("decisions", "UPDATE decisions SET tick_id = 't:2030-01-01T00:00:00Z'",
             "decision_key recomputed"),
    "edge": ("decisions", "UPDATE decisions SET edge = edge + 0.01",
             "edge = probability - price - fee"),
    "valuation": (
        "edges", "UPDATE edges SET fee = fee + 0.001, expected_value = expected_value - 0.001",
        "expected value is the decision's edge",
    ),
    "quote": ("market_snapshots", "UPDATE market_snapshots SET yes_bid = 0.01, yes_ask = 0.02",
              "is the price decided on"),
    "late quote": (
        "market_snapshots", "UPDATE market_snapshots SET known_at = known_at + INTERVAL '9 years'",
        "known by the decision",
    ),
    "method": ("methods", "UPDATE methods SET risk_config = '{\"kelly\": \"0.5\"}'",
               "config_hash recomputed"),
    "probability": ("predictions", "UPDATE predictions SET p_home = 0.9, p_high = 0.95",
                    "it is the probability decided on"),
    "features": ("features_historical", "UPDATE features_historical SET feature_value = 1",
                 "features_hash recomputed"),
    "fit": ("model_training_runs", "UPDATE model_training_runs SET git_sha = repeat('a', 40)",
            "its commit is the fit's"),
    "dataset": ("training_datasets", "UPDATE training_datasets SET sha256 = repeat('a', 64)",
                "sha256 of the file recomputed"),
    "MLflow run": ("predictions", "UPDATE predictions SET mlflow_run_id = 'gone'",
                   "MLflow has no such run"),
}  # fmt: skip


@pytest.fixture
def opened(filled: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The filled home's database, its files found as the home's own."""
    monkeypatch.setenv("PRECOG_HOME", str(filled.folder))
    with filled.database() as database:
        yield database


def first_trade(database: Database, conn: psycopg.Connection) -> Explanation:
    return explain_trade(conn, database, 1)


@pytest.mark.requirement("TRACE-001", "TRACE-002")
def test_a_trade_of_the_bootstrap_is_verified_from_end_to_end(filled: Home) -> None:
    found = json.loads(filled.run("explain", "trade", "1", "--json").stdout)
    assert (found["verified"], found["broken"]) == (True, [])
    assert [link["link"] for link in found["chain"]] == CHAIN
    checks = {
        (link["link"], check["check"]): check["ok"]
        for link in found["chain"]
        for check in link["checks"]
    }
    for recomputed in (
        ("order", "client_order_id recomputed"), ("decision", "decision_key recomputed"),
        ("method", "config_hash recomputed"), ("prediction", "features_hash recomputed"),
        ("dataset", "sha256 of the file recomputed"),
        ("source snapshot", "sha256 of the source recomputed"),
    ):  # fmt: skip
        assert checks[recomputed] is True, recomputed
    assert {gate["row"] for gate in found["gates"]} == {*range(1, 16), None}
    assert all(gate["result"] == "passed" for gate in found["gates"] if gate["row"])
    said = filled.run("explain", "trade", "1").stdout
    assert "that is an edge of" in said
    assert "verified" in said


@pytest.mark.requirement("TRACE-002")
def test_every_broken_link_is_named(opened: Database) -> None:
    for name, (table, change, expected) in TAMPERINGS.items():
        with opened.connection() as conn, conn.transaction(force_rollback=True):
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            conn.execute(change)
            found = first_trade(opened, conn)
        assert not found.verified, name
        assert any(expected in sentence for sentence in found.broken), (name, found.broken)
    with opened.connection() as conn:
        assert first_trade(opened, conn).verified


@pytest.mark.requirement("TRACE-002")
def test_a_changed_or_lost_dataset_file_breaks_the_chain(filled: Home, opened: Database) -> None:
    with opened.connection() as conn:
        link = {link.name: link for link in first_trade(opened, conn).links}["dataset"]
        file: Path = filled.folder / link.facts["file"]
        content = file.read_bytes()
        try:
            file.write_bytes(content + b"\0")
            assert "sha256 of the file recomputed" in first_trade(opened, conn).broken[0]
            file.unlink()
            assert "is not there" in first_trade(opened, conn).broken[0]
        finally:
            file.write_bytes(content)


@pytest.mark.requirement("TRACE-002")
def test_the_queries_of_a_chain_take_well_under_200_ms(opened: Database) -> None:
    with opened.connection() as conn:
        first_trade(opened, conn)
        taken = []
        for _ in range(3):
            started = time.perf_counter()
            first_trade(opened, conn)
            taken.append(time.perf_counter() - started)
    assert min(taken) < 0.2
