"""One small run of the whole flow, which the tests here look at."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import PortWatch

ROOT = Path(__file__).parents[2]
SMALL = [
    *("people=8", "seconds=2.6", "pretrain_steps=12", "pretrain_batch=4"),
    "finetune=aunce.fit.steps=4 aunce.linear.epochs=2 intensity.fit.steps=4",
]


def command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "infra.quickstart", "--run", str(folder), *words]


def start(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(folder, *words), cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="session")
def quickstart():
    """`quickstart(folder, *words)`: the finished process."""
    return start


@pytest.fixture(scope="session")
def small():
    """Words for a run of a few small videos."""
    return SMALL


@pytest.fixture(scope="session")
def watched_run(tmp_path_factory):
    """Folder and output of a small run, and who listened while it went."""
    folder = tmp_path_factory.mktemp("quickstart") / "run"
    run = subprocess.Popen(
        command(folder, *SMALL), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with PortWatch(run.pid) as ports:
        _, output = run.communicate()
    assert run.returncode == 0, output[-5000:]
    return folder, output, ports.seen


@pytest.fixture(scope="session")
def finished_run(watched_run):
    """Folder and output of a small run."""
    return watched_run[:2]
