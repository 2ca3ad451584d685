"""``config/features.yaml``: when features are taken, and league facts that definitions need."""

from datetime import timedelta
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from precog_core.config import load_section
from precog_pipelines.features.quarterback import QuarterbackConfig

Moment = Literal["day_before", "decision"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)
# v1.0 is what models.md specifies; the others are opt-in for a model that names them.
FeatureSet = Literal["v1.0", "ratings", "quarterback", "market"]


class FeaturesConfig(BaseModel):
    """The whole file. Offsets are minutes before the scheduled start."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision_offset_min: Annotated[int, Field(ge=1, le=24 * 60)] = 60
    day_before_offset_min: Annotated[int, Field(ge=2, le=7 * 24 * 60)] = 24 * 60
    back_to_back_leagues: tuple[str, ...] = ("nba", "nhl")
    division_alignment_since: dict[str, int] = {}
    stored_sets: tuple[FeatureSet, ...] = ("v1.0",)
    # The set exists for these leagues only.
    quarterback: dict[str, QuarterbackConfig] = {}

    @model_validator(mode="after")
    def _moments_are_in_order(self) -> "FeaturesConfig":
        if self.day_before_offset_min <= self.decision_offset_min:
            raise ValueError("day_before_offset_min must be larger than decision_offset_min")
        return self

    def lead(self, moment: Moment) -> timedelta:
        """How long before the scheduled start ``moment`` lies."""
        if moment == "decision":
            return timedelta(minutes=self.decision_offset_min)
        if moment == "day_before":
            return timedelta(minutes=self.day_before_offset_min)
        raise ValueError(f"moment is {moment!r}; expected one of {', '.join(MOMENTS)}")


def features_config() -> FeaturesConfig:
    """The feature configuration in force."""
    return load_section("features", FeaturesConfig)
