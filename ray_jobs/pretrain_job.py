"""`python -m ray_jobs.pretrain_job`: pretraining under Ray Train, submitted through the Ray Jobs API."""

import sys
import tempfile
from functools import partial
from pathlib import Path

from pretrain.checkpoint_reader import committed, facts_of, newest_facts
from pretrain.config import dump, load, parse, run_command, to_dict
from pretrain.errors import FencedError
from pretrain.identity import settle_identity
from pretrain.models.exported import FACTS_NAME
from pretrain.recipe import check
from pretrain.tracking import MlflowTracker
from pretrain.train import ENCODER_FOLDER
from ray_jobs.cluster import run_workers
from ray_jobs.inputs import log_sets, tag_weights
from ray_jobs.lead import lead
from ray_jobs.pretrain_worker import PretrainJob, worker
from ray_jobs.runs import open_run, tell, terminal_status
from shards import storage
from shards.lease import Lease

USAGE = """
ray job submit --working-dir . --runtime-env infra/runtime_env.yaml -- \\
    python -m ray_jobs.pretrain_job FILE.yaml data.url=URL run.url=URL tracking.uri=URL [key=value ...]

Pretrain an encoder on a Ray cluster. A run continues from the newest checkpoint below run.url; where another
driver of it lives, this one follows that and ends as it does. --print shows the resolved config and stops.

Exit status: 0 the encoder is there, 1 the run failed, 2 bad input, 3 another driver took over.
"""


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    job = load(PretrainJob, request)
    if request.print_only:
        sys.stdout.write(dump(job))
        return
    check(job, job.cluster.workers)  # a user's mistake is said here, not after the workers' restarts
    settle_identity(job)

    def work(lease: Lease) -> None:
        pretrain(job, lease)

    status = lead(job.run.url, job.cluster.silent_seconds, work, Committed(job.run.url))
    if status:
        raise SystemExit(status)


def pretrain(job: PretrainJob, lease: Lease) -> None:
    """All of the run that is left to do.

    Raises:
        FencedError: another driver took over.
    """
    run_id = open_run(job.tracking, job.run.url, to_dict(job))
    also = {f"training.{number}": other.url for number, other in enumerate(job.data.also, start=2)}
    sets = {"training": job.data.url, **also}
    weights = storage.join(job.run.url, ENCODER_FOLDER, "model.safetensors")
    with terminal_status(job.tracking, run_id, lease):
        tell(job.tracking, run_id, "which sets it reads", partial(log_sets, sets=sets))
        if is_finished(job):
            sys.stdout.write(f"{job.run.url} is finished\n")
            if run_id is not None:
                replay(job, run_id)
        else:
            content = {"job": to_dict(job), "mlflow_run_id": run_id, "lease": lease.number}
            refusal = run_workers(worker, content, job.cluster, job.sizes, job.run.url)
            if refusal:
                raise FencedError(refusal)
        digest = partial(tag_weights, name="encoder_digest", url=weights)
        tell(job.tracking, run_id, "the encoder's digest", digest)


def is_finished(job: PretrainJob) -> bool:
    """Whether the last step is committed and the encoder, which comes after it, is there."""
    facts = newest_facts(job.run.url)
    encoder = storage.join(job.run.url, ENCODER_FOLDER, FACTS_NAME)
    return facts is not None and facts["step"] == job.run.steps and storage.exists(encoder)


def replay(job: PretrainJob, run_id: str) -> None:
    """Send what MLflow had not got when the last checkpoint was written; it keeps what it has once."""
    facts = newest_facts(job.run.url)
    with tempfile.TemporaryDirectory(prefix="facscale-metrics-") as folder:
        tracker = MlflowTracker(Path(folder, "metrics.jsonl"), job.tracking.uri, run_id)
        tracker.adopt([] if facts is None else facts["unsent_metrics"])
        tracker.finish()


class Committed:
    """Tells, when called, of checkpoints that were committed since the last call."""

    def __init__(self, run_url: str) -> None:
        self._url, self._told = run_url, ""

    def __call__(self) -> None:
        newest = next(reversed(committed(self._url)), "")
        if newest in ("", self._told):
            return
        self._told = newest
        facts = facts_of(newest)
        loss = facts["metrics"].get("loss/total")
        steps = f"step {facts['step']}/{facts['config']['run']['steps']}"
        told = "" if loss is None else f"  total {loss:.3f}"
        sys.stdout.write(
            f"{steps}{told}  committed by attempt {facts['attempt']} on {facts['ranks']} ranks\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    run_command(main)
