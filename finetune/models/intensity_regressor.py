"""Frame encoder, causal GRU and head: intensities of AUs over time.

Axes: B clips, T frames, N = B * T frames, C channels, H W pixels, D encoder features, H features of the GRU
(in `state_BH`), A AUs, K outputs of an AU.
"""

from torch import Tensor, nn

from finetune.models.network import Network
from pretrain.models.encoder import FrameEncoder
from pretrain.models.temporal import CausalGru, FrameContext

MAX_INTENSITY = 5.0


class IntensityRegressor(Network):
    """Frame encoder, causal GRU and a two-layer head (stage 2 of https://arxiv.org/abs/2011.01864).

    The sizes are this project's reconstruction.
    """

    def __init__(
        self, encoder: FrameEncoder, num_aus: int, hidden: int, width: int, ordinal: bool = False
    ) -> None:
        """Random weights between encoder and outputs.

        Args:
            encoder: of faces.
            num_aus: A.
            hidden: H.
            width: features of the head's inner layer.
            ordinal: an AU's outputs are logits of reaching each of the levels 1 to 5, not its intensity.
        """
        super().__init__()
        self.levels = int(MAX_INTENSITY) if ordinal else 1
        self.encoder = encoder
        self.project = nn.Linear(encoder.dim, hidden)
        self.temporal = CausalGru(hidden, hidden)
        self.head = nn.Sequential(
            nn.Linear(hidden, width), nn.ReLU(), nn.Linear(width, num_aus * self.levels)
        )

    def start_from(self, context: FrameContext) -> None:
        """Take the weights of stage 1 for all between encoder and head; sizes must be this model's."""
        self.project.load_state_dict(context.project.state_dict())
        self.temporal.load_state_dict(context.temporal.state_dict())

    def forward(
        self, frames_BTCHW: Tensor, num_frames_B: Tensor | None = None, state_BH: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Outputs `(B, T, A, K)` of frames in 0..1 (see `intensity`), and the GRU's state `(B, H)`."""
        pooled_ND = self.encoder(frames_BTCHW.flatten(0, 1)).pooled_ND
        features_BTH = self.project(pooled_ND).view(*frames_BTCHW.shape[:2], -1)
        context_BTH, state_BH = self.temporal(features_BTH, num_frames_B, state_BH)
        return self.head(context_BTH).unflatten(2, (-1, self.levels)), state_BH

    def intensity(self, output_BTAK: Tensor) -> Tensor:
        """Unclipped intensities `(B, T, A)`: the output itself, or how many levels are expected."""
        return output_BTAK.squeeze(3) if self.levels == 1 else output_BTAK.sigmoid().sum(dim=3)

    def infer(
        self, frames_BTCHW: Tensor, num_frames_B: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Intensities `(B, T, A)` clipped to 0..5 and the state `(B, H)`."""
        output_BTAK, state_BH = self.forward(frames_BTCHW, num_frames_B, state)
        return self.intensity(output_BTAK).clamp(0.0, MAX_INTENSITY), state_BH
