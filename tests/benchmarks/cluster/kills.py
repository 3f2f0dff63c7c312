"""A worker killed every so many seconds: how long a recovery takes, by phase, and what time is left."""

import random
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from tests.benchmarks.cluster.sides import Lines, Ran, begin, furthest, logged_by
from tests.pretrain_jobs import Job, Nodes, workers

PHASES = {
    # What a line of the job's output says, in the order in which they come after a kill.
    "detected": "[FailurePolicy] RETRY",
    "group restarted": "Started training worker group",
    "restored": "goes on from step",
    "first step": "clips/s",
}
STEP = PHASES["first step"]


def kill_now_and_then(
    nodes: Nodes, words: Sequence[str], run_url: str, uri: str, every_seconds: float, seed: int
) -> tuple[Ran, list[dict[str, float]]]:
    """Run to the end with a worker killed every `every_seconds`; the curve and each recovery."""
    drawn = random.Random(seed)
    job = begin(nodes, words, run_url, uri)
    lines = Lines(job)
    recoveries: list[dict[str, float]] = []
    at = _wait(job, lines, 0.0, STEP)
    while at is not None and _sleep(job, at + every_seconds - time.monotonic()):
        at = time.monotonic()
        drawn.choice(workers()).kill()
        recoveries += _recovery(job, lines, at)
    lines.ended()
    return logged_by(job), recoveries


def summary(
    undisturbed: Ran, ran: Ran, recoveries: Sequence[dict[str, float]], every_seconds: float, save_every: int
) -> dict[str, Any]:
    """Numbers of the part, and the goodput that is wanted."""
    if not recoveries:
        raise ValueError("no worker was killed and replaced; raise --size minutes or lower every_seconds")
    steps = sorted(undisturbed.loss)
    step_seconds = undisturbed.seconds() / (steps[-1] - steps[0])
    recovery = median(one["first step"] for one in recoveries)
    return {
        "kills": len(recoveries),
        "phases": {name: median(one[name] for one in recoveries) for name in PHASES},
        "recovery_seconds": recovery,
        "step_seconds": step_seconds,
        "goodput": undisturbed.seconds() / ran.seconds(),
        "bar": 1 - (recovery + step_seconds * save_every / 2) / every_seconds - 0.03,
        "missing_or_other_steps": [s for s in steps if ran.order.get(s) != undisturbed.order[s]],
        "furthest_loss": furthest(ran, undisturbed),
    }


def _wait(job: Job, lines: Lines, since: float, words: str) -> float | None:
    """When such a line came; None where the job ended before."""
    while (found := lines.after(since, words)) is None:
        if job.process.poll() is not None:
            return lines.after(since, words)
        time.sleep(0.05)
    return found


def _sleep(job: Job, seconds: float) -> bool:
    """Whether the job still runs after so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if job.process.poll() is not None:
            return False
        time.sleep(0.1)
    return job.process.poll() is None


def _recovery(job: Job, lines: Lines, killed: float) -> list[dict[str, float]]:
    """Seconds from the kill to the end of each phase; none where the job ended meanwhile."""
    found, since = {}, killed
    for name, words in PHASES.items():
        at = _wait(job, lines, since, words)
        if at is None:
            return []
        found[name], since = at - killed, at
    return [found]
