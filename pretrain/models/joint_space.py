"""Where images and sentences meet: a projection of each, and the scale of their similarities.

CLEF's two stages share it (https://arxiv.org/abs/2304.00058); that it is CLIP's form
(https://arxiv.org/abs/2103.00020) is this project's reconstruction.

Axes: N images, D encoder features, C sentences, E features of a sentence, J features of the space.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pretrain.models.projected import unit

FIRST_SCALE, MOST_SCALE = 1 / 0.07, 100.0
"""Of the logits between images and texts, as CLIP has them."""


class JointSpace(nn.Module):
    """Unit vectors of images and of sentences, that can be compared."""

    def __init__(self, dim: int, text_dim: int, width: int, text_encoder: str = "") -> None:
        """Random projections.

        Args:
            dim: D.
            text_dim: E.
            width: J.
            text_encoder: what read the sentences (see `models.text.TextEncoder`).
        """
        super().__init__()
        self.sizes: dict[str, Any] = {
            **{"dim": dim, "text_dim": text_dim, "width": width},
            "text_encoder": text_encoder,
        }
        self.image_projection = nn.Linear(dim, width)
        self.text_projection = nn.Linear(text_dim, width)
        # One value along an axis: DeepSpeed cannot send a parameter without axes.
        self.scale_logit = nn.Parameter(torch.logit(torch.tensor([FIRST_SCALE / MOST_SCALE])))

    def images(self, pooled_ND: Tensor) -> Tensor:
        """Unit vectors `(N, J)`; further axes may lead."""
        return unit(self.image_projection(pooled_ND))

    def texts(self, features_CE: Tensor) -> Tensor:
        """Unit vectors `(C, J)`."""
        return unit(self.text_projection(features_CE.to(self.text_projection.weight.dtype)))

    @property
    def scale(self) -> Tensor:
        """What similarities are multiplied by: it nears 100 without being stuck there.

        CLIP clips an exponent after each step instead.
        """
        return MOST_SCALE * self.scale_logit.sigmoid().squeeze()
