"""Frame encoder, causal GRU and head: intensities of AUs over time.

Axes: B clips, T frames, N = B * T frames, C channels, H W pixels, D encoder features, H features of the GRU
(in `state_BH`), A AUs.
"""

from torch import Tensor, nn

from pretrain.models.encoder import FrameEncoder
from pretrain.models.temporal import CausalGru, FrameContext

MAX_INTENSITY = 5.0


class IntensityRegressor(nn.Module):
    """Frame encoder, causal GRU and a two-layer head (stage 2 of https://arxiv.org/abs/2011.01864).

    The sizes are this project's reconstruction.
    """

    def __init__(self, encoder: FrameEncoder, num_aus: int, hidden: int, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.project = nn.Linear(encoder.dim, hidden)
        self.temporal = CausalGru(hidden, hidden)
        self.head = nn.Sequential(nn.Linear(hidden, width), nn.ReLU(), nn.Linear(width, num_aus))

    def start_from(self, context: FrameContext) -> None:
        """Take the weights of stage 1 for all between encoder and head; sizes must be this model's."""
        self.project.load_state_dict(context.project.state_dict())
        self.temporal.load_state_dict(context.temporal.state_dict())

    def forward(
        self, frames_BTCHW: Tensor, num_frames_B: Tensor | None = None, state_BH: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Unclipped intensities `(B, T, A)` of frames in 0..1, and the GRU's state `(B, H)`."""
        pooled_ND = self.encoder(frames_BTCHW.flatten(0, 1)).pooled_ND
        features_BTH = self.project(pooled_ND).view(*frames_BTCHW.shape[:2], -1)
        context_BTH, state_BH = self.temporal(features_BTH, num_frames_B, state_BH)
        return self.head(context_BTH), state_BH

    def infer(
        self, frames_BTCHW: Tensor, num_frames_B: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Intensities `(B, T, A)` clipped to 0..5 and the state `(B, H)`."""
        values_BTA, state_BH = self.forward(frames_BTCHW, num_frames_B, state)
        return values_BTA.clamp(0.0, MAX_INTENSITY), state_BH
