"""The table on learning: its arithmetic, and the whole command on a few generated people."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pretrain.metrics.people import Interval
from pretrain.metrics.ridge import Ridge
from tests.benchmarks.learning.methods import METHODS, chosen
from tests.benchmarks.learning.plot import draw
from tests.benchmarks.learning.pose import pose_r
from tests.benchmarks.learning.table import cell

RESULTS = Path(__file__).parent / "results"


def test_the_heads_rotation_is_read_out_of_features_that_hold_it():
    rng = np.random.default_rng(0)
    parts = np.split(rng.normal(size=(90, 8)), 3)
    told = [(part_FD, part_FD[:, :3]) for part_FD in parts]
    noise = [(part_FD, rng.normal(size=(30, 3))) for part_FD in parts]
    assert pose_r(Ridge(parts[0]), told[0][1], *told[1:]) > 0.99
    assert abs(pose_r(Ridge(parts[0]), noise[0][1], *noise[1:])) < 0.5


def test_cells_are_short():
    assert cell(0.25, Interval(-0.5, -0.5)) == ".250 [-.500, -.500]"


def test_the_picture_shows_each_row_of_a_result_alike(tmp_path):
    result = json.loads((RESULTS / "learning-2026-11-22.json").read_text())
    for name in ("one.svg", "two.svg"):
        draw(result, tmp_path / name)
    picture = (tmp_path / "one.svg").read_text()
    assert picture == (tmp_path / "two.svg").read_text()
    titles = {method.name: method.title for method in METHODS}
    assert all(f">{titles[name]}</text>" in picture for name in result["rows"] if name in titles)


def test_an_unknown_row_is_named():
    assert [method.name for method in chosen([])] == [method.name for method in METHODS]
    with pytest.raises(ValueError, match=r"found methods \['clip'\], wanted some of random, pixels"):
        chosen(["clip", "clp"])


@pytest.mark.full
def test_the_command_makes_a_dated_table_and_goes_on_where_it_stopped(tmp_path):
    command = [
        *(sys.executable, "-m", "tests.benchmarks.learning", "--run", str(tmp_path / "run")),
        *("--out", str(tmp_path / "out"), "--seeds", "1", "--steps", "3"),
        *("--size", "people=4", "labelled_people=3", "seconds=2", "labelled_seconds=2"),
        *("--methods", "random", "pixels", "clp", "--words", "clp.memory_slots=8"),
    ]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    [result] = (tmp_path / "out").glob("learning-*.json")
    content = json.loads(result.read_text())
    assert content["tested_people"] == 6
    assert set(content["rows"]) == {"random", "pixels", "clp"}
    assert all(set(row["all_labels"]) == {"auc", "r", "icc", "f1"} for row in content["rows"].values())
    assert "clp minus random" in first.stdout
    assert "clp-0 done, 3 of 3" in first.stderr
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "done" not in again.stderr
    assert json.loads(result.read_text())["rows"] == content["rows"]
    other = subprocess.run([*command, "--steps", "4"], capture_output=True, text=True)
    assert other.returncode == 2
    assert "holds a run with other settings" in other.stderr
