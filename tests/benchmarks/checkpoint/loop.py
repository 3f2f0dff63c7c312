"""Training that saves to a store, in a process of its own, with a clock on every step and every save.

python -m tests.benchmarks.checkpoint.loop '{"words": [...], "run_url": "s3://...", ...}'
"""

import gc
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from pretrain.attempt import claim_attempt
from pretrain.checkpoint import Checkpoints
from pretrain.checkpoint_reader import committed
from pretrain.config import Request, load
from pretrain.engine import make_engine
from pretrain.recipe import PretrainConfig
from pretrain.world import World, join_group, local_device
from shards import storage
from tests.benchmarks.memory import peak_bytes, peak_from_here
from tests.benchmarks.training.side import batches_of, objective_of

UPLOAD = "checkpoint"
"""Name of the thread that a save leaves behind."""


@dataclass(frozen=True)
class Ask:
    """What to train and when to save.

    Attributes:
        words: `key=value` over the defaults.
        run_url: where to.
        skip: steps before the clock.
        quiet: steps after these, without a save.
        saves: of them, each followed by `every` steps.
        every: steps between saves.
    """

    words: list[str]
    run_url: str
    skip: int
    quiet: int
    saves: int
    every: int

    def config(self) -> PretrainConfig:
        steps = self.skip + self.quiet + self.saves * self.every
        common = (f"run.steps={steps}", f"run.url={self.run_url}")
        return load(PretrainConfig, Request((), (*self.words, *common), print_only=False))


@dataclass(frozen=True)
class Step:
    """Clocks of one step; CPU time is that of all threads of the process."""

    wall_seconds: float
    cpu_seconds: float
    upload: bool
    """Whether a save was being written, at its start or its end."""


@dataclass(frozen=True)
class Save:
    """Clocks of one save."""

    stall_seconds: float
    """That `save` took of the loop."""
    waited_seconds: float
    """Of these, for the save before it."""
    commit_seconds: float
    """From its begin to when all of it was in the store, and to be restored."""


def uploads() -> list[threading.Thread]:
    """The thread that writes a save, while it does."""
    return [thread for thread in threading.enumerate() if thread.name == UPLOAD]


def measure(ask: Ask, world: World) -> dict[str, Any]:
    """Train, save and restore; seconds and bytes."""
    config = ask.config()
    torch.manual_seed(config.run.seed)
    objective = objective_of(config, world)
    source = batches_of(config, local_device())
    # Read and decoded before: what is measured is training beside a save.
    batches = [next(source) for _ in range(4)]
    engine = make_engine(
        objective, config.optim, config.engine, config.run.steps, config.run.global_batch, world
    )
    attempt = claim_attempt(ask.run_url)
    checkpoints = Checkpoints(attempt, engine, objective.companions(), world)
    done = 0

    def train(count: int) -> list[Step]:
        nonlocal done
        steps = []
        for _ in range(count):
            busy, wall, cpu = bool(uploads()), time.perf_counter(), time.process_time()
            engine.gradients([batches[done % len(batches)]], done)
            engine.step(done)
            objective.after_step(done, engine.master_weights())
            done += 1
            steps.append(Step(time.perf_counter() - wall, time.process_time() - cpu, busy or bool(uploads())))
        return steps

    train(ask.skip)
    gc.collect()
    before = peak_from_here()
    steps = train(ask.quiet)
    quiet_peak = peak_bytes() - before
    peak_from_here()
    saves: list[Save] = []
    for _ in range(ask.saves):
        start = time.perf_counter()
        checkpoints.wait()
        waited = time.perf_counter() - start
        checkpoints.save(done, {}, {})
        stall = time.perf_counter() - start
        watch, ended = _watch_upload()
        steps += train(ask.every)
        watch.join()
        saves.append(Save(stall, waited, ended[0] - start))
    checkpoints.wait()
    saving_peak = peak_bytes() - before
    newest = committed(ask.run_url)[-1]
    start = time.perf_counter()
    Checkpoints(attempt, engine, objective.companions(), world).restore_newest(lambda _: None)
    restore_seconds = time.perf_counter() - start
    return {
        "million_parameters": sum(p.numel() for p in objective.parameters()) / 1e6,
        "checkpoint_bytes": sum(storage.list_sizes(newest).values()),
        "steps": [asdict(step) for step in steps],
        "saves": [asdict(save) for save in saves],
        "quiet_peak_bytes": quiet_peak,
        "saving_peak_bytes": saving_peak,
        "restore_seconds": restore_seconds,
    }


def _watch_upload() -> tuple[threading.Thread, list[float]]:
    """A thread that ends with the save under way, and the time when that was."""
    ended: list[float] = []
    under_way = uploads()

    def wait() -> None:
        for upload in under_way:
            upload.join()
        ended.append(time.perf_counter())

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread, ended


def main(argument: str) -> None:
    ask = Ask(**json.loads(argument))
    sys.stdout.write(json.dumps(measure(ask, join_group())) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
