"""`python -m tests.benchmarks.learning`: what pretraining gives on generated faces, as a dated result file.

Every encoder is made once and kept below the run folder; the same command goes on where it was stopped.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from finetune.untrained import Floats, PixelComponents, random_encoder
from infra.stages import open_folder
from pretrain.config import Request, load
from pretrain.models.encoder import FrameEncoder
from pretrain.recipe import PretrainConfig
from pretrain.sampled import SampledFrames, encode_with
from tests.benchmarks import record
from tests.benchmarks.learning.features import exported, supervised_encoder
from tests.benchmarks.learning.methods import CONFIG, Method, chosen
from tests.benchmarks.learning.result import write_result
from tests.benchmarks.learning.sets import (
    GROUPS,
    LabelledFrames,
    Size,
    labelled_frames,
    make_sets,
    people_frames,
    set_url,
)
from tests.benchmarks.units import run_module, run_units


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.learning", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--run", type=Path, default=Path("runs/learning"), help="folder (%(default)s)")
    parser.add_argument("--methods", nargs="*", default=[], help="rows, all by default")
    parser.add_argument("--seeds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=1000, help="of every encoder (%(default)s)")
    parser.add_argument("--size", nargs="*", default=[], help="key=value: people, seconds, seed, ...")
    parser.add_argument("--words", nargs="*", default=[], help="key=value for every pretraining")
    parser.add_argument("--out", type=Path, default=Path("tests/benchmarks/results"), help="(%(default)s)")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a single encoder, in a process of its own
    given = parser.parse_args(arguments)
    size = load(Size, Request((), tuple(given.size), print_only=False))
    folder: Path = given.run.absolute()
    if given.one:
        name, seed = given.one.rsplit("-", 1)
        make_features(folder, size, chosen([name])[0], int(seed), given.steps, given.words)
        return
    open_folder(folder, False, {**vars(size), "steps": given.steps, "words": given.words})
    methods = chosen(given.methods)
    make_sets(folder, size, {method.trained_on for method in methods})
    units = [f"{method.name}-{seed}" for seed in range(given.seeds) for method in methods]
    waiting = [unit for unit in units if not features_file(folder, unit).exists()]
    run_units("tests.benchmarks.learning", {unit: [*arguments, "--one", unit] for unit in waiting})
    command = " ".join(["python -m tests.benchmarks.learning", *arguments])
    write_result(folder, size, methods, given.seeds, command, given.out)


def features_file(folder: Path, unit: str) -> Path:
    """Where a unit's features lie once it is done."""
    return folder / "features" / f"{unit}.npz"


def make_features(folder: Path, size: Size, method: Method, seed: int, steps: int, words: list[str]) -> None:
    """Make one encoder and keep what it says of all frames that are scored."""
    torch.set_num_threads(1)
    groups = {group: labelled_frames(folder, size, group) for group in GROUPS}
    people = people_frames(folder)
    features_of: Callable[[SampledFrames], Floats] = (
        PixelComponents(people)
        if method.name == "pixels"
        else partial(encode_with, _encoder(folder, method, seed, steps, words, groups["train"], people))
    )
    found = {
        group: np.concatenate([features_of(part) for part in labelled.frames])
        for group, labelled in groups.items()
    }
    found["people"] = features_of(people)
    file = features_file(folder, f"{method.name}-{seed}")
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".partial.npz")
    stored: dict[str, Any] = {name: value.astype(np.float32) for name, value in found.items()}
    np.savez(unfinished, **stored)
    unfinished.replace(file)


def _encoder(
    folder: Path,
    method: Method,
    seed: int,
    steps: int,
    words: list[str],
    train: LabelledFrames,
    people: SampledFrames,
) -> FrameEncoder:
    target = folder / "encoders" / f"{method.name}-{seed}"
    common = (
        *(f"data.url={set_url(folder, method.trained_on)}", f"run.url={target}"),
        *(f"run.seed={seed}", f"run.steps={steps}", *words),
    )
    if method.is_pretrained:
        run_module("pretrain", [CONFIG, *common, *method.words])
        return exported(target)
    config = load(PretrainConfig, Request((Path(CONFIG),), common, print_only=False))
    if method.name == "random":
        return random_encoder(config.encoder, config.augment, people, seed)
    return supervised_encoder(config, train, seed)


if __name__ == "__main__":
    record.run_command(main)
