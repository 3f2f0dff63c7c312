"""Runs of a minute on an easy drawn set, in this process or as the command, and killing them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pretrain.augment import PLAIN, AugmentConfig
from pretrain.checkpoint_reader import committed
from pretrain.config import ConfigError, from_dict, to_dict
from pretrain.optim import OptimConfig
from pretrain.recipe import PretrainConfig
from pretrain.tracking import SpoolTracker
from pretrain.train import train
from pretrain.world import join_group
from shards.errors import ManifestMismatchError
from tests.drawn_set import write_set

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/clp_tiny.json"
STEPS, BATCH, SAVE_EVERY = 60, 4, 5
Curve = dict[int, dict[str, float]]


def easy_set(folder: Path) -> str:
    """URL of a drawn set of 8 people that a run of a minute learns."""
    write_set(str(folder / "set"), folder / "tars", people=8, samples_per_person=2, frames=64, units=4)
    return str(folder / "set")


def content(set_url: str, run_url: str, **run: Any) -> dict[str, Any]:
    """A run of small steps on an easy set: discs, whose place says when, as they are."""
    return {
        "data": {"url": set_url},
        "run": {
            "url": run_url,
            "steps": STEPS,
            "global_batch": BATCH,
            "log_every": 1,
            "save_every": SAVE_EVERY,
            **run,
        },
        "encoder": {
            "settings": {"hidden_sizes": [16, 32, 64], "depths": [1, 1, 1], "num_stages": 3, "patch_size": 4},
            "image_size": 32,
        },
        "clp": {
            "dim": 16,
            "reconstruction": "nce",
            "memory_slots": 24,
            "gap_seconds": [0.08, 0.12],
        },
        "augment": asdict(PLAIN),
        "optim": {"learning_rate": 1e-2},
    }


def config_of(set_url: str, run_url: str, **run: Any) -> PretrainConfig:
    return from_dict(PretrainConfig, content(set_url, run_url, **run))


def trained(config: PretrainConfig, spool: Path) -> dict[str, Any]:
    """Train in this process."""
    tracker = SpoolTracker(spool)
    url = train(config, join_group(), tracker, {"note": "kept"})
    tracker.finish()
    return {"url": url, "curve": curve(spool)}


def curve(spool: Path) -> Curve:
    """Metrics by step, of a spool that has each step once."""
    lines = [json.loads(line) for line in spool.read_text().splitlines()]
    assert len({line["step"] for line in lines}) == len(lines)
    return {line["step"]: line["metrics"] for line in lines}


def refusal(config: PretrainConfig, spool: Path) -> tuple[str, str]:
    try:
        trained(config, spool)
    except (ManifestMismatchError, ConfigError, RuntimeError) as error:
        return type(error).__name__, str(error)
    return "", "nothing was refused"


def start(
    config: PretrainConfig, folder: Path, module: Sequence[str] = ("pretrain",)
) -> subprocess.Popen[str]:
    """`python -m pretrain`, by a launcher or by itself, with its metrics below `folder`."""
    folder.mkdir()
    path = folder / "run.yaml"
    path.write_text(json.dumps(to_dict(config)))
    return subprocess.Popen(
        [sys.executable, "-m", *module, str(path)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )


def spool_of(folder: Path) -> Path:
    [spool] = folder.glob("facscale-metrics-*/metrics.jsonl")
    return spool


def kill_in_the_middle(config: PretrainConfig, folder: Path) -> None:
    """SIGKILL after the first checkpoint."""
    process = start(config, folder)
    deadline = time.monotonic() + 120
    while not committed(config.run.url):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "no checkpoint in time"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def tiny_run(set_url: str, run_url: Path) -> PretrainConfig:
    return replace(
        config_of(set_url, str(run_url), steps=10, seed=7),
        augment=AugmentConfig(),
        optim=OptimConfig(learning_rate=1e-3),
    )


GOLDEN_METRICS = ("loss/total", "loss/temporal", "optim/gradient_norm", "clp/feature_std")


def check_golden(found: Curve) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert [str(step) for step in found] == list(golden)
    for step, metrics in golden.items():
        # CPUs and engines add in other orders; ten steps let that grow to about 1e-4.
        assert {name: found[int(step)][name] for name in metrics} == pytest.approx(metrics, rel=1e-3), step
