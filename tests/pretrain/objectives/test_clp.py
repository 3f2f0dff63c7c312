"""CLP: 2 ranks equal one process on the concatenated batch; what must not leak, and what must be active."""

import copy

import numpy as np
import pytest
import torch

from pretrain.augment import AugmentConfig
from pretrain.device import DeviceBatch, to_device
from pretrain.models.encoder import EncoderConfig
from pretrain.objectives.clp import Clp, ClpConfig
from pretrain.world import Alone, Group, World
from shards.batch import ClipBatch
from tests.ranks import run_ranks

ENCODER = EncoderConfig(
    "convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "patch_size": 4, "num_stages": 2}, 16
)
CLIPS, FRAMES = 8, 7


def clip_batch(step: int, clips: slice = slice(None)) -> DeviceBatch:
    rng = np.random.default_rng(step)
    total = FRAMES + 2
    frames = rng.integers(0, 256, (CLIPS, total, 20, 20, 3), dtype=np.uint8)
    valid = np.ones(CLIPS, bool)
    valid[step % CLIPS] = False
    batch = ClipBatch(
        position_B=np.arange(CLIPS)[clips],
        augment_seed_B=rng.integers(0, 2**62, CLIPS)[clips],
        frames_BTHWC=frames[clips],
        frame_valid_BT=np.repeat(valid[:, None], total, 1)[clips],
        time_BT=np.tile(np.arange(total) / 5, (CLIPS, 1))[clips],
        frame_index_BT=np.tile(np.arange(total), (CLIPS, 1))[clips],
        identity_B=np.arange(CLIPS)[clips] % 4,
        valid_B=valid[clips],
        key_B=[f"k{i}" for i in range(CLIPS)][clips],
        provenance_B=[f"k{i}" for i in range(CLIPS)][clips],
        activity_B=[None] * CLIPS,
        occurrence_BTA=None,
        intensity_BTA=None,
    )
    return to_device(batch, torch.device("cpu"))


def make(world: World, **changes) -> Clp:
    torch.manual_seed(0)
    config = ClpConfig(dim=16, memory_slots=32, ramp=0.0, **changes)
    return Clp(config, ENCODER, AugmentConfig(), world, steps=10, global_batch=CLIPS).double()


def double_companions(clp: Clp) -> Clp:
    for module in clp.companions().values():
        module.double()
    return clp


def run(
    world: World, clips: slice, reconstruction: str
) -> tuple[list[float], dict[str, torch.Tensor], torch.Tensor]:
    """Three steps: fill the memory, then losses with both parts; gradients of the last, and the memory."""
    clp = double_companions(make(world, reconstruction=reconstruction))
    weights = dict(clp.named_parameters())
    totals = []
    for step in range(4):
        clp.zero_grad()
        losses = clp(clip_batch(step, clips), step)
        losses.total.backward()
        clp.after_step(step, {name: w.detach() + 0.01 for name, w in weights.items()})
        totals.append(float(world.sum(losses.parts["loss/total"])))
    # What data parallel training makes of the gradients: their mean over ranks.
    gradients = {name: world.sum(w.grad) / world.size for name, w in weights.items()}
    return totals, gradients, clp.memory.read()[0]


def on_rank(rank: int, reconstruction: str):
    half = CLIPS // 2
    return run(Group(), slice(rank * half, (rank + 1) * half), reconstruction)


@pytest.mark.parametrize("reconstruction", ["l2", "nce"])
def test_two_ranks_equal_one_process_on_the_whole_batch(reconstruction):
    totals, gradients, memory = run(Alone(), slice(None), reconstruction)
    for rank_totals, rank_gradients, rank_memory in run_ranks(on_rank, 2, reconstruction):
        assert rank_totals == pytest.approx(totals, rel=1e-12)
        assert torch.allclose(rank_memory, memory, atol=1e-12)
        for name, gradient in gradients.items():
            assert torch.allclose(rank_gradients[name], gradient, atol=1e-12), name


def test_both_parts_are_active_once_the_memory_is_full():
    clp = double_companions(make(Alone()))
    seen = []
    for step in range(4):
        seen.append("loss/cross_identity" in clp(clip_batch(step), step).parts)
        clp.after_step(step, {name: w.detach() for name, w in clp.named_parameters()})
    # 7 valid clips with 2 extra frames fill 32 slots in 3 steps.
    assert seen == [False, False, False, True]


def test_without_its_weight_the_memory_has_no_influence():
    clp = double_companions(make(Alone(), cross_weight=0.0))
    other = copy.deepcopy(clp)
    for module, fill in ((clp, 0.0), (other, 1.0)):
        module.memory.vectors_KD.fill_(fill)
        module.memory.identity_K.fill_(99)
    one, two = (module(clip_batch(0), 0).total for module in (clp, other))
    assert torch.equal(one, two)


def test_momentum_encoder_gets_no_gradient_and_moves_towards_the_weights():
    clp = double_companions(make(Alone(), momentum=0.75))
    teacher = clp.companions()["momentum"]
    before = {name: p.clone() for name, p in teacher.named_parameters()}
    clp(clip_batch(0), 0).total.backward()
    assert all(p.grad is None for p in teacher.parameters())
    weights = {name: w.detach() + 1.0 for name, w in clp.named_parameters()}
    clp.after_step(0, weights)
    for name, parameter in teacher.named_parameters():
        assert torch.allclose(parameter, before[name] + 0.25)


def test_invalid_clips_do_not_count():
    clp = double_companions(make(Alone()))
    batch = clip_batch(0)
    one = clp(batch, 0).total
    batch.frames_BTHWC[~batch.valid_B] = 255
    assert torch.equal(clp(batch, 0).total, one)


def test_engine_would_train_the_student_only():
    assert all(name.startswith("student.") for name, _ in make(Alone()).named_parameters())
