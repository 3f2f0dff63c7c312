"""Contrast with a queue of earlier keys: MoCo (He et al. 2020, https://arxiv.org/abs/1911.05722, eq. 1).

    L(i) = -log  e^{s(q_i, k_i) / tau} / ( e^{s(q_i, k_i) / tau} + sum_j e^{s(q_i, m_j) / tau} )

Axes: N frames, K slots of the queue, D features.
"""

import torch
from torch import Tensor


def queue_contrast(
    query_ND: Tensor, key_ND: Tensor, queue_KD: Tensor, filled_K: Tensor, tau: float = 0.1
) -> Tensor:
    """(N,) loss of unit vectors; empty slots are no negatives. Keys and queue get no gradient."""
    positive_N = (query_ND * key_ND.detach()).sum(dim=1) / tau
    negative_NK = (query_ND @ queue_KD.detach().T / tau).masked_fill(~filled_K, -torch.inf)
    everything_NK = torch.cat([positive_N[:, None], negative_NK], dim=1)
    return everything_NK.logsumexp(dim=1) - positive_N
