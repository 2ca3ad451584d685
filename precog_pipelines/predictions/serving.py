"""Which models predict: the champion and its challengers, resolved once per run by alias."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.tracking.models import CHALLENGER, CHAMPION, Version, version_by_alias
from precog_pipelines.tracking.runs import Tracking, registered_name
from precog_pipelines.training.records import (
    Record,
    SeasonRun,
    find_record,
    out_of_sample,
    record_of_run,
)

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["champion", "challenger"]


@dataclass(frozen=True)
class MemberModel:
    """A member of a served ensemble: its weight and the walk-forward that speaks for it."""

    family: str
    weight: float
    record: Record


@dataclass(frozen=True)
class Served:
    """A model that predicts. ``history``: its out-of-sample predictions, for intervals.

    ``inputs`` are the features of the dataset it was trained on; empty for Elo, which reads only
    ratings. ``members`` make up an ensemble and are empty otherwise.
    """

    role: Role
    family: str
    title: str
    model_id: int
    version: Version
    record: Record
    history: "pd.DataFrame"
    inputs: tuple[str, ...] = ()
    members: tuple[MemberModel, ...] = ()
    min_weight_present: float = 1.0

    def run_for(self, season: int) -> SeasonRun | None:
        """The fit that predicts ``season``; None before the first season the model is judged on.

        A season newer than every fit is predicted by the newest, the registered one, until the
        next training gives it a fit of its own: a fixture may be known before any of its season
        was played.
        """
        if season < int(self.history["season"].min()):
            return None
        if season > self.record.latest.season:
            return self.record.latest
        return self.record.run_of(season)

    @property
    def ratings_model_id(self) -> int | None:
        """The Elo behind the probabilities: it learns until the moment itself; None without."""
        if self.family == "elo":
            return self.model_id
        return next((m.record.model_id for m in self.members if m.family == "elo"), None)


def serving_models(db: Database, tracking: Tracking, league: str) -> list[Served]:
    """The champion first, then the challengers.

    Raises PrecogError when the league has no champion, or registry and database disagree on it.
    """
    with db.connection() as conn:
        models = list(load_queries("training").select_league_models(conn, league=league))
    served: list[Served] = []
    for role in (CHAMPION, CHALLENGER):
        seen: set[str] = set()
        for model in models:
            family = str(model[1]).removeprefix(f"{league}-")
            if family in seen:
                continue
            seen.add(family)
            version = version_by_alias(tracking, registered_name(league, family), role)
            if version is not None:
                served.append(_served(db, tracking, role, family, version, models))
    champions = [one for one in served if one.role == CHAMPION]
    allowed = {model[0] for model in models if model[4] in ("testing", "active")}
    if {one.model_id for one in champions} != allowed or len(champions) != 1:
        registry = ", ".join(one.title for one in champions) or "none"
        database = ", ".join(f"{m[1]} {m[2]}" for m in models if m[0] in allowed) or "none"
        raise PrecogError(
            f"league {league} needs exactly one champion: the registry says {registry}, "
            f"probability_models says {database}; materialise approved_model for {league}"
        )
    return served


def _served(
    db: Database,
    tracking: Tracking,
    role: str,
    family: str,
    version: Version,
    models: list[tuple[Any, ...]],
) -> Served:
    record = record_of_run(db, tracking, version.run_id)
    title = next(f"{m[1]} {m[2]}" for m in models if m[0] == record.model_id)
    queries = load_queries("training")
    with db.connection() as conn:
        params = queries.params_of_run(conn, training_run_id=record.latest.training_run_id)
        inputs = tuple(
            name
            for (name,) in queries.features_of_run(
                conn, training_run_id=record.latest.training_run_id
            )
        )
    ensemble = params.get("ensemble", {})
    return Served(
        role="champion" if role == CHAMPION else "challenger",
        family=family,
        title=title,
        model_id=record.model_id,
        version=version,
        record=record,
        history=out_of_sample(tracking, record),
        inputs=inputs,
        members=tuple(
            _member(db, tracking, name, ensemble["weights"][name], walk_forward)
            for name, walk_forward in params.get("members", {}).items()
        ),
        min_weight_present=float(ensemble.get("min_weight_present", 1.0)),
    )


def _member(
    db: Database, tracking: Tracking, family: str, weight: float, walk_forward: str
) -> MemberModel:
    with db.connection() as conn:
        model_id = load_queries("training").model_of_walk_forward(conn, walk_forward=walk_forward)
    if model_id is None:
        raise PrecogError(
            f"the ensemble was made with walk-forward {walk_forward[:12]} of {family}, which is "
            "not in model_training_runs; materialise ensemble_model again"
        )
    record = find_record(db, tracking, int(model_id), walk_forward)
    return MemberModel(family, float(weight), record)
