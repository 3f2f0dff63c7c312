"""`python -m tests.benchmarks.training`: what our loop costs over a bare one, two ranks, and the card's use.

It makes its own set below the work folder. Each side trains in a process of its own, in rounds.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import yaml

from infra.stages import open_folder, say
from pretrain.config import Request, load
from tests.benchmarks import record
from tests.benchmarks.streaming.contest import Round, run
from tests.benchmarks.streaming.sets import make_set
from tests.benchmarks.training.card import CardAsk
from tests.benchmarks.training.report import ONE, TWO, Report
from tests.benchmarks.training.side import DEEPSPEED, OURS, SAME_LOADER, TORCH, Ask

PARTS = ("overhead", "ranks", "gpu")
SIDES = (OURS, SAME_LOADER, DEEPSPEED, TORCH)
ROOT = Path(__file__).parents[3]
HERE = "tests.benchmarks.training"
SAME_LOSS = {"first_loss": 1e-2, "loss": 0.05}
"""How far the sides' losses may be apart, relative, over the steps before the clock and over the last ones.
Other orders of additions grow with the steps."""
TINY = ("encoder.name=vit-tiny", "encoder.settings.num_hidden_layers=2", "encoder.image_size=64")
VIT = (*TINY, "encoder.model_type=vit", "encoder.pool=mean")
NO_GPU = (
    "The last tables are of a tiny model on the CPU, in float32: this host has no GPU, and the bars for "
    "ViT-B/16 and ViT-L/16 are not yet measured."
)


@dataclass(frozen=True)
class Size:
    """How much is made and measured.

    Attributes:
        samples: of the set.
        frames: of a sample.
        pixels: of a side of a frame; 224 are made for a GPU.
        units: of the set; a shard each.
        people: generated; their samples are written again under other names.
        batch: clips of a step.
        steps: of a side.
        skip: of these, before the clock; also a log interval.
        models: of the GPU part.
        gpu_batches: clips of a step of each.
        gpu_steps: of each.
        gpu_skip: of these, before the clock.
        gpu_threads: that decode; 0 is one per core.
        compile: torch.compile of the backbone, in the GPU part.
        profiled: steps that are profiled.
        product: size of the matrices that give the card's dense rate.
        seed: of the generated set.
        words: key=value for all sides of the first two parts.
        resnet: for those of them that train the quickstart's ResNet.
    """

    samples: int = 256
    frames: int = 64
    pixels: int = 96
    units: int = 8
    people: int = 8
    batch: int = 32
    steps: int = 60
    skip: int = 20
    models: list[str] = field(default_factory=lambda: ["vit-base", "vit-large"])
    gpu_batches: list[int] = field(default_factory=lambda: [64, 32])
    gpu_steps: int = 120
    gpu_skip: int = 20
    gpu_threads: int = 0
    compile: bool = False
    profiled: int = 6
    product: int = 8192
    seed: int = 101
    words: list[str] = field(default_factory=list)
    resnet: list[str] = field(default_factory=list)


def main(arguments: list[str]) -> None:
    parser = record.parser("training", __doc__, rounds=5, sizes="batch, steps, models")
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS, help="all by default")
    given = record.read(parser, arguments)
    size = load(Size, Request((), tuple(given.size), print_only=False))
    if not 0 < size.skip < size.steps or not 0 < size.gpu_skip < size.gpu_steps:
        raise ValueError(f"--size: found {size}, wanted 0 < skip < steps, and likewise of gpu_")
    if len(size.models) != len(size.gpu_batches):
        raise ValueError(f"--size: found {size.gpu_batches} for {size.models}, wanted a batch for each model")
    report = Report(record.facts(_command(given)))
    work: Path = given.work.absolute()
    if {"overhead", "ranks"} & set(given.parts):
        made = _set(work / f"set-{size.pixels}", size, size.pixels)
        words = [f"data.url={made}", f"run.steps={size.steps}", f"run.global_batch={size.batch}", *size.words]
        if "overhead" in given.parts:
            report.overhead = overhead([*words, *size.resnet], size.skip, given.rounds)
        if "ranks" in given.parts:
            for name, model in {"ResNet": size.resnet, "ViT": VIT}.items():
                report.ranks[name] = ranks([*words, *model], size.skip, given.rounds)
    if "gpu" in given.parts:
        add_card(report, work, size)
    report.write(given.out)


def _command(given: argparse.Namespace) -> str:
    """What to say to measure the same, without the folders of this machine."""
    words = ["python -m tests.benchmarks.training", "--rounds", str(given.rounds)]
    for name, usual in (("parts", PARTS), ("size", [])):
        chosen = getattr(given, name)
        words += [f"--{name}", *chosen] if chosen not in ([], usual) else []
    return " ".join(words)


def _set(folder: Path, size: Size, pixels: int) -> Path:
    made_of = {name: getattr(size, name) for name in ("samples", "frames", "units", "people", "seed")}
    open_folder(folder, False, {**made_of, "pixels": pixels})
    return make_set(folder, pixels=pixels, **made_of)


def overhead(words: list[str], skip: int, rounds: int) -> list[Round]:
    """All loops in turn, another one first in each round.

    Raises:
        RuntimeError: a loop's losses are not ours: it has done other work.
    """
    found = []
    for number in range(rounds):
        say(f"overhead: round {number + 1} of {rounds}")
        first = number % len(SIDES)
        order = (*SIDES[first:], *SIDES[:first])
        results = {side: _side(Ask(side, words, skip)) for side in order}
        found.append({side: results[side] for side in SIDES})
        _refuse_other_work(found[-1])
    return found


def ranks(words: list[str], skip: int, rounds: int) -> list[Round]:
    """One process on one core, and two on two.

    Raises:
        ValueError: this host has one core.
    """
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise ValueError("--parts ranks: found 1 core, wanted 2; leave this part out")
    found = []
    for number in range(rounds):
        say(f"ranks: round {number + 1} of {rounds}")
        sizes = {ONE: 1, TWO: 2}
        order = sorted(sizes, reverse=bool(number % 2))
        results = {name: _side(Ask(OURS, words, skip, cores), sizes[name]) for name in order}
        found.append({name: results[name] for name in sizes})
        _refuse_other_work(found[-1])
    return found


def _refuse_other_work(one: Round) -> None:
    for kind, allowed in SAME_LOSS.items():
        losses = {name: result[kind] for name, result in one.items()}
        least, most = min(losses.values()), max(losses.values())
        if most - least > allowed * abs(most):
            raise RuntimeError(f"the sides' losses differ, so they have not done the same: {kind} {losses}")


def add_card(report: Report, work: Path, size: Size) -> None:
    """CLP with each model on the card, or with a tiny one on the CPU."""
    on_gpu = torch.cuda.is_available()
    made = (
        _set(work / "set-224", size, 224) if on_gpu else _set(work / f"set-{size.pixels}", size, size.pixels)
    )
    threads = size.gpu_threads or len(os.sched_getaffinity(0))
    steps, skip = (size.gpu_steps, size.gpu_skip) if on_gpu else (size.steps, size.skip)
    common = [
        *(f"data.url={made}", f"data.stream.threads={threads}", f"run.steps={steps}"),
        # Every part of CLP is on from the start: the memory is full after 2 steps.
        *("clp.reconstruction=nce", "clp.gap_seconds=[0.16,0.24]", "clp.ramp=0"),
    ]
    models = dict(zip(size.models, size.gpu_batches, strict=True)) if on_gpu else {"tiny, CPU": size.batch}
    for name, batch in models.items():
        say(f"card: {name}")
        words = [*common, f"run.global_batch={batch}", f"clp.memory_slots={4 * batch}"]
        if on_gpu:
            words += [f"encoder.name={name}", "encoder.image_size=224", "encoder.precision=bfloat16"]
            words += [f"engine.compile={str(size.compile).lower()}"]
            ask = CardAsk(words, skip, size.profiled, size.product, "bfloat16")
        else:
            ask = CardAsk([*words, *TINY], skip, size.profiled, min(size.product, 1024), "float32")
        report.card[name] = run([sys.executable, "-m", f"{HERE}.card", json.dumps(asdict(ask))])
    if not on_gpu:
        report.notes.append(NO_GPU)


def _side(ask: Ask, processes: int = 1) -> dict[str, float]:
    launcher: Sequence[str] = ()
    if processes > 1:
        launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes))
    words = [sys.executable, *launcher, "-m", f"{HERE}.side", json.dumps(asdict(ask))]
    result: dict[str, float] = run(words, as_jobs_run())
    return result


def as_jobs_run() -> dict[str, str]:
    """Environment variables that jobs on a cluster are given."""
    variables: dict[str, str] = yaml.safe_load((ROOT / "infra/runtime_env.yaml").read_text())["env_vars"]
    return variables


if __name__ == "__main__":
    record.run_command(main)
