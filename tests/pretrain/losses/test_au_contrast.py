"""The AUNCE loss against a loop written from the equation, and its properties."""

import math

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.au_contrast import CLASS_MEAN, MOST_SIMILAR, OWN_VIEW, au_contrast_loss

torch.set_num_threads(1)
TAU = 0.5


def batch(seed=0, images=6, aus=3, dim=5, missing=True):
    generator = torch.Generator().manual_seed(seed)
    vectors_NAD = F.normalize(torch.randn(2 * images, aus, dim, generator=generator), dim=2)
    label_BA = torch.randint(-1 if missing else 0, 2, (images, aus), generator=generator)
    kind_NA = torch.randint(0, 3, (2 * images, aus), generator=generator)
    exponent_NA = torch.where(torch.rand(2 * images, aus, generator=generator) < 0.5, 1.2, 0.8)
    return vectors_NAD, label_BA.repeat(2, 1), kind_NA, exponent_NA


def literal(vectors_NAD, label_NA, kind_NA, exponent_NA, include_self=False, divide_by_batch=False):
    """Section 5.9's equation, one pair at a time, in float64."""
    z, count = vectors_NAD.double(), len(vectors_NAD)
    per_au = []
    for k in range(z.shape[1]):
        anchors = []
        for i in range(count):
            if label_NA[i, k] < 0:
                continue
            s = [float(z[i, k] @ z[j, k]) / TAU for j in range(count)]
            positives = [
                j for j in range(count) if label_NA[j, k] == label_NA[i, k] and (include_self or j != i)
            ]
            negatives = [j for j in range(count) if label_NA[j, k] == 1 - label_NA[i, k]]
            if kind_NA[i, k] == MOST_SIMILAR:
                positive = math.exp(max(s[j] for j in positives))
            elif kind_NA[i, k] == CLASS_MEAN:
                divisor = count if divide_by_batch else len(positives)
                positive = sum(math.exp(s[j]) for j in positives) / divisor
            else:
                positive = math.exp(s[(i + count // 2) % count])
            negative = sum(math.exp(float(exponent_NA[i, k]) * s[j]) for j in negatives)
            anchors.append(math.log(1 + negative / positive))
        if anchors:
            per_au.append(sum(anchors) / len(anchors))
    return sum(per_au) / len(per_au)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("released", [False, True])
def test_equals_the_equation(seed, released):
    inputs = batch(seed)
    loss = au_contrast_loss(*inputs, include_self=released, divide_by_batch=released)
    assert float(loss) == pytest.approx(literal(*inputs, released, released), rel=1e-5)


def test_released_form_has_a_constant_most_similar_positive_and_a_scaled_mean():
    vectors_NAD, label_NA, kind_NA, exponent_NA = batch(1, missing=False)
    hardest = torch.full_like(kind_NA, MOST_SIMILAR)
    released = au_contrast_loss(vectors_NAD, label_NA, hardest, exponent_NA, include_self=True)
    score_ANN = torch.einsum("iad,jad->aij", vectors_NAD, vectors_NAD) / TAU
    different_ANN = label_NA.T.unsqueeze(2) != label_NA.T.unsqueeze(1)
    negative_AN = ((exponent_NA.T.unsqueeze(2) * score_ANN).exp() * different_ANN).sum(dim=2)
    torch.testing.assert_close(released, torch.log1p(negative_AN / math.exp(1 / TAU)).mean())


def test_own_view_without_reweighting_is_nt_xent_against_the_other_class():
    vectors_NAD, label_NA, _, exponent_NA = batch(2, missing=False)
    own, plain = torch.full_like(label_NA, OWN_VIEW), torch.ones_like(exponent_NA)
    loss = au_contrast_loss(vectors_NAD, label_NA, own, plain)
    terms = []
    for k in range(3):
        s = vectors_NAD[:, k] @ vectors_NAD[:, k].T / TAU
        for i in range(12):
            logits = torch.cat([s[i, (i + 6) % 12].view(1), s[i][label_NA[:, k] != label_NA[i, k]]])
            terms.append(F.cross_entropy(logits.unsqueeze(0), torch.zeros(1, dtype=torch.long)))
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def test_gradient_ratio_of_rare_and_common_anchors():
    """At equal similarity 0, exp(beta * 0) = 1 for any beta: softmax factors cancel and the betas remain."""
    vectors_NAD = torch.eye(4).unsqueeze(1).repeat(1, 1, 1)
    vectors_NAD[2:] = vectors_NAD[:2]
    label_NA = torch.tensor([[1], [0], [1], [0]])

    def pull(anchor):
        score = vectors_NAD.clone().requires_grad_()
        beta_NA = torch.where(label_NA == 1, 1.2, 0.8)
        loss = au_contrast_loss(score, label_NA, torch.full_like(label_NA, OWN_VIEW), beta_NA)
        (gradient,) = torch.autograd.grad(loss, score)
        return gradient[anchor, 0]

    # z_0 = e_0 and z_1 = e_1: the part of z_0's gradient along e_1 is beta_0 (as anchor) + beta_1 (as pair).
    both = pull(0)[1]
    assert both == pytest.approx(float(pull(1)[0]), rel=1e-5)
    only = {}
    for label in (1, 0):
        score = vectors_NAD.clone().requires_grad_()
        shown = torch.where(label_NA == label, 1.2 if label else 0.8, 1e-6)
        loss = au_contrast_loss(score, label_NA, torch.full_like(label_NA, OWN_VIEW), shown)
        only[label] = torch.autograd.grad(loss, score)[0][0, 0, 1]
    assert float(only[1] / only[0]) == pytest.approx(1.2 / 0.8, rel=1e-3)


@pytest.mark.parametrize("kind", [MOST_SIMILAR, CLASS_MEAN, OWN_VIEW])
def test_no_negatives_give_zero_and_no_nan(kind):
    vectors_NAD, label_NA, kind_NA, exponent_NA = batch(3)
    vectors_NAD.requires_grad_()
    ones = torch.ones_like(label_NA)
    loss = au_contrast_loss(vectors_NAD, ones, torch.full_like(kind_NA, kind), exponent_NA)
    loss.backward()
    assert loss.item() == 0
    assert (vectors_NAD.grad == 0).all()
    nothing = au_contrast_loss(vectors_NAD, -ones, torch.full_like(kind_NA, kind), exponent_NA)
    assert float(nothing) == 0


def test_unlabelled_vectors_have_no_gradient():
    vectors_NAD, label_NA, kind_NA, exponent_NA = batch(4)
    vectors_NAD.requires_grad_()
    au_contrast_loss(vectors_NAD, label_NA, kind_NA, exponent_NA).backward()
    assert (vectors_NAD.grad[label_NA < 0] == 0).all()
    assert vectors_NAD.grad.abs().sum() > 0


def test_messages():
    vectors_NAD, label_NA, kind_NA, exponent_NA = batch()
    with pytest.raises(ValueError, match=r"shape \(vectors, AUs\) wanted, found \(12, 3, 5\)"):
        au_contrast_loss(vectors_NAD, label_NA[:, :2], kind_NA, exponent_NA)
    with pytest.raises(ValueError, match="two views of each image wanted, found 11 vectors"):
        au_contrast_loss(vectors_NAD[:11], label_NA[:11], kind_NA[:11], exponent_NA[:11])
