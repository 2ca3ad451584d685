"""Are the seasons whole?

A missing week would bias form, ratings and the label's base rate silently, so holes stop a dataset
unless somebody has written them down, with the reason, in ``config/datasets.yaml``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from precog_core.config import load_section

GameType = Literal["regular", "postseason"]
# A season is still running while its last scheduled game is younger than this: the next round may
# not be drawn yet.
_RUNNING = timedelta(days=30)


class ExpectedGames(BaseModel):
    """How many games of one type a season has, from ``from_season`` on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_season: int
    games: int = Field(ge=0)


class AllowedHole(BaseModel):
    """Games known to be missing; ``source`` restricts it to games of that source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    season: int
    game_type: GameType
    games: int = Field(ge=1)
    reason: str = Field(min_length=1)
    source: str | None = None


class LeagueDataset(BaseModel):
    """What datasets of one league expect. Without ``expected`` only whole seasons are missed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expected: dict[GameType, tuple[ExpectedGames, ...]] = {}
    allow_missing: tuple[AllowedHole, ...] = ()

    def expected_games(self, season: int, game_type: GameType) -> int | None:
        """Games of ``game_type`` in ``season``, None when the configuration does not say."""
        eras = [e for e in self.expected.get(game_type, ()) if e.from_season <= season]
        return max(eras, key=lambda era: era.from_season).games if eras else None


class DatasetsConfig(BaseModel):
    """``config/datasets.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    leagues: dict[str, LeagueDataset] = {}

    def league(self, league: str) -> LeagueDataset:
        """The expectations of ``league``; none when it is not listed."""
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


def find_holes(
    finished: Mapping[tuple[int, GameType], int],
    *,
    rules: LeagueDataset,
    sources: Sequence[str],
    last_day: date,
    today: date,
) -> list[Hole]:
    """Holes between the first and last season of ``finished`` (games by season and type).

    ``sources`` are the origins of the games; ``last_day`` is the day of the latest stored game,
    which tells whether the last season still runs and may be short. An allowed hole carries its
    reason and covers at most its number of games; what is missing beyond is a hole of its own.
    """
    seasons = {season for season, _ in finished}
    holes: list[Hole] = []
    running = max(seasons) if today - last_day < _RUNNING else None
    for season in range(min(seasons), max(seasons) + 1):
        if season == running:
            continue
        for game_type in ("regular", "postseason"):
            expected = rules.expected_games(season, game_type)
            if expected is None:
                if season in seasons or game_type != "regular":
                    continue
                expected = 1
            missing = expected - finished.get((season, game_type), 0)
            if missing <= 0:
                continue
            for allowed in rules.allow_missing:
                if (allowed.season, allowed.game_type) != (season, game_type):
                    continue
                if allowed.source is not None and allowed.source not in sources:
                    continue
                covered = min(missing, allowed.games)
                holes.append(Hole(season, game_type, covered, expected, allowed.reason))
                missing -= covered
            if missing > 0:
                holes.append(Hole(season, game_type, missing, expected))
    return holes
