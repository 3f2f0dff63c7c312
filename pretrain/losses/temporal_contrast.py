"""Margin-based temporal contrast within a clip: CLP (Li and Shan, https://arxiv.org/abs/2403.03400).

The paper's figure fixes the structure (an anchor frame, its neighbour as positive, frames further away as
negatives, all of one clip); the formula, margin and temperature are this project's reconstruction:

    L(r, p) = -log  e^{(s_rp - m)/tau} / ( e^{(s_rp - m)/tau} + sum_{|n - r| >= 2} e^{s_rn/tau} )

averaged over all anchors r and their neighbours p = r - 1, r + 1. s is the cosine similarity, m = 0.1 and
tau = 0.1 by default. Only frames of one clip are compared, so identity, background and light cannot solve it.

Axes: B clips, T frames in time order, D features.
"""

import torch
from torch import Tensor


def margin_nce(query_BTD: Tensor, tau: float = 0.1, margin: float = 0.1) -> Tensor:
    """Loss of each clip.

    Args:
        query_BTD: unit vectors of a clip's frames.
        tau: temperature.
        margin: by how much the neighbour must be more similar than frames further away.

    Returns:
        (B,) float32.

    Raises:
        ValueError: fewer than 4 frames leave an anchor without a negative.
    """
    frames = query_BTD.shape[1]
    if frames < 4:
        raise ValueError(
            f"temporal contrast needs clips of at least 4 frames, found {frames}; raise num_frames"
        )
    logits_BTT = query_BTD @ query_BTD.transpose(1, 2) / tau
    index_T = torch.arange(frames, device=query_BTD.device)
    lag_TT = (index_T[:, None] - index_T[None, :]).abs()
    negatives_BT = logits_BTT.masked_fill(lag_TT < 2, -torch.inf).logsumexp(dim=2)
    positive_BTT = logits_BTT - margin / tau
    loss_BTT = torch.logaddexp(positive_BTT, negatives_BT.unsqueeze(2)) - positive_BTT
    return loss_BTT[:, lag_TT == 1].mean(dim=1)
