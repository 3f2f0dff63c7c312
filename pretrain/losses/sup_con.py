"""Supervised contrast per AU: SupCon (Khosla et al., https://arxiv.org/abs/2004.11362), L_out.

For AU k and anchor i, with P_i = {j != i : y_j = y_i}:

    L_i = -1/|P_i| sum_{p in P_i} log  e^{s_ip / tau} / sum_{j != i} e^{s_ij / tau}

averaged over the anchors of an AU, then over AUs. Positives stand outside the logarithm and in the sum below
it; `au_contrast` has them inside, and only negatives and the positive itself below.

The mean of s_ip over a class is s_i with the class's mean vector, which takes one product instead of |P_i|.

Axes: N = 2B vectors (all first views, then all second views of the same images), A AUs, D features, G
labelled vectors of an AU.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.losses.au_groups import check_vectors, in_float, mean_over_aus
from pretrain.losses.left_out import LEFT_OUT


def sup_con_loss(
    vectors_NAD: Tensor, label_NA: Tensor, temperature: float = 0.1, weight_A: Tensor | None = None
) -> Tensor:
    """Loss of a batch of two views.

    Args:
        vectors_NAD: one unit vector per image and AU; i and i + N/2 are views of the same image.
        label_NA: 1 present, 0 absent, any other value not coded: no anchor and in no pair.
        temperature: tau.
        weight_A: factor of each AU; None: 1.

    Returns:
        Scalar in float32 (float64 of such vectors); 0 for a batch without labels.

    Raises:
        ValueError: shapes disagree, N is odd, or the two views of an image have different labels.
    """
    check_vectors(vectors_NAD, label_NA)
    losses: list[list[Tensor]] = []
    for au, vectors_ND in enumerate(in_float(vectors_NAD).transpose(0, 1).contiguous()):
        coded_G = ((label_NA[:, au] == 0) | (label_NA[:, au] == 1)).nonzero().squeeze(1)
        if not len(coded_G):
            losses.append([])
            continue
        vectors_GD, label_G = vectors_ND[coded_G], label_NA[coded_G, au].long()
        score_GG = (vectors_GD / temperature) @ vectors_GD.T
        score_GG.fill_diagonal_(LEFT_OUT)
        of_class_GC = F.one_hot(label_G, 2).to(vectors_GD.dtype)
        others_GD = (of_class_GC.T @ vectors_GD)[label_G] - vectors_GD
        # Both views of an image are in a class, so that none has a single vector.
        num_positives_G = of_class_GC.sum(dim=0)[label_G] - 1
        positive_G = (others_GD * vectors_GD).sum(dim=1) / (temperature * num_positives_G)
        losses.append([torch.logsumexp(score_GG, dim=1) - positive_G])
    return mean_over_aus(losses, weight_A, vectors_NAD)
