import numpy as np
import pytest
import torch

from finetune.models import IntensityRegressor
from finetune.tasks.intensity import IntensityConfig, chosen_frames, draw_labelled, sparse_regression_loss
from pretrain.config import ConfigError
from pretrain.models.encoder import FrameEncoder
from shards.batch import ClipBatch


@pytest.fixture
def model(tiny_encoder):
    torch.manual_seed(0)
    return IntensityRegressor(FrameEncoder(tiny_encoder), 3, hidden=8, width=8)


def test_gradient_reaches_frames_before_the_last_labelled_one_and_none_after(model):
    frames_BTCHW = torch.rand(2, 6, 3, 32, 32, requires_grad=True)
    chosen_BT = torch.zeros(2, 6, dtype=torch.bool)
    chosen_BT[0, 3] = chosen_BT[1, 1] = True
    label_BTA = torch.randint(0, 6, (2, 6, 3))
    value_BTA, _ = model(frames_BTCHW)
    sparse_regression_loss(value_BTA, label_BTA, chosen_BT).backward()
    gradient_BT = frames_BTCHW.grad.abs().sum(dim=(2, 3, 4))
    assert (gradient_BT[0, 4:] == 0).all()
    assert (gradient_BT[1, 2:] == 0).all()
    assert (gradient_BT[0, :4] > 0).all()
    assert (gradient_BT[1, :2] > 0).all()


def test_loss_equals_the_equation_and_leaves_uncoded_aus_out():
    generator = torch.Generator().manual_seed(0)
    value_BTA = torch.randn(3, 4, 2, generator=generator)
    label_BTA = torch.randint(-1, 6, (3, 4, 2), generator=generator)
    chosen_BT = torch.rand(3, 4, generator=generator) < 0.5
    errors = [
        (float(value_BTA[b, t, a]) - int(label_BTA[b, t, a])) ** 2
        for b in range(3)
        for t in range(4)
        for a in range(2)
        if chosen_BT[b, t] and label_BTA[b, t, a] >= 0
    ]
    loss = sparse_regression_loss(value_BTA, label_BTA, chosen_BT)
    assert float(loss) == pytest.approx(sum(errors) / len(errors), rel=1e-6)
    assert float(sparse_regression_loss(value_BTA, label_BTA, torch.zeros_like(chosen_BT))) == 0


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
        occurrence_BTA=None,
        intensity_BTA=None,
    )
    chosen_BT = chosen_frames(clips, {"a": 0, "b": 1}, {0: [5, 9], 1: [4]})
    np.testing.assert_array_equal(chosen_BT, [[False, True, False], [False, False, False]])


def test_messages():
    with pytest.raises(ConfigError, match="no training frame has an intensity label"):
        draw_labelled({0: np.full((5, 2), -1, np.int8)}, 0.5, seed=0)
    with pytest.raises(ValueError, match=r"labelled_fraction must lie in \(0, 1\], found 2"):
        IntensityConfig(labelled_fraction=2)
    with pytest.raises(ValueError, match="0 <= left_context < window"):
        IntensityConfig(left_context=16)
