"""Normalised temperature-scaled cross-entropy: SimCLR (Chen et al., https://arxiv.org/abs/2002.05709, eq. 1).

    L(i) = -log  e^{s(z_i, z_i') / tau} / sum_{j != i} e^{s(z_i, z_j) / tau}

i' is the other view of the same frame; j runs over both views of all frames of the global batch.

Axes: V = 2 views, N frames of this rank, M frames of all ranks, D features.
"""

import torch
from torch import Tensor


def nt_xent(local_VND: Tensor, all_VMD: Tensor, valid_M: Tensor, first: int, tau: float = 0.1) -> Tensor:
    """Loss of each frame of this rank, mean over its two views as anchors.

    Args:
        local_VND: unit vectors of this rank's frames.
        all_VMD: those of all ranks, this rank's from frame `first` on.
        valid_M: False for frames that are no negatives.
        first: where this rank's frames stand.
        tau: temperature.

    Returns:
        (N,); large but finite for a frame that is not valid itself.
    """
    frames = local_VND.shape[1]
    own_N = torch.arange(first, first + frames, device=local_VND.device)
    logits_VNVM = torch.einsum("vnd,wmd->vnwm", local_VND, all_VMD) / tau
    hidden_VNVM = (~valid_M).expand_as(logits_VNVM).clone()
    rows_N = torch.arange(frames, device=local_VND.device)
    for view in (0, 1):
        hidden_VNVM[view, rows_N, 1 - view, own_N] = False
        hidden_VNVM[view, rows_N, view, own_N] = True
    positive_VN = torch.stack([logits_VNVM[view, rows_N, 1 - view, own_N] for view in (0, 1)])
    all_VN = logits_VNVM.masked_fill(hidden_VNVM, -torch.inf).flatten(2).logsumexp(dim=2)
    return (all_VN - positive_VN).mean(dim=0)
