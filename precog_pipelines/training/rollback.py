"""Rolling a champion back: the alias moves to the version that held it before.

The fit that is left carries the reason as a tag of its version. The gate reads it, so that the next
training does not put the same fit back; a new fit of the same model competes as any other.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.tracking.models import (
    CHALLENGER,
    CHAMPION,
    Version,
    remove_alias,
    set_alias,
    tag_version,
    tags_of_version,
    version_by_alias,
    versions_of,
)
from precog_pipelines.tracking.runs import Tracking, registered_name
from precog_pipelines.training.records import record_of_run

# When a version became champion, last time, and why it was withdrawn, if it was.
CHAMPION_SINCE = "precog.champion_since"
WITHDRAWN = "precog.withdrawn"


@dataclass(frozen=True)
class RolledBack:
    """The version that was left and the one that is champion now."""

    left: Version
    champion: Version


def roll_back(
    db: Database, tracking: Tracking, league: str, reason: str, now: datetime | None = None
) -> RolledBack:
    """Make the champion before the present one champion again. Safe to repeat after a kill.

    Raises PrecogError when the league has no champion or never had another one, and when its
    champion is active in live trading.
    """
    with db.connection() as conn:
        models = list(load_queries("training").select_league_models(conn, league=league))
    families = list(dict.fromkeys(str(model[1]).removeprefix(f"{league}-") for model in models))
    names = [registered_name(league, family) for family in families]
    reigning = [v for name in names if (v := version_by_alias(tracking, name, CHAMPION))]
    if not reigning:
        raise PrecogError(f"league {league} has no champion; materialise approved_model for it")
    left = reigning[0]
    target = _before(tracking, names, left)
    if target is None:
        raise PrecogError(
            f"{left.name} version {left.number} is the only champion {league} ever had; there is "
            "nothing to roll back to"
        )
    active = [f"{m[1]} {m[2]}" for m in models if m[4] == "active"]
    if active:
        raise PrecogError(
            f"{active[0]} is active in live trading; deprecate it first, which only a person may do"
        )
    model_id = record_of_run(db, tracking, target.run_id).model_id
    queries = load_queries("training")
    with db.transaction() as conn:
        for other_id, _, _, _, status in models:
            wanted = "testing" if other_id == model_id else "draft"
            if status in ("testing", "draft") and status != wanted:
                queries.set_model_status(
                    conn,
                    model_id=other_id,
                    status=wanted,
                    approved_by="rollback",
                    notes=f"rolled back: {reason}",
                )
    tag_version(tracking, left, WITHDRAWN, reason)
    tag_version(tracking, target, CHAMPION_SINCE, (now or datetime.now(UTC)).isoformat())
    # The alias moves last: until then a rerun finds the same champion and ends in the same state.
    set_alias(tracking, target, CHAMPION)
    if target.name != left.name:
        remove_alias(tracking, left.name, CHAMPION)
    challenger = version_by_alias(tracking, target.name, CHALLENGER)
    if challenger is not None and challenger.number == target.number:
        remove_alias(tracking, target.name, CHALLENGER)
    return RolledBack(left, target)


def withdrawal(tracking: Tracking, name: str, run_id: str) -> str | None:
    """Why a person withdrew the fit of ``run_id``; None when nobody did."""
    for version in versions_of(tracking, name):
        if version.run_id == run_id:
            return tags_of_version(tracking, version).get(WITHDRAWN)
    return None


def _before(tracking: Tracking, names: list[str], reigning: Version) -> Version | None:
    """The version that was champion last before ``reigning`` and was not withdrawn."""
    found: list[tuple[str, Version]] = []
    for name in names:
        for version in versions_of(tracking, name):
            tags = tags_of_version(tracking, version)
            same = (version.name, version.number) == (reigning.name, reigning.number)
            if not same and CHAMPION_SINCE in tags and WITHDRAWN not in tags:
                found.append((tags[CHAMPION_SINCE], version))
    return max(found, key=lambda one: one[0])[1] if found else None
