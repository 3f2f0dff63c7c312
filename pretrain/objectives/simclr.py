"""SimCLR (Chen et al., https://arxiv.org/abs/2002.05709): CLP's rival that knows neither time nor people.

Each frame must find its own other view among both views of all frames of the global batch.

Axes: B clips of this rank, T frames, N = B * T, V = 2 views, D features.
"""

from dataclasses import dataclass

import torch

from pretrain.augment import AugmentConfig
from pretrain.device import DeviceBatch
from pretrain.losses.nt_xent import nt_xent
from pretrain.models.encoder import EncoderConfig
from pretrain.objectives.objective import FrameContrastConfig, GlobalMean, Losses, feature_std, losses
from pretrain.objectives.student import StudentObjective
from pretrain.world import World


@dataclass(frozen=True)
class SimclrConfig(FrameContrastConfig):
    """With several frames per clip, a frame's neighbours are among its negatives."""


class Simclr(StudentObjective):
    """The objective. Its parameters are the trained encoder and head."""

    def __init__(
        self,
        config: SimclrConfig,
        encoder: EncoderConfig,
        augmentation: AugmentConfig,
        world: World,
        steps: int,
        global_batch: int,
    ) -> None:
        super().__init__(encoder, config.dim, augmentation, world)
        self.config, self.clip_spec = config, config.clip_spec

    def forward(self, batch: DeviceBatch, step: int) -> Losses:
        """Loss of this rank's frames."""
        frames = self.config.num_frames
        views = [self.view(batch.frames_BTHWC, batch, number) for number in (0, 1)]
        # One pass, so that batch normalisation sees both views together.
        views_BTD = self.student(torch.cat(views))
        local_VND = views_BTD.view(2, -1, self.config.dim)
        all_VMD = self.world.gather_with_gradient(local_VND.transpose(0, 1)).transpose(0, 1)
        valid_M = self.world.gather(batch.valid_B).repeat_interleave(frames)
        first = self.world.rank * local_VND.shape[1]
        loss_N = nt_xent(local_VND, all_VMD, valid_M, first, self.config.tau)
        mean = GlobalMean(batch.valid_B, self.world)
        total = mean(loss_N.view(len(batch), frames).mean(dim=1))
        parts = {"loss/contrast": total, "simclr/feature_std": feature_std(views_BTD, self.world)}
        return losses(total, parts, self.world)
