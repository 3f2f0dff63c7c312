"""MoCo (He et al., https://arxiv.org/abs/1911.05722): CLP's rival with a queue but without time or people.

Each frame must find its momentum key among the keys of earlier frames.

Axes: B clips of this rank, T frames, D features.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pretrain.augment import AugmentConfig, augment
from pretrain.device import DeviceBatch
from pretrain.losses.queue_contrast import queue_contrast
from pretrain.memory import EMPTY, Memory
from pretrain.models.batch_norm import normalise_globally
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.projected import ProjectedEncoder
from pretrain.momentum import MomentumEncoder, planned_momentum
from pretrain.objectives.objective import FrameContrastConfig, GlobalMean, Losses, losses
from pretrain.world import World
from shards.plan import Policy

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


class Moco(nn.Module):
    """The objective. Its parameters are the trained encoder and head."""

    batch_policy: Policy = "any"

    def __init__(
        self,
        config: MocoConfig,
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
        momentum = planned_momentum(steps) if config.momentum is None else config.momentum
        self._teacher = MomentumEncoder(self.student, momentum)
        self._queue = (Memory(config.queue_slots, config.dim),)  # none of the trained modules
        self._enqueue: tuple[Tensor, Tensor] | None = None

    @property
    def encoder(self) -> FrameEncoder:
        return self.student.encoder

    @property
    def queue(self) -> Memory:
        return self._queue[0]

    def companions(self) -> dict[str, nn.Module]:
        return {"momentum": self._teacher.module, "memory": self.queue}

    def to_device(self, device: torch.device) -> None:
        """Move all parts, also those outside the engine."""
        self.to(device)
        for module in self.companions().values():
            module.to(device)

    def forward(self, batch: DeviceBatch, step: int) -> Losses:
        """Loss of this rank's frames; chance until the first keys are in the queue."""
        frames = self.config.num_frames
        query_BTD = self.student(self._view(batch, QUERY_VIEW))
        key_BTD = self._teacher(self._view(batch, KEY_VIEW))
        keys, identity, valid = (
            self.world.gather(value) for value in (key_BTD, batch.identity_B, batch.valid_B)
        )
        self._enqueue = keys[valid].flatten(0, 1), identity[valid].repeat_interleave(frames)
        vectors_KD, identity_K = self.queue.read()
        loss_N = queue_contrast(
            query_BTD.flatten(0, 1), key_BTD.flatten(0, 1), vectors_KD, identity_K != EMPTY, self.config.tau
        )
        total = GlobalMean(batch.valid_B, self.world)(loss_N.view(len(batch), frames).mean(dim=1))
        parts = {"loss/contrast": total, "moco/feature_std": query_BTD.detach().std(dim=(0, 1)).mean()}
        return losses(total, parts, self.world)

    def after_step(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Move the momentum encoder towards the trained weights, then enqueue the step's keys."""
        self._teacher.follow(weights)
        if self._enqueue is not None:
            self.queue.enqueue(*self._enqueue)
            self._enqueue = None

    def _view(self, batch: DeviceBatch, view: int) -> Tensor:
        seed_B = batch.clips.augment_seed_B
        return augment(batch.frames_BTHWC, seed_B, view, self.image_size, self.augmentation)
