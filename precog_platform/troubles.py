"""What is wrong although every server runs: code that does not load, ticks that fail, a full disk.

A failed run raises its alert inside Dagster. What is found here fails before there is a run.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from precog_platform.graphql import DagsterClient, in_words, reason

LOW_DISK_BYTES = 1 << 30
"""Free bytes on the disk of the home below which a person has to make room."""

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
# Asked one by one: within a list of sensors the webserver answers without ticks.
_LAST_TICK = """
  t{number}: {kind}OrError({kind}Selector: {{repositoryLocationName: {location},
    repositoryName: {repository}, {kind}Name: {name}}}) {{
    ... on {type} {{ {kind}State {{ ticks(limit: 1) {{
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


def troubles(client: DagsterClient, home: Path, free_bytes: int | None = None) -> list[Trouble]:
    """Everything wrong with orchestration and disk now; empty when all is well.

    ``free_bytes`` replaces what the disk of ``home`` says. Raises PrecogError when the webserver
    does not answer, which the keeper of the servers sees by itself.
    """
    answer = client.call(_QUERY)
    found = [
        *_locations(answer["workspaceOrError"]),
        *_ticks(client, answer["repositoriesOrError"]),
        *_daemons(answer["instance"]["daemonHealth"]["allDaemonStatuses"]),
    ]
    free = shutil.disk_usage(home).free if free_bytes is None else free_bytes
    if free < LOW_DISK_BYTES:
        found.append(
            Trouble(
                "disk_low",
                "database",
                f"{free / 1e6:.0f} MB are free on the disk of {home}; make room, or move the home",
            )
        )
    return found


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
