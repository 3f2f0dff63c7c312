"""Contrast of images and texts: CLEF's L_IA (https://arxiv.org/abs/2304.00058).

The figure says that images and the texts of their activities are contrasted; the formula is this project's
reconstruction, CLIP's two directions (https://arxiv.org/abs/2103.00020) where many images have one text:

    to text   A(i) = -log  e^{g s(z_i, t_i)} / sum_c e^{g s(z_i, t_c)}           c: texts of the global batch
    to image  B(i) = -log  e^{g s(t_i, z_i)} / sum_j e^{g s(t_i, z_j)}           j: images of the global batch

    L = mean_i A(i) + mean_c mean_{i of text c} B(i)

t_i is the text of image i and g the scale of the logits, which is learned.

Axes: N images of this rank, M images of all ranks, C texts, D features.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pretrain.losses.left_out import LEFT_OUT


class ImageText(NamedTuple):
    """Each has the shape (N,); its mean over the valid images of the global batch is the batch's value."""

    loss_N: Tensor
    correct_N: Tensor
    """1 where the image is most similar to its own text among those of the batch, else 0."""


def image_text(
    local_ND: Tensor,
    all_MD: Tensor,
    texts_CD: Tensor,
    text_M: Tensor,
    valid_M: Tensor,
    first: int,
    scale: Tensor,
) -> ImageText:
    """Loss of each image of this rank, in both directions.

    Args:
        local_ND: unit vectors of this rank's images.
        all_MD: those of all ranks, this rank's from image `first` on.
        texts_CD: unit vectors of all texts, equal on every rank. Texts that no valid image of the global
            batch has are left out.
        text_M: each image's text, as a row of `texts_CD`.
        valid_M: False for images that do not count.
        first: where this rank's images stand.
        scale: g, a scalar.

    Returns:
        What they say of an image that is not valid means nothing.
    """
    text_N = text_M[first : first + len(local_ND), None]
    count_C = torch.zeros(len(texts_CD), dtype=torch.int64, device=text_M.device)
    count_C.index_add_(0, text_M, valid_M.long())
    logits_NC = (scale * local_ND @ texts_CD.T).masked_fill(count_C == 0, LEFT_OUT)
    to_text_N = logits_NC.logsumexp(dim=1) - logits_NC.gather(1, text_N)[:, 0]
    logits_CM = (scale * texts_CD @ all_MD.T).masked_fill(~valid_M, LEFT_OUT)
    own_N = (scale * local_ND * texts_CD[text_N[:, 0]]).sum(dim=1)
    to_image_N = logits_CM.logsumexp(dim=1)[text_N[:, 0]] - own_N
    # A text counts as much as any other, however many images have it.
    present = (count_C > 0).sum().clamp(min=1)
    weight_C = valid_M.sum().to(local_ND.dtype) / (present * count_C.clamp(min=1))
    correct_N = (logits_NC.argmax(dim=1) == text_N[:, 0]).to(local_ND.dtype)
    return ImageText(to_text_N + weight_C[text_N[:, 0]] * to_image_N, correct_N)
