"""The focal loss against its equation in float64."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.focal import focal_loss


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, 0.6), (0.0, 0.5)])
def test_equals_the_equation(gamma, alpha):
    generator = torch.Generator().manual_seed(0)
    logit_NA = 3 * torch.randn(20, 3, generator=generator, dtype=torch.float64)
    label_NA = torch.randint(-1, 2, (20, 3), generator=generator)
    terms = []
    for logit, label in zip(logit_NA.flatten().tolist(), label_NA.flatten().tolist(), strict=True):
        if label < 0:
            continue
        p = 1 / (1 + math.exp(-logit))
        p_t, alpha_t = (p, alpha) if label == 1 else (1 - p, 1 - alpha)
        terms.append(-alpha_t * (1 - p_t) ** gamma * math.log(p_t))
    assert float(focal_loss(logit_NA, label_NA, gamma, alpha)) == pytest.approx(sum(terms) / len(terms))


def test_without_focus_it_is_half_the_cross_entropy():
    logit_NA, label_NA = torch.randn(9, 2), torch.arange(18).view(9, 2) % 2
    half = F.binary_cross_entropy_with_logits(logit_NA, label_NA.float()) / 2
    torch.testing.assert_close(focal_loss(logit_NA, label_NA, 0.0, 0.5), half)


def test_gradients_are_finite_for_large_logits_and_nothing_for_unlabelled_frames():
    logit_NA = torch.tensor([[80.0, -80.0, 80.0, 5.0]], requires_grad=True)
    focal_loss(logit_NA, torch.tensor([[1, 1, 0, -1]])).backward()
    assert torch.isfinite(logit_NA.grad).all()
    assert logit_NA.grad[0, 0] == 0
    assert logit_NA.grad[0, 1] < 0 < logit_NA.grad[0, 2]
    assert logit_NA.grad[0, 3] == 0
    assert focal_loss(logit_NA, torch.full((1, 4), -1)).item() == 0
