"""The building blocks of trading's typed settings: exact numbers, profiles, values by league."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

T = TypeVar("T")

LEAGUES = frozenset({"nfl", "ncaaf", "nba", "wnba", "ncaab", "nhl", "mlb", "tennis"})
"""Leagues a table may name; anything else is a misspelling that would silently do nothing."""
DEFAULT = "default"
LIVE_ENVIRONMENTS = frozenset({"demo", "live"})


def _no_float(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError(
            f"{value!r} is a binary float; expected a decimal written as text, such as '0.05'"
        )
    return value


def _known_leagues(table: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = sorted(set(table) - LEAGUES - {DEFAULT})
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)} is no league; expected {', '.join(sorted(LEAGUES))} or {DEFAULT}"
        )
    return table


Exact = Annotated[Decimal, BeforeValidator(_no_float), Field(allow_inf_nan=False)]
"""A Decimal that never was a float."""
Usd = Annotated[Exact, Field(ge=0, le=1_000_000_000)]
Share = Annotated[Exact, Field(ge=0, le=1)]
"""A price, a probability or a fraction."""
Contracts = Annotated[Exact, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[int, Field(ge=0, le=7 * 86_400)]
Hours = Annotated[Exact, Field(ge=0, le=24 * 30)]
ShareByLeague = Annotated[dict[str, Share], AfterValidator(_known_leagues)]
"""A share per league; ``default`` serves the leagues not named."""
SecondsByLeague = Annotated[dict[str, Seconds], AfterValidator(_known_leagues)]
"""Seconds per league; ``default`` serves the leagues not named."""
KellyByLeague = Annotated[
    dict[str, Annotated[Exact, Field(gt=0, le=Decimal("0.5"))]], AfterValidator(_known_leagues)
]
"""A fraction of full Kelly per league: above 0, at most one half."""
ShrinkByLeague = Annotated[
    dict[str, Annotated[Exact, Field(ge=Decimal("0.10"), le=1)]], AfterValidator(_known_leagues)
]
"""A trust in the market per league: at least 0.10."""


class Section(BaseModel):
    """A group of settings: unknown keys and values out of range stop the start.

    A table with defaults keeps those that a file does not mention, so that changing one league's
    value does not drop the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _tables_keep_their_defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        merged = dict(values)
        for name, field in cls.model_fields.items():
            given = merged.get(name)
            if isinstance(field.default, dict) and isinstance(given, dict):
                merged[name] = {**field.default, **given}
        return merged


class Profiled(Section, Generic[T]):
    """A value that differs between play money and real money.

    One bare value stands for both. Backtests take ``paper``, the venue's demo takes ``live``.
    """

    paper: T
    live: T

    @model_validator(mode="before")
    @classmethod
    def _one_value_for_both(cls, value: Any) -> Any:
        if isinstance(value, dict | Profiled):
            return value
        return {"paper": value, "live": value}

    def of(self, environment: str) -> T:
        """The value in force in ``environment``: backtest, paper, demo or live."""
        return self.live if environment in LIVE_ENVIRONMENTS else self.paper


def for_league(table: Mapping[str, Decimal], league: str | None) -> Decimal:
    """The league's own value, else the table's default."""
    own = table.get(league or DEFAULT)
    return table[DEFAULT] if own is None else own


def require_default(name: str, table: Mapping[str, Decimal]) -> None:
    """Raise ValueError when the table has no value for the leagues it does not name."""
    if DEFAULT not in table:
        raise ValueError(f"{name} has no {DEFAULT}; expected a value for the leagues not named")
