"""Are the seasons whole?

A missing week would bias form, ratings and the label's base rate silently, so holes stop a dataset
unless somebody has written them down, with the reason, in ``config/datasets.yaml``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from precog_core.config import load_section
from precog_pipelines.sources.config import LeaguesConfig

GameType = Literal["regular", "postseason"]
# A season is still running while its last scheduled game is younger than this: the next round may
# not be drawn yet.
_RUNNING = timedelta(days=30)


class AllowedHole(BaseModel):
    """Games known to be missing; ``source`` restricts it to games of that source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    season: int
    game_type: GameType
    games: int = Field(ge=1)
    reason: str = Field(min_length=1)
    source: str | None = None


class LeagueDataset(BaseModel):
    """What is known to be missing from the seasons of one league."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow_missing: tuple[AllowedHole, ...] = ()


class DatasetsConfig(BaseModel):
    """``config/datasets.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    leagues: dict[str, LeagueDataset] = {}

    def league(self, league: str) -> LeagueDataset:
        """What may be missing from ``league``; nothing when it is not listed."""
        return self.leagues.get(league, LeagueDataset())


@dataclass(frozen=True)
class Hole:
    """Finished games that are missing from a season; ``reason`` when the hole is allowed."""

    season: int
    game_type: GameType
    missing: int
    expected: int
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.season} {self.game_type}: {self.missing} of {self.expected} missing"


def datasets_config() -> DatasetsConfig:
    """The dataset configuration in force."""
    return load_section("datasets", DatasetsConfig)


def season_sizes(league: str) -> Callable[[int], Mapping[GameType, int]]:
    """Games of a complete season by type, a function of the season.

    Empty where ``config/leagues.yaml`` does not say.
    """
    known = load_section("leagues", LeaguesConfig).leagues.get(league)

    def sizes(season: int) -> Mapping[GameType, int]:
        size = known.complete_season(season) if known else None
        return {} if size is None else {"regular": size.regular, "postseason": size.postseason}

    return sizes


def find_holes(
    finished: Mapping[tuple[int, GameType], int],
    *,
    expected: Callable[[int], Mapping[GameType, int]],
    allowed: Sequence[AllowedHole],
    sources: Sequence[str],
    last_day: date,
    today: date,
) -> list[Hole]:
    """Holes between the first and last season of ``finished`` (games by season and type).

    ``expected`` gives the games of a complete season; where it does not know, only a season without
    any game is a hole. ``sources`` are the origins of the games; ``last_day`` is the day of the
    latest stored game, which tells whether the last season still runs and may be short. An allowed
    hole carries its reason and covers at most its number of games; what is missing beyond is a hole
    of its own.
    """
    seasons = {season for season, _ in finished}
    running = max(seasons) if today - last_day < _RUNNING else None
    holes: list[Hole] = []
    for season in range(min(seasons), max(seasons) + 1):
        if season == running:
            continue
        sizes = expected(season)
        if not sizes and season not in seasons:
            sizes = {"regular": 1}
        for game_type, size in sizes.items():
            missing = size - finished.get((season, game_type), 0)
            for entry in allowed:
                if missing > 0 and _applies(entry, season, game_type, sources):
                    covered = min(missing, entry.games)
                    holes.append(Hole(season, game_type, covered, size, entry.reason))
                    missing -= covered
            if missing > 0:
                holes.append(Hole(season, game_type, missing, size))
    return holes


def _applies(entry: AllowedHole, season: int, game_type: GameType, sources: Sequence[str]) -> bool:
    same_games = (entry.season, entry.game_type) == (season, game_type)
    return same_games and (entry.source is None or entry.source in sources)
