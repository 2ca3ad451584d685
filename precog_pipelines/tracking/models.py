"""Models in MLflow: logging one to its run, registering a version, moving an alias.

Requirements are given, not inferred: inference imports the model in a subprocess, 2.4 s a run
against 0.1 s. A model that a killed run logged twice is cleaned up before it is logged again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_core.errors import PrecogError
from precog_pipelines.tracking.runs import Tracking, without_hints

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import LoggedModel
    from mlflow.pyfunc import PyFuncModel

CHAMPION = "champion"
CHALLENGER = "challenger"
MODEL_NAME = "model"
_NEEDED = ("numpy", "pandas", "xgboost-cpu", "scikit-learn", "pydantic")


@dataclass(frozen=True)
class Version:
    """A registered model version and the run that made it."""

    name: str
    number: int
    run_id: str


@cache
def pip_requirements() -> tuple[str, ...]:
    """What loading one of our models needs, pinned to what is installed here."""
    return tuple(f"{name}=={version(name)}" for name in _NEEDED)


@cache
def environment_lock() -> str:
    """Every installed distribution as ``name==version``, one a line, sorted."""
    found = {d.metadata["Name"].lower(): d.version for d in distributions() if d.metadata["Name"]}
    return "".join(f"{name}=={found[name]}\n" for name in sorted(found))


def log_model(
    tracking: Tracking,
    run_id: str,
    *,
    loader_module: str,
    folder: Path,
    example: "pd.DataFrame",
    output: "pd.DataFrame",
    metadata: Mapping[str, Any],
    resumed: bool,
) -> str:
    """Log the files in ``folder`` as the run's model, with signature and input example.

    Returns the id under which metrics are attached to the model; log them afterwards, because
    MLflow copies every metric the run already has, one request each. ``resumed``: the run may
    already hold a model of an attempt that was killed; it is deleted.
    """
    import mlflow
    from mlflow.models import infer_signature

    with tracking.active(), without_hints():
        if resumed:
            _delete_models(tracking, run_id)
        with mlflow.start_run(run_id=run_id, nested=True, log_system_metrics=False):
            logged = mlflow.pyfunc.log_model(
                name=MODEL_NAME,
                loader_module=loader_module,
                data_path=str(folder),
                signature=infer_signature(example, output),
                input_example=example,
                pip_requirements=list(pip_requirements()),
                metadata=dict(metadata),
            )
    return str(logged.model_id)


def load_model(tracking: Tracking, run_id: str) -> "PyFuncModel":
    """The model a run logged, from the store.

    By the model's own id: given a run, MLflow reads every model of the experiment to find it.
    """
    import mlflow

    outputs = tracking.client().get_run(run_id).outputs
    logged = [output.model_id for output in outputs.model_outputs] if outputs else []
    # More than one: an attempt was killed after logging, and its model deleted.
    model_id = logged[0] if len(logged) == 1 else _logged_model(tracking, run_id).model_id
    with tracking.active():
        return mlflow.pyfunc.load_model(f"models:/{model_id}")


def download_model(tracking: Tracking, run_id: str, folder: Path) -> None:
    """Copy the files that a run's model was saved as into ``folder``, which is created."""
    import shutil
    from tempfile import TemporaryDirectory

    import mlflow
    from mlflow.models import Model

    model_id = _logged_model(tracking, run_id).model_id
    with tracking.active(), TemporaryDirectory() as name:
        whole = Path(mlflow.artifacts.download_artifacts(f"models:/{model_id}", dst_path=name))
        data = Model.load(str(whole)).flavors["python_function"]["data"]
        shutil.copytree(whole / data, folder, dirs_exist_ok=True)


def feature_names(model: "PyFuncModel") -> list[str]:
    """The inputs a loaded model asks for, in its own order."""
    schema = model.metadata.get_input_schema()  # type: ignore[no-untyped-call]
    return list(schema.input_names())


def register(
    tracking: Tracking, name: str, run_id: str, *, description: str, tags: Mapping[str, str]
) -> Version:
    """The registered version made from ``run_id``; created when absent."""
    from mlflow.exceptions import MlflowException

    client = tracking.client()
    found = version_of_run(tracking, name, run_id)
    if found is not None:
        return found
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        try:
            client.create_registered_model(name)
        except MlflowException:
            if not client.search_registered_models(filter_string=f"name = '{name}'"):
                raise
    model = _logged_model(tracking, run_id)
    made = client.create_model_version(
        name,
        model.artifact_location,
        run_id=run_id,
        tags=dict(tags),
        description=description,
        model_id=model.model_id,
    )
    return Version(name, int(made.version), run_id)


def version_of_run(tracking: Tracking, name: str, run_id: str) -> Version | None:
    """The version of ``name`` that was registered from a run, if any; the first when several."""
    found = tracking.client().search_model_versions(f"name = '{name}' AND run_id = '{run_id}'")
    numbers = sorted(int(version.version) for version in found)
    return Version(name, numbers[0], run_id) if numbers else None


def versions_of(tracking: Tracking, name: str) -> list[Version]:
    """Every version of a registered model, oldest first; empty when it is not registered."""
    found = tracking.client().search_model_versions(f"name = '{name}'")
    numbers = sorted((int(version.version), str(version.run_id)) for version in found)
    return [Version(name, number, run_id) for number, run_id in numbers]


def tags_of_version(tracking: Tracking, version: Version) -> dict[str, str]:
    """The tags of a registered version."""
    found = tracking.client().get_model_version(version.name, str(version.number))
    return dict(found.tags)


def tag_version(tracking: Tracking, version: Version, key: str, value: str) -> None:
    """Set a tag of a registered version."""
    tracking.client().set_model_version_tag(version.name, str(version.number), key, value)


def version_by_alias(tracking: Tracking, name: str, alias: str) -> Version | None:
    """The version an alias points to, or None when the model or the alias does not exist."""
    from mlflow.exceptions import MlflowException

    client = tracking.client()
    try:
        found = client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return Version(name, int(found.version), str(found.run_id))


def set_alias(tracking: Tracking, version: Version, alias: str) -> bool:
    """Point ``alias`` of a model at a version; False when it already does."""
    current = version_by_alias(tracking, version.name, alias)
    if current is not None and current.number == version.number:
        return False
    tracking.client().set_registered_model_alias(version.name, alias, str(version.number))
    return True


def remove_alias(tracking: Tracking, name: str, alias: str) -> bool:
    """Take ``alias`` away from a model; False when it had none."""
    if version_by_alias(tracking, name, alias) is None:
        return False
    tracking.client().delete_registered_model_alias(name, alias)
    return True


def _delete_models(tracking: Tracking, run_id: str) -> None:
    for model in _logged_models(tracking, run_id):
        tracking.client().delete_logged_model(model.model_id)


def _logged_model(tracking: Tracking, run_id: str) -> "LoggedModel":
    models = _logged_models(tracking, run_id)
    if not models:
        raise PrecogError(
            f"MLflow run {run_id} holds no model; its files were deleted, or another run was meant"
        )
    return models[0]


def _logged_models(tracking: Tracking, run_id: str) -> "list[LoggedModel]":
    client = tracking.client()
    experiment = client.get_run(run_id).info.experiment_id
    return list(
        client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
    )
