"""Micro batches: the same clips in the same order, and a memory that takes all of them."""

import numpy as np
import pytest
import torch

from pretrain.augment import AugmentConfig
from pretrain.engines.micro import mean_of, micro_batches
from pretrain.models.encoder import EncoderConfig
from pretrain.objectives.clp import Clp, ClpConfig
from pretrain.objectives.objective import Losses
from pretrain.world import Alone
from tests.clip_batches import CLIPS, clip_batch

ENCODER = EncoderConfig(
    "convnext", {"hidden_sizes": [8, 16], "depths": [1, 1], "patch_size": 4, "num_stages": 2}, 16
)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_together_they_are_the_batch(count):
    whole = clip_batch(3, 2)
    parts = micro_batches(whole, count)
    assert [len(part) for part in parts] == [CLIPS // count] * count
    for name in ("frames_BTHWC", "frame_valid_BT", "valid_B", "identity_B"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name
    for name in ("augment_seed_B", "frame_index_BT", "position_B"):
        joined = np.concatenate([getattr(part.clips, name) for part in parts])
        assert np.array_equal(joined, getattr(whole.clips, name)), name
    assert [key for part in parts for key in part.clips.key_B] == whole.clips.key_B
    assert all(part.occurrence_BTA is None for part in parts)


def test_clips_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="8 clips do not divide into 3 micro batches"):
        micro_batches(clip_batch(0, 1), 3)


def test_a_part_is_averaged_over_those_that_have_it():
    one = Losses(torch.tensor(1.0, requires_grad=True), {"a": torch.tensor(2.0)})
    two = Losses(torch.tensor(4.0), {"a": torch.tensor(6.0), "b": torch.tensor(5.0)})
    mean = mean_of([one, two])
    assert (float(mean.total), mean.total.requires_grad) == (2.5, False)
    assert {name: float(part) for name, part in mean.parts.items()} == {"a": 4.0, "b": 5.0}


def test_the_memory_takes_the_vectors_of_all_micro_batches():
    torch.manual_seed(0)
    config = ClpConfig(dim=16, memory_slots=32, ramp=0.0)
    clp = Clp(config, ENCODER, AugmentConfig(), Alone(), steps=10, global_batch=CLIPS)
    batch = clip_batch(0, 9)
    held = []
    for count in (1, 2):
        clp.memory.vectors_KD.zero_()
        clp.memory.cursor.zero_()
        for part in micro_batches(batch, count):
            clp(part, 0)
        clp.after_step(0, ((name, weight.detach()) for name, weight in clp.named_parameters()))
        held.append(clp.memory.read())
    for one, two in zip(*held, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    # 7 valid clips with 2 extra frames each.
    assert int(held[0][0].any(dim=1).sum()) == 14
