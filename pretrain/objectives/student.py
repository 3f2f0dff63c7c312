"""What objectives share: a projected encoder that is trained, and a slow copy of it with a memory."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pretrain.augment import AugmentConfig, augment
from pretrain.device import DeviceBatch
from pretrain.memory import Memory
from pretrain.models.batch_norm import normalise_globally
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.exported import Parts
from pretrain.models.projected import ProjectedEncoder
from pretrain.momentum import MomentumEncoder, planned_momentum
from pretrain.world import World


class EncoderObjective(nn.Module):
    """Trains an encoder on augmented views; has neither parts nor companions unless a subclass says so."""

    def __init__(self, image_size: int, augmentation: AugmentConfig, world: World) -> None:
        super().__init__()
        self.augmentation, self.world, self.image_size = augmentation, world, image_size

    def parts(self) -> Parts:
        return Parts()

    def companions(self) -> dict[str, nn.Module]:
        return {}

    def to_device(self, device: torch.device) -> None:
        """Move all parts, also those outside the engine."""
        self.to(device)
        for module in self.companions().values():
            module.to(device)

    def after_step(self, step: int, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Nothing follows the weights."""

    def view(self, frames_BTHWC: Tensor, batch: DeviceBatch, number: int) -> Tensor:
        """An augmented view of frames of the batch's clips; equal numbers give equal views."""
        seed_B = batch.clips.augment_seed_B
        return augment(frames_BTHWC, seed_B, number, self.image_size, self.augmentation)


class StudentObjective(EncoderObjective):
    """Trains `student`, whose batch normalisation is over the global batch."""

    def __init__(self, encoder: EncoderConfig, dim: int, augmentation: AugmentConfig, world: World) -> None:
        super().__init__(encoder.image_size, augmentation, world)
        self.student = ProjectedEncoder(encoder, dim)
        normalise_globally(self.student, world)

    @property
    def encoder(self) -> FrameEncoder:
        return self.student.encoder


class MomentumObjective(StudentObjective):
    """Adds the momentum encoder and a memory of its vectors, both outside the trained modules."""

    def __init__(
        self,
        encoder: EncoderConfig,
        dim: int,
        augmentation: AugmentConfig,
        world: World,
        *,
        momentum: float | None,
        steps: int,
        slots: int,
    ) -> None:
        """`momentum=None` takes `planned_momentum` of the planned number of steps."""
        super().__init__(encoder, dim, augmentation, world)
        momentum = planned_momentum(steps) if momentum is None else momentum
        self._teacher = MomentumEncoder(self.student, momentum)
        self._memory = (Memory(slots, dim),)  # in a tuple, so that it is none of the trained modules
        self._enqueue: list[tuple[Tensor, Tensor]] = []

    @property
    def memory(self) -> Memory:
        return self._memory[0]

    def companions(self) -> dict[str, nn.Module]:
        return {"momentum": self._teacher.module, "memory": self.memory}

    def after_step(self, step: int, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Move the momentum encoder towards the trained weights, then enqueue the step's vectors."""
        self._teacher.follow(weights)
        for vectors_ND, identity_N in self._enqueue:
            self.memory.enqueue(vectors_ND, identity_N)
        self._enqueue = []

    def enqueue_after_step(self, vectors_BTD: Tensor, batch: DeviceBatch) -> None:
        """Note momentum vectors of all ranks with their people, invalid clips left out."""
        world = self.world
        gathered = (world.gather(value) for value in (vectors_BTD, batch.identity_B, batch.valid_B))
        vectors, identity, valid = gathered
        people_N = identity[valid].repeat_interleave(vectors.shape[1])
        self._enqueue.append((vectors[valid].flatten(0, 1), people_N))
