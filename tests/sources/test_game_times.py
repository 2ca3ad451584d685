"""When a fact of the past counts as known."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import BackfillSection, league_config
from precog_pipelines.sources.game_times import result_known_at, schedule_known_at, season_of

EASTERN = ZoneInfo("America/New_York")
KICKOFF = datetime(2018, 11, 4, 18, 0, tzinfo=UTC)
DAY = date(2018, 11, 4)


@pytest.mark.requirement("PIT-005")
def test_a_fixture_is_known_two_days_before_and_a_result_four_hours_after() -> None:
    rules = BackfillSection()
    assert schedule_known_at(DAY, KICKOFF, EASTERN, rules.schedule_lead) == datetime(
        2018, 11, 2, 18, 0, tzinfo=UTC
    )
    assert result_known_at(DAY, KICKOFF, EASTERN, rules.result_lag("nfl")) == datetime(
        2018, 11, 4, 22, 0, tzinfo=UTC
    )


def test_without_a_start_the_day_counts_in_local_time() -> None:
    day = date(1999, 10, 31)  # the clocks go back in that night
    assert schedule_known_at(day, None, EASTERN, timedelta(hours=48)) == datetime(
        1999, 10, 29, 4, 0, tzinfo=UTC
    )
    assert result_known_at(day, None, EASTERN, timedelta(hours=4)) == datetime(
        1999, 11, 1, 17, 0, tzinfo=UTC
    )


def test_a_league_without_a_rule_is_refused() -> None:
    with pytest.raises(PrecogError, match="no backfill.lag_h for league 'xfl'"):
        BackfillSection().result_lag("xfl")


@pytest.mark.parametrize(
    ("day", "season"),
    [(date(2019, 2, 3), 2018), (date(2019, 7, 31), 2018), (date(2019, 8, 1), 2019)],
)
def test_a_season_is_named_by_the_year_it_starts_in(day: date, season: int) -> None:
    assert season_of(day, league_config("nfl").season_starts) == season
