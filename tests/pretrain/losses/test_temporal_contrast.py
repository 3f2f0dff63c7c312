"""margin_nce against its equation, read literally in float64, and its properties."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.temporal_contrast import margin_nce


def reference(query_TD, tau, margin):
    frames = len(query_TD)
    terms = []
    for r in range(frames):
        negatives = sum(
            math.exp(float(query_TD[r] @ query_TD[n]) / tau) for n in range(frames) if abs(n - r) >= 2
        )
        for p in (r - 1, r + 1):
            if 0 <= p < frames:
                positive = math.exp((float(query_TD[r] @ query_TD[p]) - margin) / tau)
                terms.append(-math.log(positive / (positive + negatives)))
    return sum(terms) / len(terms)


def unit(*shape, seed=0):
    return F.normalize(
        torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=-1
    )


@pytest.mark.parametrize("frames", [4, 7])
@pytest.mark.parametrize(("tau", "margin"), [(0.1, 0.1), (0.5, 0.0)])
def test_equals_the_equation(frames, tau, margin):
    query_BTD = unit(3, frames, 8)
    wanted = [reference(query_TD, tau, margin) for query_TD in query_BTD]
    assert margin_nce(query_BTD, tau, margin).tolist() == pytest.approx(wanted, rel=1e-12)


def test_a_constant_feature_costs_the_log_of_the_candidates():
    query_BTD = unit(1, 1, 8).expand(2, 7, 8)
    # Ends have 5 negatives and one neighbour; inner frames 4 and two.
    per_pair = [math.log(1 + 5)] * 2 + [math.log(1 + 4)] * 10
    assert margin_nce(query_BTD, margin=0.0).tolist() == pytest.approx([sum(per_pair) / 12] * 2)


def test_margin_raises_the_loss():
    query_BTD = unit(3, 7, 8)
    assert (margin_nce(query_BTD, margin=0.2) > margin_nce(query_BTD, margin=0.1)).all()


def test_clips_do_not_touch_each_other():
    query_BTD = unit(3, 7, 8).requires_grad_()
    margin_nce(query_BTD)[1].backward()
    assert query_BTD.grad[1].abs().sum() > 0
    assert query_BTD.grad[[0, 2]].abs().sum() == 0


def test_smooth_motion_costs_less_than_shuffled_frames():
    angle_T = torch.linspace(0, math.pi, 7, dtype=torch.float64)
    smooth_TD = torch.stack([angle_T.cos(), angle_T.sin()], dim=1)
    order = torch.tensor([3, 0, 5, 1, 6, 2, 4])
    assert margin_nce(smooth_TD[None]) < margin_nce(smooth_TD[order][None])


def test_too_short_a_clip_is_refused():
    with pytest.raises(ValueError, match="at least 4 frames, found 3"):
        margin_nce(unit(2, 3, 8))
