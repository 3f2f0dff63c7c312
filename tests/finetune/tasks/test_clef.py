"""CLEF's second stage: whole jobs, its start from stage 1, and labels that are told by their names alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.artifact import load_model
from finetune.data import DataConfig, open_fold
from finetune.fit import FitConfig
from finetune.frames import FrameTable
from finetune.models.text_classifier import TextClassifier
from finetune.protocols.registry import ProtocolConfig
from finetune.tasks.clef import ClefConfig, accuracy_among
from finetune.train import run
from pretrain.checkpoint_reader import CheckpointReader, committed
from pretrain.config import ConfigError, from_dict
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import FACTS_NAME
from pretrain.optim import OptimConfig
from pretrain.recipe import PretrainConfig
from pretrain.tracking import SpoolTracker
from pretrain.train import train
from pretrain.world import join_group
from tests.drawn_set import write_set as write_drawn_set
from tests.ranks import run_ranks
from tests.toy_set import EXPRESSIONS, write_stills

SPACE = {"dim": 16, "text_dim": 5, "width": 4}


def quiet(metrics, step):
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.fixture
def job(short_job, tmp_path):
    return replace(short_job, task="clef", out=tmp_path / "run")


@pytest.fixture
def stills(tmp_path):
    parts = [f"{part}_{number:05d}" for part in ("train", "test") for number in range(70)]
    pictures = {name: EXPRESSIONS[place % 7] for place, name in enumerate(parts)}
    return write_stills(tmp_path / "stills", pictures)


def test_an_au_is_present_as_far_as_its_name_is_nearer_than_that_of_its_absence(tiny_encoder):
    torch.manual_seed(0)
    model = TextClassifier(FrameEncoder(tiny_encoder), num_labels=3, sides=2, space=SPACE)
    names_LSE = torch.randn(3, 2, 5)
    model.rename(names_LSE)
    frames_BTCHW = torch.rand(2, 2, 3, 32, 32)
    image_NJ = model.space.images(model.encoder(frames_BTCHW.flatten(0, 1)).pooled_ND)
    probability_BTL, state = model.infer(frames_BTCHW, None, None)
    assert state is None
    for n in range(4):
        for label in range(3):
            near_S = model.space.scale * model.space.texts(names_LSE[label]) @ image_NJ[n]
            wanted = near_S.softmax(dim=0)[1]
            torch.testing.assert_close(probability_BTL.flatten(0, 1)[n, label], wanted)


def test_an_expression_is_what_its_name_is_nearest_to_and_names_can_be_changed(tiny_encoder):
    torch.manual_seed(0)
    model = TextClassifier(FrameEncoder(tiny_encoder), num_labels=3, sides=1, space=SPACE)
    names_L1E = torch.randn(3, 1, 5)
    model.rename(names_L1E)
    frames_BTCHW = torch.rand(2, 1, 3, 32, 32)
    before_BTL, _ = model.infer(frames_BTCHW, None, None)
    torch.testing.assert_close(before_BTL.sum(dim=2), torch.ones(2, 1))
    model.rename(names_L1E[[2, 0, 1, 1]])
    after_BTL, _ = model.infer(frames_BTCHW, None, None)
    torch.testing.assert_close(after_BTL[..., 0] / after_BTL[..., 1], before_BTL[..., 2] / before_BTL[..., 0])
    assert after_BTL.shape == (2, 1, 4)


@pytest.mark.parametrize("text", ["names_and_descriptions", "names", "shuffled", "none"])
def test_a_job_scores_and_serves_the_model_that_was_chosen(job, text):
    result = run(replace(job, clef=replace(job.clef, text=text)), quiet)
    assert (result["kind"], result["facts"]["joint_space"]) == ("detection", "fresh")
    model = load_model(job.out / "model").model
    data = open_fold(job.data, job.protocol, "detection", job.seed)
    table = data.test.run(model.infer, job.encoder.image_size)
    present_FA = table.value_F >= np.array(result["thresholds"])
    hits_A = (present_FA & (table.label_FA == 1)).sum(axis=0)
    np.testing.assert_array_equal(hits_A, np.sum(result["per_person"]["true_positive_PA"], axis=0))


def pretrain_clef(rank: int, set_url: str, run_url: str, spool: Path) -> str:
    content = {
        "data": {"url": set_url},
        "run": {"url": run_url, "steps": 2, "global_batch": 4, "log_every": 1},
        "objective": "clef",
        "encoder": {
            "settings": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "patch_size": 4},
            "image_size": 32,
        },
        "clef": {"num_activities": 2, "num_people": 2, "num_clips": 1, "dim": 8},
    }
    return train(from_dict(PretrainConfig, content), join_group(), SpoolTracker(spool), {})


def test_both_stages_share_their_joint_space(toy_set, job, tmp_path):
    """Stage 2 with a rate too small to change a float32 keeps exactly what stage 1 trained."""
    url = str(tmp_path / "tasks")
    write_drawn_set(url, tmp_path / "tars", activities=("T1", "T2"))
    [export] = run_ranks(pretrain_clef, 1, url, str(tmp_path / "clef"), tmp_path / "metrics.jsonl")
    facts = json.loads(Path(export, FACTS_NAME).read_text())
    toy = open_fold(job.data, ProtocolConfig(), "detection", 0).tracks.manifest.recipe_digest
    Path(export, FACTS_NAME).write_text(json.dumps({**facts, "recipe_digest": toy}))
    still = FitConfig(steps=2, batch=4, optim=OptimConfig(learning_rate=1e-14, weight_decay=0.0))
    job = replace(job, init=export, clef=ClefConfig(still, space="pretrained"))
    result = run(job, quiet)
    assert result["facts"]["joint_space"] == "pretrained"
    kept = load_model(job.out / "model").model.state_dict()
    reader = CheckpointReader(committed(str(tmp_path / "clef"))[-1])
    compared = 0
    for name, tensor in kept.items():
        if name.startswith("space."):
            stage_1 = name.replace("space.", "joint_space.", 1)
            assert torch.equal(tensor.flatten(), reader.read("weights", stage_1)), name
            compared += 1
    assert compared == 5
    with pytest.raises(ConfigError, match=r"pretrained with the text encoder '', clef.text_encoder='other'"):
        run(replace(job, out=tmp_path / "b", clef=replace(job.clef, text_encoder="other")), quiet)
    none = replace(job.clef, text="none", space="auto")
    assert run(replace(job, out=tmp_path / "c", clef=none), quiet)["facts"]["joint_space"] == "fresh"


LEARNING = FitConfig(200, 24, OptimConfig(learning_rate=1e-2), encoder_rate=1.0)


def learning_encoder(tiny_encoder):
    settings = {**tiny_encoder.settings, "layer_scale_init_value": 1.0}
    return replace(tiny_encoder, settings=settings, pool="grid")


def test_aus_are_learned_and_one_that_was_never_labelled_is_told_apart_from_none(
    job, tiny_encoder, large_toy_set
):
    job = replace(
        job, data=DataConfig(large_toy_set), encoder=learning_encoder(tiny_encoder), clef=ClefConfig(LEARNING)
    )
    seen = run(job, quiet)["test"]["honest"]["auc"]
    assert seen["mean"] > 0.7
    hidden = replace(job, out=job.out.with_name("hidden"), clef=ClefConfig(LEARNING, unseen=("AU12",)))
    result = run(hidden, quiet)
    auc = result["test"]["honest"]["auc"]["per_au"]
    others = [value for name, value in auc.items() if name != "AU12"]
    assert np.mean(others) > 0.7
    # Squares say nothing of lip corners: what is not labelled cannot be learned here.
    assert abs(auc["AU12"] - 0.5) < 0.2 < seen["per_au"]["AU12"] - 0.4
    assert result["facts"]["unseen"] == ["AU12"]


def test_expressions_are_learned_and_unseen_ones_are_never_answered_by_training(job, tiny_encoder, stills):
    protocol = ProtocolConfig(name="rafdb", fold=1)
    job = replace(
        job,
        data=DataConfig(stills),
        protocol=protocol,
        encoder=learning_encoder(tiny_encoder),
        clef=ClefConfig(replace(LEARNING, steps=100)),
    )
    result = run(job, quiet)
    assert result["kind"] == "expression"
    assert result["test"]["honest"]["uar"]["mean"] > 0.8
    assert "unseen_accuracy" not in result["facts"]
    hidden = replace(job.clef, unseen=("fear", "anger"))
    result = run(replace(job, out=job.out.with_name("hidden"), clef=hidden), quiet)
    recalls = result["test"]["honest"]["uar"]["per_expression"]
    assert np.mean([recalls[name] for name in ("happiness", "sadness", "neutral")]) > 0.6
    assert 0 <= result["facts"]["unseen_accuracy"] <= 1


def test_accuracy_among_unseen_ones_lets_no_other_be_answered():
    value_FA = np.array([[0.9, 0.06, 0.04], [0.9, 0.04, 0.06], [0.1, 0.8, 0.1]], np.float32)
    table = FrameTable(
        ["p"] * 3, ["k"] * 3, np.arange(3), np.zeros(3), np.array([[1], [1], [0]], np.int8), value_FA, {}
    )
    assert accuracy_among([1, 2], table) == 0.5
    assert accuracy_among([0], table) == 1.0
    assert accuracy_among([2], table) is None


def test_messages(job):
    with pytest.raises(ValueError, match="width and evaluate_every >= 1 and description_weight >= 0, f"):
        ClefConfig(width=0)
    with pytest.raises(ConfigError, match=r"clef.unseen=\['AU99'\]: wanted some of AU1, AU2"):
        run(replace(job, clef=replace(job.clef, unseen=("AU99",))), quiet)
    with pytest.raises(ConfigError, match=r"found clef.text=names_and_descriptions and none; pretrain"):
        run(replace(job, out=job.out.with_name("b"), clef=replace(job.clef, space="pretrained")), quiet)
