"""What a promotion runs in its worker: gates on the model that a finetuning job registered."""

import json
from typing import Any

from mlflow.tracking import MlflowClient

from finetune.gates import GatesConfig
from finetune.promote import promote
from pretrain.config import ConfigError, from_dict
from shards import storage


def worker(content: dict[str, Any]) -> None:
    """Ask the gates and write the answer to `content["url"]`.

    Raises:
        ConfigError: the run registered no model.
    """
    uri, run_id = content["tracking_uri"], content["mlflow_run_id"]
    versions = MlflowClient(uri).search_model_versions(f"run_id = '{run_id}'")
    if not versions:
        raise ConfigError(
            f"run {run_id} registered no model; `python -m finetune.registry RUN` registers a run folder"
        )
    newest = max(versions, key=lambda version: int(version.version))
    gates = from_dict(GatesConfig, content["gates"])
    promotion = promote(f"{newest.name}/{newest.version}", content["to"], gates, uri)
    answer = {"passed": promotion.passed, "text": promotion.text(dry_run=False)}
    storage.write_bytes(content["url"], json.dumps(answer, indent=1).encode())
