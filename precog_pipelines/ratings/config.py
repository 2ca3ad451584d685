"""``config/elo.yaml``: one set of Elo parameters per league, each a model version of its own.

And ``config/ratings.yaml``: the ratings with uncertainty.
"""

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from precog_core.config import load_section
from precog_core.errors import PrecogError
from precog_pipelines.ratings.elo import EloParameters, Era, MarginForm
from precog_pipelines.ratings.glicko import GlickoParameters
from precog_pipelines.ratings.strength import StrengthParameters


def _fraction(value: Any) -> Any:
    """``"1/3"`` as the nearest float, so that thirds can be written exactly in YAML."""
    if isinstance(value, str) and "/" in value:
        return float(Fraction(value.replace(" ", "")))
    return value


class HomeAdvantage(BaseModel):
    """Rating points of home advantage from a season on; without ``from_season`` always."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    points: float = Field(ge=0, le=150)
    from_season: int | None = None


class LeagueElo(BaseModel):
    """Elo of one league. Changing a number needs a new ``version``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str = Field(default="v1.0", pattern=r"^v[0-9]+\.[0-9]+$")
    k: float = Field(ge=1, le=50)
    home_advantage: tuple[HomeAdvantage, ...] = Field(min_length=1)
    reversion: Annotated[float, BeforeValidator(_fraction), Field(ge=0, le=1)]
    margin: MarginForm
    margin_power: float = Field(default=1.0, ge=0, le=2)
    mean: float = Field(default=1505.0, ge=800, le=2200)

    @model_validator(mode="after")
    def _eras_are_distinct(self) -> "LeagueElo":
        seasons = [era.from_season for era in self.home_advantage]
        if len(set(seasons)) != len(seasons):
            raise ValueError("home_advantage names one from_season twice")
        return self

    def parameters(self) -> EloParameters:
        """The same numbers as the pure implementation takes them."""
        return EloParameters(
            k=self.k,
            eras=_eras(self.home_advantage),
            reversion=self.reversion,
            margin=self.margin,
            margin_power=self.margin_power,
            mean=self.mean,
        )

    def definition(self) -> dict[str, Any]:
        """What the model version stores: all parameters, without the version itself."""
        # The published form stays out: versions stored before there was another say nothing of it.
        published = {"margin_power"} if self.margin_power == 1.0 else set()
        return self.model_dump(mode="json", exclude={"version"} | published)


class EloConfig(BaseModel):
    """The whole file. Ratings outside ``alert_below`` .. ``alert_above`` raise a warning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    leagues: dict[str, LeagueElo]
    alert_below: float = 800.0
    alert_above: float = 2200.0

    def league(self, league: str) -> LeagueElo:
        """The parameters of ``league``. Raises PrecogError naming the file when it has none."""
        try:
            return self.leagues[league]
        except KeyError:
            known = ", ".join(sorted(self.leagues))
            raise PrecogError(
                f"config/elo.yaml has no Elo parameters for league {league!r} (it has {known}); "
                f"add leagues.{league} there"
            ) from None


def elo_config() -> EloConfig:
    """The Elo configuration in force."""
    return load_section("elo", EloConfig)


class LeagueGlicko(BaseModel):
    """Glicko-2 of one league; see ``glicko.GlickoParameters``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home_advantage: tuple[HomeAdvantage, ...] = Field(min_length=1)
    period_d: float = Field(gt=0, le=31)
    reversion: Annotated[float, BeforeValidator(_fraction), Field(ge=0, le=1)]
    tau: float = Field(gt=0, le=2)
    deviation: float = Field(gt=0, le=500)
    volatility: float = Field(gt=0, le=1)

    def parameters(self) -> GlickoParameters:
        """The same numbers as the pure implementation takes them."""
        return GlickoParameters(
            eras=_eras(self.home_advantage),
            period_d=self.period_d,
            reversion=self.reversion,
            tau=self.tau,
            deviation=self.deviation,
            volatility=self.volatility,
        )


class LeagueStrength(BaseModel):
    """Strength in points of one league; see ``strength.StrengthParameters``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home_advantage: tuple[HomeAdvantage, ...] = Field(min_length=1)
    noise: float = Field(gt=0)
    deviation: float = Field(gt=0)
    drift: float = Field(ge=0)
    season_drift: float = Field(ge=0)
    reversion: Annotated[float, BeforeValidator(_fraction), Field(ge=0, le=1)]
    cap: float = Field(gt=0)

    def parameters(self) -> StrengthParameters:
        """The same numbers as the pure implementation takes them."""
        fields = self.model_dump(exclude={"home_advantage"})
        return StrengthParameters(eras=_eras(self.home_advantage), **fields)


class LeagueRatings(BaseModel):
    """The ratings with uncertainty of one league."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    glicko: LeagueGlicko
    strength: LeagueStrength


class RatingsConfig(BaseModel):
    """``config/ratings.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    leagues: dict[str, LeagueRatings]

    def league(self, league: str) -> LeagueRatings:
        """The parameters of ``league``. Raises PrecogError naming the file when it has none."""
        try:
            return self.leagues[league]
        except KeyError:
            known = ", ".join(sorted(self.leagues))
            raise PrecogError(
                f"config/ratings.yaml has no parameters for league {league!r} (it has {known}); "
                f"add leagues.{league} there"
            ) from None


def ratings_config() -> RatingsConfig:
    """The configuration in force."""
    return load_section("ratings", RatingsConfig)


def _eras(given: tuple[HomeAdvantage, ...]) -> tuple[Era, ...]:
    return tuple(Era(era.from_season, era.points) for era in given)
