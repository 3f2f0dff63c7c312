"""SimCLR (Chen et al., https://arxiv.org/abs/2002.05709): CLP's rival that knows neither time nor people.

Each frame must find its own other view among both views of all frames of the global batch.

Axes: B clips of this rank, T frames, N = B * T, V = 2 views, D features.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pretrain.augment import AugmentConfig, augment
from pretrain.device import DeviceBatch
from pretrain.losses.nt_xent import nt_xent
from pretrain.models.batch_norm import normalise_globally
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.projected import ProjectedEncoder
from pretrain.objectives.objective import FrameContrastConfig, GlobalMean, Losses, losses
from pretrain.world import World
from shards.plan import Policy


@dataclass(frozen=True)
class SimclrConfig(FrameContrastConfig):
    """With several frames per clip, a frame's neighbours are among its negatives."""


class Simclr(nn.Module):
    """The objective. Its parameters are the trained encoder and head."""

    batch_policy: Policy = "any"

    def __init__(
        self,
        config: SimclrConfig,
        encoder: EncoderConfig,
        augmentation: AugmentConfig,
        world: World,
        steps: int,
        global_batch: int,
    ) -> None:
        super().__init__()
        self.config, self.augmentation, self.world = config, augmentation, world
        self.image_size, self.clip_spec = encoder.image_size, config.clip_spec
        self.student = ProjectedEncoder(encoder, config.dim)
        normalise_globally(self.student, world)

    @property
    def encoder(self) -> FrameEncoder:
        return self.student.encoder

    def companions(self) -> dict[str, nn.Module]:
        return {}

    def to_device(self, device: torch.device) -> None:
        """Move all parts."""
        self.to(device)

    def forward(self, batch: DeviceBatch, step: int) -> Losses:
        """Loss of this rank's frames."""
        seed_B, frames = batch.clips.augment_seed_B, self.config.num_frames
        views = [augment(batch.frames_BTHWC, seed_B, v, self.image_size, self.augmentation) for v in (0, 1)]
        # One pass, so that batch normalisation sees both views together.
        views_BTD = self.student(torch.cat(views))
        local_VND = views_BTD.view(2, -1, self.config.dim)
        all_VMD = self.world.gather_with_gradient(local_VND.transpose(0, 1)).transpose(0, 1)
        valid_M = self.world.gather(batch.valid_B).repeat_interleave(frames)
        first = self.world.rank * local_VND.shape[1]
        loss_N = nt_xent(local_VND, all_VMD, valid_M, first, self.config.tau)
        mean = GlobalMean(batch.valid_B, self.world)
        total = mean(loss_N.view(len(batch), frames).mean(dim=1))
        parts = {"loss/contrast": total, "simclr/feature_std": views_BTD.detach().std(dim=(0, 1)).mean()}
        return losses(total, parts, self.world)

    def after_step(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Nothing follows the weights."""
