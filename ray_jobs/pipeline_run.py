"""Runs a pipeline's steps: each once what it needs is there; what stands is skipped."""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pretrain.config import dump, to_dict
from ray_jobs.cluster import TaskConfig, run_task
from ray_jobs.pipeline import PipelineConfig, PromoteConfig, Step
from ray_jobs.promote_worker import worker
from ray_jobs.runs import RUN_FILE
from ray_jobs.steps import KINDS, SHORT, identity_facts, stands
from shards import storage
from shards.schema import digest_of

RECORDS = "steps"
"""Folder of what each finished step was made from."""
PROMOTE = "promote."


@dataclass(frozen=True)
class Done:
    """A step that is finished."""

    url: str
    output: str
    """What other steps read."""


class RefusedError(Exception):
    """A model that a gate did not let pass."""


class NeededError(Exception):
    """A step that did not run, since one that it needs has failed."""


class PipelineRun:
    """One run of all steps, under one MLflow run."""

    def __init__(self, config: PipelineConfig, steps: Mapping[str, Step], parent_run_id: str) -> None:
        self._config, self._steps = config, steps
        self._tracking = replace(config.tracking, parent=parent_run_id)
        self._futures: dict[str, Future[Done]] = {}
        # Two groups of workers that each hold a part of the cluster would wait for one another's part.
        self._groups = threading.Lock()

    def run(self) -> dict[str, Future[Done]]:
        """Each step's future, all of them ended; a promotion's name is `promote.STEP`."""
        places = len(self._steps) + len(self._config.promote)
        with ThreadPoolExecutor(max(1, places), thread_name_prefix="step") as pool:
            for name, step in self._steps.items():
                self._futures[name] = pool.submit(self._step, step)
            for name, promote in self._config.promote.items():
                self._futures[f"{PROMOTE}{name}"] = pool.submit(self._promote, name, promote)
        return self._futures

    def _needed(self, name: str) -> Done:
        error = self._futures[name].exception()
        if error is not None:
            raise NeededError(f"needs {name}, which failed") from error
        return self._futures[name].result()

    def _step(self, step: Step) -> Done:
        outputs = {name: self._needed(name).output for name in step.needs}
        kind = KINDS[step.kind]
        facts = identity_facts(step.kind, step.job(outputs, self._tracking))
        short = digest_of(facts)[:SHORT]
        url = storage.join(self._config.url, step.name, short)
        record = storage.join(self._config.url, RECORDS, f"{step.name}-{short}.json")
        output = storage.join(url, kind.output) if kind.output else url
        if stands(step.kind, url, record, facts):
            say(f"{step.name}: stands ({step.kind}, identity {short}), at {url}")
            return Done(url, output)
        say(f"{step.name}: runs ({step.kind}, identity {short}), to {url}")
        began = time.monotonic()
        self._run_job(step, dump(step.job(outputs, self._tracking, url)))
        content = {"identity": digest_of(facts), "url": url, "needs": outputs, **facts}
        storage.write_bytes(record, json.dumps(content, indent=1, sort_keys=True).encode())
        say(f"{step.name}: done in {time.monotonic() - began:.0f} s")
        return Done(url, output)

    def _run_job(self, step: Step, config: str) -> None:
        """The job's own command on its resolved config."""
        with tempfile.TemporaryDirectory(prefix="facscale-step-") as folder:
            file = Path(folder, f"{step.name}.yaml")
            file.write_text(config)
            if step.kind == "pretrain":
                with self._groups:
                    KINDS[step.kind].main([str(file)])
            else:
                KINDS[step.kind].main([str(file)])

    def _promote(self, name: str, promote: PromoteConfig) -> Done:
        trained = self._needed(name)
        run_id = json.loads(storage.read_bytes(storage.join(trained.url, RUN_FILE)))["run_id"]
        answer_url = storage.join(self._config.url, RECORDS, f"{PROMOTE}{name}.json")
        content = {
            "tracking_uri": self._tracking.uri,
            "mlflow_run_id": run_id,
            "to": promote.to,
            "gates": to_dict(promote.gates),
            "url": answer_url,
        }
        run_task(worker, content, TaskConfig())
        answer = json.loads(storage.read_bytes(answer_url))
        if not answer["passed"]:
            raise RefusedError(answer["text"])
        say(f"{PROMOTE}{name}:\n{answer['text']}")
        return Done(answer_url, answer_url)


def say(line: str) -> None:
    sys.stdout.write(f"pipeline: {line}\n")
    sys.stdout.flush()
