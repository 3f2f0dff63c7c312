"""Short runs that are watched by a probe, and what they logged."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F

from pretrain.config import from_dict
from pretrain.engine import EngineConfig
from pretrain.errors import NotFiniteError, StoppedError
from pretrain.models.encoder import EncoderConfig, FrameEncoder, FrameFeatures
from pretrain.optim import OptimConfig
from pretrain.probe import AU_R, IDENTITY
from pretrain.recipe import PretrainConfig
from pretrain.tracking import SpoolTracker
from pretrain.train import train
from pretrain.world import join_group
from tests.pretrain.tiny_runs import content

STEPS = 6
ENCODER = EncoderConfig(
    "convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "patch_size": 4}, 32
)


class Squares(FrameEncoder):
    """Sees the toy faces' squares as they are: by how much each is brighter than the face."""

    def forward(self, frames_NCHW: torch.Tensor) -> FrameFeatures:
        grey_NHW = frames_NCHW.mean(dim=1)
        square_NS = F.avg_pool2d(grey_NHW[:, None, 4:28], 8).flatten(1)
        face_N1 = grey_NHW[:, :3].mean(dim=(1, 2))[:, None]
        return FrameFeatures(square_NS - face_N1, square_NS[..., None])


def probing(sets: dict[str, str], run_url: str, url: str | None = None, **probe: Any) -> PretrainConfig:
    settings = content(sets["trained"], run_url, steps=STEPS, log_every=2, save_every=2)
    settings["probe"] = {"url": url or sets["held out"], "every": 2, "frames": 100, **probe}
    return from_dict(PretrainConfig, settings)


MEASURED = ("speed/", "memory/", "data/wait", "data/fetched", "data/requests")
Lines = list[tuple[int, dict[str, float]]]


def lines_of(spool: Path) -> Lines:
    """Steps with what was logged at once, without what is of the machine."""
    entries = [json.loads(line) for line in spool.read_text().splitlines()]
    return [
        (
            entry["step"],
            {
                name: value
                for name, value in entry["metrics"].items()
                if not name.startswith(MEASURED) and not name.endswith("_busy")
            },
        )
        for entry in entries
    ]


def run(config: PretrainConfig, spool: Path, steps: int = STEPS) -> Lines:
    """Train, asked to end after `steps` steps if that is before the end; the lines of this attempt."""
    tracker, asked = SpoolTracker(spool), iter(range(1, STEPS + 1))
    if steps < STEPS:
        with pytest.raises(StoppedError, match=rf"saved after step {steps} of {STEPS}"):
            # What is said after a step is known to all after the next.
            train(config, join_group(), tracker, {}, lambda: next(asked) >= steps - 1)
    else:
        train(config, join_group(), tracker, {})
    tracker.finish()
    return lines_of(spool)


def drawing(config: PretrainConfig) -> PretrainConfig:
    """The model draws random numbers in each step: a probe that moved them would be seen."""
    settings = {**config.encoder.settings, "drop_path_rate": 0.3}
    return replace(config, engine=EngineConfig("ddp"), encoder=replace(config.encoder, settings=settings))


def keeping(config: PretrainConfig, best_is: Literal["highest", "lowest"], **more: Any) -> PretrainConfig:
    best = replace(config.run, keep_checkpoints=1, keep_best=AU_R, best_is=best_is, **more)
    return replace(config, run=best)


def runs_in_one_process(rank: int, sets: dict[str, str], folder: Path) -> dict[str, Any]:
    def config(name: str, **probe: Any) -> PretrainConfig:
        return drawing(probing(sets, str(folder / name), **probe))

    asked = keeping(probing(sets, str(folder / "asked"), every=3), "highest", save_every=3)
    asked = replace(asked, engine=EngineConfig("ddp"))
    return {
        "plain": run(replace(config("plain"), probe=None), folder / "plain.jsonl"),
        "highest": run(keeping(config("highest"), "highest"), folder / "highest.jsonl"),
        "lowest": run(keeping(config("lowest"), "lowest"), folder / "lowest.jsonl"),
        "asked": run(asked, folder / "asked.jsonl", steps=5),
        "then": run(asked, folder / "then.jsonl"),
        "diverging": why_it_stops(config("diverging", every=1), folder / "diverging.jsonl"),
        "one rank": run(other_best(probing(sets, str(folder / "one"))), folder / "one.jsonl"),
    }


def why_it_stops(config: PretrainConfig, spool: Path) -> str:
    """The first step's rate is so high that no feature is finite after it."""
    with pytest.raises(NotFiniteError) as caught:
        run(replace(config, optim=OptimConfig(learning_rate=1e30, warmup=0.0)), spool)
    return str(caught.value)


def other_best(config: PretrainConfig) -> PretrainConfig:
    """The first save comes before the first log step, which knows the metric that decides."""
    kept = replace(config.run, keep_checkpoints=3, keep_best="loss/total", log_every=4)
    return replace(config, run=kept, engine=EngineConfig("ddp"))


def probed(lines: Lines) -> dict[int, dict[str, float]]:
    found = [(step, metrics) for step, metrics in lines if AU_R in metrics]
    assert all(list(metrics) == [AU_R, IDENTITY] for _, metrics in found)
    return dict(found)


def runs_on_rank(rank: int, sets: dict[str, str], folder: Path, engine: EngineConfig) -> Lines:
    config = replace(other_best(probing(sets, str(folder / "run"))), engine=engine)
    return run(config, folder / f"{rank}.jsonl")
