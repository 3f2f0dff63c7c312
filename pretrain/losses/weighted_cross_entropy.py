"""Cross-entropy of classes of which one is right, with a weight per class.

    L = sum_n w_{y_n} (-log p_{n, y_n}) / sum_n w_{y_n},   p = softmax(logits), over the labelled frames n

Axes: N frames, K classes.
"""

import torch.nn.functional as F
from torch import Tensor


def weighted_cross_entropy(logit_NK: Tensor, class_N: Tensor, weight_K: Tensor) -> Tensor:
    """Loss of a batch.

    Args:
        logit_NK: of each class.
        class_N: which is right; -1 not labelled: no influence.
        weight_K: w.

    Returns:
        Scalar in the logits' precision; 0 without a labelled frame.
    """
    labelled_N = class_N >= 0
    if not labelled_N.any():
        return 0 * logit_NK.sum()
    return F.cross_entropy(logit_NK[labelled_N], class_N[labelled_N].long(), weight_K.to(logit_NK.dtype))
