"""Per-AU contrast of supervised and self-supervised positives: AUNCE (https://arxiv.org/abs/2402.06165).

For AU k and anchor i, with s_ij the cosine of unit vectors, P_i = {j != i : y_j = y_i} and
N_i = {j : y_j != y_i}:

    pos_i = exp(max_{P_i} s_ij / tau)                         `MOST_SIMILAR`
          | 1/|P_i| sum_{P_i} exp(s_ij / tau)                 `CLASS_MEAN`
          | exp(s(z_i, its own other view) / tau)             `OWN_VIEW`
          | exp(s(z_i, normalise(mean_{P_i} z_j)) / tau)      `CENTROID`
    neg_i = sum_{N_i} exp(beta_i s_ij / tau)
    L     = mean_k c_k mean_i log(1 + neg_i / pos_i)

This is the project's corrected form of the released loss (the centroid is of a later description of the
paper, not of the release). `compat=True` gives the released one, which differs in two places:

    P_i holds i itself, so that MOST_SIMILAR is the constant exp(1 / tau) and attracts nothing;
    CLASS_MEAN divides by N, which makes pos_i smaller, and the loss larger, for rarer labels.

A beta other than 1 changes how large neg_i is, not only which negatives count: mean-1 weights, an option of
this project, change the second alone:

    neg_i = sum_{N_i} omega_ij exp(s_ij / tau),   omega_ij = exp((beta_i - 1) s_ij / tau) / mean_{N_i}(same)

Pairs of one label and pairs of two labels are computed in blocks of their own, one AU at a time: nothing is
computed to be masked, and a block stays in the processor's cache.

Axes: N = 2B vectors (all first views, then all second views of the same images), A AUs, D features, G
anchors that share an AU and a label, S of them that take the same kind of positive, M of the other label.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.losses.au_groups import check_vectors, in_float, mean_over_aus, places_with
from pretrain.losses.left_out import LEFT_OUT

MOST_SIMILAR, CLASS_MEAN, OWN_VIEW, CENTROID = 0, 1, 2, 3
NUM_KINDS = 4


@dataclass(frozen=True)
class ContrastForm:
    """Which of the forms above."""

    temperature: float = 0.5
    """tau."""
    compat: bool = False
    """The released form."""
    own_view_in_class: bool = True
    """Whether P_i holds the anchor's own other view. Without it an anchor that is alone with its label takes
    its own view, whatever positive it should take."""
    normalise_negatives: bool = False
    """Mean-1 weights of the negatives."""

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"temperature must be above 0, found {self.temperature}")
        if self.compat and (self.normalise_negatives or not self.own_view_in_class):
            raise ValueError(
                "the released form has the own view among the positives and no normalised negatives; leave "
                "own_view_in_class and normalise_negatives as they are, or set compat=false"
            )


def au_contrast_loss(
    vectors_NAD: Tensor,
    label_NA: Tensor,
    kind_NA: Tensor,
    exponent_NA: Tensor,
    form: ContrastForm | None = None,
    weight_A: Tensor | None = None,
) -> Tensor:
    """Loss of a batch of two views.

    Args:
        vectors_NAD: one unit vector per image and AU; i and i + N/2 are views of the same image.
        label_NA: 1 present, 0 absent. Any other value (-1, or the 9 of BP4D) is not coded: such a vector is
            no anchor and in no pair.
        kind_NA: which positive each anchor takes: MOST_SIMILAR, CLASS_MEAN, OWN_VIEW or CENTROID.
        exponent_NA: beta of each anchor; above 1 repels hard negatives more strongly.
        form: None: the corrected form with its defaults.
        weight_A: c_k; None: 1.

    Returns:
        Scalar in float32 (float64 of such vectors): mean over AUs that have a labelled frame of the mean
        over their anchors. An anchor without negatives gives 0, a batch without labels too.

    Raises:
        ValueError: shapes disagree, N is odd, or the two views of an image have different labels.
    """
    check_vectors(vectors_NAD, label_NA, kinds=kind_NA, exponents=exponent_NA)
    form = form or ContrastForm()
    all_AND, beta_NA = in_float(vectors_NAD).transpose(0, 1).contiguous(), in_float(exponent_NA)
    other_view_N = torch.arange(len(vectors_NAD), device=vectors_NAD.device).roll(len(vectors_NAD) // 2)
    losses = []
    for au, vectors_ND in enumerate(all_AND):
        groups = [places_with(label_NA[:, au], label) for label in (0, 1)]
        scaled_0M, vectors_1M = vectors_ND[groups[0]] / form.temperature, vectors_ND[groups[1]]
        score_01 = scaled_0M @ vectors_1M.T
        losses.append(
            [
                _loss(
                    _log_positive(vectors_ND, group_G, other_view_N, kind_NA[group_G, au], form),
                    beta_NA[group_G, au],
                    score_GM,
                    form,
                )
                for group_G, score_GM in zip(groups, (score_01, score_01.T), strict=True)
                if len(group_G)
            ]
        )
    return mean_over_aus(losses, weight_A, vectors_NAD)


def _loss(log_positive_G: Tensor, beta_G: Tensor, score_GM: Tensor, form: ContrastForm) -> Tensor:
    num_negatives = score_GM.shape[1]
    if not num_negatives:
        return 0 * log_positive_G
    log_negative_G = (beta_G.unsqueeze(1) * score_GM).logsumexp(dim=1)
    if form.normalise_negatives:
        log_sum_of_weights_G = ((beta_G - 1).unsqueeze(1) * score_GM).logsumexp(dim=1)
        log_negative_G = log_negative_G - log_sum_of_weights_G + math.log(num_negatives)
    return F.softplus(log_negative_G - log_positive_G)


def _log_positive(
    vectors_ND: Tensor, group_G: Tensor, other_view_N: Tensor, kind_G: Tensor, form: ContrastForm
) -> Tensor:
    """Logarithm of pos_i of the anchors that share a label `(G,)`, each of the kind it takes."""
    group_GD, own_GD = vectors_ND[group_G], vectors_ND[other_view_N[group_G]]
    log_positive_G = (group_GD * own_GD).sum(dim=1) / form.temperature
    left_out = 0 if form.compat else 1 if form.own_view_in_class else 2
    num_positives = len(group_G) - left_out
    if not num_positives:
        return log_positive_G
    log_count = math.log(len(vectors_ND) if form.compat else num_positives)

    def most_similar(chosen_S: Tensor) -> Tensor:
        return _positive_scores(group_GD, chosen_S, form).amax(dim=1)

    def class_mean(chosen_S: Tensor) -> Tensor:
        return _positive_scores(group_GD, chosen_S, form).logsumexp(dim=1) - log_count

    def centroid(chosen_S: Tensor) -> Tensor:
        sum_SD = group_GD.sum(dim=0).expand(len(chosen_S), -1)
        for apart_GD in (group_GD, own_GD)[:left_out]:
            sum_SD = sum_SD - apart_GD[chosen_S]
        return (F.normalize(sum_SD, dim=1) * group_GD[chosen_S]).sum(dim=1) / form.temperature

    for kind, log_positive in ((MOST_SIMILAR, most_similar), (CLASS_MEAN, class_mean), (CENTROID, centroid)):
        chosen_S = places_with(kind_G, kind)
        if len(chosen_S):
            log_positive_G = log_positive_G.index_put((chosen_S,), log_positive(chosen_S))
    return log_positive_G


def _positive_scores(group_GD: Tensor, chosen_S: Tensor, form: ContrastForm) -> Tensor:
    """s_ij / tau of some anchors of a group with all of it `(S, G)`, LEFT_OUT where j is not in P_i."""
    score_SG = (group_GD[chosen_S] / form.temperature) @ group_GD.T
    rows_S = torch.arange(len(chosen_S), device=score_SG.device)
    if not form.compat:
        score_SG[rows_S, chosen_S] = LEFT_OUT
    if not form.own_view_in_class:
        # Both views of an image have its label, so that the group is their first half and their second.
        score_SG[rows_S, (chosen_S + len(group_GD) // 2) % len(group_GD)] = LEFT_OUT
    return score_SG
