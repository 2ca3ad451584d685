"""The typed form of ``config/matrices.yaml``: buckets of states, games that a cell needs."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from precog_core.config import load_section

if TYPE_CHECKING:
    import psycopg


class MatricesConfig(BaseModel):
    """The whole file. Changing a number needs a new ``version``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str = Field(default="v1.0", pattern=r"^v[0-9]+\.[0-9]+$")
    min_games: Annotated[int, Field(ge=1)] = 30
    favourites: dict[str, Annotated[float, Field(ge=0.5, lt=1)]] = {"any": 0.5}
    leads: dict[str, tuple[Annotated[int, Field(ge=1)], ...]] = {}
    periods: dict[str, dict[Annotated[int, Field(ge=1)], str]] = {}

    @model_validator(mode="after")
    def _edges_ascend(self) -> "MatricesConfig":
        edges = list(self.favourites.values())
        if edges != sorted(set(edges)) or not edges or edges[0] != 0.5:
            raise ValueError("favourites must ascend from 0.50, or a favourite has no bucket")
        for league, leads in self.leads.items():
            if list(leads) != sorted(set(leads)):
                raise ValueError(f"leads.{league} must ascend")
        return self


def matrices_config(conn: "psycopg.Connection | None" = None) -> MatricesConfig:
    """The configuration in force; with ``conn`` including overrides kept in the database."""
    return load_section("matrices", MatricesConfig, conn=conn)
