"""CLP on this host's card: how much of its rate is used, and where the rest goes. On a CPU, a tiny model.

python -m tests.benchmarks.training.card '{"words": [...], "skip": 20, ...}'
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from pretrain.flops import dense_rate
from pretrain.train import train
from pretrain.world import World, join_group, local_device
from tests.benchmarks.training.side import OURS, Ask, Clock, batches_of, objective_of, run_ours

TABLE_ROWS = 15


@dataclass(frozen=True)
class CardAsk:
    """What to measure.

    Attributes:
        words: `key=value` over the defaults.
        skip: steps before the clock, and of a log interval.
        profiled: steps that are profiled.
        product: size of the square matrices whose product gives the card's dense rate.
        product_dtype: what they are; of the encoder's precision.
    """

    words: list[str]
    skip: int
    profiled: int
    product: int
    product_dtype: str


def step_flops(ask: Ask, world: World) -> tuple[int, float]:
    """FLOPs of forward and backward of a step with all of CLP's parts on, and millions of parameters.

    The momentum encoder's forwards are the model's too; the optimizer's and the loader's work is not.
    """
    config = ask.config("nowhere")
    torch.manual_seed(0)
    objective = objective_of(config, world)
    batches = batches_of(config, local_device())
    # The cross-identity part begins when the memory is full.
    while not objective.memory.is_full:
        with torch.no_grad():
            objective(next(batches), config.run.steps)
        objective.after_step(0, objective.named_parameters())
    with FlopCounterMode(display=False) as counter:
        objective(next(batches), config.run.steps).total.backward()
    parameters = sum(parameter.numel() for parameter in objective.parameters())
    return counter.get_total_flops(), parameters / 1e6


def profiled(ask: Ask, world: World, steps: int) -> list[dict[str, Any]]:
    """The kernels (on a CPU: operators) of a short run of our loop by their own time; the rest in one row."""
    on_gpu = torch.cuda.is_available()
    short = [word for word in ask.words if not word.startswith("run.steps=")]
    short_ask = Ask(OURS, [*short, f"run.steps={steps}"], 1, file=False)
    activities = [ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]
    prefix = "facscale-benchmark-"
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, profile(activities=activities) as found:
        train(short_ask.config(folder), world, Clock(), {})
        _wait()
    wanted = DeviceType.CUDA if on_gpu else DeviceType.CPU
    rows = [
        {
            "name": event.key[:90],
            "milliseconds": (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e3,
            "calls": event.count,
        }
        for event in found.key_averages()
        if event.device_type == wanted
    ]
    rows.sort(key=lambda row: -row["milliseconds"])
    total = sum(row["milliseconds"] for row in rows)
    rest = rows[TABLE_ROWS:]
    if rest:
        sums = {name: sum(row[name] for row in rest) for name in ("milliseconds", "calls")}
        rows = [*rows[:TABLE_ROWS], {"name": f"{len(rest)} others", **sums}]
    return [{**row, "share": row["milliseconds"] / total} for row in rows]


def measure(ask: CardAsk) -> dict[str, Any]:
    """Everything about one model."""
    world = join_group()
    side = Ask(OURS, ask.words, ask.skip, file=False)
    rate = dense_rate(local_device(), getattr(torch, ask.product_dtype), ask.product)
    flops, parameters = step_flops(side, world)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    result = run_ours(side, world)
    achieved = flops * result["steps"] / result["wall_seconds"]
    return {
        **result,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "million_parameters": parameters,
        "step_flops": flops,
        "achieved_flops_per_s": achieved,
        "dense_flops_per_s": rate,
        "mfu": achieved / rate,
        "profile": profiled(side, world, ask.profiled),
    }


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(CardAsk(**json.loads(sys.argv[1])))) + "\n")
