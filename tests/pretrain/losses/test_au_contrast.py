"""The AUNCE loss against a loop written from the equation, its properties, and each defect of the release.

What the released code does is told by the formulas of its report; none of its code is here.
"""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pretrain.losses.au_contrast import (
    CENTROID,
    CLASS_MEAN,
    MOST_SIMILAR,
    NUM_KINDS,
    OWN_VIEW,
    ContrastForm,
    au_contrast_loss,
)
from pretrain.losses.info_nce import info_nce_loss

torch.set_num_threads(1)
TAU = 0.5
RELEASED = ContrastForm(compat=True)
FORMS = {
    "corrected": ContrastForm(),
    "released": RELEASED,
    "own view apart": ContrastForm(own_view_in_class=False),
    "mean-1 weights": ContrastForm(normalise_negatives=True),
    "both": ContrastForm(temperature=0.1, own_view_in_class=False, normalise_negatives=True),
}


def batch(seed=0, images=6, aus=3, dim=5, missing=True):
    generator = torch.Generator().manual_seed(seed)
    vectors_NAD = torch.randn(2 * images, aus, dim, generator=generator, dtype=torch.float64)
    label_BA = torch.randint(-1 if missing else 0, 2, (images, aus), generator=generator)
    kind_NA = torch.randint(0, NUM_KINDS, (2 * images, aus), generator=generator)
    exponent_NA = torch.where(torch.rand(2 * images, aus, generator=generator) < 0.5, 1.2, 0.8)
    return F.normalize(vectors_NAD, dim=2), label_BA.repeat(2, 1), kind_NA, exponent_NA.double()


def positive_of(z_ND, i, labels, kind, form):
    """pos_i, one pair at a time."""
    count = len(z_ND)
    own = (i + count // 2) % count
    s = [float(z_ND[i] @ z_ND[j]) / form.temperature for j in range(count)]
    left_out = set() if form.compat else {i} if form.own_view_in_class else {i, own}
    positives = [j for j in range(count) if labels[j] == labels[i] and j not in left_out]
    if kind == OWN_VIEW or not positives:
        return math.exp(s[own])
    if kind == MOST_SIMILAR:
        return math.exp(max(s[j] for j in positives))
    if kind == CLASS_MEAN:
        return sum(math.exp(s[j]) for j in positives) / (count if form.compat else len(positives))
    mean_D = sum(z_ND[j] for j in positives) / len(positives)
    return math.exp(float(z_ND[i] @ mean_D) / float(mean_D.norm()) / form.temperature)


def negative_of(z_ND, i, labels, beta, form):
    """neg_i, one pair at a time."""
    s = [float(z_ND[i] @ z_ND[j]) / form.temperature for j in range(len(z_ND)) if labels[j] == 1 - labels[i]]
    if not form.normalise_negatives:
        return sum(math.exp(beta * value) for value in s)
    weights = [math.exp((beta - 1) * value) for value in s]
    return sum(w * math.exp(v) / (sum(weights) / len(s)) for w, v in zip(weights, s, strict=True))


def literal(vectors_NAD, label_NA, kind_NA, exponent_NA, form, weight_A=None):
    """The equation of the module, in float64."""
    per_au = []
    for k in range(vectors_NAD.shape[1]):
        z_ND, labels = vectors_NAD[:, k], label_NA[:, k].tolist()
        anchors = [
            math.log(
                1
                + negative_of(z_ND, i, labels, float(exponent_NA[i, k]), form)
                / positive_of(z_ND, i, labels, int(kind_NA[i, k]), form)
            )
            for i in range(len(z_ND))
            if labels[i] in (0, 1)
        ]
        if anchors:
            weight = 1 if weight_A is None else float(weight_A[k])
            per_au.append(weight * sum(anchors) / len(anchors))
    return sum(per_au) / len(per_au)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", FORMS)
def test_equals_the_equation(seed, name):
    form, inputs = FORMS[name], batch(seed)
    assert float(au_contrast_loss(*inputs, form)) == pytest.approx(literal(*inputs, form), rel=1e-12)
    single = (inputs[0].float(), *inputs[1:])
    assert float(au_contrast_loss(*single, form)) == pytest.approx(literal(*inputs, form), rel=1e-5)


@pytest.mark.parametrize("name", FORMS)
def test_gradients_are_those_of_the_differences(name):
    form, (vectors_NAD, *rest) = FORMS[name], batch(5, images=3, aus=2, dim=3)
    vectors_NAD.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: au_contrast_loss(v, *rest, form), (vectors_NAD,))


def test_released_most_similar_positive_is_a_constant_that_attracts_nothing():
    """Finding 1: each vector is most similar to itself, exp(1 / tau) = e^2; ours finds another."""
    vectors_NAD, label_NA, kind_NA, exponent_NA = batch(1, missing=False)
    hardest = torch.full_like(kind_NA, MOST_SIMILAR)
    released = au_contrast_loss(vectors_NAD, label_NA, hardest, exponent_NA, RELEASED)
    score_ANN = torch.einsum("iad,jad->aij", vectors_NAD, vectors_NAD) / TAU
    different_ANN = label_NA.T.unsqueeze(2) != label_NA.T.unsqueeze(1)
    negative_AN = ((exponent_NA.T.unsqueeze(2) * score_ANN).exp() * different_ANN).sum(dim=2)
    torch.testing.assert_close(released, torch.log1p(negative_AN / math.e**2).mean())

    # Of an anchor whose negatives are at right angles, only the positive can turn the vector: its part of
    # the gradient along the direction to the other positive.
    vectors_NAD = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0.6, 0.8, 0], [0, 0, 1]]).unsqueeze(1)
    label_NA, ones = torch.tensor([[1], [0], [1], [0]]), torch.ones(4, 1)
    kind_NA = torch.full_like(label_NA, MOST_SIMILAR)
    turn = {}
    for form in (RELEASED, ContrastForm()):
        leaf = vectors_NAD.clone().requires_grad_()
        au_contrast_loss(F.normalize(leaf, dim=2), label_NA, kind_NA, ones, form).backward()
        turn[form.compat] = float(leaf.grad[0, 0, 1])
    assert abs(turn[True]) < 1e-6
    assert turn[False] < -0.01


def test_released_class_mean_is_ours_times_the_share_of_the_class():
    """Finding 2: at a rate of 1/16 and equal positives, the released mean is 1/16 of the true one."""
    count, rare = 64, 4
    label_NA = torch.zeros(count, 1, dtype=torch.long)
    label_NA[:2] = label_NA[32:34] = 1
    vectors_NAD = F.one_hot(label_NA, 2).double()
    kind_NA, ones = torch.full_like(label_NA, CLASS_MEAN), torch.ones(count, 1)
    # All positives are at similarity 1 and all negatives at 0, whose exponential is 1.
    for form, share in ((RELEASED, (rare / count, 1 - rare / count)), (ContrastForm(), (1, 1))):
        found = float(au_contrast_loss(vectors_NAD, label_NA, kind_NA, ones, form))
        of_rare = math.log(1 + (count - rare) / (share[0] * math.e**2))
        of_common = math.log(1 + rare / (share[1] * math.e**2))
        assert found == pytest.approx((rare * of_rare + (count - rare) * of_common) / count)


def test_an_exponent_changes_the_scale_of_the_released_negatives_and_not_of_ours_with_mean_1_weights():
    """Finding 5: at equal similarities no negative is harder than another, so weights should do nothing."""
    label_NA = torch.tensor([[1], [0], [0], [1], [0], [0]])
    vectors_NAD = torch.where(label_NA.unsqueeze(2) == 1, torch.tensor([1.0, 0]), torch.tensor([0.6, 0.8]))
    kind_NA = torch.full_like(label_NA, OWN_VIEW)
    losses = {
        (normalise, beta): float(
            au_contrast_loss(
                vectors_NAD,
                label_NA,
                kind_NA,
                torch.full((6, 1), beta),
                ContrastForm(normalise_negatives=normalise),
            )
        )
        for normalise in (False, True)
        for beta in (0.8, 1.0, 1.2)
    }
    assert losses[True, 0.8] == pytest.approx(losses[True, 1.0], rel=1e-6)
    assert losses[True, 1.2] == pytest.approx(losses[True, 1.0], rel=1e-6)
    assert losses[False, 0.8] < losses[False, 1.0] - 0.05 < losses[False, 1.2] - 0.1
    # With unequal ones the harder negative weighs more than in a plain sum, also with mean-1 weights.
    vectors_NAD = torch.tensor([[1.0, 0], [0, 1], [0.8, 0.6]] * 2).unsqueeze(1)
    plain, hard = (
        au_contrast_loss(
            vectors_NAD,
            label_NA,
            kind_NA,
            torch.full((6, 1), beta),
            ContrastForm(normalise_negatives=True),
        )
        for beta in (1.0, 1.5)
    )
    assert hard > plain + 0.01


def test_weights_of_aus_are_factors_of_their_means():
    """Finding 6: loaded and not used in the release; here they count when they are given."""
    inputs, weight_A = batch(6), torch.tensor([0.3, 0.9, 1.8])
    form = ContrastForm()
    loss = float(au_contrast_loss(*inputs, form, weight_A))
    assert loss == pytest.approx(literal(*inputs, form, weight_A), rel=1e-6)
    assert loss != pytest.approx(float(au_contrast_loss(*inputs)), rel=1e-3)


def test_without_its_own_view_an_anchor_looks_for_other_images():
    """Finding 1, second half: a copy is the most similar positive, until the own view is left out."""
    inputs = batch(7, missing=False)
    half = len(inputs[0]) // 2
    copies_NAD = torch.cat([inputs[0][:half]] * 2)
    hardest = torch.full_like(inputs[2], MOST_SIMILAR)
    own = au_contrast_loss(copies_NAD, inputs[1], torch.full_like(hardest, OWN_VIEW), inputs[3])
    form = ContrastForm()
    torch.testing.assert_close(own, au_contrast_loss(copies_NAD, inputs[1], hardest, inputs[3], form))
    apart = au_contrast_loss(
        copies_NAD, inputs[1], hardest, inputs[3], replace(form, own_view_in_class=False)
    )
    assert float(apart) > float(own) + 0.1


def test_own_view_without_reweighting_is_nt_xent_against_the_other_class():
    vectors_NAD, label_NA, _, exponent_NA = batch(2)
    own, plain = torch.full_like(label_NA, OWN_VIEW), torch.ones_like(exponent_NA)
    loss = au_contrast_loss(vectors_NAD, label_NA, own, plain)
    torch.testing.assert_close(loss, info_nce_loss(vectors_NAD, label_NA, TAU), rtol=1e-12, atol=0)


@pytest.mark.parametrize("delta", [0.0, 0.2, 0.4])
def test_gradient_ratio_of_rare_and_common_anchors(delta):
    """At equal similarity 0, exp(beta * 0) = 1 for any beta: softmax factors cancel and the betas remain.

    Finding 16: beta(0) was 0.4 in one release, 0.8 in another; the ratio follows whatever is given.
    """
    vectors_NAD = torch.eye(4).unsqueeze(1)
    vectors_NAD[2:] = vectors_NAD[:2]
    label_NA = torch.tensor([[1], [0], [1], [0]])
    only = {}
    for label, beta in ((1, 1 + delta), (0, 1 - delta)):
        score = vectors_NAD.clone().requires_grad_()
        shown = torch.where(label_NA == label, beta, 1e-6)
        loss = au_contrast_loss(score, label_NA, torch.full_like(label_NA, OWN_VIEW), shown)
        only[label] = torch.autograd.grad(loss, score)[0][0, 0, 1]
    assert float(only[1] / only[0]) == pytest.approx((1 + delta) / (1 - delta), rel=1e-3)


@pytest.mark.parametrize("kind", [MOST_SIMILAR, CLASS_MEAN, OWN_VIEW, CENTROID])
@pytest.mark.parametrize("name", FORMS)
def test_no_negatives_give_zero_and_no_nan(kind, name):
    vectors_NAD, label_NA, kind_NA, exponent_NA = batch(3)
    vectors_NAD.requires_grad_()
    ones, kind_NA = torch.ones_like(label_NA), torch.full_like(kind_NA, kind)
    for label in (ones, -ones):
        loss = au_contrast_loss(vectors_NAD, label, kind_NA, exponent_NA, FORMS[name])
        vectors_NAD.grad = None
        loss.backward()
        assert loss.item() == 0
        assert (vectors_NAD.grad == 0).all()


@pytest.mark.parametrize("kind", [MOST_SIMILAR, CLASS_MEAN, CENTROID])
def test_an_anchor_alone_with_its_label_takes_its_own_view(kind):
    vectors_NAD, label_NA, _, exponent_NA = batch(8, missing=False)
    label_NA = torch.zeros_like(label_NA)
    label_NA[[0, 6]] = 1
    form = ContrastForm(own_view_in_class=False)
    kinds = torch.full_like(label_NA, kind)
    own = torch.where(label_NA == 1, OWN_VIEW, kinds)
    vectors_NAD.requires_grad_()
    loss = au_contrast_loss(vectors_NAD, label_NA, kinds, exponent_NA, form)
    torch.testing.assert_close(loss, au_contrast_loss(vectors_NAD, label_NA, own, exponent_NA, form))
    loss.backward()
    assert torch.isfinite(vectors_NAD.grad).all()


@pytest.mark.parametrize("unknown", [-1, 9])
def test_unlabelled_vectors_have_no_influence_and_no_gradient(unknown):
    """Finding 12: BP4D's 9; the release's `y_i = y_j` would make a class of it."""
    vectors_NAD, label_NA, kind_NA, exponent_NA = batch(4)
    label_NA = torch.where(label_NA < 0, unknown, label_NA)
    vectors_NAD.requires_grad_()
    loss = au_contrast_loss(vectors_NAD, label_NA, kind_NA, exponent_NA)
    loss.backward()
    unlabelled_NA = label_NA == unknown
    assert unlabelled_NA.any()
    assert (vectors_NAD.grad[unlabelled_NA] == 0).all()
    assert vectors_NAD.grad.abs().sum() > 0
    moved_NAD = torch.where(unlabelled_NA.unsqueeze(2), vectors_NAD.detach().roll(1, 2), vectors_NAD.detach())
    assert au_contrast_loss(moved_NAD, label_NA, kind_NA, exponent_NA).item() == loss.item()


def test_messages():
    with pytest.raises(ValueError, match="temperature must be above 0, found 0"):
        ContrastForm(temperature=0)
    with pytest.raises(ValueError, match="leave own_view_in_class and normalise_negatives"):
        ContrastForm(compat=True, normalise_negatives=True)
