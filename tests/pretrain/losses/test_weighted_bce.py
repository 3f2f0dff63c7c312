"""Weighted cross-entropy against its equation in float64."""

import math

import pytest
import torch

from pretrain.losses.weighted_bce import weighted_bce


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_equals_the_equation():
    generator = torch.Generator().manual_seed(0)
    logit_NA = 3 * torch.randn(20, 3, generator=generator, dtype=torch.float64)
    label_NA = torch.randint(-1, 2, (20, 3), generator=generator)
    weight_2A = torch.rand(2, 3, generator=generator, dtype=torch.float64)
    terms = []
    for n in range(20):
        for a in range(3):
            y = int(label_NA[n, a])
            if y >= 0:
                p = sigmoid(float(logit_NA[n, a]))
                terms.append(-float(weight_2A[y, a]) * math.log(p if y == 1 else 1 - p))
    assert float(weighted_bce(logit_NA, label_NA, weight_2A)) == pytest.approx(sum(terms) / len(terms))


def test_weights_of_equal_classes_give_the_mean_of_the_mean_of_each():
    """1 / 2r and 1 / 2(1 - r): a rare class counts as much as a common one."""
    logit_NA = torch.tensor([[2.0], [-1.0], [-1.0], [-1.0]])
    label_NA = torch.tensor([[1], [0], [0], [0]])
    weight_2A = torch.tensor([[1 / 1.5], [1 / 0.5]])
    wanted = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert float(weighted_bce(logit_NA, label_NA, weight_2A)) == pytest.approx(wanted)


def test_unlabelled_frames_have_no_influence_and_nothing_is_zero():
    logit_NA = torch.tensor([[1e30, 1.0]], requires_grad=True)
    weighted_bce(logit_NA, torch.tensor([[-1, 0]]), torch.ones(2, 2)).backward()
    assert logit_NA.grad[0, 0] == 0
    assert logit_NA.grad[0, 1] > 0
    assert float(weighted_bce(logit_NA, torch.full((1, 2), -1), torch.ones(2, 2))) == 0
