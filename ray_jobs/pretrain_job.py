"""`python -m ray_jobs.pretrain_job`: pretraining under Ray Train, submitted through the Ray Jobs API."""

import sys

from pretrain.config import dump, load, parse, run_command, to_dict
from pretrain.recipe import check
from ray_jobs.cluster import run_workers
from ray_jobs.inputs import log_sets, tag_weights
from ray_jobs.pretrain_worker import PretrainJob, worker
from ray_jobs.runs import open_run, terminal_status
from shards import storage

USAGE = """
ray job submit --working-dir . --runtime-env infra/runtime_env.yaml -- \\
    python -m ray_jobs.pretrain_job FILE.yaml data.url=URL run.url=URL tracking.uri=URL [key=value ...]

Pretrain an encoder on a Ray cluster. A run continues from the newest checkpoint below run.url.
--print shows the resolved config and stops.
"""


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    job = load(PretrainJob, request)
    if request.print_only:
        sys.stdout.write(dump(job))
        return
    check(job, job.cluster.workers)  # a user's mistake is said here, not after the workers' restarts
    run_id = open_run(job.tracking, job.run.url, to_dict(job))
    with terminal_status(job.tracking, run_id):
        also = {f"training.{number}": other.url for number, other in enumerate(job.data.also, start=2)}
        log_sets(job.tracking.uri, run_id, {"training": job.data.url, **also})
        run_workers(worker, {"job": to_dict(job), "mlflow_run_id": run_id}, job.cluster, job.run.url)
        weights = storage.join(job.run.url, "encoder", "model.safetensors")
        tag_weights(job.tracking.uri, run_id, "encoder_digest", weights)


if __name__ == "__main__":
    run_command(main)
