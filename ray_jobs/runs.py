"""The MLflow run that belongs to a run folder: made once by the launcher, continued by every attempt."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pretrain.config import MISSING, ConfigError
from pretrain.errors import FencedError
from shards import storage
from shards.lease import Lease

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


def open_run(tracking: TrackingConfig, run_url: str, params: Mapping[str, Any]) -> str | None:
    """Id of the MLflow run of `run_url`; a later attempt gets the same one.

    The launcher alone calls this, so no two processes create a run or an experiment at once. None where
    MLflow does not answer and has never made one; it is said, and metrics wait in the checkpoints.
    """
    place = storage.join(run_url, RUN_FILE)
    known = str(json.loads(storage.read_bytes(place))["run_id"]) if storage.exists(place) else None
    try:
        return _open(tracking, run_url, params, known)
    except RestException:
        raise
    except MlflowException as error:
        sys.stderr.write(
            f"MLflow at {tracking.uri} does not answer: {error}\nMetrics wait in the checkpoints; when it is "
            "back, the same command sends them.\n"
        )
        return known


def need_run(tracking: TrackingConfig, run_url: str, params: Mapping[str, Any]) -> str:
    """As `open_run`, for a job whose result is in MLflow.

    Raises:
        ConfigError: MLflow does not answer and has never made the run.
    """
    run_id = open_run(tracking, run_url, params)
    if run_id is None:
        raise ConfigError(
            f"the job's result goes to MLflow, and {tracking.uri} does not answer; start it, or correct "
            "tracking.uri"
        )
    return run_id


def tell(
    tracking: TrackingConfig, run_id: str | None, what: str, telling: Callable[[MlflowClient, str], None]
) -> None:
    """Tell MLflow something of a run, where it made one and answers: what a run is does not depend on it."""
    if run_id is None:
        return
    try:
        telling(MlflowClient(tracking.uri), run_id)
    except RestException:
        raise
    except MlflowException as error:
        sys.stderr.write(f"MLflow at {tracking.uri} was not told {what}: {error}\n")


def _open(tracking: TrackingConfig, run_url: str, params: Mapping[str, Any], known: str | None) -> str:
    # MLflow's own retries double their pauses up to two minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    mlflow.set_tracking_uri(tracking.uri)
    client = MlflowClient()
    if known is not None:
        attempts = int(client.get_run(known).data.tags.get("attempts", "1")) + 1
        client.set_tag(known, "attempts", str(attempts))
        client.update_run(known, status="RUNNING")
        return known
    experiment = mlflow.set_experiment(tracking.experiment)
    tags = {"run_url": run_url, "attempts": "1"}
    if tracking.parent:
        tags[MLFLOW_PARENT_RUN_ID] = tracking.parent
    run = client.create_run(experiment.experiment_id, run_name=tracking.name, tags=tags)
    for name, value in _flat(params):
        client.log_param(run.info.run_id, name, str(value)[:PARAM_LIMIT])
    content = json.dumps({"run_id": run.info.run_id}).encode()
    storage.write_bytes(storage.join(run_url, RUN_FILE), content)
    return str(run.info.run_id)


@contextmanager
def terminal_status(tracking: TrackingConfig, run_id: str | None, lease: Lease) -> Iterator[None]:
    """Mark the run FINISHED or FAILED, whatever happens inside; not where another driver took over meanwhile.

    Raises:
        FencedError: it did.
    """
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        if not lease.is_newest:
            raise FencedError(f"another driver took over {lease.url}; this one must stop")
        tell(
            tracking,
            run_id,
            f"that the run is {status}",
            lambda client, run: client.set_terminated(run, status),
        )


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
