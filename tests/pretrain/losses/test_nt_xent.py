"""NT-Xent against its equation in float64, its closed form, and ranks."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.nt_xent import nt_xent

TAU = 0.2


def unit(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=-1)


def by_hand(views_VND, frame, valid):
    losses = []
    for view in (0, 1):
        anchor = views_VND[view, frame]
        others = [
            (w, j)
            for w in (0, 1)
            for j in range(views_VND.shape[1])
            if (w, j) != (view, frame) and (valid[j] or j == frame)
        ]
        total = sum(math.exp(float(anchor @ views_VND[w, j]) / TAU) for w, j in others)
        positive = math.exp(float(anchor @ views_VND[1 - view, frame]) / TAU)
        losses.append(-math.log(positive / total))
    return sum(losses) / 2


def test_it_equals_the_equation_also_for_a_part_of_the_batch():
    views = unit(2, 5, 6)
    valid = torch.tensor([True, True, False, True, True])
    wanted = [by_hand(views, frame, valid.tolist()) for frame in range(5)]
    whole = nt_xent(views, views, valid, 0, TAU)
    part = nt_xent(views[:, 3:], views, valid, 3, TAU)
    assert whole[valid].tolist() == pytest.approx([w for w, v in zip(wanted, valid, strict=True) if v])
    assert part.tolist() == pytest.approx(wanted[3:])


def test_identical_vectors_give_the_logarithm_of_the_number_of_candidates():
    same = unit(1, 1, 4).expand(2, 7, 4)
    assert nt_xent(same, same, torch.ones(7, dtype=torch.bool), 0).tolist() == pytest.approx(
        [math.log(13)] * 7
    )


def test_a_frame_that_is_not_valid_changes_nothing():
    views, other = unit(2, 4, 6), unit(2, 4, 6)
    valid = torch.tensor([True, True, True, False])
    other[:, 3] = unit(2, 6, seed=5)
    assert torch.equal(nt_xent(views, views, valid, 0)[:3], nt_xent(other, other, valid, 0)[:3])
    assert torch.isfinite(nt_xent(views, views, valid, 0)).all()
