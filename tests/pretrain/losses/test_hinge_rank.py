"""hinge_rank against its equation, read literally in float64, and its properties."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.hinge_rank import hinge_rank


def unit(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def reference(query_TD, margin):
    frames, terms = len(query_TD), []
    for r in range(frames):
        for direction in (1, -1):
            for d in range(1, frames):
                near, far = r + direction * d, r + direction * (d + 1)
                if 0 <= far < frames:
                    rise = float(query_TD[r] @ query_TD[far]) - float(query_TD[r] @ query_TD[near])
                    terms.append(max(0.0, margin + rise))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("frames", [3, 4, 7])
@pytest.mark.parametrize("margin", [0.0, 0.1, 0.7])
def test_equals_the_equation(frames, margin):
    query_BTD = unit(3, frames, 5)
    wanted = [reference(query_TD, margin) for query_TD in query_BTD]
    assert hinge_rank(query_BTD, margin).tolist() == pytest.approx(wanted, rel=1e-12)


def test_steady_motion_with_room_for_the_margin_costs_nothing():
    angle_T = torch.linspace(math.pi / 8, math.pi, 5, dtype=torch.float64)
    steady_TD = torch.stack([angle_T.cos(), angle_T.sin()], dim=1)
    assert hinge_rank(steady_TD[None], 0.1).item() == 0
    assert hinge_rank(steady_TD[[0, 3, 1, 4, 2]][None], 0.1).item() > 0


def test_a_constant_feature_costs_the_margin():
    assert hinge_rank(unit(1, 1, 8).expand(2, 7, 8), 0.1).tolist() == pytest.approx([0.1, 0.1])


def test_clips_do_not_touch_each_other():
    query_BTD = unit(3, 7, 8).requires_grad_()
    hinge_rank(query_BTD)[1].backward()
    assert (query_BTD.grad.abs().sum(dim=(1, 2)) > 0).tolist() == [False, True, False]


def test_too_short_a_clip_is_refused():
    with pytest.raises(ValueError, match="at least 3 frames, found 2; raise num_frames"):
        hinge_rank(unit(2, 2, 8))
