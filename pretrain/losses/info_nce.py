"""Self-supervised positives against vectors of the other label, per AU: InfoNCE restricted by labels.

For AU k and anchor i, with z_i' the other view of its image and N_i = {j : y_j != y_i}:

    L_i = -log  e^{s(z_i, z_i') / tau} / ( e^{s(z_i, z_i') / tau} + sum_{j in N_i} e^{s_ij / tau} )

the normalised cross-entropy of SimCLR (https://arxiv.org/abs/2002.05709, eq. 1) without the vectors that
share the anchor's label. It is `au_contrast` with own views alone and every beta 1: what is left of AUNCE
without its supervised positives and its weights. An anchor without negatives gives 0.

Axes: N = 2B vectors (all first views, then all second views of the same images), A AUs, D features.
"""

import torch
from torch import Tensor

from pretrain.losses.au_groups import check_vectors, in_float, mean_over_aus, places_with


def info_nce_loss(
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
    all_AND = in_float(vectors_NAD).transpose(0, 1).contiguous()
    own_AN = (all_AND * all_AND.roll(len(vectors_NAD) // 2, dims=1)).sum(dim=2) / temperature
    losses = []
    for au, vectors_ND in enumerate(all_AND):
        absent, present = (places_with(label_NA[:, au], label) for label in (0, 1))
        score_01 = (vectors_ND[absent] / temperature) @ vectors_ND[present].T
        logits = [
            torch.cat([own_AN[au, group_G].unsqueeze(1), score_GM], dim=1)
            for group_G, score_GM in ((absent, score_01), (present, score_01.T))
            if len(group_G)
        ]
        losses.append([logits_GM.logsumexp(dim=1) - logits_GM[:, 0] for logits_GM in logits])
    return mean_over_aus(losses, weight_A, vectors_NAD)
