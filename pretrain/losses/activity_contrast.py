"""Contrast of images by the activity they were recorded in: CLEF's L_II' (https://arxiv.org/abs/2304.00058).

The paper's figure fixes the pairs: images of one activity, also of different people, belong together, images
of other activities do not, also of the same person. Formula and normalisation are this project's
reconstruction, the supervised contrast of Khosla et al. (https://arxiv.org/abs/2004.11362, eq. 2) with the
activity as the class and both views of each frame as anchors:

    L(i) = -1/|P(i)| sum_{p in P(i)} log  e^{s(z_i, z_p) / tau} / sum_{j != i} e^{s(z_i, z_j) / tau}

P(i) holds both views of all frames with the activity of i, but for i itself.

Axes: V = 2 views, N frames of this rank, M frames of all ranks, D features, I = V * N anchors, J = V * M.
"""

import torch
from torch import Tensor

from pretrain.losses.left_out import LEFT_OUT


def activity_contrast(
    local_VND: Tensor,
    all_VMD: Tensor,
    activity_M: Tensor,
    person_M: Tensor,
    valid_M: Tensor,
    first: int,
    tau: float = 0.1,
    same_person: bool = True,
) -> Tensor:
    """Loss of each frame of this rank, mean over its two views as anchors.

    Args:
        local_VND: unit vectors of this rank's frames.
        all_VMD: those of all ranks, this rank's from frame `first` on.
        activity_M: number of the activity of each frame.
        person_M: number of the person that each frame shows.
        valid_M: False for frames that are in no pair.
        first: where this rank's frames stand.
        tau: temperature.
        same_person: False leaves out all pairs of one person in one activity, a frame's own two views among
            them, so that positives show other people only.

    Returns:
        (N,); 0 for a frame without a positive. What it says of a frame that is not valid means nothing.
    """
    views, frames = local_VND.shape[:2]
    own = slice(first, first + frames)
    logits_IJ = local_VND.flatten(0, 1) @ all_VMD.flatten(0, 1).T / tau
    same_activity_NM = activity_M[own, None] == activity_M
    left_out_NM = (~valid_M).expand_as(same_activity_NM)
    if not same_person:
        left_out_NM = left_out_NM | (same_activity_NM & (person_M[own, None] == person_M))
    left_out_IJ = left_out_NM.repeat(views, views)
    anchor_I = torch.arange(views * frames, device=logits_IJ.device)
    itself_I = anchor_I // frames * len(valid_M) + first + anchor_I % frames
    left_out_IJ[anchor_I, itself_I] = True
    positive_IJ = same_activity_NM.repeat(views, views) & ~left_out_IJ
    all_I = logits_IJ.masked_fill(left_out_IJ, LEFT_OUT).logsumexp(dim=1)
    loss_IJ = torch.where(positive_IJ, all_I[:, None] - logits_IJ, 0.0)
    loss_I = loss_IJ.sum(dim=1) / positive_IJ.sum(dim=1).clamp(min=1)
    return loss_I.view(views, frames).mean(dim=0)
