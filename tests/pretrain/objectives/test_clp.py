"""CLP: what must not leak, and what must be active."""

import copy

import torch

from pretrain.augment import AugmentConfig, counter_uniform
from pretrain.losses.graded_contrast import graded_contrast
from pretrain.losses.hinge_rank import hinge_rank
from pretrain.losses.hinge_triplet import hinge_triplet
from pretrain.losses.temporal_contrast import margin_nce
from pretrain.models.encoder import EncoderConfig
from pretrain.objectives.clp import ANCHOR_DRAW, KEY_VIEW, QUERY_VIEW, Clp, ClpConfig
from pretrain.world import Alone, World
from tests.clip_batches import CLIPS, clip_batch

ENCODER = EncoderConfig(
    "convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "patch_size": 4, "num_stages": 2}, 16
)
FRAMES, TOTAL = 7, 9


def make(world: World, **changes) -> Clp:
    torch.manual_seed(0)
    config = ClpConfig(dim=16, memory_slots=32, ramp=0.0, **changes)
    return Clp(config, ENCODER, AugmentConfig(), world, steps=10, global_batch=CLIPS).double()


def double_companions(clp: Clp) -> Clp:
    for module in clp.companions().values():
        module.double()
    return clp


def test_both_parts_are_active_once_the_memory_is_full():
    clp = double_companions(make(Alone()))
    seen = []
    for step in range(4):
        seen.append("loss/cross_identity" in clp(clip_batch(step, TOTAL), step).parts)
        clp.after_step(step, ((name, w.detach()) for name, w in clp.named_parameters()))
    # 7 valid clips with 2 extra frames fill 32 slots in 3 steps.
    assert seen == [False, False, False, True]


def test_each_way_to_tell_frames_apart_is_the_loss_of_its_name():
    batch = clip_batch(0, TOTAL)
    for temporal, loss in {
        "margin_nce": lambda query, key: margin_nce(query, 0.2, 0.3),
        "hinge_rank": lambda query, key: hinge_rank(query, 0.3),
        "hinge_triplet": lambda query, key: hinge_triplet(query, 0.3),
        "graded": lambda query, key: graded_contrast(query, key, 0.2, 0.3),
    }.items():
        clp = double_companions(make(Alone(), temporal=temporal, tau=0.2, margin=0.3))
        for weight in clp.companions()["momentum"].parameters():
            weight.mul_(1.1)  # else keys are the queries of another view
        clip_BTHWC = batch.frames_BTHWC[:, :FRAMES]
        query_BTD, key_BTD = (
            module(clp.view(clip_BTHWC, batch, view))
            for module, view in ((clp.student, QUERY_VIEW), (clp.companions()["momentum"], KEY_VIEW))
        )
        found = clp(batch, 0).parts["loss/temporal"]
        torch.testing.assert_close(found, loss(query_BTD, key_BTD)[batch.valid_B].mean(), check_dtype=False)


def test_graded_contrast_and_reconstruction_share_their_keys():
    """With l2, the anchor's key is that of its place among the clip's."""
    clp = double_companions(make(Alone(), temporal="graded", rebuilt_from="own_view"))
    clp.memory.identity_K.fill_(99)
    batch = clip_batch(0, TOTAL)
    clip_BTHWC = batch.frames_BTHWC[:, :FRAMES]
    query_BTD = clp.student(clp.view(clip_BTHWC, batch, QUERY_VIEW))
    key_BTD = clp.companions()["momentum"](clp.view(clip_BTHWC, batch, KEY_VIEW))
    rows = torch.arange(len(batch))
    anchor_B = torch.from_numpy(
        counter_uniform(batch.clips.augment_seed_B, ANCHOR_DRAW, 1)[:, 0] * FRAMES
    ).long()
    wanted_B = 2 - 2 * (query_BTD[rows, anchor_B] * key_BTD[rows, anchor_B]).sum(dim=1)
    found = clp(batch, 0).parts["loss/cross_identity"]
    torch.testing.assert_close(found, wanted_B[batch.valid_B].mean(), check_dtype=False)


def test_without_its_weight_the_memory_has_no_influence():
    clp = double_companions(make(Alone(), cross_weight=0.0))
    other = copy.deepcopy(clp)
    for module, fill in ((clp, 0.0), (other, 1.0)):
        module.memory.vectors_KD.fill_(fill)
        module.memory.identity_K.fill_(99)
    one, two = (module(clip_batch(0, TOTAL), 0).total for module in (clp, other))
    assert torch.equal(one, two)


def test_momentum_encoder_gets_no_gradient_and_moves_towards_the_weights():
    clp = double_companions(make(Alone(), momentum=0.75))
    teacher = clp.companions()["momentum"]
    before = {name: p.clone() for name, p in teacher.named_parameters()}
    clp(clip_batch(0, TOTAL), 0).total.backward()
    assert all(p.grad is None for p in teacher.parameters())
    weights = {name: w.detach() + 1.0 for name, w in clp.named_parameters()}
    clp.after_step(0, weights.items())
    for name, parameter in teacher.named_parameters():
        assert torch.allclose(parameter, before[name] + 0.25)


def test_invalid_clips_do_not_count():
    clp = double_companions(make(Alone()))
    batch = clip_batch(0, TOTAL)
    one = clp(batch, 0).total
    batch.frames_BTHWC[~batch.valid_B] = 255
    assert torch.equal(clp(batch, 0).total, one)


def test_engine_would_train_the_student_only():
    assert all(name.startswith("student.") for name, _ in make(Alone()).named_parameters())
