"""Dagster's processes log as JSON lines that name their run."""

import json
import logging
from collections.abc import Iterator

import dagster as dg
import pytest

from precog_core.database import Database
from precog_core.logging import JOURNAL, PACKAGES, bind, configure_logging
from precog_core.paths import home
from precog_dagster.resources import PostgresResource
from precog_trading.definitions import defs
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR


@pytest.fixture(autouse=True)
def _handlers_taken_away() -> Iterator[None]:
    yield
    for package in (*PACKAGES, JOURNAL):
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
def test_an_event_inside_a_run_names_the_run_and_one_outside_does_not(
    db: Database,
) -> None:
    configure_logging()
    logger = logging.getLogger("precog_trading.test")

    @dg.asset
    def speaks(postgres: dg.ResourceParam[dg.ConfigurableResource]) -> None:
        logger.info("inside", extra={"order_id": "o-1"})

    result = dg.materialize([speaks], resources={"postgres": PostgresResource()})
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


@pytest.mark.requirement("SYS-006")
def test_every_decision_and_order_is_an_event_with_its_tick(all_databases: Database) -> None:
    with all_databases.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    configure_logging()
    run_pending(all_databases)
    events = logged()
    with all_databases.connection() as conn:
        keys = {row[0] for row in conn.execute("SELECT decision_key FROM decisions").fetchall()}
        orders = {row[0] for row in conn.execute("SELECT client_order_id FROM orders").fetchall()}
    decided = [event for event in events if "decision_key" in event or "refused" in event]
    taken = {str(event["decision_key"]) for event in decided if "decision_key" in event}
    refused = {
        (reason, key)
        for event in decided
        for reason, keys in dict(event.get("refused", {})).items()  # type: ignore[call-overload]
        for key in keys.split()
    }
    with all_databases.connection() as conn:
        skipped = conn.execute(
            "SELECT skip_reason, left(decision_key, 16) FROM decisions WHERE outcome = 'skipped'"
        ).fetchall()
    assert refused == set(skipped)
    assert len(taken) + len(refused) == len(keys)
    assert all(str(event["tick_id"]).startswith("t:2019-09-08") for event in decided)
    assert {event["order_id"] for event in events if "order_id" in event} == orders
    assert len(orders) == 1
