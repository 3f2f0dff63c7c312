"""What serving and scoring know of a finetuned network.

Axes: B clips, T frames, C channels, H W pixels, A values per frame (an AU or an expression each).
"""

from typing import Any, Protocol

from torch import Tensor

from pretrain.models.encoder import FrameEncoder


class Network(Protocol):
    """A torch module that takes faces and gives values with units."""

    encoder: FrameEncoder

    def infer(
        self, frames_BTCHW: Tensor, num_frames_B: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Values `(B, T, A)` of frames in 0..1 and the state to give with the next piece of the tracks.

        Values are probabilities or intensities in 0..5; slots after a track's `num_frames_B` mean nothing.
        """

    def state_dict(self) -> dict[str, Any]:
        """As `torch.nn.Module`."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """As `torch.nn.Module`."""

    def eval(self) -> "Network":
        """As `torch.nn.Module`."""

    def requires_grad_(self, requires_grad: bool = True) -> "Network":
        """As `torch.nn.Module`."""
