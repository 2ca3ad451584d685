"""The daily ingest: a run for the running season, or a reason why not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from precog_core.config import set_override
from precog_core.database import Database
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.ingestion.schedules import daily_ingest


def tick(at: datetime) -> Any:
    with dg.build_schedule_context(
        scheduled_execution_time=at, resources={"postgres": PostgresResource()}
    ) as context:
        return daily_ingest(context)


def use(db: Database, **games: str) -> None:
    with db.transaction() as conn:
        for key, value in games.items():
            set_override(conn, f"sources.games.{key}", value, reason="test", applied_by="test")


@pytest.mark.requirement("ORCH-004")
def test_it_is_on_from_the_start_and_at_a_fixed_utc_hour() -> None:
    assert daily_ingest.default_status is dg.DefaultScheduleStatus.RUNNING
    assert (daily_ingest.cron_schedule, daily_ingest.execution_timezone) == ("0 10 * * *", "UTC")


@pytest.mark.requirement("ORCH-004")
def test_the_sample_has_no_running_season_and_the_tick_says_what_to_do(db: Database) -> None:
    skipped = tick(datetime(2026, 11, 24, 10, tzinfo=UTC))
    assert isinstance(skipped, dg.SkipReason)
    assert "ends with season 2019; season 2026 is running" in str(skipped.skip_message)
    assert "precog up --source nflverse" in str(skipped.skip_message)


@pytest.mark.requirement("ORCH-004")
@pytest.mark.parametrize(
    ("at", "season"),
    [
        (datetime(2026, 11, 24, 10, tzinfo=UTC), 2026),
        (datetime(2027, 2, 8, 10, tzinfo=UTC), 2026),
        (datetime(2027, 8, 1, 3, 59, tzinfo=UTC), 2026),
        (datetime(2027, 8, 1, 4, 0, tzinfo=UTC), 2027),
    ],
)
def test_a_download_runs_for_the_season_of_the_local_day(
    db: Database, at: datetime, season: int
) -> None:
    use(db, provider="nflverse")
    request = tick(at)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == f"nfl|{season}"
    assert request.run_key == f"nfl-{at:%Y-%m-%d}"


@pytest.mark.requirement("ORCH-004")
def test_a_file_runs_while_it_has_the_running_season(db: Database, data_dir: Path) -> None:
    use(db, provider="nflverse_file", path=str(data_dir / "nfl" / "nflverse_games.csv"))
    assert isinstance(tick(datetime(2025, 12, 1, 10, tzinfo=UTC)), dg.RunRequest)
    assert isinstance(tick(datetime(2026, 12, 1, 10, tzinfo=UTC)), dg.SkipReason)
