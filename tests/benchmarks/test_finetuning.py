"""The tables on finetuning: their parts, and a whole table on a few generated people."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.results import load_sums
from finetune.train import FinetuneConfig
from pretrain.config import load, parse
from pretrain.metrics.detection import auc
from pretrain.metrics.people import mean_over_aus
from tests.benchmarks.finetuning import flips_table
from tests.benchmarks.finetuning.__main__ import main
from tests.benchmarks.finetuning.flips import FIT, ROWS, flipped, train
from tests.benchmarks.finetuning.tables import TABLES
from tests.benchmarks.finetuning.tokens import VIEWS, Tokens, keep_tokens
from tests.benchmarks.learning.sets import Size

ROOT = Path(__file__).parents[2]


def test_a_share_of_the_coded_labels_is_flipped_alike_for_all_rows():
    label_FA = np.random.default_rng(0).integers(-1, 2, (4000, 3)).astype(np.int8)
    np.testing.assert_array_equal(flipped(label_FA, 0.0, 1), label_FA)
    found_FA = flipped(label_FA, 0.3, 1)
    assert ((found_FA == -1) == (label_FA == -1)).all()
    assert (found_FA != label_FA)[label_FA >= 0].mean() == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(flipped(label_FA, 0.3, 1), found_FA)
    assert (flipped(label_FA, 0.3, 2) != found_FA).any()


def toy_tokens(frames: int, seed: int, views: bool) -> Tokens:
    """Two AUs that each move one feature at one of two places."""
    rng = np.random.default_rng(seed)
    label_FA = (rng.random((frames, 2)) < 0.4).astype(np.int8)
    plain_FSD = rng.normal(size=(frames, 2, 6)).astype(np.float32)
    for au in range(2):
        plain_FSD[:, au, au] += 3 * label_FA[:, au]
    noise_VFSD = torch.from_numpy(rng.normal(0, 0.3, (VIEWS, frames, 2, 6)).astype(np.float32))
    plain = torch.from_numpy(plain_FSD)
    views_VFSD = (plain + noise_VFSD).half() if views else torch.zeros(0)
    return Tokens(plain.half(), views_VFSD, label_FA, [f"p{frame % 4}" for frame in range(frames)])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_learns_what_is_there(row):
    sizes = {"train": 300, "validation": 120, "test": 120}
    groups = {
        name: toy_tokens(frames, seed, name == "train") for seed, (name, frames) in enumerate(sizes.items())
    }
    short = FIT.__class__(steps=15, batch=32, optim=FIT.optim)
    found = train(row, groups, 0.0, 0, short)
    assert json.loads(json.dumps(found))["rate"] == found["rate"]
    assert mean_over_aus(auc(load_sums(found["per_person"]))) > 0.8


@pytest.mark.parametrize("name", TABLES)
def test_arms_are_jobs_that_exist(name):
    table = TABLES[name]
    assert {arm for pair in table.pairs for arm in pair} <= set(table.arms)
    for words in table.arms.values():
        given = [word.format(**dict.fromkeys(table.encoders, "encoder")) for word in words]
        config = load(FinetuneConfig, parse([str(ROOT / table.config), *given, "data.url=u", "out=o"], ""))
        assert all(fold <= len(config.protocol.protocol.folds) for fold in table.folds)


def test_what_carries_a_claim_has_every_seed():
    table = TABLES["fractions"]
    assert list(table.arms_of(0)) == list(table.arms)
    assert set(table.arms_of(1)) == {"random, 2 %", "random, 100 %", "CPC, 2 %", "CLP, 2 %"}


def test_an_encoder_that_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no encoder 'clp' in .*; run `python -m tests.benchmarks.l"):
        main(["fractions", "--learning", str(tmp_path), "--run", str(tmp_path / "run")])
    with pytest.raises(ValueError, match="--seeds: found 0, wanted at least 1"):
        main(["fractions", "--seeds", "0"])


@pytest.fixture(scope="module")
def learning(tmp_path_factory):
    """A run of the learning table, of few people and steps."""
    folder = tmp_path_factory.mktemp("learning")
    people = ("people=4", "labelled_people=27", "seconds=2", "labelled_seconds=2", "task_people=4")
    learn = [
        *(sys.executable, "-m", "tests.benchmarks.learning", "--run", str(folder)),
        *("--out", str(folder / "out"), "--seeds", "1", "--steps", "3", "--methods", "clp"),
        *("--size", *people, "labelled=[1,1,1]", "--words", "clp.memory_slots=8"),
    ]
    assert subprocess.run(learn, capture_output=True).returncode == 0
    return folder


@pytest.mark.full
def test_the_table_on_flips_is_made_of_what_its_processes_leave(learning, monkeypatch):
    short = FIT.__class__(steps=2, batch=32, optim=FIT.optim)
    monkeypatch.setattr(flips_table, "train", partial(train, fit=short))
    size = Size(labelled_people=27, labelled_seconds=2, labelled=(1, 1, 1))
    keep_tokens(learning, size, learning / "encoders/clp-0/encoder")
    for row in ROWS:
        for seed in range(flips_table.seeds_of(row, 3)):
            flips_table.make_one(learning, f"{row.name},{seed}")
    assert len(list((learning / "flips").glob("*.json"))) == (4 * 3 + 6 * 2) * 4
    content, text = flips_table.result(learning, {"date": "d", "command": "c", "commit": "a", "host": "h"}, 3)
    assert set(content["scores"]) == {"f1", "f1_rare", "auc"}
    assert len(content["scores"]["auc"]) == len(ROWS) * 4
    assert text.count("| AUNCE minus ") == 3 * (len(ROWS) - 1)


@pytest.mark.full
def test_a_table_is_made_of_jobs_and_goes_on_where_it_stopped(learning, tmp_path):
    command = [
        *(sys.executable, "-m", "tests.benchmarks.finetuning", "rendering", "--seeds", "1"),
        *("--learning", str(learning), "--run", str(tmp_path / "run")),
        *("--out", str(tmp_path / "out"), "--size", "labelled_people=20", "labelled_seconds=6"),
        *("--words", "aunce.fit.steps=2", "aunce.linear.epochs=2", "supervised.fit.steps=2"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [file] = (tmp_path / "out").glob("finetuning-rendering-*.json")
    content = json.loads(file.read_text())
    assert set(content["scores"]["auc"]["arms"]) == set(TABLES["rendering"].arms)
    assert "4 of 4" in done.stderr
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "done" not in again.stderr
