"""What the training loop knows of an objective."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from pretrain.device import DeviceBatch
from pretrain.models.encoder import FrameEncoder
from pretrain.models.exported import Parts
from pretrain.world import World
from shards.batch import ClipSpec
from shards.policies import AnyOrder, Policy
from shards.tracks import TrackSet


class Losses(NamedTuple):
    """A rank's loss, scaled so that the mean over ranks is the loss of the global batch, and what to log.

    `parts` are scalars without gradient whose sum over ranks is the global value.
    """

    total: Tensor
    parts: dict[str, Tensor]


class Objective(Protocol):
    """An objective is a module: its parameters are what the engine trains."""

    clip_spec: ClipSpec
    encoder: FrameEncoder

    def forward(self, batch: DeviceBatch, step: int) -> Losses: ...

    def after_step(self, step: int, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Update what follows the trained weights.

        `weights` are float32 masters with their parameters' names, made one at a time: take all or none.
        """

    def parts(self) -> Parts:
        """What is exported beside the encoder."""

    def companions(self) -> dict[str, nn.Module]:
        """Modules outside the engine (momentum encoder, memory), equal on every rank; checkpointed."""

    def to_device(self, device: torch.device) -> None:
        """Move all parts, also those outside the engine."""


@dataclass(frozen=True)
class FrameContrastConfig:
    """Settings of objectives that contrast single frames, whatever clips they come from."""

    num_frames: int = 1
    """Frames per clip."""
    gap_seconds: tuple[float, float] = (0.16, 0.32)
    dim: int = 128
    tau: float = 0.1

    def __post_init__(self) -> None:
        _ = self.clip_spec  # validates frames and gaps
        if self.tau <= 0 or self.dim < 1:
            raise ValueError(f"a contrast of frames needs tau > 0 and dim >= 1, found {self}")

    @property
    def clip_spec(self) -> ClipSpec:
        """What a clip must hold."""
        return ClipSpec(self.num_frames, self.gap_seconds)

    @property
    def batch_policy(self) -> Policy:
        """How a global batch is composed."""
        return AnyOrder()

    @property
    def trained_frames(self) -> int:
        """Frames of a clip, views counted singly, whose activations backward needs."""
        return 2 * self.num_frames

    def check(self, sets: Sequence[TrackSet], global_batch: int) -> None:
        """Any frames will do."""


class GlobalMean:
    """Means over the valid clips of the global batch, as ranks must scale them.

    The mean over ranks of what this returns, and of its gradient, is that of one process with all clips.
    """

    def __init__(self, valid_B: Tensor, world: World) -> None:
        self._valid_B, self._ranks = valid_B, world.size
        self._clips = world.sum(valid_B.sum()).clamp(min=1)

    def __call__(self, value_B: Tensor) -> Tensor:
        # One quotient, in the values' own precision: a share of 3 / 5 would be rounded to float32.
        kept_B = torch.where(self._valid_B, value_B, torch.zeros_like(value_B))
        return kept_B.sum() * self._ranks / self._clips


def losses(total: Tensor, parts: Mapping[str, Tensor], world: World) -> Losses:
    """`Losses` of means made by `GlobalMean`; `loss/total` is added to the parts."""
    named = {**parts, "loss/total": total}
    return Losses(total, {name: part.detach() / world.size for name, part in named.items()})


def feature_std(vectors: Tensor, world: World) -> Tensor:
    """Standard deviation over the vectors of all ranks, mean over their axis; near 0 they have collapsed."""
    flat_ND = vectors.detach().flatten(0, -2)
    moments = torch.cat([flat_ND.sum(0), flat_ND.square().sum(0), flat_ND.new_tensor([len(flat_ND)])])
    total = world.sum(moments)
    (sum_D, square_D), count = total[:-1].chunk(2), total[-1]
    variance_D = (square_D - sum_D.square() / count) / (count - 1).clamp(min=1)
    return variance_D.clamp(min=0).sqrt().mean()
