"""A games file is read whole or refused with the line, the column and what to do."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import League, league_config
from precog_pipelines.sources.nflverse_csv import parse_games
from precog_pipelines.sources.protocols import SourceGame
from precog_pipelines.sources.teams import TeamDirectory

Rows = Callable[..., dict[str, str]]
Csv = Callable[..., bytes]


@pytest.fixture
def league() -> League:
    return league_config("nfl")


@pytest.fixture
def read(league: League) -> Callable[[bytes], tuple[list[SourceGame], list[str]]]:
    teams = TeamDirectory.configured("nfl", league)
    return lambda content: parse_games("games.csv", content, teams, league)


def test_a_line_becomes_a_game_of_todays_franchises_in_utc(
    read: Any, game_row: Rows, csv_bytes: Csv
) -> None:
    games, corrections = read(csv_bytes([game_row()]))
    assert corrections == []
    assert games == [
        SourceGame(
            league="nfl",
            season=2018,
            week=1,
            game_type="regular",
            game_date=date(2018, 9, 9),
            kickoff_at=datetime(2018, 9, 9, 17, 0, tzinfo=UTC),
            away="LV",
            home="LA",
            neutral_site=False,
            away_score=17,
            home_score=24,
            source_game_id="2018_01_OAK_STL",
            away_moneyline=150,
            home_moneyline=-170,
        )
    ]
    assert games[0].game_key == "nfl:2018:2018-09-09:LV@LA"
    assert games[0].home_result == 1.0


def test_a_game_without_scores_is_a_fixture(read: Any, game_row: Rows, csv_bytes: Csv) -> None:
    row = game_row(away_score="", home_score="NA", result="", away_moneyline="", home_moneyline="")
    games, _ = read(csv_bytes([row]))
    assert not games[0].is_final
    assert games[0].home_result is None


def test_a_winter_kickoff_is_five_hours_from_utc(read: Any, game_row: Rows, csv_bytes: Csv) -> None:
    games, _ = read(csv_bytes([game_row(gameday="2018-12-09", gametime="20:20")]))
    assert games[0].kickoff_at == datetime(2018, 12, 10, 1, 20, tzinfo=UTC)
    assert games[0].game_date == date(2018, 12, 9)


def test_a_missing_time_leaves_the_kickoff_unknown(
    read: Any, game_row: Rows, csv_bytes: Csv
) -> None:
    games, _ = read(csv_bytes([game_row(gametime="")]))
    assert games[0].kickoff_at is None


@pytest.mark.parametrize(
    ("changes", "hour", "corrected"),
    [
        ({"season": 2003, "gameday": "2003-09-08", "gametime": "09:00"}, 1, True),
        ({"gametime": "21:30", "stadium": "Wembley Stadium"}, 13, True),
        ({"gametime": "21:30", "stadium": "Lambeau Field"}, 1, False),
        ({"gametime": "09:30", "stadium": "Wembley Stadium"}, 13, False),
    ],
)
def test_kickoffs_twelve_hours_off_are_corrected_and_told(
    read: Any, game_row: Rows, csv_bytes: Csv, changes: Any, hour: int, corrected: bool
) -> None:
    games, corrections = read(csv_bytes([game_row(**changes)]))
    assert games[0].kickoff_at.hour == hour
    assert len(corrections) == corrected


@pytest.mark.parametrize(
    ("changes", "column", "value", "expected"),
    [
        ({"home_team": "XYZ"}, "home_team", "'XYZ'", "a team that nflverse is known to use"),
        ({"home_team": "LAR"}, "home_team", "'LAR'", "aliases in config/leagues.yaml"),
        ({"home_score": "2x"}, "home_score", "'2x'", "a whole number from 0 to 200"),
        ({"home_score": "24.5"}, "home_score", "'24.5'", "a whole number from 0 to 200"),
        ({"home_score": "-3"}, "home_score", "'-3'", "a whole number from 0 to 200"),
        ({"home_score": "", "result": ""}, "home_score", "''", "the other team has one"),
        ({"result": "8"}, "result", "'8'", "home_score - away_score (24 - 17 = 7)"),
        ({"gameday": "2018-13-09"}, "gameday", "'2018-13-09'", "a date YYYY-MM-DD"),
        ({"gameday": "2017-09-09"}, "gameday", "'2017-09-09'", "2018-08-01 to 2019-07-31"),
        ({"gametime": "25:00"}, "gametime", "'25:00'", "a time HH:MM"),
        ({"season": "18"}, "season", "'18'", "a whole number from 1920 to 2100"),
        ({"week": "23"}, "week", "'23'", "a whole number from 1 to 22"),
        ({"week": ""}, "week", "''", "a whole number from 1 to 22"),
        ({"game_type": "XX"}, "game_type", "'XX'", "one of PRE, REG, WC, DIV, CON, SB"),
        ({"location": "Away"}, "location", "'Away'", "one of Home, Neutral"),
        ({"home_moneyline": "-50"}, "home_moneyline", "'-50'", "American odds"),
        ({"game_id": ""}, "game_id", "''", "a value (it is empty)"),
        ({"away_team": "STL"}, "home_team", "'STL'", "another team than the away team LA"),
    ],
)
def test_a_wrong_cell_is_refused_with_line_column_value_and_expectation(
    read: Any, game_row: Rows, csv_bytes: Csv, changes: Any, column: str, value: str, expected: str
) -> None:
    good = game_row(game_id="2018_01_BUF_KC", away_team="BUF", home_team="KC")
    with pytest.raises(PrecogError) as refused:
        read(csv_bytes([good, game_row(**changes)]))
    message = str(refused.value)
    assert message.startswith(f"games.csv, line 3, column {column}: {value} is not ")
    assert expected in message
    assert "nothing of" in message
    assert "stored" in message


@pytest.mark.parametrize(
    ("second", "column"),
    [({}, "game_id"), ({"game_id": "another"}, "home_team")],
)
def test_the_same_game_twice_is_refused_naming_both_lines(
    read: Any, game_row: Rows, csv_bytes: Csv, second: Any, column: str
) -> None:
    with pytest.raises(PrecogError, match=rf"line 3, column {column}: .* stands in line 2"):
        read(csv_bytes([game_row(), game_row(**second)]))


def test_a_missing_column_is_named_with_what_was_found(
    read: Any, game_row: Rows, csv_bytes: Csv
) -> None:
    content = csv_bytes([game_row()], header=("game_id", "season", "home_team"))
    with pytest.raises(
        PrecogError, match="line 1: the header has no column 'game_type'.*found game"
    ):
        read(content)


def test_every_cut_of_a_file_is_refused(read: Any, game_row: Rows, csv_bytes: Csv) -> None:
    content = csv_bytes([game_row(), game_row(game_id="b", away_team="BUF", home_team="KC")])
    start = content.index(b"\nb,") + 2
    for length in range(start, len(content)):
        with pytest.raises(PrecogError, match="line 3"):
            read(content[:length])
    assert len(read(content)[0]) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"game_id\xff\n", "line 1: not UTF-8"),
        (b'game_id,season\n"open\n', "has no column 'game_type'"),
    ],
)
def test_something_else_than_a_games_file_is_refused(read: Any, content: bytes, words: str) -> None:
    with pytest.raises(PrecogError, match=words):
        read(content)


def test_an_open_quote_is_refused(read: Any, game_row: Rows, csv_bytes: Csv) -> None:
    content = csv_bytes([game_row()]) + b'"2018_01_'
    with pytest.raises(PrecogError, match="line 3: unexpected end of data"):
        read(content)
