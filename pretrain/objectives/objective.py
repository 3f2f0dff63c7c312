"""What the training loop knows of an objective."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from pretrain.device import DeviceBatch
from pretrain.models.encoder import FrameEncoder
from shards.batch import ClipSpec
from shards.plan import Policy


class Losses(NamedTuple):
    """A rank's loss, scaled so that the mean over ranks is the loss of the global batch, and what to log.

    `parts` are scalars without gradient whose sum over ranks is the global value.
    """

    total: Tensor
    parts: dict[str, Tensor]


class Objective(Protocol):
    """An objective is a module: its parameters are what the engine trains."""

    clip_spec: ClipSpec
    batch_policy: Policy
    encoder: FrameEncoder

    def forward(self, batch: DeviceBatch, step: int) -> Losses: ...

    def after_step(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Update what follows the trained weights; `weights` are fp32 masters by parameter name."""

    def companions(self) -> dict[str, nn.Module]:
        """Modules outside the engine (momentum encoder, memory), equal on every rank; checkpointed."""
