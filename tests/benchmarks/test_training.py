"""The table on training: its arithmetic, and the whole command at a tiny size."""

import json
import subprocess
import sys

import pytest
import torch

from pretrain.world import join_group
from tests.benchmarks.training.__main__ import SIDES, TINY, _refuse_other_work, main
from tests.benchmarks.training.card import CardAsk, measure
from tests.benchmarks.training.report import ONE, TWO, Report
from tests.benchmarks.training.side import (
    DEEPSPEED,
    OURS,
    SAME_LOADER,
    TORCH,
    WATCHED,
    Ask,
    Clock,
    run_bare,
    run_ours,
)
from tests.drawn_set import write_set

FACTS = {"date": "2026-01-01", "command": "c", "commit": "abc", "host": "h"}
RESNET = ("encoder.image_size=16", "encoder.settings={embedding_size: 8, hidden_sizes: [8], depths: [1]}")
CLP = ("clp.gap_seconds=[0.08,0.12]", "clp.memory_slots=8", "run.steps=4", "run.global_batch=4")
MODEL = (*RESNET, *CLP)
SIZE = (
    *("samples=12", "frames=40", "pixels=64", "units=2", "people=3", "batch=4", "steps=4", "skip=2"),
    *("profiled=2", "product=64", f"resnet={list(RESNET)}", f"words={list(CLP)}"),
)


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("training")
    write_set(str(folder / "set"), folder / "tars")
    return [f"data.url={folder / 'set'}", *MODEL]


def test_ratios_of_time_are_within_a_round():
    seconds = {OURS: 1.03, SAME_LOADER: 1.0, DEEPSPEED: 0.9, TORCH: 0.6}
    rounds = [
        {
            name: {"steps": 10, "clips": 40, "wall_seconds": slow * s, "cpu_seconds": 2 * slow * s}
            for name, s in seconds.items()
        }
        for slow in (1.0, 3.0, 2.0)
    ]
    report = Report(FACTS, overhead=rounds)
    assert report.ratios()[f"time: {OURS} / {SAME_LOADER}, wall"] == 1.03
    assert report.ratios()[f"time: {DEEPSPEED} / {TORCH}, cpu"] == 1.5
    assert f"| {TORCH} | 120.0 | 240.0 | 1.500 | 1.500 |" in report.text({"torch": "2"})


def test_the_clock_leaves_out_the_first_steps():
    clock = Clock()
    for step in (2, 4, 6):
        clock.log({WATCHED: float(step), "data/wait_share": step / 10}, step)
    result = clock.result(clips_per_step=3)
    assert (result["steps"], result["clips"]) == (4, 12)
    assert (result["first_loss"], result["loss"]) == (2.0, 6.0)
    assert result["wait_share"] == pytest.approx(0.5)
    assert 0 < result["wall_seconds"] < 1


@pytest.mark.parametrize(("kind", "other"), [("first_loss", 1.02), ("loss", 1.1)])
def test_another_loss_is_other_work(kind, other):
    ours = {"first_loss": 1.0, "loss": 1.0}
    _refuse_other_work({OURS: ours, TORCH: {"first_loss": 1.001, "loss": 1.01}})
    with pytest.raises(RuntimeError, match=rf"the sides' losses differ.*: {kind} .*'torch': {other}"):
        _refuse_other_work({OURS: ours, TORCH: {**ours, kind: other}})


def test_all_loops_do_the_same_work(words):
    world = join_group()
    results = {
        side: (run_ours if side == OURS else run_bare)(Ask(side, words, skip=2), world) for side in SIDES
    }
    for result in results.values():
        assert (result["steps"], result["clips"]) == (2, 8)
        assert result["loss"] == pytest.approx(results[OURS]["loss"], rel=1e-5)
    # The last steps' loss, not the first ones'.
    other = run_bare(Ask(TORCH, [*words, "run.steps=6"], skip=2), world)
    assert abs(other["loss"] - results[TORCH]["loss"]) > 1e-4


def test_the_cards_part_counts_all_of_clp(words):
    model = (*TINY, "encoder.image_size=32", "encoder.settings={num_hidden_layers: 1}")
    asked = [*(word for word in words if not word.startswith("encoder.")), *model]
    result = measure(CardAsk([*asked, "clp.reconstruction=nce"], 2, 2, 64, "float32"))
    achieved = result["step_flops"] * result["steps"] / result["wall_seconds"]
    assert result["mfu"] == pytest.approx(achieved / result["dense_flops_per_s"])
    assert result["million_parameters"] == pytest.approx(0.7, rel=0.2)
    assert sum(row["share"] for row in result["profile"]) == pytest.approx(1)
    assert any("addmm" in row["name"] for row in result["profile"])
    # 2 FLOPs per weight and use. A frame of 32 px has 4 patches and a class token; the pooler and the head
    # see one token.
    patches, layer = 2 * 4 * 768 * 192, 2 * 5 * 12 * 192**2
    head = 2 * (2 * 192**2 + 192 * 128)
    # The patches' input takes no gradient. The momentum encoder sees all 7 frames and 2 others.
    student = 7 * (3 * (layer + head) + 2 * patches)
    momentum = 9 * (patches + layer + head)
    assert result["step_flops"] == pytest.approx(4 * (student + momentum), rel=0.02)


@pytest.mark.full
def test_the_command_makes_a_dated_table(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.training", "--work", str(tmp_path / "work")),
            *("--out", str(tmp_path / "out"), "--rounds", "1", "--size", *SIZE),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [result] = (tmp_path / "out").glob("training-*.json")
    content = json.loads(result.read_text())
    assert set(content["overhead"][0]) == set(SIDES)
    rounds = [*content["overhead"], *content["ranks"]["ResNet"], *content["ranks"]["ViT"]]
    assert [set(one) for one in rounds[1:]] == [{ONE, TWO}] * 2
    assert {result["clips"] for one in rounds for result in one.values()} == {8}
    assert content["ratios"][f"rate, ViT: {TWO} / {ONE}, wall"] > 0
    assert content["versions"]["torch"] == torch.__version__
    [card] = content["card"].values()
    assert card["step_flops"] > 1e8
    assert 0 < card["mfu"] < 1
    assert sum(row["share"] for row in card["profile"]) == pytest.approx(1)
    assert str(tmp_path) not in result.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rounds", "0"), "--rounds: found 0, wanted at least 1"),
        (("--size", "skip=60"), "wanted 0 < skip < steps"),
        (("--size", "models=[vit-base]"), r"found \[64, 32\] for \['vit-base'\], wanted a batch for each"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(["--work", str(tmp_path), *words])
