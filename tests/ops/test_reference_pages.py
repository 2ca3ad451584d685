"""The generated pages are what they are generated from, and the schema check sees drift."""

import json
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from precog_core.database import Database
from precog_core.database.docs import PAGE, schema_page
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.monitoring.schema import (
    daily_schema_audit,
    database_schema,
    schema_audit,
)
from precog_platform.reference import requirements as reference
from tests.conftest import REPOSITORY
from tests.ops.command_line import invoke


def test_every_marker_names_an_id_of_the_catalogue() -> None:
    assert reference.unknown_markers() == []


def test_the_requirements_page_is_not_stale() -> None:
    written = (REPOSITORY / reference.PAGE).read_text()
    assert written == reference.page(reference.requirements()), (
        "run `precog requirements --write` and commit the page"
    )


@pytest.mark.requirement("UX-005")
def test_the_schema_page_is_not_stale_and_leaves_nothing_unexplained(db: Database) -> None:
    with db.connection() as conn:
        page = schema_page(conn)
    assert (REPOSITORY / PAGE).read_text() == page, "run `precog db docs --write` and commit it"
    assert "|  |\n" not in page
    assert "\n\n\n\n" not in page


def test_markers_of_a_test_a_class_and_a_file_count(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "pytestmark = [pytest.mark.slow, pytest.mark.requirement('A-1')]\n"
        "@pytest.mark.requirement('A-2', 'A-3')\ndef test_one(): ...\n"
        "@pytest.mark.requirement('A-4')\nclass TestB:\n    def test_two(self): ...\n"
        "def helper(): ...\n"
    )
    assert set(reference.marked_tests(tmp_path)) == {
        ("test_a.py::test_one", "A-1"),
        ("test_a.py::test_one", "A-2"),
        ("test_a.py::test_one", "A-3"),
        ("test_a.py::TestB::test_two", "A-1"),
        ("test_a.py::TestB::test_two", "A-4"),
    }


def test_the_command_says_what_is_proven_measured_and_open() -> None:
    result = invoke(["requirements", "--json"])
    found = json.loads(result.output)
    assert found["TRACE-002"]["state"] == "proven"
    assert (
        "end_to_end/test_explain.py::test_every_broken_link_is_named"
        in (found["TRACE-002"]["proven_by"])
    )
    assert found["API-004"]["state"] == "open"
    assert found["MON-001"]["later"] == [{"phase": "5", "adds": "Websocket monitor, 5 s"}]
    assert {entry["state"] for entry in found.values()} <= {"proven", "measured", "open"}
    said = invoke(["requirements", "--open"]).output
    assert "API-004" in said
    assert "TRACE-002" not in said


@pytest.mark.requirement("SYS-001", "ORCH-006")
def test_the_schema_check_blocks_when_somebody_changed_the_schema_by_hand(
    all_databases: Database,
) -> None:
    def run() -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [database_schema, schema_audit],
            resources={"postgres": PostgresResource()},
            raise_on_error=False,
        )

    sound = run()
    assert sound.success
    (evaluation,) = sound.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.blocking) == (True, True)
    assert evaluation.metadata["differences"].value == 0

    with all_databases.transaction() as conn:
        conn.execute("DROP TRIGGER trg_fills_no_change ON fills")
    (evaluation,) = run().get_asset_check_evaluations()
    assert not evaluation.passed
    assert "trg_fills_no_change is missing" in str(evaluation.metadata["first"].value)


def test_the_schema_is_audited_every_day_from_the_start() -> None:
    assert daily_schema_audit.default_status is dg.DefaultScheduleStatus.RUNNING
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 24, tzinfo=UTC))
    assert daily_schema_audit(context).run_key == "schema-2026-11-24"
