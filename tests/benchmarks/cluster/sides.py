"""One pretraining from start to end, under torchrun or as a job on Ray nodes, with a clock on its steps."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.pretrain.tiny_runs import spool_of
from tests.pretrain_jobs import CONFIG, ROOT, Job, Nodes, allocator, drivers, processes, workers

LOSS, ORDER = "loss/total", "data/order_fingerprint"
WAIT_SECONDS = 24 * 3600.0


@dataclass
class Ran:
    """What one run gave; by log step."""

    loss: dict[int, float] = field(default_factory=dict)
    order: dict[int, float] = field(default_factory=dict)
    time_ms: dict[int, int] = field(default_factory=dict)
    """When it was logged, the last time."""
    pss_mb: dict[str, float] = field(default_factory=dict)
    """Of processes of each kind, in the middle of the run."""

    def step_ms(self, skip: int) -> float:
        """Of a step in the median over log intervals, after the first `skip` steps."""
        steps = [step for step in sorted(self.time_ms) if step >= skip]
        pairs = list(itertools.pairwise(steps))
        return median((self.time_ms[later] - self.time_ms[one]) / (later - one) for one, later in pairs)

    def seconds(self) -> float:
        """From the first log to the last."""
        times = sorted(self.time_ms.values())
        return (times[-1] - times[0]) / 1000


def torchrun(ranks: int, words: Sequence[str], folder: Path) -> Ran:
    """`python -m pretrain` on so many ranks."""
    folder.mkdir(parents=True)
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "-m", "pretrain")
    own = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-m", *launcher, CONFIG, *words],
        cwd=ROOT,
        env=os.environ | allocator() | own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    found = Ran()

    def ranks_of() -> dict[str, list[psutil.Process]]:
        children = psutil.Process(process.pid).children()
        return {"rank": children, "launcher": [psutil.Process(process.pid)]}

    look = MemoryLook(ranks_of, lambda: logged(folder) > 5)
    said = process.communicate()[1]
    found.pss_mb = look.end()
    if process.returncode:
        raise RuntimeError(f"torchrun ended with {process.returncode}: {said[-2000:]}")
    for line in spool_of(folder).read_text().splitlines():
        entry = json.loads(line)
        found.loss[entry["step"]] = entry["metrics"][LOSS]
        found.order[entry["step"]] = entry["metrics"][ORDER]
        found.time_ms[entry["step"]] = entry["time_ms"]
    return found


def ray_job(nodes: Nodes, words: Sequence[str], run_url: str, uri: str) -> Ran:
    """`python -m ray_jobs.pretrain_job`, left alone."""
    job = begin(nodes, words, run_url, uri)
    look = MemoryLook(memory, lambda: bool(job.newest_step()))
    job.ended(WAIT_SECONDS)
    pss_mb = look.end()
    found = logged_by(job)
    found.pss_mb = pss_mb
    return found


def untracked(nodes: Nodes, words: Sequence[str], run_url: str, nobody: str) -> None:
    """The same with no MLflow at `nobody`."""
    begin(nodes, words, run_url, nobody).ended(WAIT_SECONDS)


def begin(nodes: Nodes, words: Sequence[str], run_url: str, uri: str) -> Job:
    return nodes.submit(words, run_url, uri)


def logged_by(job: Job) -> Ran:
    """What MLflow has of it."""
    found = Ran()
    for step, time_ms, value in job.entries(LOSS):
        found.loss[step], found.time_ms[step] = value, time_ms
    for step, _, value in job.entries(ORDER):
        found.order[step] = value
    return found


def furthest(ran: Ran, other: Ran) -> float:
    """The largest difference of a loss at one step, as a share of it.

    Raises:
        ValueError: they have not the same steps.
    """
    if set(ran.loss) != set(other.loss):
        raise ValueError(f"{len(ran.loss)} steps were logged and {len(other.loss)} of the other run")
    return max(abs(loss / other.loss[step] - 1) for step, loss in ran.loss.items())


def memory() -> dict[str, list[psutil.Process]]:
    daemons = ("gcs_server", "raylet", "dashboard", "log_monitor", "runtime_env", "monitor.py")
    return {
        "rank": workers(),
        "driver": drivers(),
        "controller": processes("TrainController"),
        "Ray's daemons": [process for name in daemons for process in processes(name)],
    }


def logged(folder: Path) -> int:
    return sum(path.read_text().count("\n") for path in folder.glob("facscale-metrics-*/metrics.jsonl"))


class MemoryLook:
    """Looks once at the memory of processes, some seconds after `ready`."""

    def __init__(
        self, processes: Callable[[], dict[str, list[psutil.Process]]], ready: Callable[[], bool]
    ) -> None:
        self._processes, self._ready = processes, ready
        self._found: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> dict[str, float]:
        """MB of proportional set size by kind; nothing where the run ended before."""
        self._ended.set()
        self._thread.join()
        return self._found

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            if self._ready():
                break
        for kind, found in self._processes_now().items():
            self._found[kind] = sum(_pss_bytes(process) for process in set(found)) / 1e6
            if kind == "rank" and found:
                self._found[kind] /= len(set(found))

    def _processes_now(self) -> dict[str, list[psutil.Process]]:
        try:
            return self._processes()
        except psutil.NoSuchProcess:
            return {}


def _pss_bytes(process: psutil.Process) -> int:
    try:
        found: int = process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0
    return found


class Lines:
    """Lines of a job's output, each with the time when it came."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.lines: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def after(self, since: float, words: str) -> float | None:
        """When the first line with `words` came after `since`."""
        return next((at for at, line in list(self.lines) if at > since and words in line), None)

    def ended(self) -> str:
        """All of it, when the job has succeeded.

        Raises:
            RuntimeError: it has not.
        """
        self._thread.join()
        output = "".join(line for _, line in self.lines)
        if self._job.process.wait():
            raise RuntimeError(f"the job failed: {output[-3000:]}")
        return output

    def _read(self) -> None:
        assert self._job.process.stdout is not None
        for line in self._job.process.stdout:
            self.lines.append((time.monotonic(), line))


def plain(ran: Ran) -> dict[str, Any]:
    """For the result file: the curve, thinned to some 200 points."""
    steps = sorted(ran.loss)
    shown = steps[:: max(1, len(steps) // 200)]
    return {"loss": {step: round(ran.loss[step], 6) for step in shown}, "pss_mb": ran.pss_mb}
