"""`python -m ray_jobs.preflight`: looks at cluster, store and tracking before a long run does."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import ray

from pretrain.config import dump, load, parse, run_command
from ray_jobs.preflight_check import Check
from ray_jobs.preflight_network import check_all_reduce
from ray_jobs.preflight_nodes import NodeLimits, ask_nodes, judge_nodes
from ray_jobs.preflight_run import check_fit, check_memory, check_mlflow, check_working_dir, parameters_of
from ray_jobs.preflight_store import check_rights, check_store_clock
from ray_jobs.pretrain_worker import PretrainJob

USAGE = """
ray job submit --working-dir . --runtime-env infra/runtime_env.yaml -- \\
    python -m ray_jobs.preflight FILE.yaml data.url=URL run.url=URL tracking.uri=URL [key=value ...]

Look, from the cluster itself, at all that a pretraining job with these words needs: rights in the store,
clocks, shared memory, disk, open files, bandwidth, versions, batches, memory, MLflow. A line for each, `ok`
or `wrong` with what to do. Ends with status 0, or 2 where something is wrong. --print shows the resolved
config and stops.
"""


@dataclass(frozen=True)
class PreflightConfig:
    """What is wanted of a cluster; the defaults suit a run of any length."""

    shm_mb: int = 512
    """Of /dev/shm, where Ray keeps objects and NCCL its buffers; a container's own default is 64."""
    spool_mb: int = 5000
    open_files: int = 4096
    """Each rank holds some dozens of connections to the store, a node's raylet one to each worker."""
    node_clock_seconds: float = 2.0
    store_clock_seconds: float = 60.0
    all_reduce_seconds: float = 1.0
    """For one step's gradients."""
    wait_seconds: float = 60.0
    """For an answer of a node."""

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0 or not self.wait_seconds:
            raise ValueError(f"preflight needs numbers >= 0 and wait_seconds > 0, found {self}")


@dataclass(frozen=True)
class PreflightJob(PretrainJob):
    """A pretraining job, and what is wanted for it."""

    preflight: PreflightConfig = field(default_factory=PreflightConfig)


def checks(job: PreflightJob) -> Iterator[Check]:
    """All of them, each as soon as it is answered; this process is connected to the cluster."""
    wanted = job.preflight
    yield check_working_dir()
    yield check_mlflow(job.tracking.uri)
    yield from check_rights(job.run.url)
    yield check_store_clock(job.run.url, wanted.store_clock_seconds)
    limits = NodeLimits(
        *(wanted.shm_mb * 10**6, wanted.spool_mb * 10**6, wanted.open_files, wanted.node_clock_seconds)
    )
    try:
        nodes = ask_nodes(job.data.url, wanted.wait_seconds)
    except ray.exceptions.RayError as error:
        yield Check("nodes", f"no answer: {error}", "look at `ray status` and the raylets' logs")
        return
    yield from judge_nodes(nodes, limits)
    yield check_fit(job)
    yield check_memory(job, nodes)
    yield check_all_reduce(
        *(4 * parameters_of(job), job.cluster.gpus_per_worker, wanted.all_reduce_seconds, wanted.wait_seconds)
    )


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    job = load(PreflightJob, request)
    if request.print_only:
        sys.stdout.write(dump(job))
        return
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    wrong = 0
    for check in checks(job):
        wrong += not check.ok
        sys.stdout.write(f"{check.line}\n")
        sys.stdout.flush()
    if wrong:
        sys.stdout.write(f"{wrong} wrong\n")
        raise SystemExit(2)


if __name__ == "__main__":
    run_command(main)
