"""A disk that fills while a run writes its metrics there: it is said, and the run is not lost.

Needs user namespaces, to mount a file system of some kilobytes.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pretrain.config import dump
from tests.pretrain.tiny_runs import ROOT, config_of, curve, easy_set, spool_of, start
from tests.pretrain_jobs import digests, newest_step

STEPS, SAVE_EVERY = 40, 5
KILOBYTES = 24
"""Some twenty lines of metrics."""


@pytest.mark.full
@pytest.mark.timeout(300)
def test_metrics_fill_the_disk(tmp_path: Path) -> None:
    set_url = easy_set(tmp_path)
    runs = (tmp_path / "full", tmp_path / "whole")
    configs = [config_of(set_url, str(run), steps=STEPS, save_every=SAVE_EVERY) for run in runs]
    full, whole = (replace(config, engine=replace(config.engine, kind="ddp")) for config in configs)
    small, path = tmp_path / "small", tmp_path / "run.yaml"
    small.mkdir()
    path.write_text(dump(full))
    mount = f"mount -t tmpfs -o size={KILOBYTES}k tmpfs {small} && exec {sys.executable} -m pretrain {path}"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mount],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(small)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert f"metrics cannot be kept in {small}" in done.stderr
    assert "No space left on device; make room, or set TMPDIR to another disk" in done.stderr
    saved = newest_step(full.run.url)
    assert 0 < saved < STEPS
    for config, logs in ((full, tmp_path / "again"), (whole, tmp_path / "undisturbed")):
        process = start(config, logs)
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
    assert min(curve(spool_of(tmp_path / "again"))) == saved + 1
    assert digests(full.run.url) == digests(whole.run.url)
