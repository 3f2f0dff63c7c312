"""Augmentation: counter-based, shared by a clip's frames, equal for any split of a batch."""

import numpy as np
import pytest
import torch

from pretrain.augment import PLAIN, AugmentConfig, augment, counter_uniform

FRAMES = torch.randint(
    0, 256, (6, 4, 20, 20, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
SEEDS = np.arange(6, dtype=np.int64) * 7919


def test_pixels_do_not_depend_on_the_split():
    whole = augment(FRAMES, SEEDS, 0, 16, AugmentConfig())
    parts = [augment(FRAMES[i : i + 2], SEEDS[i : i + 2], 0, 16, AugmentConfig()) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), whole)


def test_global_generators_are_neither_used_nor_moved():
    torch.manual_seed(1)
    one = augment(FRAMES, SEEDS, 0, 16, AugmentConfig())
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(augment(FRAMES, SEEDS, 0, 16, AugmentConfig()), one)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_without_frame_jitter_all_frames_of_a_clip_are_treated_alike():
    config = AugmentConfig(frame_jitter=0.0)
    still = FRAMES[:, :1].expand(-1, 4, -1, -1, -1)
    view_BTCHW = augment(still, SEEDS, 0, 16, config)
    assert torch.allclose(view_BTCHW, view_BTCHW[:, :1].expand_as(view_BTCHW), atol=1e-6)


def test_views_and_clips_differ():
    one, other = (augment(FRAMES, SEEDS, view, 16, AugmentConfig()) for view in (0, 1))
    assert ((one - other).abs().mean(dim=(1, 2, 3, 4)) > 0.01).all()


def test_plain_is_the_frame_itself_at_equal_size():
    assert torch.allclose(
        augment(FRAMES, SEEDS, 0, 20, PLAIN), FRAMES.permute(0, 1, 4, 2, 3) / 255, atol=1e-6
    )


def test_a_certain_flip_mirrors():
    config = AugmentConfig(*[0.0] * 3, flip=1.0, contrast=0, saturation=0, channel_gain=0, grey=0, blur=0)
    mirrored = augment(FRAMES, SEEDS, 0, 20, config)
    assert torch.allclose(mirrored.flip(4), augment(FRAMES, SEEDS, 0, 20, PLAIN), atol=1e-5)


@pytest.mark.parametrize("count", [1, 16])
def test_counter_numbers_are_uniform_and_independent_of_company(count):
    seeds = np.arange(20_000, dtype=np.int64)
    numbers = counter_uniform(seeds, 3, count)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.abs(np.quantile(numbers, [0.1, 0.5, 0.9]) - [0.1, 0.5, 0.9]).max() < 0.01
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.03
    assert np.array_equal(counter_uniform(seeds[5:6], 3, count), numbers[5:6])
