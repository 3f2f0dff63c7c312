"""What an evaluation runs in its worker: fetch a model, score it, keep the answer in storage and MLflow."""

import hashlib
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import mlflow
from mlflow.tracking import MlflowClient

from finetune.artifact import WEIGHTS_NAME, load_model
from finetune.data import DataConfig
from finetune.evaluate import evaluate
from finetune.jobs import own_config
from finetune.protocols.registry import ProtocolConfig
from finetune.registered import PREFIX, fetch_model, fetch_result, find_version
from finetune.rescore import MODEL_FOLDER
from finetune.results import RESULT_NAME
from finetune.train import FinetuneConfig
from pretrain.config import MISSING, ConfigError, from_dict
from pretrain.tracking import MlflowTracker
from ray_jobs.cluster import TaskConfig
from ray_jobs.runs import TrackingConfig
from shards import storage

EVALUATION_NAME = "evaluation.json"


@dataclass(frozen=True)
class EvaluateJob:
    """A model, the people it is scored on, and the cluster that does it."""

    model: str = MISSING
    """`models:/NAME@ALIAS`, `models:/NAME/VERSION`, or the url of a finished finetuning job."""
    url: str = MISSING
    """Where the answer is kept, local or s3://."""
    data: DataConfig | None = None
    """The set to score on; that of the model's job if left out."""
    protocol: ProtocolConfig | None = None
    """Which labels of it and which fold; the job's if left out."""
    people: Literal["tested", "all"] = "tested"
    """Those whom the fold tests, or everyone labelled."""
    cluster: TaskConfig = field(default_factory=TaskConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


@dataclass(frozen=True)
class FoundModel:
    """A model's files here, and what its job wrote."""

    source: str
    """Name and version, or url."""
    folder: Path
    result: dict[str, Any]


def find(job: EvaluateJob, folder: Path) -> FoundModel:
    """Fetch the model to `folder`.

    Raises:
        ConfigError: there is none.
    """
    if job.model.startswith(PREFIX):
        mlflow.set_tracking_uri(job.tracking.uri)
        client = MlflowClient()
        name, version = find_version(client, job.model)
        result = fetch_result(client, name, version, folder)
        return FoundModel(f"{PREFIX}{name}/{version}", fetch_model(name, version, folder), result)
    names = storage.list_names(storage.join(job.model, MODEL_FOLDER))
    if not names or not storage.exists(storage.join(job.model, RESULT_NAME)):
        raise ConfigError(
            f"model={job.model!r} holds no finished job: {RESULT_NAME} and {MODEL_FOLDER}/ wanted; give the "
            f"url of one, or {PREFIX}NAME@ALIAS"
        )
    storage.download(storage.join(job.model, MODEL_FOLDER), names, folder)
    return FoundModel(job.model, folder, json.loads(storage.read_bytes(storage.join(job.model, RESULT_NAME))))


def worker(content: dict[str, Any]) -> None:
    """The whole job, in one process."""
    job, run_id = from_dict(EvaluateJob, content["job"]), str(content["mlflow_run_id"])
    with tempfile.TemporaryDirectory(prefix="facscale-evaluate-") as temporary:
        found = find(job, Path(temporary))
        config = from_dict(FinetuneConfig, own_config(found.result))
        data, protocol = job.data or config.data, job.protocol or config.protocol
        answer = evaluate(load_model(found.folder), found.result, data, protocol, job.people)
        digest = hashlib.sha256((found.folder / WEIGHTS_NAME).read_bytes()).hexdigest()
        answer["model"] = {"source": found.source, "digest": digest}
        text = json.dumps(answer, indent=1, sort_keys=True) + "\n"
        storage.write_bytes(storage.join(job.url, EVALUATION_NAME), text.encode())
        tracker = MlflowTracker(Path(temporary) / "metrics.jsonl", job.tracking.uri, run_id)
        scores = {f"evaluate/{name}": score["mean"] for name, score in answer["scores"].items()}
        tracker.log({name: value for name, value in scores.items() if value is not None}, 0)
        tracker.finish()
