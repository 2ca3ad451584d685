"""What the supervisor of a home sees, as rows: ``system_health``, and an alert for each trouble."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.types.json import Jsonb

from precog_core.alerts import report
from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_platform.keeper import POSTGRESQL, Restart
from precog_platform.troubles import Trouble

CHECK_EVERY_S = 30.0
"""Seconds between two rows of a healthy component."""
_COMPONENTS = {
    POSTGRESQL: "database",
    "pipelines": "dagster",
    "trading": "dagster",
    "webserver": "dagster",
    "daemon": "dagster",
    "mlflow": "mlflow",
}
"""The component (``components.code``) that each server belongs to."""


def note_health(
    database: Database,
    restarts: Sequence[Restart],
    now: datetime,
    troubles: Sequence[Trouble] = (),
) -> None:
    """Write the state of every supervised component at ``now`` (wall clock), in one transaction.

    A component with a server that had to be started again, or with a trouble, is degraded until
    the next look, and each of them has an alert. Repeating it changes nothing but counts.
    """
    seen = [*map(_as_trouble, restarts), *troubles]
    queries = load_queries("health")
    with database.transaction() as conn:
        degraded: dict[str, tuple[int, list[str]]] = {}
        for trouble in seen:
            alert_id = report(
                conn,
                trouble.alert_type,
                trouble.message,
                component=trouble.component,
                stable_keys=trouble.stable_keys,
                now=now,
            )
            _, messages = degraded.setdefault(trouble.component, (alert_id, []))
            messages.append(trouble.message)
        for component in sorted(set(_COMPONENTS.values())):
            alert_id_, messages_ = degraded.get(component, (None, None))
            queries.note_health(
                conn,
                component=component,
                status="healthy" if messages_ is None else "degraded",
                at=now,
                details=None if messages_ is None else Jsonb({"troubles": messages_}),
                alert_id=alert_id_,
            )


def _as_trouble(restart: Restart) -> Trouble:
    return Trouble(
        "server_restarted",
        _COMPONENTS[restart.name],
        f"{restart.name} {restart.reason} and was started again",
        {"server": restart.name},
    )
