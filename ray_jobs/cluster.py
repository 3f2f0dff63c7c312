"""How a job uses the cluster: workers, restarts, and where Ray keeps its own small state."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow.fs
import ray
from ray.exceptions import RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig, get_preemption_info
from ray.train.torch import TorchConfig, TorchTrainer

from shards import storage


@dataclass(frozen=True)
class ClusterConfig:
    """Resources of one training job."""

    workers: int = 2
    """Processes; their number may change between attempts at one run."""
    cpus_per_worker: int = 1
    gpus_per_worker: int = 0
    max_failures: int = 5
    """Restarts of the worker group before the job fails."""

    def __post_init__(self) -> None:
        if self.workers < 1 or self.gpus_per_worker not in (0, 1):
            raise ValueError(f"cluster needs workers >= 1 and gpus_per_worker 0 or 1, found {self}")


Worker = Callable[[dict[str, Any]], None]


def node_taken(message: str) -> Exception:
    """What a worker ends with that saved because a node goes.

    For it Ray starts the group anew at once, and does not count a failure of the job's own.
    """
    error: Exception = RayActorError(error_msg=message, preempted=True)
    return error


class NodeDrains:
    """Whether Ray takes away the node of a worker, as it says ahead of time for spot machines.

    Ray waits for all workers when it is asked, so it is asked at every `every`th call only.
    """

    def __init__(self, every: int) -> None:
        self._every, self._calls = every, 0

    def __call__(self) -> bool:
        self._calls += 1
        return self._calls % self._every == 0 and get_preemption_info() is not None


@dataclass(frozen=True)
class TaskConfig:
    """Resources of a job of one process."""

    cpus: int = 1
    gpus: int = 0
    max_retries: int = 5
    """New starts after its process or node died; an error of its own is not tried again."""

    def __post_init__(self) -> None:
        if self.cpus < 1 or min(self.gpus, self.max_retries) < 0:
            raise ValueError(f"cluster needs cpus >= 1, gpus >= 0 and max_retries >= 0, found {self}")


def run_task(worker: Worker, content: dict[str, Any], config: TaskConfig) -> None:
    """Run `worker(content)` in one process of the cluster.

    It needs no worker group, whose controller and helpers cost about a gigabyte of memory.
    """
    task = ray.remote(num_cpus=config.cpus, num_gpus=config.gpus, max_retries=config.max_retries)(worker)
    ray.get(task.remote(content))


def run_workers(worker: Worker, content: dict[str, Any], cluster: ClusterConfig, run_url: str) -> None:
    """Run `worker(content)` in each process of one group, restarted as a whole when one dies.

    Raises:
        ray.train.TrainingFailedError: it failed more often than `max_failures`, or with a user's error.
    """
    path, filesystem = _ray_storage(storage.join(run_url, "ray"))
    trainer = TorchTrainer(
        worker,
        train_loop_config=content,
        torch_config=TorchConfig(backend="nccl" if cluster.gpus_per_worker else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=cluster.workers,
            use_gpu=bool(cluster.gpus_per_worker),
            resources_per_worker={"CPU": cluster.cpus_per_worker, "GPU": cluster.gpus_per_worker},
        ),
        run_config=RunConfig(
            name="train",
            storage_path=path,
            storage_filesystem=filesystem,
            failure_config=FailureConfig(max_failures=cluster.max_failures),
        ),
    )
    trainer.fit()


def _ray_storage(url: str) -> tuple[str, Any]:
    """Ray's way to name a place: a path and, for S3, a file system made from the AWS_* environment."""
    if not storage.is_s3(url):
        return os.path.abspath(url), None
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    scheme, _, host = endpoint.rpartition("://")
    filesystem = pyarrow.fs.S3FileSystem(
        endpoint_override=host or None,
        scheme=scheme or "https",
        region=os.environ.get("AWS_DEFAULT_REGION"),
    )
    return url.removeprefix("s3://"), filesystem
