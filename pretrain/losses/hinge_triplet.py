"""A hinge on triplets of a clip's frames: a variant of CLP's temporal contrast.

    L = mean over r, p, n of  max(0, m - s(q_r, q_p) + s(q_r, q_n)),   |p - r| = 1,  |n - r| >= 2

over all frames of one clip. The anchor, its neighbour and the frame further away are those of the figure of
CLP (https://arxiv.org/abs/2403.03400); the formula is this project's reconstruction. Unlike
`temporal_contrast`, a triplet that keeps the margin m has no gradient, and one that breaks it counts the same
however hard it is. s is the cosine similarity.

Axes: B clips, T frames in time order (R anchors, P positives, N negatives), D features.
"""

import torch
from torch import Tensor


def hinge_triplet(query_BTD: Tensor, margin: float = 0.1) -> Tensor:
    """(B,) loss of each clip's unit vectors; `margin` is in units of cosine similarity.

    Raises:
        ValueError: fewer than 3 frames hold no triplet.
    """
    frames = query_BTD.shape[1]
    if frames < 3:
        raise ValueError(
            f"triplets in time need clips of at least 3 frames, found {frames}; raise num_frames"
        )
    similarity_BRT = query_BTD @ query_BTD.transpose(1, 2)
    index_T = torch.arange(frames, device=query_BTD.device)
    lag_RT = (index_T[:, None] - index_T[None, :]).abs()
    is_triplet_RPN = (lag_RT == 1)[:, :, None] & (lag_RT >= 2)[:, None, :]
    loss_BRPN = (margin - similarity_BRT[:, :, :, None] + similarity_BRT[:, :, None, :]).clamp(min=0)
    return loss_BRPN[:, is_triplet_RPN].mean(dim=1)
