"""CLP: what must not leak, and what must be active."""

import copy

import torch

from pretrain.augment import AugmentConfig
from pretrain.models.encoder import EncoderConfig
from pretrain.objectives.clp import Clp, ClpConfig
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
        clp.after_step(step, {name: w.detach() for name, w in clp.named_parameters()})
    # 7 valid clips with 2 extra frames fill 32 slots in 3 steps.
    assert seen == [False, False, False, True]


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
    clp.after_step(0, weights)
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
