"""SupCon per AU against its equation in float64."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.sup_con import sup_con_loss

TAU = 0.2


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    vectors_NAD = torch.randn(10, 3, 4, generator=generator, dtype=torch.float64)
    label_BA = torch.randint(-1, 2, (5, 3), generator=generator)
    return F.normalize(vectors_NAD, dim=2), label_BA.repeat(2, 1)


def literal(vectors_NAD, label_NA, weight_A):
    per_au = []
    for k in range(3):
        coded = [i for i in range(10) if label_NA[i, k] >= 0]
        losses = []
        for i in coded:
            e = {j: math.exp(float(vectors_NAD[i, k] @ vectors_NAD[j, k]) / TAU) for j in coded if j != i}
            positives = [j for j in e if label_NA[j, k] == label_NA[i, k]]
            logs = [math.log(e[p] / sum(e.values())) for p in positives]
            losses.append(-sum(logs) / len(positives))
        if losses:
            per_au.append(weight_A[k] * sum(losses) / len(losses))
    return sum(per_au) / len(per_au)


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_equation(seed):
    inputs = batch(seed)
    assert float(sup_con_loss(*inputs, TAU)) == pytest.approx(literal(*inputs, (1, 1, 1)), rel=1e-12)
    weighted = sup_con_loss(*inputs, TAU, torch.tensor([0.5, 1.0, 1.5]))
    assert float(weighted) == pytest.approx(literal(*inputs, (0.5, 1, 1.5)), rel=1e-6)


def test_equal_vectors_give_the_closed_form():
    """All similarities are equal: every positive has the share 1 / (N - 1)."""
    vectors_NAD = F.normalize(torch.ones(8, 2, 4), dim=2)
    label_NA = torch.tensor([[0, 1], [1, 1], [0, 0], [1, 1]]).repeat(2, 1)
    assert float(sup_con_loss(vectors_NAD, label_NA)) == pytest.approx(math.log(7), rel=1e-5)


def test_gradients_are_those_of_the_differences_and_unlabelled_vectors_have_none():
    vectors_NAD, label_NA = batch(1)
    vectors_NAD.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: sup_con_loss(v, label_NA, TAU), (vectors_NAD,))
    sup_con_loss(vectors_NAD, label_NA).backward()
    assert (vectors_NAD.grad[label_NA < 0] == 0).all()
    assert vectors_NAD.grad.abs().sum() > 0
    assert sup_con_loss(vectors_NAD, torch.full_like(label_NA, -1)).item() == 0


def test_message():
    vectors_NAD, label_NA = batch(0)
    with pytest.raises(ValueError, match=r"labels of shape \(vectors, AUs\) wanted, found \(10, 3, 4\)"):
        sup_con_loss(vectors_NAD, label_NA[:, :2])
