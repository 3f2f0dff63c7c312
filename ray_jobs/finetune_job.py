"""`python -m ray_jobs.finetune_job`: one finetuning job on the cluster, with its model in the registry."""

import sys
from functools import partial
from typing import Any

from finetune.artifact import WEIGHTS_NAME
from finetune.registry import MODEL_DIGEST_TAG
from pretrain.config import dump, load, parse, run_command, to_dict
from pretrain.errors import FencedError
from pretrain.identity import settle_content
from ray_jobs.cluster import run_task
from ray_jobs.finetune_worker import FinetuneJob, is_finished, worker
from ray_jobs.inputs import log_sets, tag_weights
from ray_jobs.lead import SILENT_SECONDS, lead
from ray_jobs.runs import need_run, tell, terminal_status
from shards import storage
from shards.lease import Lease
from shards.tracks import load_tracks

USAGE = """
ray job submit --working-dir . --runtime-env infra/runtime_env.yaml -- \\
    python -m ray_jobs.finetune_job FILE.yaml data.url=URL url=URL tracking.uri=URL [register.name=NAME]

Train an AU model on a labelled shard set, keep its run folder at url= and register it in MLflow.
Where another driver of the job lives, this one follows that and ends as it does.
init is `random` or the url of an exported encoder. --print shows the resolved config and stops.

Exit status: 0 the result is there, 1 the job failed, 2 bad input, 3 another driver took over.
"""


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    job = load(FinetuneJob, request)
    if request.print_only:
        sys.stdout.write(dump(job))
        return
    # A wrong url, or another job's, is said here, not after the job has queued.
    settle_content(job.url, "url", decisive(job))
    status = lead(job.url, SILENT_SECONDS, lambda lease: finetune(job, lease), lambda: None)
    if status:
        raise SystemExit(status)


def decisive(job: FinetuneJob) -> dict[str, Any]:
    """What decides the result."""
    content = to_dict(job)
    for name in ("out", "url", "cluster", "tracking", "register"):
        del content[name]
    return {**content, "manifest": load_tracks(job.data.url).manifest.digest}


def finetune(job: FinetuneJob, lease: Lease) -> None:
    """The whole job, where its result is not there yet.

    Raises:
        FencedError: another driver took over.
    """
    if is_finished(job.url):
        sys.stdout.write(f"{job.url} holds this job's result already\n")
        return
    run_id = need_run(job.tracking, job.url, to_dict(job))
    tested = {"test": job.data.test_url} if job.data.test_url else {}
    sets = {"training": job.data.url, **tested}
    weights = storage.join(job.url, "model", WEIGHTS_NAME)
    with terminal_status(job.tracking, run_id, lease):
        tell(job.tracking, run_id, "which sets it reads", partial(log_sets, sets=sets))
        content = {"job": to_dict(job), "mlflow_run_id": run_id, "lease": lease.number}
        refusal = run_task(worker, content, job.cluster)
        if refusal:
            raise FencedError(refusal)
        digest = partial(tag_weights, name=MODEL_DIGEST_TAG, url=weights)
        tell(job.tracking, run_id, "the model's digest", digest)


if __name__ == "__main__":
    run_command(main)
