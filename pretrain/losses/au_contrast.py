"""Per-AU contrast of supervised and self-supervised positives: AUNCE (https://arxiv.org/abs/2402.06165).

For AU k and anchor i, with s_ij the cosine of unit vectors, P_i = {j != i : y_j = y_i} and
N_i = {j : y_j != y_i}:

    pos_i = exp(max_{P_i} s_ij / tau)                  `most_similar`
          | 1/|P_i| sum_{P_i} exp(s_ij / tau)          `class_mean`
          | exp(s(z_i, its own other view) / tau)      `own_view`
    neg_i = sum_{N_i} exp(beta_i s_ij / tau)
    L     = mean_k mean_i log(1 + neg_i / pos_i)

This is the project's corrected form of the released loss. There, `same` holds j = i, so that
`most_similar` is always the constant exp(1 / tau), and the class mean divides by all 2B vectors, which
makes it smaller for rare classes. `include_self` and `divide_by_batch` give that form back.

Axes: N = 2B vectors (all first views, then all second views of the same images), A AUs, D features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_SIMILAR, CLASS_MEAN, OWN_VIEW = 0, 1, 2
LEFT_OUT = -1e9
"""Exponent of a pair that does not count: finite, as log-sum-exp of -inf alone has no gradient."""


def au_contrast_loss(
    vectors_NAD: Tensor,
    label_NA: Tensor,
    kind_NA: Tensor,
    exponent_NA: Tensor,
    *,
    temperature: float = 0.5,
    include_self: bool = False,
    divide_by_batch: bool = False,
) -> Tensor:
    """Loss of a batch of two views.

    Args:
        vectors_NAD: one unit vector per image and AU; i and i + N/2 are views of the same image.
        label_NA: 1 present, 0 absent, -1 not coded. A vector without a label is no anchor and in no pair.
        kind_NA: which positive each anchor takes: MOST_SIMILAR, CLASS_MEAN or OWN_VIEW.
        exponent_NA: beta of each anchor; above 1 repels hard negatives more strongly.
        temperature: tau.
        include_self: count j = i as a positive (the released form).
        divide_by_batch: divide the class mean by N instead of |P_i| (the released form).

    Returns:
        Float32 scalar: mean over AUs that have a labelled frame of the mean over their anchors. An anchor
        without negatives gives 0, a batch without labels too.

    Raises:
        ValueError: shapes disagree or N is odd.
    """
    _check(vectors_NAD, label_NA, kind_NA, exponent_NA)
    num_vectors = len(vectors_NAD)
    vectors_AND = vectors_NAD.float().transpose(0, 1)
    label_AN, kind_AN, beta_AN = label_NA.T, kind_NA.T, exponent_NA.T.float()
    score_ANN = vectors_AND @ vectors_AND.transpose(1, 2) / temperature
    labelled_AN = label_AN >= 0
    both_ANN = labelled_AN.unsqueeze(2) & labelled_AN.unsqueeze(1)
    same_ANN = label_AN.unsqueeze(2) == label_AN.unsqueeze(1)
    positive_ANN = both_ANN & same_ANN
    if not include_self:
        positive_ANN = positive_ANN & ~torch.eye(num_vectors, dtype=torch.bool, device=score_ANN.device)

    count_AN = torch.tensor(num_vectors) if divide_by_batch else positive_ANN.sum(dim=2).clamp(min=1)
    log_positive_AN = _log_positive(score_ANN, positive_ANN, count_AN, kind_AN)
    negative_score_ANN = (beta_AN.unsqueeze(2) * score_ANN).masked_fill(~both_ANN | same_ANN, LEFT_OUT)
    # Without negatives this is softplus(LEFT_OUT) = 0, with a zero gradient.
    loss_AN = F.softplus(negative_score_ANN.logsumexp(dim=2) - log_positive_AN)
    weight_AN = labelled_AN.float()
    loss_A = (loss_AN * weight_AN).sum(dim=1) / weight_AN.sum(dim=1).clamp(min=1)
    coded_A = labelled_AN.any(dim=1).float()
    return (loss_A * coded_A).sum() / coded_A.sum().clamp(min=1)


def _log_positive(score_ANN: Tensor, positive_ANN: Tensor, count_AN: Tensor, kind_AN: Tensor) -> Tensor:
    """Logarithm of pos_i of each anchor `(A, N)`, of the kind it takes."""
    num_vectors = score_ANN.shape[2]
    positive_score_ANN = score_ANN.masked_fill(~positive_ANN, LEFT_OUT)
    own = torch.arange(num_vectors, device=score_ANN.device).roll(num_vectors // 2)
    own_AN = score_ANN.gather(2, own.expand(len(score_ANN), num_vectors).unsqueeze(2)).squeeze(2)
    mean_AN = positive_score_ANN.logsumexp(dim=2) - torch.log(count_AN)
    rest_AN = torch.where(kind_AN == CLASS_MEAN, mean_AN, own_AN)
    return torch.where(kind_AN == MOST_SIMILAR, positive_score_ANN.amax(dim=2), rest_AN)


def _check(vectors_NAD: Tensor, label_NA: Tensor, kind_NA: Tensor, exponent_NA: Tensor) -> None:
    wanted = vectors_NAD.shape[:2]
    found = [tuple(tensor.shape) for tensor in (label_NA, kind_NA, exponent_NA)]
    if vectors_NAD.dim() != 3 or any(shape != tuple(wanted) for shape in found):
        raise ValueError(
            f"vectors of shape (vectors, AUs, features) and labels, kinds and exponents of shape "
            f"(vectors, AUs) wanted, found {tuple(vectors_NAD.shape)} and {found}"
        )
    if len(vectors_NAD) % 2:
        raise ValueError(f"two views of each image wanted, found {len(vectors_NAD)} vectors")
