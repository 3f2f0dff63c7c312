"""Binary cross-entropy with a weight per AU and label.

    L = 1/|C| sum_{(n, a) in C} -w_ya [ y log p_na + (1 - y) log(1 - p_na) ],   p = sigmoid(logit), y = y_na

over the coded labels C. AUNCE's linear stage (https://arxiv.org/abs/2402.06165, as released) has one weight
for both labels of an AU, larger for rarer AUs; there, p is a softmax over two outputs, which is the sigmoid
of their difference, and log p is cut at p = 0.001, which logits do not need.

Axes: N frames, A AUs, 2 labels (absent, present).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def weighted_bce(logit_NA: Tensor, label_NA: Tensor, weight_2A: Tensor) -> Tensor:
    """Loss of a batch.

    Args:
        logit_NA: of presence.
        label_NA: 1 present, 0 absent, -1 not coded: no influence.
        weight_2A: w of absent and of present AUs.

    Returns:
        Scalar in the logits' precision; 0 without a coded label.
    """
    coded_NA = label_NA >= 0
    weight_NA = torch.where(label_NA == 1, weight_2A[1], weight_2A[0]).to(logit_NA.dtype) * coded_NA
    loss_NA = F.binary_cross_entropy_with_logits(
        logit_NA, label_NA.clamp(min=0).to(logit_NA.dtype), weight=weight_NA, reduction="none"
    )
    return loss_NA.sum() / coded_NA.sum().clamp(min=1)
