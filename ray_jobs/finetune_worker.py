"""What a finetuning job runs in its worker: train, keep the run folder in storage, register the model."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from finetune.registry import register
from finetune.results import RESULT_NAME
from finetune.train import FinetuneConfig, run
from pretrain.config import MISSING, from_dict
from pretrain.tracking import MlflowTracker
from ray_jobs.cluster import TaskConfig
from ray_jobs.runs import TrackingConfig
from ray_jobs.system_metrics import WithSystemMetrics
from shards import storage
from shards.lease import Lease


@dataclass(frozen=True)
class RegisterConfig:
    name: str = ""
    """Registered model that gets a new version; empty registers nothing."""
    alias: str = "candidate"


@dataclass(frozen=True)
class FinetuneJob(FinetuneConfig):
    """A finetuning run, where it is kept, and the cluster it runs on."""

    out: Path = Path("finetune")
    """Name of the run folder while the worker writes it."""
    url: str = MISSING
    """Where the finished run folder is kept, local or s3://; a finished one is not made again."""
    cluster: TaskConfig = field(default_factory=TaskConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    register: RegisterConfig = field(default_factory=RegisterConfig)


def is_finished(url: str) -> bool:
    """Whether a job's result stands at `url`; it is uploaded last."""
    return storage.exists(storage.join(url, RESULT_NAME))


def worker(content: dict[str, Any]) -> str | None:
    """The whole job, in one process.

    Returns:
        Why the result was not stored, where another driver took over meanwhile.
    """
    job = from_dict(FinetuneJob, content["job"])
    run_id = str(content["mlflow_run_id"])
    with tempfile.TemporaryDirectory(prefix="facscale-finetune-") as temporary:
        folder = Path(temporary, job.out.name)
        tracker = WithSystemMetrics(MlflowTracker(folder / "metrics.jsonl", job.tracking.uri, run_id))

        def log(metrics: Mapping[str, float], step: int) -> None:
            tracker.log({f"{job.task}/{name}": value for name, value in metrics.items()}, step)

        try:
            run(replace(job, out=folder), log)
        finally:
            tracker.finish()
        lease = Lease(job.url, content["lease"])
        if not lease.is_newest:
            return f"another driver took over {job.url} from the one with lease {lease.number}"
        if job.register.name:
            register(folder, job.register.name, job.register.alias, job.tracking.uri, run_id)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in sorted(files, key=lambda path: path.name == RESULT_NAME):
            storage.write_file(storage.join(job.url, path.relative_to(folder).as_posix()), path)
    return None
