"""Dagster's processes log as JSON lines that name their run."""

import json
import logging
from collections.abc import Iterator

import dagster as dg
import pytest

from precog_core.database import Database
from precog_core.logging import bind, configure_logging
from precog_core.paths import home
from precog_pipelines.resources import PostgresResource as PipelinesPostgres
from precog_trading.definitions import defs
from precog_trading.resources import PostgresResource as TradingPostgres


@pytest.fixture(autouse=True)
def _handlers_taken_away() -> Iterator[None]:
    yield
    for package in ("precog_core", "precog_pipelines", "precog_trading", "precog_platform"):
        logger = logging.getLogger(package)
        for handler in [h for h in logger.handlers if type(h).__name__ == "DailyFiles"]:
            handler.close()
            logger.removeHandler(handler)


def logged() -> list[dict[str, object]]:
    return [
        json.loads(line)
        for path in sorted((home() / "logs").glob("precog-*.jsonl"))
        for line in path.read_text().splitlines()
    ]


@pytest.mark.requirement("SYS-006")
@pytest.mark.parametrize("resource", [TradingPostgres, PipelinesPostgres])
def test_an_event_inside_a_run_names_the_run_and_one_outside_does_not(
    db: Database, resource: type[dg.ConfigurableResource]
) -> None:
    configure_logging()
    logger = logging.getLogger("precog_trading.test")

    @dg.asset
    def speaks(postgres: dg.ResourceParam[dg.ConfigurableResource]) -> None:
        logger.info("inside", extra={"order_id": "o-1"})

    result = dg.materialize([speaks], resources={"postgres": resource()})
    logger.info("outside")
    inside, outside = logged()
    assert (inside["run_id"], inside["order_id"]) == (result.run_id, "o-1")
    assert "run_id" not in outside


@pytest.mark.requirement("SYS-006")
def test_loading_a_code_location_turns_the_logs_on_and_writes_no_file_by_itself(
    db: Database,
) -> None:
    defs()
    assert not (home() / "logs").exists()
    logging.getLogger("precog_trading.test").info("served")
    assert [event["message"] for event in logged()] == ["served"]


def test_an_id_of_the_process_can_be_taken_away() -> None:
    configure_logging()
    bind(run_id="r", tick_id="t")
    bind(run_id=None, tick_id=None, never_bound=None)
    logging.getLogger("precog_trading.test").info("x")
    assert "run_id" not in logged()[0]
