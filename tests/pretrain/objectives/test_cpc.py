"""CPC: what its parts say, what trains, what is no negative; test_registry holds ranks to one process."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pretrain.augment import PLAIN, AugmentConfig
from pretrain.device import DeviceBatch
from pretrain.models.encoder import EncoderConfig
from pretrain.objectives.cpc import Cpc, CpcConfig
from pretrain.world import Alone
from shards.batch import ClipSpec
from tests.clip_batches import CLIPS, clip_batch

torch.set_num_threads(1)
ENCODER = EncoderConfig(
    "convnext",
    {
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
        "patch_size": 4,
        "num_stages": 2,
        "layer_scale_init_value": 1.0,
        "initializer_range": 0.1,
    },
    20,
    pool="grid",
)
FRAMES = 5


def make(encoder: EncoderConfig = ENCODER, augmentation: AugmentConfig = PLAIN, **changes: Any) -> Cpc:
    torch.manual_seed(0)
    config = CpcConfig(num_frames=FRAMES, steps_ahead=2, hidden=16, **changes)
    return Cpc(config, encoder, augmentation, Alone(), steps=10, global_batch=CLIPS)


@pytest.mark.parametrize("prediction", ["separate", "recursive"])
def test_every_weight_of_encoder_context_and_predictors_is_trained(prediction):
    # A grid of places leaves the norm of the backbone's own pooling out.
    cpc = make(replace(ENCODER, pool="mean"), prediction=prediction)
    cpc(clip_batch(0, FRAMES), 0).total.backward()
    without = [name for name, weight in cpc.named_parameters() if not weight.grad.any()]
    assert without == []
    assert {name.split(".")[0] for name, _ in cpc.named_parameters()} == {"encoder", "context", "predictor"}


def test_what_is_predicted_learns_too():
    """No prediction is made from the last frame: its features are only predicted and told apart."""
    cpc, seen = make(), []
    cpc.context.project.register_forward_hook(lambda module, inputs, features: seen.append(features))
    loss = cpc(clip_batch(0, FRAMES), 0).total
    [features_BTH] = seen
    (gradient_BTH,) = torch.autograd.grad(loss, features_BTH)
    valid_B = clip_batch(0, FRAMES).valid_B.repeat(2)  # both views
    assert (gradient_BTH[valid_B, -1].abs().sum(dim=1) > 0).all()
    assert not gradient_BTH[~valid_B].any()


def test_parts_lie_in_their_ranges():
    parts = make()(clip_batch(0, FRAMES), 0).parts
    assert parts["loss/total"] == parts["loss/future"] > 0
    assert 0 <= parts["cpc/temporal_top1"] <= 1
    assert 0 <= parts["cpc/clips_top1"] <= 1
    # A coordinate of unit vectors with 16 of them spreads by at most 1/4.
    assert 0 < parts["cpc/feature_std"] <= 0.25


def test_clips_that_are_not_valid_do_not_count():
    cpc, batch = make(), clip_batch(0, FRAMES)
    before = cpc(batch, 0).total
    batch.frames_BTHWC[~batch.valid_B] = 255
    assert torch.equal(cpc(batch, 0).total, before)


def test_a_frame_that_another_clip_shows_too_is_no_negative():
    """Clips 0 and 4 are of one person; at the same times they may be the same pictures."""
    cpc, batch = make(negatives="clips"), clip_batch(1, FRAMES)
    batch.valid_B[:] = False
    batch.valid_B[[0, 4]] = True
    assert batch.identity_B[0] == batch.identity_B[4]
    one_picture = cpc(batch, 0).total
    batch.clips.time_BT[4] += 100.0
    assert cpc(batch, 0).total > one_picture


def motion(seed: int) -> DeviceBatch:
    """Bright bars that move by one place a frame, each on its clip's own grey: the past tells the future."""
    batch, begin_B = clip_batch(seed, FRAMES), np.random.default_rng(seed).integers(5, size=CLIPS)
    for clip in range(CLIPS):
        batch.frames_BTHWC[clip] = 20 * clip
        for frame in range(FRAMES):
            place = 4 * int((begin_B[clip] + frame) % 5)
            batch.frames_BTHWC[clip, frame, :, place : place + 4] = 250
    return batch


def trained(cpc: Cpc, batch_of: Callable[[int], DeviceBatch], steps: int) -> tuple[float, float]:
    """Temporal and cross-clip accuracy over the last 20 of so many steps."""
    optimizer = torch.optim.Adam(cpc.parameters(), 3e-3)
    found = []
    for step in range(steps):
        losses = cpc(batch_of(step), step)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        found.append([float(losses.parts[f"cpc/{name}_top1"]) for name in ("temporal", "clips")])
    temporal, clips = torch.tensor(found[-20:]).mean(dim=0).tolist()
    return temporal, clips


def test_it_learns_what_its_negatives_ask_for_and_the_two_accuracies_show_which():
    temporal, clips = trained(make(negatives="temporal"), motion, 60)
    # By chance .2; who it is was never asked.
    assert temporal > 0.7
    assert clips < 0.3
    _, clips = trained(make(negatives="clips"), motion, 200)
    assert clips > 0.6


def one_picture(seed: int) -> DeviceBatch:
    """Clips that all show the same: only how they are augmented tells them apart."""
    batch = clip_batch(seed, FRAMES)
    batch.frames_BTHWC[:] = torch.tensor([150, 110, 90], dtype=torch.uint8)
    return batch


def test_how_a_clip_is_augmented_tells_it_apart_in_one_view_and_not_in_two():
    colours = replace(PLAIN, contrast=0.5, saturation=0.6, channel_gain=0.4)
    _, clips = trained(
        make(augmentation=colours, candidates="same_view", negatives="clips"), one_picture, 100
    )
    assert clips > 0.5  # by chance 1 of 7 clips
    _, clips = trained(make(augmentation=colours, negatives="clips"), one_picture, 100)
    assert clips < 0.2


def test_clips_have_the_gap_and_a_gap_that_needs_no_dynamics_is_refused():
    assert CpcConfig(gap_seconds=0.1).clip_spec == ClipSpec(16, (0.1, 0.1))
    with pytest.raises(ValueError, match=r"cpc.gap_seconds=0.04: a frame so soon .* use at least 0.1"):
        CpcConfig(gap_seconds=0.04)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps_ahead": 0}, r"num_frames >= steps_ahead \+ 2, .* found 0 and 16"),
        ({"num_frames": 5}, "found 4 and 5"),
        ({"tau": 0.0}, "cpc needs tau > 0 and hidden >= 1, found 0 and 256"),
        ({"hidden": 0}, "found 0.07 and 0"),
    ],
)
def test_a_wrong_setting_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        CpcConfig(**changes)
