"""The MLflow run that belongs to a run folder: made once by the launcher, continued by every attempt."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mlflow
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pretrain.config import MISSING
from shards import storage

RUN_FILE = "mlflow_run.json"
PARAM_LIMIT = 500


@dataclass(frozen=True)
class TrackingConfig:
    uri: str = MISSING
    """MLflow tracking server, e.g. http://host:5000."""
    experiment: str = "facscale"
    name: str = "run"
    parent: str = ""
    """Id of the run that this one is nested under."""


def open_run(tracking: TrackingConfig, run_url: str, params: Mapping[str, Any]) -> str:
    """Id of the MLflow run of `run_url`; a later attempt gets the same one.

    The launcher alone calls this, so no two processes create a run or an experiment at once.
    """
    mlflow.set_tracking_uri(tracking.uri)
    client = MlflowClient()
    place = storage.join(run_url, RUN_FILE)
    if storage.exists(place):
        run_id = str(json.loads(storage.read_bytes(place))["run_id"])
        attempts = int(client.get_run(run_id).data.tags.get("attempts", "1")) + 1
        client.set_tag(run_id, "attempts", str(attempts))
        client.update_run(run_id, status="RUNNING")
        return run_id
    experiment = mlflow.set_experiment(tracking.experiment)
    tags = {"run_url": run_url, "attempts": "1"}
    if tracking.parent:
        tags[MLFLOW_PARENT_RUN_ID] = tracking.parent
    run = client.create_run(experiment.experiment_id, run_name=tracking.name, tags=tags)
    for name, value in _flat(params):
        client.log_param(run.info.run_id, name, str(value)[:PARAM_LIMIT])
    storage.write_bytes(place, json.dumps({"run_id": run.info.run_id}).encode())
    return str(run.info.run_id)


@contextmanager
def terminal_status(tracking: TrackingConfig, run_id: str) -> Iterator[None]:
    """Mark the run FINISHED or FAILED, whatever happens inside."""
    client = MlflowClient(tracking.uri)
    try:
        yield
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
