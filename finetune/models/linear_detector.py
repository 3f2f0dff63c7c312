"""The plain network that others are compared with: an encoder and one linear layer.

Axes: B clips, T frames, N = B * T frames, C channels, H W pixels, A outputs (AUs, or expressions).
"""

from torch import Tensor, nn

from finetune.models.network import Network
from pretrain.models.encoder import FrameEncoder


class LinearDetector(Network):
    """Probabilities of AUs, each for itself, or of expressions, of which a face shows one."""

    def __init__(self, encoder: FrameEncoder, num_outputs: int, exclusive: bool) -> None:
        """A random layer on an encoder's pooled features.

        Args:
            encoder: of faces.
            num_outputs: A.
            exclusive: whether the outputs share one probability (softmax) or each has its own (sigmoid).
        """
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.dim, num_outputs)
        self.exclusive = exclusive

    def logits(self, frames_NCHW: Tensor) -> Tensor:
        """Logits `(N, A)` of frames in 0..1."""
        logit_NA: Tensor = self.head(self.encoder(frames_NCHW).pooled_ND)
        return logit_NA

    def infer(
        self, frames_BTCHW: Tensor, num_frames_B: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Probabilities `(B, T, A)`; frames are judged one by one, so there is no state."""
        logit_NA = self.logits(frames_BTCHW.flatten(0, 1))
        probability_NA = logit_NA.softmax(dim=1) if self.exclusive else logit_NA.sigmoid()
        return probability_NA.view(*frames_BTCHW.shape[:2], -1), None
