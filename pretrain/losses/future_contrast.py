"""Contrast of predicted with seen futures: InfoNCE (CPC, https://arxiv.org/abs/1807.03748, eq. 4) over time.

This is stage 1 of Sanchez et al. (https://arxiv.org/abs/2011.01864), whose abstract says "contrastive"; that
it predicts the future, and this formula, are this project's reconstruction. For the prediction zhat_btk of
the features z of frame t + k of clip b:

    L_b = mean_{t,k}  -log  e^{s(zhat_btk, z_b,t+k) / tau} / sum_{(n, u) in Omega} e^{s(zhat_btk, z_nu) / tau}

    Omega = the positive (b, t + k)
          + `temporal`: frames u != t + k of the same clip; looks and light cannot tell these apart
          + `clips`: all frames of the other valid clips of all ranks; looks alone may tell these apart

s is the cosine similarity. A frame that may be the same picture as the positive (of a neighbouring clip of
the same track) is no negative.

Axes: B clips of this rank, N clips of all ranks, T frames (U of the candidates), K steps ahead, S = T - k
frames that have one k steps ahead, D features.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Negatives = Literal["both", "temporal", "clips"]
"""Which frames a prediction must not match."""


class Candidates(NamedTuple):
    """The frames among which a prediction must find the right one."""

    all_NUD: Tensor
    """Unit vectors of all ranks."""
    alike_BTNU: Tensor
    """True where frame (b, t) of this rank and frame (n, u) may be one picture, as each is with itself."""
    valid_N: Tensor
    """False for clips whose frames are no negatives."""
    first: int
    """Where this rank's clips stand."""


class FutureContrast(NamedTuple):
    """Means over a clip's predictions, `(B,)` each; large but finite losses for clips that are not valid."""

    loss_B: Tensor
    temporal_top1_B: Tensor
    """Share that match the right frame better than every other of the clip; 1 / T by chance."""
    clips_top1_B: Tensor
    """Share that match it better than every frame of other clips; 1 / ((N - 1) T + 1) by chance."""


def future_contrast(
    predicted_BTKD: Tensor, candidates: Candidates, tau: float = 0.07, negatives: Negatives = "both"
) -> FutureContrast:
    """Loss of each clip of this rank, and both accuracies whatever the negatives are.

    Args:
        predicted_BTKD: unit vectors; `[:, t, k - 1]` predicts frame t + k, ignored from frame T on.
        candidates: frames of all ranks.
        tau: temperature.
        negatives: which frames make Omega.

    Raises:
        ValueError: clips too short for any frame to have one K steps ahead.
    """
    frames, steps_ahead = predicted_BTKD.shape[1:3]
    if frames <= steps_ahead:
        raise ValueError(
            f"predicting {steps_ahead} frames ahead needs clips of more, found {frames}; raise num_frames "
            "or lower steps_ahead"
        )
    parts = [
        _k_ahead(predicted_BTKD[:, : frames - k, k - 1], k, candidates, tau, negatives)
        for k in range(1, steps_ahead + 1)
    ]
    return FutureContrast(*(torch.cat(values, dim=1).mean(dim=1) for values in zip(*parts, strict=True)))


def _k_ahead(
    predicted_BSD: Tensor, k: int, candidates: Candidates, tau: float, negatives: Negatives
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss and both accuracies `(B, S)` of the predictions of one step."""
    all_NUD, alike_BTNU, valid_N, first = candidates
    rows_B = torch.arange(len(predicted_BSD), device=all_NUD.device)
    own_B = first + rows_B
    is_own_B1N1 = (own_B[:, None] == torch.arange(len(all_NUD), device=own_B.device))[:, None, :, None]
    is_far_BSNU = ~alike_BTNU[:, k:]
    in_clip_BSNU = is_own_B1N1 & is_far_BSNU
    elsewhere_BSNU = ~is_own_B1N1 & valid_N[:, None] & is_far_BSNU
    logits_BSNU = torch.einsum("bsd,nud->bsnu", predicted_BSD, all_NUD) / tau
    positive_BS = logits_BSNU[rows_B, :, own_B].diagonal(offset=k, dim1=1, dim2=2)

    kept = {"both": in_clip_BSNU | elsewhere_BSNU, "temporal": in_clip_BSNU, "clips": elsewhere_BSNU}
    negative_BSM = logits_BSNU.masked_fill(~kept[negatives], -torch.inf).flatten(2)
    # The positive stands first, so that a row is never all -inf, whose gradient is not a number.
    loss_BS = torch.cat([positive_BS.unsqueeze(2), negative_BSM], dim=2).logsumexp(dim=2) - positive_BS
    with torch.no_grad():
        temporal_BS, clips_BS = (
            (positive_BS > logits_BSNU.masked_fill(~rival, -torch.inf).amax(dim=(2, 3))).to(loss_BS.dtype)
            for rival in (in_clip_BSNU, elsewhere_BSNU)
        )
    return loss_BS, temporal_BS, clips_BS
