"""Contrast of a frame's own second view with its clip: a variant of CLP's temporal contrast.

    L(r) = -log  e^{s_r / tau} / ( e^{s_r / tau} + sum_{n != r} e^{(s_rn + m |n - r| / (T - 1)) / tau} )

averaged over all frames r of a clip; s_r = s(q_r, k_r) and s_rn = s(q_r, q_n) are cosine similarities. k_r is
the momentum vector of the transformed frame, as in the figure of CLP (https://arxiv.org/abs/2403.03400), and
carries no gradient. No neighbour is a positive here: coherence comes from the margin, which grows with the
distance in time up to m, so that far frames must be less similar than near ones. This project's formula.

Axes: B clips, T frames in time order, D features.
"""

import torch
from torch import Tensor


def graded_contrast(query_BTD: Tensor, key_BTD: Tensor, tau: float = 0.1, margin: float = 0.1) -> Tensor:
    """Loss of each clip.

    Args:
        query_BTD: unit vectors of a clip's frames.
        key_BTD: unit vectors of the same frames' other views.
        tau: temperature.
        margin: by how much more a frame's own view must be similar than the clip's farthest frame.

    Returns:
        (B,), in the vectors' precision.

    Raises:
        ValueError: fewer than 2 frames leave no negative.
    """
    frames = query_BTD.shape[1]
    if frames < 2:
        raise ValueError(
            f"graded contrast needs clips of at least 2 frames, found {frames}; raise num_frames"
        )
    index_T = torch.arange(frames, dtype=query_BTD.dtype, device=query_BTD.device)
    added_TT = margin * (index_T[:, None] - index_T[None, :]).abs() / (frames - 1)
    similarity_BTT = query_BTD @ query_BTD.transpose(1, 2) + added_TT
    positive_BT = (query_BTD * key_BTD.detach()).sum(dim=2)
    # On the diagonal, where a frame would be its own negative, stands its positive.
    logits_BTT = torch.where(index_T[:, None] == index_T, positive_BT.unsqueeze(2), similarity_BTT) / tau
    return (logits_BTT.logsumexp(dim=2) - positive_BT / tau).mean(dim=1)
