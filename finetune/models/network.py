"""What serving and scoring know of a finetuned network.

Axes: B clips, T frames, C channels, H W pixels, A values per frame (an AU or an expression each).
"""

from abc import abstractmethod

from torch import Tensor, nn

from pretrain.models.encoder import FrameEncoder


class Network(nn.Module):
    """Takes faces and gives values with units."""

    encoder: FrameEncoder

    @abstractmethod
    def infer(
        self, frames_BTCHW: Tensor, num_frames_B: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Values `(B, T, A)` of frames in 0..1 and the state to give with the next piece of the tracks.

        Values are probabilities or intensities in 0..5; slots after a track's `num_frames_B` mean nothing.
        """
