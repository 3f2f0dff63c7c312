"""`python -m ray_jobs.pipeline_job`: from videos to a registered model behind gates, as one job."""

import sys
from collections.abc import Mapping

import ray
from mlflow.tracking import MlflowClient

from pretrain.config import dump, load, parse, run_command, to_dict
from ray_jobs.lead import SILENT_SECONDS, lead
from ray_jobs.pipeline import PipelineConfig, Step, steps_of
from ray_jobs.pipeline_run import NeededError, PipelineRun, say
from ray_jobs.runs import need_run, terminal_status
from shards.lease import Lease

USAGE = """
ray job submit --working-dir . --runtime-env infra/runtime_env.yaml -- \\
    python -m ray_jobs.pipeline_job PIPELINE.yaml url=URL tracking.uri=URL [key=value ...]

Run the steps of a pipeline, each with the config of its own job (pack, pretrain, finetune), those that do not
need each other at once; then the gates of `promote`. A value `step:NAME` is what the step of that name gives:
a set, an encoder, a run. A step whose result stands for an equal config and equal data is not run again. One
that fails stops what needs it and nothing else. Ends with status 1 where a step failed or a gate refused.
--print shows the resolved config and stops.
"""


def main(arguments: list[str]) -> None:
    request = parse(arguments, USAGE)
    config = load(PipelineConfig, request)
    steps = steps_of(config)
    if request.print_only:
        sys.stdout.write(dump(config))
        return
    if not ray.is_initialized():
        ray.init()  # once, before the steps' threads ask for it
    status = lead(config.url, SILENT_SECONDS, lambda lease: run_pipeline(config, steps, lease), lambda: None)
    if status:
        raise SystemExit(status)


def run_pipeline(config: PipelineConfig, steps: Mapping[str, Step], lease: Lease) -> None:
    """All steps and gates.

    Raises:
        SystemExit: one failed.
    """
    run_id = need_run(config.tracking, config.url, to_dict(config))
    with terminal_status(config.tracking, run_id, lease):
        futures = PipelineRun(config, steps, run_id).run()
        client = MlflowClient(config.tracking.uri)
        failed = 0
        for name, future in futures.items():
            error = future.exception()
            failed += error is not None
            word = "ok" if error is None else "not run" if isinstance(error, NeededError) else "failed"
            client.set_tag(run_id, f"step.{name}", word)
            said = "" if error is None else f": {_reason(error)}"
            say(f"{name}: {word}{said}")
        if failed:
            say(f"{failed} of {len(futures)} failed or did not run")
            raise SystemExit(1)


def _reason(error: BaseException) -> str:
    """What went wrong, of a worker's error without Ray's trace, which stands in the log."""
    if isinstance(error, ray.exceptions.RayTaskError):
        error = error.cause
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    run_command(main)
