"""An nflverse ``games.csv`` as typed games: every line checked, known clock errors corrected.

Two kinds of kickoff in the published file are off by twelve hours (measured on 1999 to 2025): the
night games of 2000 to 2005 are given as 09:00 (102 games), and five morning games in London of 2017
and 2018 as 21:30. Taken as they are, a Monday night result would count as known before the game.
Both are corrected by rule, and the corrections are counted in the metadata of the asset.
"""

import re
from datetime import time
from decimal import Decimal
from typing import cast

from precog_pipelines.sources.config import League
from precog_pipelines.sources.csv_rows import Row, read_rows
from precog_pipelines.sources.game_times import to_utc
from precog_pipelines.sources.protocols import GameType, SourceGame
from precog_pipelines.sources.teams import TeamDirectory

REQUIRED = (
    "game_id", "season", "game_type", "week", "gameday", "gametime", "away_team", "away_score",
    "home_team", "home_score", "location", "away_moneyline", "home_moneyline",
)  # fmt: skip
GAME_TYPES = {
    "PRE": "preseason", "REG": "regular", "WC": "postseason", "DIV": "postseason",
    "CON": "postseason", "SB": "postseason",
}  # fmt: skip
LONDON = ("Wembley", "Twickenham", "Tottenham")
_LAST_SEASON_OF_NINE = 2005
_SPREAD = re.compile(r"-?\d{1,2}(\.[05]0?)?", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def parse_games(
    file: str, content: bytes, teams: TeamDirectory, league: League
) -> tuple[list[SourceGame], list[str]]:
    """All games of the file in its order, and one sentence per corrected kickoff.

    Raises PrecogError naming file, line, column, value, what was expected and what to do; a file
    with one bad line gives no games at all.
    """
    games: list[SourceGame] = []
    corrections: list[str] = []
    seen: dict[str, int] = {}
    for row in read_rows(file, content, REQUIRED):
        game, correction = _game(row, teams, league)
        for column, key in (("game_id", str(game.source_game_id)), ("home_team", game.game_key)):
            if key in seen:
                raise row.refuse(
                    column,
                    f"a new game: the same game stands in line {seen[key]}",
                    "remove one of the two lines; nothing of the file was stored",
                )
            seen[key] = row.line
        games.append(game)
        if correction:
            corrections.append(correction)
    return games, corrections


def _game(row: Row, teams: TeamDirectory, league: League) -> tuple[SourceGame, str | None]:
    season = row.integer("season", 1920, 2100)
    day = row.date("gameday")
    first, last = league.season_window(season)
    if not first <= day <= last:
        raise row.refuse("gameday", f"a day of season {season} ({first} to {last})")
    away, home = (_team(row, column, teams) for column in ("away_team", "home_team"))
    if away == home:
        raise row.refuse("home_team", f"another team than the away team {away}")
    clock, correction = _kickoff_clock(row, season)
    kickoff = None if clock is None else to_utc(day, clock, league.zone)
    away_score, home_score = _scores(row)
    game = SourceGame(
        league=teams.league,
        season=season,
        week=row.integer("week", 1, league.last_week or 1),
        game_type=cast(GameType, GAME_TYPES[row.one_of("game_type", tuple(GAME_TYPES))]),
        game_date=day,
        kickoff_at=kickoff,
        away=away,
        home=home,
        neutral_site=row.one_of("location", ("Home", "Neutral")) == "Neutral",
        away_score=away_score,
        home_score=home_score,
        source_game_id=row.text("game_id"),
        away_moneyline=_moneyline(row, "away_moneyline"),
        home_moneyline=_moneyline(row, "home_moneyline"),
        away_quarterback=_quarterback(row, "away") if away_score is not None else None,
        home_quarterback=_quarterback(row, "home") if home_score is not None else None,
        closing_spread=_spread(row) if home_score is not None else None,
    )
    return game, correction


def _quarterback(row: Row, side: str) -> tuple[str, str | None] | None:
    """Who started for a side of a finished game; older files do not have the columns."""
    key = row.optional(f"{side}_qb_id")
    return None if key is None else (key, row.optional(f"{side}_qb_name"))


def _spread(row: Row) -> Decimal | None:
    """Points the home team was favoured by, in halves; None where the file does not say."""
    text = row.optional("spread_line")
    if text is None:
        return None
    if _SPREAD.fullmatch(text) is None:
        raise row.refuse("spread_line", "a spread in half points such as -3.5 or 7, or empty")
    return Decimal(text)


def _team(row: Row, column: str, teams: TeamDirectory) -> str:
    code = teams.code("nflverse", row[column])
    if code is None:
        raise row.refuse(
            column,
            f"a team that nflverse is known to use ({', '.join(teams.names('nflverse'))})",
            "correct the line, or add the name under aliases in config/leagues.yaml; nothing of "
            "the file was stored",
        )
    return code


def _kickoff_clock(row: Row, season: int) -> tuple[time | None, str | None]:
    """Local time of the kickoff, None when not given, and a sentence when it was corrected."""
    text = row.optional("gametime")
    if text is None:
        return None, None
    wall = _CLOCK.fullmatch(text)
    if wall is None:
        raise row.refuse("gametime", "a time HH:MM (US/Eastern) or empty")
    clock = time(int(wall[1]), int(wall[2]))
    night = text == "09:00" and season <= _LAST_SEASON_OF_NINE
    if night or (text == "21:30" and _in_london(row)):
        right = clock.replace(hour=(clock.hour + 12) % 24)
        return right, f"{row['game_id']}: kickoff {text} read as {right:%H:%M}"
    return clock, None


def _in_london(row: Row) -> bool:
    stadium = row.optional("stadium") or ""
    return any(name in stadium for name in LONDON)


def _scores(row: Row) -> tuple[int | None, int | None]:
    away, home = (row.optional_integer(column, 0, 200) for column in ("away_score", "home_score"))
    if (away is None) != (home is None):
        missing = "away_score" if away is None else "home_score"
        raise row.refuse(missing, "a score, although the other team has one")
    result = row.optional_integer("result", -200, 200)
    if result is not None and away is not None and home is not None and result != home - away:
        raise row.refuse("result", f"home_score - away_score ({home} - {away} = {home - away})")
    return away, home


def _moneyline(row: Row, column: str) -> int | None:
    odds = row.optional_integer(column, -100_000, 100_000)
    if odds is not None and abs(odds) < 100:
        raise row.refuse(column, "American odds: at most -100, at least 100, or empty")
    return odds
