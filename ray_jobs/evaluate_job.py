"""`python -m ray_jobs.evaluate_job`: a saved or registered model scored again, on any people."""

import json
import sys
from typing import Any

from mlflow.tracking import MlflowClient

from pretrain.config import dump, load, parse, run_command, to_dict
from ray_jobs.cluster import run_task
from ray_jobs.evaluate_worker import EVALUATION_NAME, EvaluateJob, worker
from ray_jobs.inputs import log_sets
from ray_jobs.lead import SILENT_SECONDS, lead
from ray_jobs.runs import need_run, terminal_status
from shards import storage
from shards.lease import Lease
from shards.tracks import load_tracks

USAGE = """
ray job submit --working-dir . --runtime-env infra/runtime_env.yaml -- \\
    python -m ray_jobs.evaluate_job model=models:/NAME@ALIAS url=URL tracking.uri=URL [data.url=URL ...]

Score a registered model, or that of a finished finetuning job (model=URL), on the people its job tested, or
on another set (data.url=, protocol.name=, people=all). Where set and people are the job's own, every number
is compared with the job's; the command ends with status 1 where one differs. --print shows the resolved
config and stops.
"""


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    job = load(EvaluateJob, request)
    if request.print_only:
        sys.stdout.write(dump(job))
        return
    if job.data is not None:
        load_tracks(job.data.url)  # a wrong url is said here, not after the job has queued
    status = lead(job.url, SILENT_SECONDS, lambda lease: evaluate(job, lease), lambda: None)
    if status:
        raise SystemExit(status)


def evaluate(job: EvaluateJob, lease: Lease) -> None:
    """The whole job.

    Raises:
        SystemExit: a number differs from the job's.
    """
    run_id = need_run(job.tracking, job.url, to_dict(job))
    with terminal_status(job.tracking, run_id, lease):
        run_task(worker, {"job": to_dict(job), "mlflow_run_id": run_id}, job.cluster)
        answer = json.loads(storage.read_bytes(storage.join(job.url, EVALUATION_NAME)))
        client = MlflowClient(job.tracking.uri)
        log_sets(client, run_id, {"evaluation": answer["data"]["url"]})
        client.set_tag(run_id, "model", answer["model"]["source"])
        client.set_tag(run_id, "model_digest", answer["model"]["digest"])
    sys.stdout.write("\n".join(_lines(answer)) + "\n")
    if answer["as_the_job"] and answer["as_the_job"]["differing"]:
        raise SystemExit(1)


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [f"{answer['model']['source']} on {len(answer['people'])} people of {answer['data']['url']}:"]
    for name, score in answer["scores"].items():
        low, high = answer["intervals"][name]
        value = "-" if score["mean"] is None else f"{score['mean']:.4f}"
        interval = "" if low is None else f" [{low:.4f}, {high:.4f}]"
        lines.append(f"  {name} {value}{interval}")
    if answer["left_out"]:
        lines.append(f"  without {answer['left_out']}, which the set does not label")
    if answer["as_the_job"]:
        numbers, differing = answer["as_the_job"]["numbers"], answer["as_the_job"]["differing"]
        said = f"{len(differing)} of {numbers} differ" if differing else f"all {numbers} equal"
        lines += [f"  against what the job wrote: {said}", *(f"  {line}" for line in differing)]
    if answer["generated"]:
        lines.append("  these faces are generated: the numbers say nothing about real people")
    return lines


if __name__ == "__main__":
    run_command(main)
