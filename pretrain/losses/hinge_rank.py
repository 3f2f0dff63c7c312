"""Ranking a clip's frames by distance in time: a variant of CLP's temporal contrast.

A frame must be more similar to each frame than to the next one further away, by a margin:

    L = mean over r, both directions and d >= 1 of  max(0, m - s(q_r, q_{r+d}) + s(q_r, q_{r+d+1}))

with - for + in the other direction, and all frames of one clip. s is the cosine similarity. The formula is
this project's; ranking by time is from a relative of CLP (https://arxiv.org/abs/2403.03400), published as
https://github.com/ihp-lab/temporal-consistency, which ranks squared distances with a margin of 0.03.

Axes: B clips, T frames in time order, D features.
"""

import torch
from torch import Tensor


def hinge_rank(query_BTD: Tensor, margin: float = 0.1) -> Tensor:
    """(B,) loss of each clip's unit vectors; `margin` is in units of cosine similarity.

    Raises:
        ValueError: fewer than 3 frames have nothing to rank.
    """
    frames = query_BTD.shape[1]
    if frames < 3:
        raise ValueError(
            f"ranking by time needs clips of at least 3 frames, found {frames}; raise num_frames"
        )
    similarity_BTT = query_BTD @ query_BTD.transpose(1, 2)
    rises_BTS = similarity_BTT.diff(dim=2)
    anchor_T1 = torch.arange(frames, device=query_BTD.device)[:, None]
    left_S = torch.arange(frames - 1, device=query_BTD.device)
    # To the right the farther frame is the right one of each two; to the left it is the left one.
    rightwards_BM = rises_BTS[:, left_S > anchor_T1]
    leftwards_BM = -rises_BTS[:, left_S + 1 < anchor_T1]
    return (margin + torch.cat([rightwards_BM, leftwards_BM], dim=1)).clamp(min=0).mean(dim=1)
