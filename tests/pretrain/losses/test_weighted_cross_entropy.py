"""Weighted cross-entropy of classes against its equation in float64."""

import math

import pytest
import torch

from pretrain.losses.weighted_cross_entropy import weighted_cross_entropy


def test_equals_the_equation():
    generator = torch.Generator().manual_seed(0)
    logit_NK = 2 * torch.randn(20, 4, generator=generator, dtype=torch.float64)
    class_N = torch.randint(-1, 4, (20,), generator=generator)
    weight_K = torch.rand(4, generator=generator, dtype=torch.float64)
    above, below = 0.0, 0.0
    for n in range(20):
        y = int(class_N[n])
        if y >= 0:
            e = [math.exp(float(value)) for value in logit_NK[n]]
            above -= float(weight_K[y]) * math.log(e[y] / sum(e))
            below += float(weight_K[y])
    assert float(weighted_cross_entropy(logit_NK, class_N, weight_K)) == pytest.approx(above / below)


def test_unlabelled_frames_have_no_influence_and_nothing_is_zero():
    logit_NK = torch.tensor([[1e30, 0.0], [1.0, 0.0]], requires_grad=True)
    weighted_cross_entropy(logit_NK, torch.tensor([-1, 1]), torch.ones(2)).backward()
    assert (logit_NK.grad[0] == 0).all()
    assert logit_NK.grad[1, 0] > 0 > logit_NK.grad[1, 1]
    nothing = weighted_cross_entropy(logit_NK, torch.tensor([-1, -1]), torch.ones(2))
    assert nothing.item() == 0
