"""InfoNCE against the other label: its equation in float64, and what it does not push apart."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.info_nce import info_nce_loss

TAU = 0.2


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    vectors_NAD = torch.randn(10, 3, 4, generator=generator, dtype=torch.float64)
    label_BA = torch.randint(-1, 2, (5, 3), generator=generator)
    return F.normalize(vectors_NAD, dim=2), label_BA.repeat(2, 1)


def literal(vectors_NAD, label_NA, weight_A):
    per_au = []
    for k in range(3):
        losses = []
        for i in range(10):
            e = [math.exp(float(vectors_NAD[i, k] @ vectors_NAD[j, k]) / TAU) for j in range(10)]
            own = e[(i + 5) % 10]
            if label_NA[i, k] >= 0:
                others = sum(e[j] for j in range(10) if label_NA[j, k] == 1 - label_NA[i, k])
                losses.append(-math.log(own / (own + others)))
        if losses:
            per_au.append(weight_A[k] * sum(losses) / len(losses))
    return sum(per_au) / len(per_au)


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_equation(seed):
    inputs = batch(seed)
    assert float(info_nce_loss(*inputs, TAU)) == pytest.approx(literal(*inputs, (1, 1, 1)), rel=1e-12)
    weighted = info_nce_loss(*inputs, TAU, torch.tensor([0.5, 1.0, 1.5]))
    assert float(weighted) == pytest.approx(literal(*inputs, (0.5, 1, 1.5)), rel=1e-6)


def test_gradients_are_those_of_the_differences_and_one_class_has_none():
    vectors_NAD, label_NA = batch(1)
    vectors_NAD.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: info_nce_loss(v, label_NA, TAU), (vectors_NAD,))
    info_nce_loss(vectors_NAD, torch.ones_like(label_NA)).backward()
    assert (vectors_NAD.grad == 0).all()
    assert info_nce_loss(vectors_NAD, torch.full_like(label_NA, -1)).item() == 0


def test_message():
    vectors_NAD, label_NA = batch(0)
    with pytest.raises(ValueError, match="two views of each image wanted, found 9 vectors"):
        info_nce_loss(vectors_NAD[:9], label_NA[:9])
