"""One small run of the whole flow, which the tests here look at."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = [
    *("people=8", "seconds=2.6", "pretrain_steps=12", "pretrain_batch=4"),
    "finetune=aunce.fit.steps=4 aunce.linear.epochs=2 intensity.fit.steps=4",
]


def start(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "infra.quickstart", "--run", str(folder), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="session")
def quickstart():
    """`quickstart(folder, *words)`: the finished process."""
    return start


@pytest.fixture(scope="session")
def small():
    """Words for a run of a few small videos."""
    return SMALL


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """Folder and output of a small run."""
    folder = tmp_path_factory.mktemp("quickstart") / "run"
    done = start(folder, *SMALL)
    assert done.returncode == 0, done.stderr[-5000:]
    return folder, done.stderr
