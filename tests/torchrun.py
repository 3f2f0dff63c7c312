"""`python -m pretrain` under torchrun, to its end."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def pretrain_on_ranks(ranks: int, words: Sequence[str], folder: Path) -> None:
    """Its metrics are below `folder` (tests/pretrain/tiny_runs.py finds them)."""
    folder.mkdir()
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "-m", "pretrain")
    done = subprocess.run(
        [sys.executable, "-m", *launcher, *words],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
