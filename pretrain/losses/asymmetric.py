"""Asymmetric loss: Ridnik et al. 2021 (https://arxiv.org/abs/2009.14119), for labels that are mostly absent.

    L   = 1/|C| sum_{(n, a) in C} L+ where the AU is present, else L-
    L+  = -(1 - p)^gamma_pos  log p
    L-  = -(p_m)^gamma_neg  log(1 - p_m),      p_m = max(p - m, 0)

over the coded labels C. Absent AUs that are judged right count less than present ones (gamma_neg >
gamma_pos), and not at all below the margin m. The paper sums over labels; the mean leaves the learning rate
as it is when the number of AUs changes.

Axes: N frames, A AUs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def asymmetric_loss(
    logit_NA: Tensor,
    label_NA: Tensor,
    gamma_pos: float = 0.0,
    gamma_neg: float = 4.0,
    margin: float = 0.05,
) -> Tensor:
    """Loss of a batch; the defaults are the paper's.

    Args:
        logit_NA: of presence.
        label_NA: 1 present, 0 absent, -1 not coded: no influence.
        gamma_pos: how little present AUs count that are judged right already.
        gamma_neg: likewise absent AUs; 0 or at least 1.
        margin: m, probability below which an absent AU counts nothing.

    Returns:
        Scalar in the logits' precision; 0 without a coded label.

    Raises:
        ValueError: gamma_neg between 0 and 1: the power has no finite gradient below the margin.
    """
    if 0 < gamma_neg < 1:
        raise ValueError(
            f"gamma_neg must be 0 or at least 1 to have a gradient at p_m = 0, found {gamma_neg}"
        )
    coded_NA = label_NA >= 0
    present_loss_NA = -((-logit_NA).sigmoid() ** gamma_pos) * F.logsigmoid(logit_NA)
    shifted_NA = (logit_NA.sigmoid() - margin).clamp(min=0)
    # Of float32 p = 1, log(1 - p) without a margin would be -inf.
    absent_NA = torch.log1p(-shifted_NA) if margin > 0 else F.logsigmoid(-logit_NA)
    absent_loss_NA = -(shifted_NA**gamma_neg) * absent_NA
    loss_NA = torch.where(label_NA == 1, present_loss_NA, absent_loss_NA) * coded_NA
    return loss_NA.sum() / coded_NA.sum().clamp(min=1)
