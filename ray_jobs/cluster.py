"""How a job uses the cluster: workers, restarts, and where Ray keeps its own small state."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow.fs
import ray
from ray.exceptions import RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig, get_preemption_info
from ray.train.torch import TorchConfig

from ray_jobs.elastic import SizesTrainer
from ray_jobs.lead import SILENT_SECONDS
from shards import storage


@dataclass(frozen=True)
class ClusterConfig:
    """Resources of one training job."""

    workers: int = 2
    """Processes; their number may change between attempts at one run."""
    max_workers: int | None = None
    """With it the job begins and goes on with `workers` to so many, as the cluster has room and the batch
    divides; where room appears it saves, and begins anew with more."""
    cpus_per_worker: int = 1
    gpus_per_worker: int = 0
    max_failures: int = 5
    """Restarts of the worker group before the job fails; lost nodes that were announced do not count."""
    silent_seconds: float = SILENT_SECONDS
    """A driver that is silent for so long has lost the job: another one may take over."""

    def __post_init__(self) -> None:
        if min(self.workers, self.cpus_per_worker) < 1 or self.gpus_per_worker not in (0, 1):
            raise ValueError(
                f"cluster needs workers and cpus_per_worker >= 1 and gpus_per_worker 0 or 1, found {self}"
            )
        if self.max_workers is not None and self.max_workers < self.workers:
            raise ValueError(
                f"cluster.max_workers={self.max_workers} is less than cluster.workers={self.workers}"
            )
        if self.silent_seconds <= 0:
            raise ValueError(f"cluster.silent_seconds must be above 0, found {self.silent_seconds}")

    @property
    def needs(self) -> dict[str, float]:
        """Of each worker."""
        return {"CPU": self.cpus_per_worker, "GPU": self.gpus_per_worker}

    def sizes(self, divides: int) -> list[int]:
        """Numbers of workers that the group may have: those that divide, and `workers` itself."""
        most = self.workers if self.max_workers is None else self.max_workers
        return [size for size in range(self.workers, most + 1) if size == self.workers or divides % size == 0]


Worker = Callable[[dict[str, Any]], Any]
QUICK = {
    # Of these, Ray's own defaults make a lost worker or node cost up to a minute more.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "15",
    "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": "60",
    "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "2",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
}
"""Environment of a training job, where it is not given."""


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


def run_task(worker: Worker, content: dict[str, Any], config: TaskConfig) -> Any:
    """What `worker(content)` returns, run in one process of the cluster.

    It needs no worker group, whose controller and helpers cost about a gigabyte of memory.
    """
    task = ray.remote(num_cpus=config.cpus, num_gpus=config.gpus, max_retries=config.max_retries)(worker)
    return ray.get(task.remote(content))


def run_workers(
    worker: Worker, content: dict[str, Any], cluster: ClusterConfig, sizes: Sequence[int], run_url: str
) -> Any:
    """Run `worker(content)` in each process of one group, restarted as a whole when one dies.

    Args:
        worker: of an imported module.
        content: what it gets.
        cluster: resources.
        sizes: numbers of workers that the group may have.
        run_url: where Ray keeps its own small state.

    Returns:
        What the worker of rank 0 returned.

    Raises:
        ray.train.TrainingFailedError: it failed more often than `max_failures`, or with a user's error.
        ray.exceptions.RayActorError: Ray's own controller of the group died so often.
    """
    for name, value in QUICK.items():
        os.environ.setdefault(name, value)
    path, filesystem = _ray_storage(storage.join(run_url, "ray"))
    trainer = partial(
        SizesTrainer,
        worker,
        sizes=sizes,
        needs=cluster.needs,
        train_loop_config=content,
        torch_config=TorchConfig(backend="nccl" if cluster.gpus_per_worker else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=(min(sizes), max(sizes)),
            use_gpu=bool(cluster.gpus_per_worker),
            resources_per_worker=cluster.needs,
        ),
        run_config=RunConfig(
            name="train",
            storage_path=path,
            storage_filesystem=filesystem,
            failure_config=FailureConfig(max_failures=cluster.max_failures),
        ),
    )
    for _ in range(cluster.max_failures):
        try:
            return trainer().fit().return_value
        except RayActorError as error:
            sys.stderr.write(f"the controller of the workers died, starting anew: {error}\n")
    return trainer().fit().return_value


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
