"""Tickers, teams and games: one game or none, and a reason for none."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_pipelines.sources.kalshi.matching import (
    REASONS,
    Fixture,
    ListedEvent,
    match_events,
)
from precog_pipelines.sources.kalshi.tickers import (
    read_event_ticker,
    split_by_one,
    split_teams,
)

CODES = ("KC", "DEN", "LV", "NE", "LVN", "E", "LAR", "SEA", "NYY", "BOS")
TEAMS = {("nfl", code): number for number, code in enumerate(CODES, start=1)}


def test_an_event_ticker_says_day_and_teams() -> None:
    name = read_event_ticker("KXNFLGAME-26SEP14DENKC")
    assert name is not None
    assert (name.series, name.day, name.teams) == ("KXNFLGAME", date(2026, 9, 14), "DENKC")
    assert (name.clock, name.number, name.start_at) == (None, None, None)


def test_a_ticker_with_a_time_is_read_in_new_york_also_in_winter() -> None:
    summer = read_event_ticker("KXMLBGAME-26AUG091340LAAMIA")
    winter = read_event_ticker("KXNHLGAME-26DEC091900BOSNYR")
    assert summer is not None and winter is not None
    assert (summer.clock, summer.teams) == (time(13, 40), "LAAMIA")
    assert summer.start_at == datetime(2026, 8, 9, 17, 40, tzinfo=UTC)
    assert winter.start_at == datetime(2026, 12, 10, 0, 0, tzinfo=UTC)


def test_the_older_form_numbers_the_games_of_a_doubleheader() -> None:
    name = read_event_ticker("KXMLBGAME-25AUG09LAAMIAG2")
    assert name is not None
    assert (name.teams, name.number) == ("LAAMIA", 2)


@pytest.mark.parametrize(
    "ticker",
    ["KXNFLGAME", "KXNFLGAME-26SEP14", "KXNFLGAME-26XXX14DENKC", "KXNFLGAME-26FEB30DENKC",
     "KXMLBGAME-26AUG092540LAAMIA", "KXNFLGAME-26SEP14DEN-KC", "KXSB-27", ""],
)  # fmt: skip
def test_another_form_is_not_read(ticker: str) -> None:
    assert read_event_ticker(ticker) is None


@given(
    st.lists(st.text("ABCDEFG", min_size=2, max_size=3), min_size=2, max_size=2, unique=True),
    st.booleans(),
)
def test_joined_codes_are_split_as_they_were_joined_or_not_at_all(
    codes: list[str], turned: bool
) -> None:
    away, home = codes
    markets = (home, away) if turned else (away, home)
    assert split_teams(away + home, markets) in ((away, home), None)
    if away + home != home + away:
        assert split_teams(away + home, markets) == (away, home)


def test_an_ambiguous_joint_is_split_by_the_markets() -> None:
    """LVNE is LV and NE or LVN and E: only the markets know."""
    assert split_teams("LVNE", ("NE", "LV")) == ("LV", "NE")
    assert split_teams("LVNE", ("E", "LVN")) == ("LVN", "E")
    assert split_teams("LVNE", ("NE", "KC")) is None
    assert split_teams("LVNE", ("LVNE",)) is None


def event(ticker: str = "KXNFLGAME-26NOV29KCDEN", **changes: Any) -> ListedEvent:
    values: dict[str, Any] = {
        "event_id": 1, "series_id": 7, "league": "nfl", "competition": "Pro Football",
        "outcomes": {"DEN": 11, "KC": 12},
    } | changes  # fmt: skip
    return ListedEvent(ticker=ticker, **values)


def fixture(**changes: Any) -> Fixture:
    values: dict[str, Any] = {
        "game_id": 100, "league": "nfl", "day": date(2026, 11, 29),
        "kickoff_at": datetime(2026, 11, 29, 21, 25, tzinfo=UTC),
        "away_id": TEAMS["nfl", "KC"], "home_id": TEAMS["nfl", "DEN"],
    } | changes  # fmt: skip
    return Fixture(**values)


def test_an_event_is_matched_with_its_game_and_each_market_with_its_team() -> None:
    result = match_events([event()], [fixture()], TEAMS)
    assert result.unmatched == []
    match = result.matches[0]
    assert (match.event_id, match.game_id) == (1, 100)
    assert match.yes_teams == {11: TEAMS["nfl", "DEN"], 12: TEAMS["nfl", "KC"]}


SWAPPED = {"away_id": TEAMS["nfl", "DEN"], "home_id": TEAMS["nfl", "KC"]}
FAILURES: dict[str, tuple[ListedEvent, list[Fixture]]] = {
    "league_unknown": (event(league=None), [fixture()]),
    "ticker_unreadable": (event("KXNFLGAME-SOON"), [fixture()]),
    "preseason": (event(competition="Pro Football Preseason"), [fixture()]),
    "not_two_markets": (event(outcomes={"KC": 12}), [fixture()]),
    "teams_not_in_ticker": (event(outcomes={"KC": 12, "SEA": 11}), [fixture()]),
    "unmapped_team": (
        event("KXNFLGAME-26NOV29KCXXX", outcomes={"KC": 12, "XXX": 11}),
        [fixture()],
    ),
    "no_game": (event(), [fixture(day=date(2026, 11, 30))]),
    "home_and_away_swapped": (event(), [fixture(**SWAPPED)]),
    "several_games": (event(), [fixture(), fixture(game_id=101)]),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_every_market_of_an_event_that_fits_no_game_is_listed_with_the_reason(reason: str) -> None:
    """API-001: unmatched markets are named, never guessed."""
    listed, fixtures = FAILURES[reason]
    result = match_events([listed], fixtures, TEAMS)
    assert result.matches == []
    assert [one.ticker for one in result.unmatched] == [
        f"{listed.ticker}-{code}" for code in sorted(listed.outcomes)
    ]
    assert {one.reason for one in result.unmatched} == {reason}


def test_every_reason_is_explained_and_tested() -> None:
    assert set(REASONS) == {*FAILURES, "duplicate_event"}


def test_an_event_without_markets_is_listed_itself() -> None:
    result = match_events([event(outcomes={})], [fixture()], TEAMS)
    assert [one.ticker for one in result.unmatched] == ["KXNFLGAME-26NOV29KCDEN"]


def test_on_neutral_ground_the_venue_may_choose_the_other_home_team() -> None:
    result = match_events([event()], [fixture(**SWAPPED, neutral_site=True)], TEAMS)
    assert result.matches[0].yes_teams[12] == TEAMS["nfl", "KC"]


def test_of_two_events_on_one_game_the_one_with_volume_is_matched() -> None:
    empty = event(event_id=2, outcomes={"DEN": 21, "KC": 22})
    traded = event(event_id=1, volume=Decimal(5000))
    result = match_events([empty, traded], [fixture()], TEAMS)
    assert [match.event_id for match in result.matches] == [1]
    assert {one.reason for one in result.unmatched} == {"duplicate_event"}
    later = match_events([empty], [fixture()], TEAMS, taken=[(7, 100)])
    assert later.matches == []
    other_series = match_events([event(series_id=8)], [fixture()], TEAMS, taken=[(7, 100)])
    assert len(other_series.matches) == 1


def test_a_second_market_that_appears_later_joins_a_game_that_has_moved() -> None:
    """The ticker keeps the day first planned; the match is kept."""
    moved = fixture(day=date(2026, 12, 1))
    result = match_events([event(game_id=100)], [moved], TEAMS, taken=[(7, 100)])
    assert result.matches[0].yes_teams == {11: TEAMS["nfl", "DEN"], 12: TEAMS["nfl", "KC"]}
    foreign = event(game_id=100, outcomes={"KC": 12, "SEA": 11})
    assert match_events([foreign], [moved], TEAMS).unmatched[0].reason == "unmapped_team"


def test_the_games_of_a_doubleheader_are_told_apart_by_time_or_number() -> None:
    first = fixture(kickoff_at=datetime(2026, 8, 9, 17, 0, tzinfo=UTC), day=date(2026, 8, 9))
    second = fixture(
        game_id=101, kickoff_at=datetime(2026, 8, 9, 23, 0, tzinfo=UTC), day=date(2026, 8, 9),
        number=2,
    )  # fmt: skip
    games = [first, second]
    by_time = match_events([event("KXMLBGAME-26AUG091910KCDEN")], games, TEAMS)
    by_number = match_events([event("KXMLBGAME-26AUG09KCDENG2")], games, TEAMS)
    neither = match_events([event("KXMLBGAME-26AUG091000KCDEN")], games, TEAMS)
    assert by_time.matches[0].game_id == by_number.matches[0].game_id == 101
    assert neither.unmatched[0].reason == "several_games"


def test_one_team_leaves_the_other_where_it_is_a_known_code() -> None:
    known = {"LV", "NE", "LVN", "KC", "NEL"}
    assert split_by_one("LVNE", "NE", known) == ("LV", "NE")
    assert split_by_one("LVNE", "LV", known) == ("LV", "NE")
    assert split_by_one("LVNE", "KC", known) is None
    assert split_by_one("LVXX", "LV", known) is None
    assert split_by_one("LV", "LV", known) is None
    # NE at LVNE or NELV at NE: two ways are none.
    assert split_by_one("NELVNE", "NE", {"NE", "LVNE", "NELV"}) is None


def test_an_event_recorded_from_one_side_is_matched_only_where_that_is_expected() -> None:
    lone = event(outcomes={"KC": 12})
    result = match_events([lone], [fixture()], TEAMS, lone_markets=True)
    assert result.matches[0].yes_teams == {12: TEAMS["nfl", "KC"]}
    assert match_events([lone], [fixture()], TEAMS).unmatched[0].reason == "not_two_markets"
    other_way = match_events([lone], [fixture(**SWAPPED)], TEAMS, lone_markets=True)
    assert other_way.unmatched[0].reason == "home_and_away_swapped"
    strange = event("KXNFLGAME-26NOV29KCXXX", outcomes={"KC": 12})
    result = match_events([strange], [fixture()], TEAMS, lone_markets=True)
    assert result.unmatched[0].reason == "teams_not_in_ticker"
    none = match_events([event(outcomes={})], [fixture()], TEAMS, lone_markets=True)
    assert none.unmatched[0].reason == "not_two_markets"
