"""MoCo (He et al., https://arxiv.org/abs/1911.05722): CLP's rival with a queue but without time or people.

Each frame must find its momentum key among the keys of earlier frames.

Axes: B clips of this rank, T frames, D features.
"""

from dataclasses import dataclass

from pretrain.augment import AugmentConfig
from pretrain.device import DeviceBatch
from pretrain.losses.queue_contrast import queue_contrast
from pretrain.memory import EMPTY
from pretrain.models.encoder import EncoderConfig
from pretrain.objectives.objective import FrameContrastConfig, GlobalMean, Losses, feature_std, losses
from pretrain.objectives.student import MomentumObjective
from pretrain.world import World

QUERY_VIEW, KEY_VIEW = 0, 1


@dataclass(frozen=True)
class MocoConfig(FrameContrastConfig):
    queue_slots: int = 4096
    momentum: float | None = None
    """None: `momentum.planned_momentum` of the planned number of steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.queue_slots < 1:
            raise ValueError(f"moco.queue_slots must be at least 1, found {self.queue_slots}")
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise ValueError(f"moco.momentum must lie in [0, 1), found {self.momentum}")

    @property
    def trained_frames(self) -> int:
        """Frames of a clip, views counted singly, whose activations backward needs."""
        return self.num_frames


class Moco(MomentumObjective):
    """The objective. Its parameters are the trained encoder and head."""

    def __init__(
        self,
        config: MocoConfig,
        encoder: EncoderConfig,
        augmentation: AugmentConfig,
        world: World,
        steps: int,
        global_batch: int,
    ) -> None:
        super().__init__(
            *(encoder, config.dim, augmentation, world),
            momentum=config.momentum,
            steps=steps,
            slots=config.queue_slots,
        )
        self.config, self.clip_spec = config, config.clip_spec

    def forward(self, batch: DeviceBatch, step: int) -> Losses:
        """Loss of this rank's frames; 0 until the first keys are in the queue."""
        query_BTD = self.student(self.view(batch.frames_BTHWC, batch, QUERY_VIEW))
        key_BTD = self._teacher(self.view(batch.frames_BTHWC, batch, KEY_VIEW))
        self.enqueue_after_step(key_BTD, batch)
        vectors_KD, identity_K = self.memory.read()
        loss_N = queue_contrast(
            query_BTD.flatten(0, 1), key_BTD.flatten(0, 1), vectors_KD, identity_K != EMPTY, self.config.tau
        )
        loss_B = loss_N.view(len(batch), self.config.num_frames).mean(dim=1)
        total = GlobalMean(batch.valid_B, self.world)(loss_B)
        parts = {"loss/contrast": total, "moco/feature_std": feature_std(query_BTD, self.world)}
        return losses(total, parts, self.world)
