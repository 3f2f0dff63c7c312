"""Focal loss: Lin et al. 2017 (https://arxiv.org/abs/1708.02002), for many binary labels.

    L = 1/|C| sum_{(n, a) in C} -alpha_t (1 - p_t)^gamma log p_t

over the coded labels C, with p_t = p and alpha_t = alpha where the AU is present, else p_t = 1 - p and
alpha_t = 1 - alpha. The factor lets labels that are right already count little. The paper divides by the
number of assigned anchor boxes; there are none here, so that the mean is over labels.

Axes: N frames, A AUs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def focal_loss(logit_NA: Tensor, label_NA: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Loss of a batch; the defaults are the paper's.

    Args:
        logit_NA: of presence.
        label_NA: 1 present, 0 absent, -1 not coded: no influence.
        gamma: how little the labels count that are right already; 0 is alpha-balanced cross-entropy.
        alpha: weight of a present AU, 1 - alpha of an absent one.

    Returns:
        Scalar in the logits' precision; 0 without a coded label.
    """
    coded_NA, present_NA = label_NA >= 0, label_NA == 1
    of_label_NA = torch.where(present_NA, logit_NA, -logit_NA)
    # 1 - p_t = sigmoid(-logit), without a difference of nearly equal numbers.
    loss_NA = -((-of_label_NA).sigmoid() ** gamma) * F.logsigmoid(of_label_NA)
    weight_NA = torch.where(present_NA, alpha, 1 - alpha) * coded_NA
    return (loss_NA * weight_NA).sum() / coded_NA.sum().clamp(min=1)
