"""Cumulative logits of intensities over the labelled frames alone: an ordinal head.

An intensity is told by how many of its levels are reached (Frank and Hall, A simple approach to ordinal
classification, ECML 2001); over the chosen frames as in `losses.sparse_regression`:

    L = 1/|Lambda| sum_{(b, t, a) in Lambda} sum_k [ -u log p_k - (1 - u) log(1 - p_k) ],   u = [y_bta >= k]

p_k is the sigmoid of the k-th logit and sum_k p_k the expected intensity. That AU intensities are learned so
is this project's choice.

Axes: B clips, T frames, A AUs, K levels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def sparse_ordinal_loss(logit_BTAK: Tensor, label_BTA: Tensor, chosen_BT: Tensor) -> Tensor:
    """Scalar loss; 0 without a label. Labels are 0..K, -1 where nobody coded the AU."""
    weight_BTA = (label_BTA >= 0) & chosen_BT.unsqueeze(2)
    level_K = torch.arange(1, logit_BTAK.shape[3] + 1, device=label_BTA.device)
    reached_BTAK = (label_BTA.unsqueeze(3) >= level_K).float()
    error_BTAK = F.binary_cross_entropy_with_logits(logit_BTAK.float(), reached_BTAK, reduction="none")
    return error_BTAK.sum(dim=3).masked_fill(~weight_BTA, 0.0).sum() / weight_BTA.sum().clamp(min=1)
