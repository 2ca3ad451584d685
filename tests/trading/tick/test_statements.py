"""A tick sends as many statements for 200 markets and 50 positions as for 20 and 5."""

import importlib.util
from collections.abc import Iterator
from types import ModuleType

import pytest

from precog_core.database import Database
from precog_core.database.migrations import migrate
from tests.conftest import REPOSITORY, Server


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(
        "benchmark_tick", REPOSITORY / "benchmarks" / "tick.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in module.SETTINGS.items():
        monkeypatch.setenv(name, value)
    yield module


def test_statements_do_not_grow_with_markets_or_positions(
    server: Server, db: Database, benchmark: ModuleType
) -> None:
    other = server.create("precog_few_markets")
    migrate(other)
    try:
        few = benchmark.measure_in(other, 20, 5, ticks=2)
        many = benchmark.measure_in(db, 200, 50, ticks=2)
    finally:
        other.close()
        server.drop("precog_few_markets")
    assert (many["positions"], many["decisions"]) == (50, 400)
    assert few["statements"] == many["statements"] <= 30
