"""`python -m ray_jobs.pretrain_job`: pretraining under Ray Train, submitted through the Ray Jobs API."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pretrain.config import ConfigError, dump, from_dict, load, parse, to_dict
from pretrain.train import PretrainConfig
from ray_jobs.cluster import ClusterConfig, run_workers
from ray_jobs.runs import TrackingConfig, open_run, terminal_status
from shards.errors import ShardError

USAGE = """
ray job submit --working-dir . --runtime-env infra/runtime_env.yaml -- \\
    python -m ray_jobs.pretrain_job FILE.yaml data.url=URL run.url=URL tracking.uri=URL [key=value ...] [--print]

Pretrain an encoder on a Ray cluster. A run continues from the newest checkpoint below run.url.
"""


@dataclass(frozen=True)
class PretrainJob(PretrainConfig):
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)


def worker(content: dict[str, Any]) -> None:
    """One rank. Imports inside: it runs in another process, perhaps on another machine."""
    import tempfile
    from pathlib import Path

    import ray.train

    from pretrain.tracking import MlflowTracker, NoTracker, Tracker
    from pretrain.train import train
    from pretrain.world import join_group

    job = from_dict(PretrainJob, content["job"])
    world = join_group()
    tracker: Tracker = NoTracker()
    if world.rank == 0:
        spool = Path(tempfile.mkdtemp(prefix="facscale-metrics-")) / "metrics.jsonl"
        tracker = MlflowTracker(spool, job.tracking.uri, content["mlflow_run_id"])

    def report(step: int, metrics: Mapping[str, float]) -> None:
        ray.train.report({"step": step, **metrics})

    try:
        train(job, world, tracker, {"mlflow_run_id": content["mlflow_run_id"]}, report)
    finally:
        tracker.finish()


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    job = load(PretrainJob, request)
    if request.print_only:
        sys.stdout.write(dump(job))
        return
    if job.run.global_batch % job.cluster.workers:
        raise ConfigError(
            f"run.global_batch={job.run.global_batch} does not divide by cluster.workers={job.cluster.workers}"
        )
    run_id = open_run(job.tracking, job.run.url, to_dict(job))
    with terminal_status(job.tracking, run_id):
        run_workers(worker, {"job": to_dict(job), "mlflow_run_id": run_id}, job.cluster, job.run.url)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ConfigError, ShardError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
