"""Settings: ``config/sources.yaml`` (where from) and ``config/leagues.yaml`` (leagues, teams)."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

import psycopg
from pydantic import BaseModel, ConfigDict, Field, model_validator

from precog_core.config import load_section
from precog_core.errors import PrecogError
from precog_pipelines.sources.game_times import SeasonLabel, season_of, season_window
from precog_pipelines.sources.protocols import GameType

SourceName = Literal["nflverse", "sample", "kalshi", "manual"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)
"""Sources with names of their own for teams, in ``team_aliases.source``."""

ProviderName = Literal["sample", "nflverse_file", "nflverse"]


_MonthDay = Annotated[str, Field(pattern=r"^\d\d-\d\d$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GamesSection(_Strict):
    """Which provider fills this home, and its file where it needs one."""

    provider: ProviderName = "sample"
    path: Path | None = None

    @model_validator(mode="after")
    def _file_has_a_path(self) -> "GamesSection":
        if self.provider == "nflverse_file" and self.path is None:
            raise ValueError("provider nflverse_file needs sources.games.path")
        return self


class NflverseSection(_Strict):
    """How the published nflverse files are downloaded."""

    base_url: str = "https://github.com/nflverse/nflverse-data/releases/download/"
    timeout_s: int = Field(default=30, ge=1, le=600)
    attempts: int = Field(default=4, ge=1, le=10)
    wait_max_s: float = Field(default=20, ge=0, le=300)


class RecordedQuotesSection(_Strict):
    """A folder with recorded games and candles of one league; null: this home has none.

    The league is then filled from it, whatever ``sources.games`` says.
    """

    path: Path | None = None
    league: str = "nba"


class BackfillSection(_Strict):
    """When a fact of the past counts as known (models.md, section 3)."""

    schedule_lead_h: float = Field(default=48, gt=0)
    lag_h: dict[str, float] = {"nfl": 4, "ncaaf": 5, "nba": 3, "nhl": 3, "mlb": 4}

    @property
    def schedule_lead(self) -> timedelta:
        return timedelta(hours=self.schedule_lead_h)

    def result_lag(self, league: str) -> timedelta:
        """From the start to the known result. PrecogError when the league has no rule."""
        if league not in self.lag_h:
            raise PrecogError(
                f"config/sources.yaml has no backfill.lag_h for league {league!r}; add the hours "
                "from the start of a game to its known result"
            )
        return timedelta(hours=self.lag_h[league])


class ClosingLineSection(_Strict):
    """What is assumed around a closing moneyline to call it a quote."""

    spread: Decimal = Field(default=Decimal("0.02"), gt=0, le=Decimal("0.20"))
    size: Decimal = Field(default=Decimal(500), ge=0)
    lead_min: float = Field(default=31, ge=0, le=24 * 60)


class SourcesConfig(_Strict):
    """The whole of ``config/sources.yaml``."""

    games: GamesSection = GamesSection()
    nflverse: NflverseSection = NflverseSection()
    recorded_quotes: RecordedQuotesSection = RecordedQuotesSection()
    backfill: BackfillSection = BackfillSection()
    closing_line: ClosingLineSection = ClosingLineSection()


class Team(_Strict):
    """A franchise. ``aliases`` lists, per source, every code the source uses for it."""

    code: str
    name: str
    conference: str | None = None
    division: str | None = None
    aliases: dict[SourceName, list[str]] = {}

    def names_in(self, source: str) -> list[str]:
        return self.aliases.get(source, [self.code])  # type: ignore[call-overload]


class Series(_Strict):
    """The contract family that markets of simulated and assumed quotes belong to."""

    ticker: str
    title: str


class SeasonSize(_Strict):
    """Games of a complete season, in force from ``from_season`` on."""

    from_season: int
    regular: int
    postseason: int


class League(_Strict):
    """One league: its clock, the frame a season must fit in, its teams."""

    timezone: str
    season_starts: _MonthDay
    season_label: SeasonLabel = "start"
    regular_starts: _MonthDay | None = None
    postseason_starts: _MonthDay | None = None
    last_week: int | None = None
    series: Series
    season_size: tuple[SeasonSize, ...] = ()
    teams: tuple[Team, ...]

    @model_validator(mode="after")
    def _names_are_unambiguous(self) -> "League":
        for source in SOURCES:
            names = [name for team in self.teams for name in team.names_in(source)]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"source {source} has two teams called {', '.join(twice)}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def season_of(self, day: date) -> int:
        """The season of a local date."""
        return season_of(day, self.season_starts, self.season_label)

    def season_window(self, season: int) -> tuple[date, date]:
        """First and last local day of ``season``."""
        return season_window(season, self.season_starts, self.season_label)

    def game_type_of(self, day: date) -> GameType:
        """What a game of that local day is, for sources that do not say; without limits regular."""

        def place(month_day: str) -> tuple[bool, str]:
            return month_day < self.season_starts, month_day

        played = place(day.strftime("%m-%d"))
        if self.regular_starts is not None and played < place(self.regular_starts):
            return "preseason"
        if self.postseason_starts is not None and played >= place(self.postseason_starts):
            return "postseason"
        return "regular"

    def complete_season(self, season: int) -> SeasonSize | None:
        """The size in force for ``season``; None before the first known one."""
        known = [size for size in self.season_size if size.from_season <= season]
        return max(known, key=lambda size: size.from_season, default=None)


class LeaguesConfig(_Strict):
    """The whole of ``config/leagues.yaml``."""

    leagues: dict[str, League]


def sources_config(conn: psycopg.Connection | None = None) -> SourcesConfig:
    """The settings in force; with ``conn`` including what this home keeps in config_overrides."""
    return load_section("sources", SourcesConfig, conn)


def league_config(league: str) -> League:
    """The league by its code. Raises PrecogError naming the leagues that are configured."""
    leagues = load_section("leagues", LeaguesConfig).leagues
    if league not in leagues:
        raise PrecogError(
            f"no game source for league {league}; config/leagues.yaml describes "
            f"{', '.join(sorted(leagues))}"
        )
    return leagues[league]
