"""The part of Dagster's GraphQL interface that a bootstrap needs, over HTTP.

The same requests the user interface sends, so everything started here is visible there.
"""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from precog_core.errors import PrecogError

_LAUNCH_RUN = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on UnauthorizedError { message }
    ... on InvalidSubsetError { message }
    ... on PipelineNotFoundError { message }
  }
}"""

_LAUNCH_BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message stack }
    ... on UnauthorizedError { message }
    ... on PartitionSetNotFoundError { message }
  }
}"""

_RUNS = """
query Runs($filter: RunsFilter!) {
  runsOrError(filter: $filter, limit: 100) {
    __typename
    ... on Runs {
      results {
        runId
        status
        tags { key value }
        stepStats { stepKey status }
      }
    }
    ... on PythonError { message stack }
    ... on InvalidPipelineRunsFilterError { message }
  }
}"""

_FAILURE = """
query Failure($runId: ID!) {
  logsForRun(runId: $runId) {
    __typename
    ... on EventConnection {
      events {
        __typename
        ... on RunFailureEvent { message error { message causes { message } } }
        ... on ExecutionStepFailureEvent {
          stepKey error { message causes { message } }
        }
      }
    }
  }
}"""

_LOCATIONS = """
query Locations {
  workspaceOrError {
    __typename
    ... on Workspace {
      locationEntries {
        name
        loadStatus
        locationOrLoadError { __typename ... on PythonError { message } }
      }
    }
  }
}"""


_OPEN_BACKFILLS = """
query OpenBackfills {
  partitionBackfillsOrError(status: REQUESTED) {
    __typename
    ... on PartitionBackfills { results { id tags { key value } } }
    ... on PythonError { message }
  }
}"""

_CANCEL_BACKFILL = """
mutation Cancel($id: String!) {
  cancelPartitionBackfill(backfillId: $id) {
    __typename
    ... on PythonError { message }
    ... on UnauthorizedError { message }
  }
}"""


@dataclass(frozen=True)
class Run:
    """A run as the instance reports it; ``steps_done`` counts finished steps."""

    run_id: str
    status: str
    tags: dict[str, str]
    steps_done: int

    @property
    def finished(self) -> bool:
        return self.status in ("SUCCESS", "FAILURE", "CANCELED")


class DagsterClient:
    """GraphQL calls to one webserver, e.g. ``http://127.0.0.1:3000``."""

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=timeout_s)

    def close(self) -> None:
        self._http.close()

    def is_up(self) -> bool:
        """Whether the server answers at all."""
        try:
            return self._http.get("/server_info").status_code == 200
        except httpx.TransportError:
            return False

    def require_locations(self, names: set[str]) -> bool:
        """True when all code locations are loaded; PrecogError when one cannot be."""
        answer = self.call(_LOCATIONS)["workspaceOrError"]
        loaded = set()
        for entry in answer.get("locationEntries", ()):
            problem = entry["locationOrLoadError"] or {}
            if problem.get("__typename") == "PythonError":
                raise PrecogError(
                    f"code location {entry['name']} does not load: {problem['message'].strip()}"
                )
            if entry["loadStatus"] == "LOADED":
                loaded.add(entry["name"])
        return names <= loaded

    def launch_job(
        self, location: str, job: str, tags: dict[str, str], config: dict[str, Any] | None = None
    ) -> str:
        """Start a job; returns its run id."""
        return self._launch(location, job, None, tags, config)

    def launch_assets(self, location: str, assets: list[str], tags: dict[str, str]) -> str:
        """Materialise assets in one run; partitions come as tags. Returns the run id."""
        return self._launch(location, "__ASSET_JOB", assets, tags, None)

    def launch_backfill(
        self,
        assets: list[str],
        partitions: list[str],
        title: str,
        tags: dict[str, str] | None = None,
    ) -> str:
        """Start an asset backfill; the daemon submits its runs, which carry ``tags`` too.

        Returns the backfill id.
        """
        params = {
            "assetSelection": [{"path": [name]} for name in assets],
            "partitionNames": partitions,
            "title": title,
            "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
        }
        answer = self.call(_LAUNCH_BACKFILL, params=params)["launchPartitionBackfill"]
        if answer["__typename"] != "LaunchBackfillSuccess":
            raise _refused("the backfill", answer)
        return str(answer["backfillId"])

    def cancel_open_backfills(self, tag: str) -> int:
        """Cancel backfills with ``tag`` that still wait for the daemon; returns how many."""
        answer = self.call(_OPEN_BACKFILLS)["partitionBackfillsOrError"]
        if answer["__typename"] != "PartitionBackfills":
            raise _refused("the list of backfills", answer)
        found = [row for row in answer["results"] if tag in (one["key"] for one in row["tags"])]
        for row in found:
            outcome = self.call(_CANCEL_BACKFILL, id=row["id"])["cancelPartitionBackfill"]
            if outcome["__typename"] != "CancelBackfillSuccess":
                raise _refused(f"the cancellation of backfill {row['id']}", outcome)
        return len(found)

    def run(self, run_id: str) -> Run:
        """One run by id."""
        return self.runs({"runIds": [run_id]})[0]

    def runs(self, run_filter: dict[str, Any]) -> list[Run]:
        """Runs matching a GraphQL ``RunsFilter``, newest first."""
        answer = self.call(_RUNS, filter=run_filter)["runsOrError"]
        if answer["__typename"] != "Runs":
            raise _refused("the list of runs", answer)
        return [
            Run(
                row["runId"],
                row["status"],
                {tag["key"]: tag["value"] for tag in row["tags"]},
                sum(1 for step in row["stepStats"] if step["status"] == "SUCCESS"),
            )
            for row in answer["results"]
        ]

    def failure(self, run_id: str) -> str:
        """Why a run failed: the innermost message of its first failed step, else of the run."""
        answer = self.call(_FAILURE, runId=run_id)["logsForRun"]
        messages = []
        for event in answer.get("events", ()):
            error = event.get("error")
            if error is not None:
                messages.append(reason(error))
            elif event["__typename"] == "RunFailureEvent":
                messages.append(event["message"].strip())
        return messages[0] if messages else "no reason was recorded"

    def _launch(
        self,
        location: str,
        job: str,
        assets: list[str] | None,
        tags: dict[str, str],
        config: dict[str, Any] | None,
    ) -> str:
        selector: dict[str, Any] = {
            "repositoryLocationName": location,
            "repositoryName": "__repository__",
            "pipelineName": job,
        }
        if assets is not None:
            selector["assetSelection"] = [{"path": [name]} for name in assets]
        params = {
            "selector": selector,
            "runConfigData": config or {},
            "mode": "default",
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in tags.items()]
            },
        }
        answer = self.call(_LAUNCH_RUN, params=params)["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise _refused(f"job {job}", answer)
        return str(answer["run"]["runId"])

    def call(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of one request. Raises PrecogError when it is refused or nobody answers."""
        try:
            response = self._http.post("/graphql", json={"query": query, "variables": variables})
        except httpx.TransportError as error:
            raise PrecogError(f"Dagster at {self.url} does not answer: {error}") from error
        body = response.json()
        if body.get("errors"):
            raise PrecogError(f"Dagster refused a request: {body['errors'][0]['message']}")
        data: dict[str, Any] = body["data"]
        return data


def reason(error: dict[str, Any]) -> str:
    """The sentence of an error of ours among its causes, else the innermost message.

    ``error`` has ``message`` and ``causes``, outermost first.
    """
    messages = [error["message"], *(cause["message"] for cause in error["causes"])]
    ours = (message for message in messages if re.match(r"precog_[\w.]+: ", message))
    return in_words(next(ours, messages[-1]))


def in_words(message: str) -> str:
    """An error's message without the class name that Dagster puts before it."""
    return re.sub(r"^[\w.]*(Error|Exception): ", "", message.strip())


def _refused(what: str, answer: dict[str, Any]) -> PrecogError:
    details = answer.get("message") or "; ".join(e["message"] for e in answer.get("errors", ()))
    return PrecogError(f"Dagster did not accept {what}: {answer['__typename']}: {details}")
