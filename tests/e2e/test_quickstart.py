"""The whole flow on a few small videos: what quickstart.sh runs, with small numbers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.processes import mentioning

ROOT = Path(__file__).parents[2]
SMALL = [
    *("people=8", "seconds=2.6", "pretrain_steps=12", "pretrain_batch=4"),
    "finetune=aunce.fit.steps=4 aunce.linear.epochs=2 intensity.fit.steps=4",
]


def quickstart(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "infra.quickstart", "--run", str(folder), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.timeout(900)
def test_from_videos_to_a_report_of_registered_models(tmp_path):
    folder = tmp_path / "run"
    done = quickstart(folder, *SMALL)
    assert done.returncode == 0, done.stderr[-5000:]
    assert re.search(r"\[4/7\] pretrain: 48 clips in", done.stderr)
    page = (folder / "report.html").read_text()
    assert "These faces are generated" in page
    for name, column in (("au-detector", "AU12_probability"), ("au-intensity", "AU12_intensity_0_5")):
        table = pd.read_csv(folder / f"{name}.csv")
        assert len(table) == 52
        assert table[column].notna().all()
    results = {path.parent.name for path in folder.glob("results/*/result.json")}
    assert results == {"aunce-pretrained", "aunce-random", "intensity-pretrained", "intensity-random"}
    test_people = json.loads((folder / "results/aunce-random/result.json").read_text())["people"]["test"]
    assert len(test_people) == 9
    assert mentioning(str(folder)) == []

    again = quickstart(folder, *SMALL)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "[7/7] report: done before" in again.stderr
    other = quickstart(folder, *SMALL[:2])
    assert other.returncode == 2
    assert "holds a run with other settings; give --fresh" in other.stderr
