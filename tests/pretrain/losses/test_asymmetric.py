"""The asymmetric loss against its equation in float64."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.asymmetric import asymmetric_loss
from pretrain.losses.focal import focal_loss


@pytest.mark.parametrize(
    ("gamma_pos", "gamma_neg", "margin"), [(0.0, 4.0, 0.05), (1.0, 2.0, 0.2), (0.0, 0.0, 0.0)]
)
def test_equals_the_equation(gamma_pos, gamma_neg, margin):
    generator = torch.Generator().manual_seed(0)
    logit_NA = 3 * torch.randn(20, 3, generator=generator, dtype=torch.float64)
    label_NA = torch.randint(-1, 2, (20, 3), generator=generator)
    terms = []
    for logit, label in zip(logit_NA.flatten().tolist(), label_NA.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit))
        p_m = max(p - margin, 0)
        if label == 1:
            terms.append(-((1 - p) ** gamma_pos) * math.log(p))
        elif label == 0:
            terms.append(-(p_m**gamma_neg) * math.log(1 - p_m))
    loss = asymmetric_loss(logit_NA, label_NA, gamma_pos, gamma_neg, margin)
    assert float(loss) == pytest.approx(sum(terms) / len(terms))


def test_without_asymmetry_it_is_known_losses():
    logit_NA, label_NA = torch.randn(9, 2), torch.arange(18).view(9, 2) % 2
    plain = F.binary_cross_entropy_with_logits(logit_NA, label_NA.float())
    torch.testing.assert_close(asymmetric_loss(logit_NA, label_NA, 0.0, 0.0, 0.0), plain)
    focal = 2 * focal_loss(logit_NA, label_NA, 2.0, 0.5)
    torch.testing.assert_close(asymmetric_loss(logit_NA, label_NA, 2.0, 2.0, 0.0), focal)


@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_easy_absent_units_count_nothing_and_gradients_are_finite(margin):
    logit_NA = torch.tensor([[-4.0, 80.0, -80.0, 3.0]], requires_grad=True)
    asymmetric_loss(logit_NA, torch.tensor([[0, 0, 1, -1]]), margin=margin).backward()
    assert torch.isfinite(logit_NA.grad).all()
    assert (logit_NA.grad[0, 0] == 0) == (margin > 0)
    assert logit_NA.grad[0, 2] < 0
    assert logit_NA.grad[0, 3] == 0
    assert asymmetric_loss(logit_NA, torch.full((1, 4), -1), margin=margin).item() == 0


def test_message():
    with pytest.raises(ValueError, match="gamma_neg must be 0 or at least 1"):
        asymmetric_loss(torch.zeros(1, 1), torch.zeros(1, 1), gamma_neg=0.5)
