"""Frame encoder and projection head: what contrastive objectives train."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrain.models.encoder import EncoderConfig, FrameEncoder

MOST_HIDDEN = 512
"""Width of the head. With the encoder's own, a feature of all places would have a head larger than it."""


class ProjectedEncoder(nn.Module):
    """Frames `(B, T, C, H, W)` to unit vectors `(B, T, D)`; the head is dropped after pretraining."""

    def __init__(self, encoder: EncoderConfig, dim: int) -> None:
        super().__init__()
        self.encoder = FrameEncoder(encoder)
        width = min(self.encoder.dim, MOST_HIDDEN)
        self.head = nn.Sequential(
            nn.Linear(self.encoder.dim, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, dim)
        )

    def forward(self, frames_BTCHW: Tensor) -> Tensor:
        frames_NCHW = frames_BTCHW.flatten(0, 1).to(self.encoder.dtype)
        vectors_ND: Tensor = self.head(self.encoder(frames_NCHW).pooled_ND)
        return unit(vectors_ND.view(*frames_BTCHW.shape[:2], -1))


def unit(vectors: Tensor) -> Tensor:
    """Of length 1 along the last axis; similarities need at least float32, whatever the weights are."""
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=-1)
