"""The table on learning: its arithmetic, and the whole command on a few generated people."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.benchmarks.learning.methods import METHODS, chosen
from tests.benchmarks.learning.probe import STRENGTHS, Frames, ridge, score_probe, some_labels
from tests.benchmarks.learning.table import SCORES, Row, cell, score_row


def frames(people: range, noise: float, seed: int, labels: int = 60) -> Frames:
    """Features that hold the intensities of two AUs in a linear way, with noise."""
    rng = np.random.default_rng(seed)
    label_FA = rng.integers(0, 6, (len(people) * labels, 2)).astype(np.int8)
    mixing_AD = np.random.default_rng(0).normal(size=(2, 8))
    feature_FD = label_FA @ mixing_AD + noise * rng.normal(size=(len(label_FA), 8))
    rotation_F3 = feature_FD[:, :3] + rng.normal(size=(len(label_FA), 3))
    return Frames(feature_FD, label_FA, [f"p{p}" for p in people for _ in range(labels)], rotation_F3)


def test_ridge_solves_its_equation():
    rng = np.random.default_rng(1)
    x_FD, y_FA = rng.normal(size=(50, 6)), rng.normal(size=(50, 3))
    for strength, weight_DA in zip(STRENGTHS, ridge(x_FD, y_FA), strict=True):
        wanted = np.linalg.solve(x_FD.T @ x_FD + strength * 50 * np.eye(6), x_FD.T @ y_FA)
        np.testing.assert_allclose(weight_DA, wanted, rtol=1e-8)


def test_a_linear_feature_is_read_out_and_a_noisier_one_worse():
    rows = {}
    for noise in (0.01, 20.0):
        parts = [frames(range(10 * i, 10 * i + 8), noise, seed=i) for i in range(3)]
        rows[noise] = {name: score_row(score, [score_probe(*parts)]) for name, score in SCORES.items()}
    assert rows[0.01]["r"].value > 0.99
    assert rows[0.01]["auc"].value > 0.99
    assert rows[0.01]["f1"].value > 0.95
    assert rows[0.01]["mae"].value < 0.1
    gain = rows[0.01]["r"].minus(rows[20.0]["r"])
    assert gain.interval.low > 0


def test_few_labels_are_a_share_of_the_frames_and_the_same_for_a_seed():
    whole = frames(range(10), 1.0, seed=0)
    few = some_labels(whole, 0.02, seed=4)
    assert len(few.feature_FD) == len(few.label_FA) == len(few.person_F) == 12
    np.testing.assert_array_equal(few.feature_FD, some_labels(whole, 0.02, seed=4).feature_FD)
    assert not np.array_equal(few.feature_FD, some_labels(whole, 0.02, seed=5).feature_FD)


def test_a_difference_is_paired_over_people():
    draws = np.random.default_rng(0).normal(size=500)
    one, other = Row(0.5, 0.5 + draws), Row(0.4, 0.4 + draws)
    assert one.minus(other).interval == pytest.approx((0.1, 0.1))
    assert cell(Row(0.25, np.full(9, -0.5))) == ".250 [-.500, -.500]"


def test_an_unknown_row_is_named():
    assert [method.name for method in chosen([])] == [method.name for method in METHODS]
    with pytest.raises(ValueError, match=r"found methods \['clip'\], wanted some of random, pixels"):
        chosen(["clip", "clp"])


def test_the_command_makes_a_dated_table_and_goes_on_where_it_stopped(tmp_path):
    command = [
        *(sys.executable, "-m", "tests.benchmarks.learning", "--run", str(tmp_path / "run")),
        *("--out", str(tmp_path / "out"), "--seeds", "1", "--steps", "3", "--people", "4"),
        *("--labelled-people", "3", "--seconds", "2", "--methods", "random", "pixels", "clp"),
        *("--words", "clp.memory_slots=8"),
    ]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    [result] = (tmp_path / "out").glob("learning-*.json")
    content = json.loads(result.read_text())
    assert content["tested_people"] == 6
    assert set(content["all_labels"]) == {"random", "pixels", "clp"}
    assert all(set(scores) == {"auc", "r", "icc", "f1"} for scores in content["all_labels"].values())
    assert "CLP minus random" in first.stdout
    assert "clp-0 done, 3 of 3" in first.stderr
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "done" not in again.stderr
    assert json.loads(result.read_text())["all_labels"] == content["all_labels"]
    other = subprocess.run([*command, "--data-seed", "1"], capture_output=True, text=True)
    assert other.returncode == 2
    assert "holds a run with other settings" in other.stderr
