"""What is wrong although every server runs: code that does not load, ticks that fail, a full disk.

A failed run raises its alert inside Dagster. What is found here fails before there is a run.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from precog_core.errors import PrecogError
from precog_platform.graphql import DagsterClient, in_words, reason

LOW_DISK_BYTES = 1 << 30
"""Free bytes on a disk of the home below which a person has to make room."""
SILENT_S = 90.0
"""Seconds without an answer after which the webserver is called silent."""
_FOLDERS = ("postgres", "mlflow/artifacts", "datasets", "logs", "dagster", "reports")
"""Folders of a home that may lie on disks of their own."""

_QUERY = """
query Troubles {
  workspaceOrError {
    __typename
    ... on Workspace {
      locationEntries {
        name
        locationOrLoadError { __typename ... on PythonError { message } }
      }
    }
  }
  repositoriesOrError {
    __typename
    ... on RepositoryConnection {
      nodes {
        name
        location { name }
        sensors { name sensorState { status } }
        schedules { name scheduleState { status } }
      }
    }
  }
  instance {
    daemonHealth {
      allDaemonStatuses { daemonType required healthy lastHeartbeatErrors { message } }
    }
  }
}
"""
_SLACK_S = 60.0
"""Ticks further ahead than this were made before the clock was set back."""
# Asked one by one: within a list of sensors the webserver answers without ticks.
_LAST_TICK = """
  t{number}: {kind}OrError({kind}Selector: {{repositoryLocationName: {location},
    repositoryName: {repository}, {kind}Name: {name}}}) {{
    ... on {type} {{ {kind}State {{ ticks(limit: 1, beforeTimestamp: {before}) {{
      status error {{ message causes {{ message }} }}
    }} }} }}
  }}"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that does not work: an alert type, the component, what stays equal, in words."""

    alert_type: str
    component: str
    message: str
    stable_keys: dict[str, str] = field(default_factory=dict)


def troubles(client: DagsterClient) -> list[Trouble]:
    """Everything wrong with the orchestration now; empty when all is well.

    Raises PrecogError when the webserver does not answer.
    """
    answer = client.call(_QUERY)
    return [
        *_locations(answer["workspaceOrError"]),
        *_ticks(client, answer["repositoriesOrError"]),
        *_daemons(answer["instance"]["daemonHealth"]["allDaemonStatuses"]),
    ]


@dataclass
class Silence:
    """Asks the webserver, and knows for how long it has not answered.

    One that is being started again is silent for a while; one that hangs, which no look at its
    process shows, is a trouble itself.
    """

    clock: Callable[[], float] = time.monotonic
    since: float | None = None

    def troubles(self, client: DagsterClient) -> list[Trouble]:
        """As :func:`troubles`; nothing during a short silence, the silence itself when it lasts."""
        try:
            found = troubles(client)
        except PrecogError as error:
            now = self.clock()
            self.since = now if self.since is None else self.since
            if now - self.since < SILENT_S:
                return []
            words = f"the Dagster webserver has not answered for {now - self.since:.0f} s: {error}"
            return [Trouble("daemon_unhealthy", "dagster", words, {"daemon": "WEBSERVER"})]
        self.since = None
        return found


def full_disks(home: Path, free_of: Callable[[Path], int] | None = None) -> list[Trouble]:
    """A trouble for each nearly full disk that the home or one of its folders lies on.

    ``free_of`` gives the free bytes of a folder's disk; default: what the system says.
    """
    free_of = free_of or _free_bytes
    found = []
    seen: set[int] = set()
    for folder in (home, *(home / name for name in _FOLDERS)):
        if not folder.exists() or (device := folder.stat().st_dev) in seen:
            continue
        seen.add(device)
        free = free_of(folder)
        if free < LOW_DISK_BYTES:
            where = "home" if folder == home else str(folder.relative_to(home))
            found.append(
                Trouble(
                    "disk_low",
                    "database",
                    f"{free / 1e6:.0f} MB are free on the disk of {folder}; make room, or move it",
                    {"folder": where},
                )
            )
    return found


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _locations(workspace: dict[str, Any]) -> Iterator[Trouble]:
    for entry in workspace.get("locationEntries", ()):
        problem = entry["locationOrLoadError"] or {}
        if problem.get("__typename") == "PythonError":
            yield Trouble(
                "location_down",
                "dagster",
                f"code location {entry['name']} does not load: {in_words(problem['message'])}",
                {"location": entry["name"]},
            )


def _ticks(client: DagsterClient, repositories: dict[str, Any]) -> Iterator[Trouble]:
    running = [
        (kind, one["name"], repository["location"]["name"], repository["name"])
        for repository in repositories.get("nodes", ())
        for kind in ("sensor", "schedule")
        for one in repository[f"{kind}s"]
        if one[f"{kind}State"]["status"] == "RUNNING"
    ]
    if not running:
        return
    answer = client.call("{" + "".join(map(_question, range(len(running)), running)) + "\n}")
    for number, (kind, name, location, _) in enumerate(running):
        # A sensor that went away with a reload between the two questions has no state.
        ticks = answer[f"t{number}"].get(f"{kind}State", {}).get("ticks", ())
        if not ticks or ticks[0]["status"] != "FAILURE":
            continue
        error = ticks[0]["error"] or {"message": "no reason was recorded", "causes": []}
        yield Trouble(
            "tick_failed",
            "dagster",
            f"the {kind} {name} of {location} fails: {reason(error)}",
            {kind: name},
        )


def _question(number: int, running: tuple[str, str, str, str]) -> str:
    kind, name, location, repository = running
    return _LAST_TICK.format(
        number=number,
        kind=kind,
        type=kind.capitalize(),
        before=time.time() + _SLACK_S,
        location=json.dumps(location),
        repository=json.dumps(repository),
        name=json.dumps(name),
    )


def _daemons(statuses: list[dict[str, Any]]) -> Iterator[Trouble]:
    for status in statuses:
        # Without a healthy word and without an error it is only just starting.
        if status["required"] and not status["healthy"] and status["lastHeartbeatErrors"]:
            error = in_words(status["lastHeartbeatErrors"][0]["message"])
            yield Trouble(
                "daemon_unhealthy",
                "dagster",
                f"Dagster's {status['daemonType'].lower()} daemon reports: {error}",
                {"daemon": status["daemonType"]},
            )
