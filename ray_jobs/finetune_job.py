"""`python -m ray_jobs.finetune_job`: one finetuning job on the cluster, with its model in the registry."""

import sys

from finetune.artifact import WEIGHTS_NAME
from finetune.registry import MODEL_DIGEST_TAG
from pretrain.config import dump, load, parse, run_command, to_dict
from ray_jobs.cluster import run_task
from ray_jobs.finetune_worker import FinetuneJob, is_finished, worker
from ray_jobs.inputs import log_sets, tag_weights
from ray_jobs.runs import open_run, terminal_status
from shards import storage
from shards.tracks import load_tracks

USAGE = """
ray job submit --working-dir . --runtime-env infra/runtime_env.yaml -- \\
    python -m ray_jobs.finetune_job FILE.yaml data.url=URL url=URL tracking.uri=URL [register.name=NAME]

Train an AU model on a labelled shard set, keep its run folder at url= and register it in MLflow.
init is `random` or the url of an exported encoder. --print shows the resolved config and stops.
"""


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    job = load(FinetuneJob, request)
    if request.print_only:
        sys.stdout.write(dump(job))
        return
    if is_finished(job.url):
        sys.stdout.write(f"{job.url} holds this job's result already\n")
        return
    load_tracks(job.data.url)  # a wrong url is said here, not after the job has queued
    run_id = open_run(job.tracking, job.url, to_dict(job))
    with terminal_status(job.tracking, run_id):
        tested = {"test": job.data.test_url} if job.data.test_url else {}
        log_sets(job.tracking.uri, run_id, {"training": job.data.url, **tested})
        run_task(worker, {"job": to_dict(job), "mlflow_run_id": run_id}, job.cluster)
        weights = storage.join(job.url, "model", WEIGHTS_NAME)
        tag_weights(job.tracking.uri, run_id, MODEL_DIGEST_TAG, weights)


if __name__ == "__main__":
    run_command(main)
