import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.artifact import load_model
from finetune.data import DataConfig
from finetune.fit import FitConfig
from finetune.models.intensity_regressor import IntensityRegressor
from finetune.tasks.intensity import (
    IntensityConfig,
    chosen_frames,
    draw_labelled,
    make_regressor,
    start_at_the_mean,
)
from finetune.train import FinetuneConfig, run
from pretrain.augment import PLAIN
from pretrain.checkpoint_reader import CheckpointReader, committed
from pretrain.config import ConfigError, from_dict
from pretrain.losses.sparse_ordinal import sparse_ordinal_loss
from pretrain.losses.sparse_regression import sparse_regression_loss
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import FACTS_NAME
from pretrain.models.temporal import FrameContext
from pretrain.optim import OptimConfig
from pretrain.recipe import PretrainConfig
from pretrain.tracking import SpoolTracker
from pretrain.train import train
from pretrain.world import join_group
from shards.batch import ClipBatch
from tests.ranks import run_ranks


@pytest.fixture
def model(tiny_encoder):
    torch.manual_seed(0)
    return IntensityRegressor(FrameEncoder(tiny_encoder), 3, hidden=8, width=8)


@pytest.mark.parametrize("head", ["regression", "ordinal"])
def test_gradient_reaches_frames_before_the_last_labelled_one_and_none_after(tiny_encoder, head):
    torch.manual_seed(0)
    model = IntensityRegressor(FrameEncoder(tiny_encoder), 3, hidden=8, width=8, ordinal=head == "ordinal")
    frames_BTCHW = torch.rand(2, 6, 3, 32, 32, requires_grad=True)
    chosen_BT = torch.zeros(2, 6, dtype=torch.bool)
    chosen_BT[0, 3] = chosen_BT[1, 1] = True
    label_BTA = torch.randint(0, 6, (2, 6, 3))
    output_BTAK, _ = model(frames_BTCHW)
    if head == "ordinal":
        sparse_ordinal_loss(output_BTAK, label_BTA, chosen_BT).backward()
    else:
        sparse_regression_loss(model.intensity(output_BTAK), label_BTA, chosen_BT).backward()
    gradient_BT = frames_BTCHW.grad.abs().sum(dim=(2, 3, 4))
    assert (gradient_BT[0, 4:] == 0).all()
    assert (gradient_BT[1, 2:] == 0).all()
    assert (gradient_BT[0, :4] > 0).all()
    assert (gradient_BT[1, :2] > 0).all()


@pytest.mark.parametrize("ordinal", [False, True])
def test_a_new_head_says_the_mean_of_the_labels_that_were_coded(tiny_encoder, ordinal):
    model = IntensityRegressor(FrameEncoder(tiny_encoder), 2, hidden=8, width=8, ordinal=ordinal)
    label_FA = np.array([[5, 0], [0, -1], [1, 0], [2, 1]], np.int8)
    assert start_at_the_mean(model, label_FA) == pytest.approx([2.0, 1 / 3])
    said = model.intensity(model.head[-1].bias.view(1, 1, 2, -1)).squeeze()
    assert said.tolist() == pytest.approx([2.0, 1 / 3], abs=0.01)


def test_labelled_frames_are_drawn_from_all_coded_frames_together():
    labels = {4: np.zeros((100, 2), np.int8), 9: np.zeros((300, 2), np.int8)}
    labels[9][250:] = -1
    chosen = draw_labelled(labels, 0.1, seed=1)
    assert sum(len(frames) for frames in chosen.values()) == 35
    assert max(chosen[9]) < 250
    assert all(len(set(frames)) == len(frames) for frames in chosen.values())
    assert chosen == draw_labelled(labels, 0.1, seed=1)
    assert chosen != draw_labelled(labels, 0.1, seed=2)
    assert sum(len(frames) for frames in draw_labelled(labels, 1e-6, seed=1).values()) == 1


def test_chosen_frames_are_found_by_key_and_index():
    clips = ClipBatch(
        position_B=np.arange(2),
        augment_seed_B=np.arange(2),
        frames_BTHWC=np.zeros((2, 3, 1, 1, 3), np.uint8),
        frame_valid_BT=np.array([[True, True, True], [False, False, False]]),
        time_BT=np.zeros((2, 3)),
        frame_index_BT=np.array([[4, 5, 6], [4, 5, 6]]),
        frame_key_BT=[],
        identity_B=np.zeros(2, np.int64),
        valid_B=np.array([True, False]),
        key_B=["a", "b"],
        provenance_B=["a", "b"],
        activity_B=[None, None],
        expression_B=[None, None],
        occurrence_BTA=None,
        intensity_BTA=None,
    )
    chosen_BT = chosen_frames(clips, {"a": 0, "b": 1}, {0: [5, 9], 1: [4]})
    np.testing.assert_array_equal(chosen_BT, [[False, True, False], [False, False, False]])


def test_the_temporal_module_of_stage_1_is_taken_unless_a_fresh_one_is_wanted(tiny_encoder):
    encoder = FrameEncoder(tiny_encoder)
    context = FrameContext(encoder.dim, 6)

    def start(temporal, stored):
        torch.manual_seed(1)
        return make_regressor(encoder, stored, IntensityConfig(hidden=8, width=4, temporal=temporal), 3)

    for temporal in ("auto", "pretrained"):
        model, heads = start(temporal, context)
        assert heads == {"num_aus": 3, "hidden": 6, "width": 4, "ordinal": False}
        for name, tensor in context.state_dict().items():
            assert torch.equal(model.state_dict()[name], tensor), name
        frames_BTCHW = torch.rand(2, 5, 3, 32, 32)
        pooled_BTD = encoder(frames_BTCHW.flatten(0, 1)).pooled_ND.view(2, 5, -1)
        wanted_BTA = model.head(context(pooled_BTD).context_BTH)
        torch.testing.assert_close(model(frames_BTCHW)[0].squeeze(3), wanted_BTA)
    fresh, heads = start("fresh", context)
    assert heads["hidden"] == 8
    without, _ = start("auto", None)
    for name, tensor in without.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name
    with pytest.raises(
        ConfigError, match=r"temporal=pretrained wants .* `init` has none; pretrain with objec"
    ):
        start("pretrained", None)


BACKBONE = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "patch_size": 4}


def pretrain_cpc(rank: int, set_url: str, run_url: str, spool: Path) -> str:
    content = {
        "data": {"url": set_url},
        "run": {"url": run_url, "steps": 4, "global_batch": 4, "log_every": 2},
        "objective": "cpc",
        "encoder": {"settings": BACKBONE, "image_size": 32},
        "cpc": {"num_frames": 5, "steps_ahead": 2, "gap_seconds": 0.1, "hidden": 6},
    }
    tracker = SpoolTracker(spool)
    return train(from_dict(PretrainConfig, content), join_group(), tracker, {})


def test_both_stages_end_to_end(toy_set, tmp_path):
    """Stage 2 with a rate too small to change a float32 keeps exactly what stage 1 trained."""
    [export] = run_ranks(pretrain_cpc, 1, toy_set, str(tmp_path / "cpc"), tmp_path / "metrics.jsonl")
    logged = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [2, 4]
    assert all(0 <= line["metrics"]["cpc/temporal_top1"] <= 1 for line in logged)
    still = FitConfig(steps=2, batch=4, optim=OptimConfig(learning_rate=1e-14, weight_decay=0.0))
    job = FinetuneConfig(
        task="intensity",
        out=tmp_path / "job",
        init=export,
        data=DataConfig(toy_set, generated=True),
        augment=PLAIN,
        intensity=IntensityConfig(still, 0.2, window=8, left_context=5, temporal="pretrained", width=8),
    )
    result = run(job, lambda metrics, step: None)
    assert result["facts"]["temporal"] == "pretrained"
    kept = load_model(job.out / "model").model.state_dict()
    reader = CheckpointReader(committed(str(tmp_path / "cpc"))[-1])
    for name, tensor in kept.items():
        if not name.startswith("head."):
            stage_1 = name if name.startswith("encoder.") else f"context.{name}"
            assert torch.equal(tensor.flatten(), reader.read("weights", stage_1)), name
    assert {name.split(".")[0] for name in kept} == {"encoder", "project", "temporal", "head"}
    # An encoder alone is no start for the temporal module.
    facts = json.loads(Path(export, FACTS_NAME).read_text())
    del facts["temporal"]
    Path(export, FACTS_NAME).write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match="exported with the encoder, and `init` has none"):
        run(replace(job, out=tmp_path / "refused"), lambda metrics, step: None)
    left = replace(job, out=tmp_path / "fresh", intensity=replace(job.intensity, temporal="auto"))
    assert run(left, lambda metrics, step: None)["facts"]["temporal"] == "fresh"


def test_messages():
    with pytest.raises(ConfigError, match="no training frame has an intensity label"):
        draw_labelled({0: np.full((5, 2), -1, np.int8)}, 0.5, seed=0)
    with pytest.raises(ValueError, match=r"labelled_fraction must lie in \(0, 1\], found 2"):
        IntensityConfig(labelled_fraction=2)
    with pytest.raises(ValueError, match="0 <= left_context < window"):
        IntensityConfig(left_context=16)
