"""Versions of registered models: by name, with their files and what their jobs wrote."""

import json
from pathlib import Path
from typing import Any

from finetune.results import RESULT_NAME
from finetune.served import find_model
from pretrain.config import ConfigError

PREFIX = "models:/"


def find_version(client: Any, model: str) -> tuple[str, str]:
    """Name and version of `NAME@ALIAS` or `NAME/VERSION`, with `models:/` before it or not.

    Raises:
        ConfigError: it is written otherwise, or is not there.
    """
    from mlflow.exceptions import MlflowException

    name, at, alias = model.removeprefix(PREFIX).rpartition("@")
    if not at:
        name, slash, version = model.removeprefix(PREFIX).rpartition("/")
        if not slash or not version.isdigit():
            raise ConfigError(f"{model!r} names no model; wanted NAME@ALIAS or NAME/VERSION")
    try:
        if at:
            return name, str(client.get_model_version_by_alias(name, alias).version)
        return name, str(client.get_model_version(name, version).version)
    except MlflowException as error:
        raise ConfigError(
            f"the registry has no {model}: {error.message}; register it by `python -m finetune.registry RUN`"
        ) from error


def fetch_model(name: str, version: str, folder: Path) -> Path:
    """The files of a version, below `folder`: where `finetune.artifact.load_model` finds it."""
    import mlflow

    return find_model(
        Path(mlflow.artifacts.download_artifacts(f"{PREFIX}{name}/{version}", dst_path=str(folder)))
    )


def fetch_result(client: Any, name: str, version: str, folder: Path) -> dict[str, Any]:
    """What the job of a version wrote.

    Raises:
        ConfigError: its run has no result any more.
    """
    from mlflow.exceptions import MlflowException

    run_id = client.get_model_version(name, version).run_id
    place = folder / f"result-{version}"
    place.mkdir()
    try:
        path = client.download_artifacts(run_id, RESULT_NAME, str(place))
    except (MlflowException, OSError) as error:
        raise ConfigError(
            f"version {version} of {name} has no {RESULT_NAME} in its run {run_id}: {error}; register the "
            "job's run folder again"
        ) from error
    result: dict[str, Any] = json.loads(Path(path).read_text())
    return result
