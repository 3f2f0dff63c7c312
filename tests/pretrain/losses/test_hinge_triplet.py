"""hinge_triplet against its equation, read literally in float64, and its properties."""

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.hinge_triplet import hinge_triplet


def unit(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def reference(query_TD, margin):
    frames = range(len(query_TD))
    similarity = (query_TD @ query_TD.T).tolist()
    terms = [
        max(0.0, margin - similarity[r][p] + similarity[r][n])
        for r in frames
        for p in frames
        for n in frames
        if abs(p - r) == 1 and abs(n - r) >= 2
    ]
    return sum(terms) / len(terms)


@pytest.mark.parametrize("frames", [3, 4, 7])
@pytest.mark.parametrize("margin", [0.0, 0.1, 0.7])
def test_equals_the_equation(frames, margin):
    query_BTD = unit(3, frames, 5)
    wanted = [reference(query_TD, margin) for query_TD in query_BTD]
    assert hinge_triplet(query_BTD, margin).tolist() == pytest.approx(wanted, rel=1e-12)


def test_triplets_that_keep_the_margin_have_no_gradient():
    # Neighbours at 60 degrees (cosine .5), the rest at 120 or more (-.5 or less).
    angle_T = torch.arange(4, dtype=torch.float64) * torch.pi / 3
    query_BTD = torch.stack([angle_T.cos(), angle_T.sin()], dim=1)[None].requires_grad_()
    hinge_triplet(query_BTD, 0.9).sum().backward()
    assert not query_BTD.grad.any()
    assert hinge_triplet(query_BTD, 1.1).item() > 0


def test_a_constant_feature_costs_the_margin():
    assert hinge_triplet(unit(1, 1, 8).expand(2, 7, 8), 0.1).tolist() == pytest.approx([0.1, 0.1])


def test_clips_do_not_touch_each_other():
    query_BTD = unit(3, 7, 8).requires_grad_()
    hinge_triplet(query_BTD)[1].backward()
    assert (query_BTD.grad.abs().sum(dim=(1, 2)) > 0).tolist() == [False, True, False]


def test_too_short_a_clip_is_refused():
    with pytest.raises(ValueError, match="at least 3 frames, found 2; raise num_frames"):
        hinge_triplet(unit(2, 2, 8))
