"""graded_contrast against its equation, read literally in float64, and its properties."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.graded_contrast import graded_contrast


def unit(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def reference(query_TD, key_TD, tau, margin):
    frames, terms = len(query_TD), []
    for r in range(frames):
        positive = math.exp(float(query_TD[r] @ key_TD[r]) / tau)
        negatives = sum(
            math.exp((float(query_TD[r] @ query_TD[n]) + margin * abs(n - r) / (frames - 1)) / tau)
            for n in range(frames)
            if n != r
        )
        terms.append(-math.log(positive / (positive + negatives)))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("frames", [2, 4, 7])
@pytest.mark.parametrize(("tau", "margin"), [(0.1, 0.1), (0.5, 0.0), (0.5, 0.7)])
def test_equals_the_equation(frames, tau, margin):
    query_BTD, key_BTD = unit(3, frames, 8, seed=1), unit(3, frames, 8, seed=2)
    wanted = [reference(query_BTD[b], key_BTD[b], tau, margin) for b in range(3)]
    assert graded_contrast(query_BTD, key_BTD, tau, margin).tolist() == pytest.approx(wanted, rel=1e-12)


def test_the_margin_pushes_far_frames_more_than_near_ones():
    # Equally similar frames: only the margin tells them apart.
    query_BTD = torch.eye(5, dtype=torch.float64)[None].requires_grad_()
    graded_contrast(query_BTD, torch.eye(5, dtype=torch.float64)[None], 0.1, 0.3).sum().backward()
    pushed_N = query_BTD.grad[0, 0, 1:]
    assert (pushed_N > 0).all()
    assert (pushed_N.diff() > 0).all()


def test_keys_get_no_gradient_and_clips_do_not_touch_each_other():
    query_BTD, key_BTD = unit(3, 7, 8).requires_grad_(), unit(3, 7, 8, seed=1).requires_grad_()
    graded_contrast(query_BTD, key_BTD)[1].backward()
    assert (query_BTD.grad.abs().sum(dim=(1, 2)) > 0).tolist() == [False, True, False]
    assert key_BTD.grad is None


def test_too_short_a_clip_is_refused():
    with pytest.raises(ValueError, match="at least 2 frames, found 1; raise num_frames"):
        graded_contrast(unit(2, 1, 8), unit(2, 1, 8))
