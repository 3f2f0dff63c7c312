"""One side in a process of its own: our whole loop, or a loop with nothing but the training in it.

Every side trains the same objective from the same seed by the same schedule on the same clips, and says its
losses, which must be equal. The clock runs from after the first `skip` steps to the last.

    python -m tests.benchmarks.training.side '{"side": "ours", "words": [...], ...}'
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from pretrain.config import Request, load
from pretrain.data import make_plan, open_sets
from pretrain.device import DeviceBatch, to_device
from pretrain.engines.deepspeed import start_deepspeed
from pretrain.objectives.objective import Losses
from pretrain.objectives.registry import OBJECTIVES
from pretrain.optim import build_optimizer, learning_rate_at
from pretrain.recipe import PretrainConfig
from pretrain.tracking import NoTracker
from pretrain.train import train
from pretrain.world import World, join_group, local_device
from shards.stream import stream_clips

CONFIG = "pretrain/configs/clp_cpu.yaml"
OURS, SAME_LOADER, DEEPSPEED, TORCH = "ours", "DeepSpeed, our loader", "DeepSpeed", "torch"
WATCHED = "loss/temporal"


@dataclass(frozen=True)
class Ask:
    """What to train.

    Attributes:
        side: whose loop.
        words: `key=value` over CONFIG, or over the defaults where `file` is false.
        skip: steps before the clock, and steps of a log interval.
        cores: that each rank is pinned to one of; none where empty.
        file: whether CONFIG is read.
    """

    side: str
    words: list[str]
    skip: int
    cores: list[int] = field(default_factory=list)
    file: bool = True

    def config(self, run_url: str) -> PretrainConfig:
        common = (f"run.log_every={self.skip}", "run.save_every=1000000", f"run.url={run_url}")
        files = (Path(CONFIG),) if self.file else ()
        return load(PretrainConfig, Request(files, (*self.words, *common), print_only=False))


class Clock(NoTracker):
    """Tells the time at every log step, where the host has waited for the device."""

    def __init__(self) -> None:
        self.ticks: list[dict[str, float]] = []

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        now = {"step": step, "wall_seconds": time.perf_counter(), "cpu_seconds": time.process_time()}
        self.ticks.append({**now, "loss": metrics[WATCHED], "wait": metrics.get("data/wait_share", 0.0)})

    def result(self, clips_per_step: int) -> dict[str, float]:
        """What the steps between the first tick and the last took."""
        first, *rest = self.ticks
        last = rest[-1]
        steps = last["step"] - first["step"]
        return {
            "steps": steps,
            "clips": steps * clips_per_step,
            **{name: last[name] - first[name] for name in ("wall_seconds", "cpu_seconds")},
            "wait_share": sum(tick["wait"] for tick in rest) / len(rest),
            "first_loss": first["loss"],
            "loss": last["loss"],
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "gpu_peak_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
        }


def run_ours(ask: Ask, world: World) -> dict[str, float]:
    """`pretrain.train.train`, with all that it does."""
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="facscale-benchmark-") as folder:
        config = ask.config(world.broadcast(folder))
        train(config, world, clock, {})
        world.barrier()
    return clock.result(config.run.global_batch)


def run_bare(ask: Ask, world: World) -> dict[str, float]:
    """Batch, forward, backward, update, and what the objective itself does after a step; nothing else."""
    config, device, clock = ask.config("nowhere"), local_device(), Clock()
    run = config.run
    torch.manual_seed(run.seed)
    objective = objective_of(config, world)
    batches = batches_of(config, device)
    if ask.side != SAME_LOADER:
        batches = iter([next(batches) for _ in range(run.steps)])
    update = _torch_update(objective, config) if ask.side == TORCH else _deepspeed_update(objective, config)
    found: list[Tensor] = []
    for step in range(run.steps):
        losses = update(next(batches), step)
        objective.after_step(step, objective.named_parameters())
        found.append(losses.parts[WATCHED])
        if (step + 1) % ask.skip == 0 or step + 1 == run.steps:
            clock.log({WATCHED: float(torch.stack(found).mean())}, step + 1)
            found = []
    return clock.result(run.global_batch)


def objective_of(config: PretrainConfig, world: World) -> Any:
    """The objective that `pretrain.train` would build, on the training device."""
    arguments = (config.settings, config.encoder, config.augment, world)
    objective = cast(Any, OBJECTIVES[config.objective])(*arguments, config.run.steps, config.run.global_batch)
    objective.to_device(local_device())
    return objective


def batches_of(config: PretrainConfig, device: torch.device) -> Iterator[DeviceBatch]:
    """The batches of one process, as `pretrain.train` would read them."""
    sets, settings, run = open_sets(config.data), config.settings, config.run
    plan = make_plan(sets, config.data, settings.clip_spec, settings.batch_policy, run.global_batch, run.seed)
    for _, clips in stream_clips(sets, plan, config.data.stream):
        yield to_device(clips, device)


def _deepspeed_update(objective: Any, config: PretrainConfig) -> Any:
    deepspeed, on_gpu = start_deepspeed(), torch.cuda.is_available()
    engine, optimizer, _, _ = deepspeed.initialize(
        model=objective,
        optimizer=build_optimizer(objective.named_parameters(), config.optim, fused=on_gpu),
        config={
            "train_micro_batch_size_per_gpu": config.run.global_batch,
            "gradient_clipping": config.optim.clip_norm,
            "zero_optimization": {"stage": 1, **({} if on_gpu else {"overlap_comm": False})},
            "steps_per_print": 2**31,
        },
    )

    def update(batch: DeviceBatch, step: int) -> Losses:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config.run.steps, config.optim)
        losses: Losses = engine(batch, step)
        engine.backward(losses.total)
        engine.step()
        return losses

    return update


def _torch_update(objective: Any, config: PretrainConfig) -> Any:
    optimizer = build_optimizer(objective.named_parameters(), config.optim, fused=True)

    def update(batch: DeviceBatch, step: int) -> Losses:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config.run.steps, config.optim)
        optimizer.zero_grad()
        losses: Losses = objective(batch, step)
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), config.optim.clip_norm)
        optimizer.step()
        return losses

    return update


def pin(ask: Ask) -> None:
    """A core for each rank; the number of threads is the environment's."""
    if ask.cores:
        os.sched_setaffinity(0, {ask.cores[int(os.environ.get("LOCAL_RANK", "0"))]})


def main(argument: str) -> None:
    ask = Ask(**json.loads(argument))
    pin(ask)
    world = join_group()
    result = run_ours(ask, world) if ask.side == OURS else run_bare(ask, world)
    if world.rank == 0:
        sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
