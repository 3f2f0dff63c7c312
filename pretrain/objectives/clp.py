"""CLP: person-independent contrastive learning of facial behaviour (https://arxiv.org/abs/2403.03400).

    L = L_temporal + lambda * L_cross_identity

A clip's frames are told apart in time (`losses.temporal_contrast`), and the anchor frames are rebuilt from
other people's frames (`losses.cross_identity`). Keys and memory come from a momentum encoder. What the
paper's figure leaves open is this project's reconstruction; see the two loss files.

Axes: B clips of this rank, T clip frames, E extra frames for the memory, D features.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrain.augment import AugmentConfig, augment, counter_uniform
from pretrain.device import DeviceBatch
from pretrain.losses.cross_identity import rebuild, reconstruction_l2, reconstruction_nce
from pretrain.losses.temporal_contrast import margin_nce
from pretrain.memory import Memory, planned_momentum, planned_slots
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.objectives.objective import Losses
from pretrain.world import World
from shards.batch import ClipSpec
from shards.plan import Policy

QUERY_VIEW, KEY_VIEW, MEMORY_VIEW, ANCHOR_DRAW = 0, 1, 2, 40


@dataclass(frozen=True)
class ClpConfig:
    """Constants of CLP; all of them are this project's choice, as the paper's text was not consulted."""

    num_frames: int = 7
    gap_seconds: tuple[float, float] = (0.16, 0.32)
    extra_frames: int = 2
    dim: int = 128
    tau: float = 0.1
    tau_attention: float = 0.05
    margin: float = 0.1
    cross_weight: float = 1.0
    """lambda; reached after a ramp over the first `ramp` of the steps, and 0 until the memory is full."""
    ramp: float = 0.1
    reconstruction: Literal["l2", "nce"] = "l2"
    memory_slots: int | None = None
    """None: `memory.planned_slots` of the planned number of steps."""
    momentum: float | None = None
    """None: `memory.planned_momentum` of the planned number of steps."""

    def __post_init__(self) -> None:
        if min(self.tau, self.tau_attention, self.cross_weight + 1e-9) <= 0:
            raise ValueError(f"clp needs tau, tau_attention > 0 and cross_weight >= 0, found {self}")
        _ = self.clip_spec  # validates frames and gaps
        if self.memory_slots is not None and self.memory_slots < 1:
            raise ValueError(f"objective.memory_slots must be at least 1, found {self.memory_slots}")
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise ValueError(f"objective.momentum must lie in [0, 1), found {self.momentum}")
        if self.num_frames < 4:
            raise ValueError(f"objective.num_frames={self.num_frames}: temporal contrast needs at least 4")
        if self.extra_frames < 1 and self.cross_weight > 0:
            raise ValueError("clp needs extra_frames >= 1 to fill its memory, or cross_weight=0")

    @property
    def clip_spec(self) -> ClipSpec:
        """What a clip must hold."""
        return ClipSpec(self.num_frames, self.gap_seconds, self.extra_frames)


class ProjectedEncoder(nn.Module):
    """Frame encoder and projection head: frames to unit vectors."""

    def __init__(self, encoder: EncoderConfig, dim: int) -> None:
        super().__init__()
        self.encoder = FrameEncoder(encoder)
        width = self.encoder.dim
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, dim)
        )

    def forward(self, frames_BTCHW: Tensor) -> Tensor:
        frames_NCHW = frames_BTCHW.flatten(0, 1).to(self.encoder.dtype)
        vectors_ND: Tensor = self.head(self.encoder(frames_NCHW).pooled_ND)
        # Similarities need at least float32, whatever the weights are.
        vectors_ND = vectors_ND.to(torch.promote_types(vectors_ND.dtype, torch.float32))
        return F.normalize(vectors_ND.view(*frames_BTCHW.shape[:2], -1), dim=2)


class _Frozen:
    """Keeps a module out of its owner's parameters, so that the engine neither trains nor shards it."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.requires_grad_(False).eval()


class Clp(nn.Module):
    """The objective. Its parameters are the trained encoder and head."""

    batch_policy: Policy = "distinct_identity"

    def __init__(
        self,
        config: ClpConfig,
        encoder: EncoderConfig,
        augmentation: AugmentConfig,
        world: World,
        steps: int,
        global_batch: int,
    ) -> None:
        super().__init__()
        self.config, self.augmentation, self.world, self.steps = config, augmentation, world, steps
        self.image_size = encoder.image_size
        self.clip_spec = config.clip_spec
        self.student = ProjectedEncoder(encoder, config.dim)
        self._teacher = _Frozen(deepcopy(self.student))
        slots = config.memory_slots or planned_slots(steps, global_batch * config.extra_frames)
        self._memory = _Frozen(Memory(slots, config.dim))
        self.momentum = planned_momentum(steps) if config.momentum is None else config.momentum
        self._enqueue: tuple[Tensor, Tensor] | None = None

    @property
    def encoder(self) -> FrameEncoder:
        return self.student.encoder

    @property
    def memory(self) -> Memory:
        module = self._memory.module
        assert isinstance(module, Memory)
        return module

    def companions(self) -> dict[str, nn.Module]:
        return {"momentum": self._teacher.module, "memory": self.memory}

    def to_device(self, device: torch.device) -> None:
        """Move all parts, also those outside the engine."""
        self.to(device)
        for module in self.companions().values():
            module.to(device)

    def forward(self, batch: DeviceBatch, step: int) -> Losses:
        """Loss of this rank's clips at global step `step`."""
        config, frames = self.config, self.config.num_frames
        clip_BTHWC, extra_BEHWC = batch.frames_BTHWC[:, :frames], batch.frames_BTHWC[:, frames:]
        query_BTD = self.student(self._view(clip_BTHWC, batch, QUERY_VIEW))
        temporal_B = margin_nce(query_BTD, config.tau, config.margin)
        self._enqueue = self._gathered(extra_BEHWC, batch)
        share = self.world.size / self.world.sum(batch.valid_B.sum()).clamp(min=1)

        def mean(value_B: Tensor) -> Tensor:
            # The mean over ranks of this is the mean over the valid clips of the global batch.
            return torch.where(batch.valid_B, value_B, torch.zeros_like(value_B)).sum() * share

        total = mean(temporal_B)
        parts = {"loss/temporal": total, "clp/feature_std": query_BTD.detach().std(dim=(0, 1)).mean()}
        weight = self._cross_weight(step)
        if weight > 0:
            cross_B, entropy_B, masked_B = self._cross_identity(query_BTD, clip_BTHWC, batch)
            total = total + weight * mean(cross_B)
            parts |= {
                "loss/cross_identity": mean(cross_B),
                "clp/attention_entropy": mean(entropy_B),
                "clp/masked_share": mean(masked_B),
            }
        parts["loss/total"] = total
        parts["clp/cross_weight"] = torch.full_like(total.detach(), weight)
        return Losses(total, {name: part.detach() / self.world.size for name, part in parts.items()})

    def after_step(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Move the momentum encoder towards the trained weights, then enqueue the step's extra frames."""
        with torch.no_grad():
            for name, parameter in self._teacher.module.named_parameters():
                parameter.lerp_(weights[f"student.{name}"].to(parameter.dtype), 1 - self.momentum)
        if self._enqueue is not None:
            self.memory.enqueue(*self._enqueue)
            self._enqueue = None

    def _view(self, frames_BTHWC: Tensor, batch: DeviceBatch, view: int) -> Tensor:
        return augment(frames_BTHWC, batch.clips.augment_seed_B, view, self.image_size, self.augmentation)

    def _cross_weight(self, step: int) -> float:
        if not self.memory.is_full:
            return 0.0
        return self.config.cross_weight * min(1.0, (step + 1) / max(1.0, self.config.ramp * self.steps))

    def _cross_identity(
        self, query_BTD: Tensor, clip_BTHWC: Tensor, batch: DeviceBatch
    ) -> tuple[Tensor, Tensor, Tensor]:
        config = self.config
        if config.reconstruction == "l2":
            # The figure's single random frame r.
            anchor = counter_uniform(batch.clips.augment_seed_B, ANCHOR_DRAW, 1)[:, 0] * config.num_frames
            rows, anchor_B = torch.arange(len(batch)), torch.from_numpy(anchor).long()
            query_BTD, clip_BTHWC = query_BTD[rows, anchor_B, None], clip_BTHWC[rows, anchor_B, None]
        with torch.no_grad():
            key_BTD = self._teacher.module(self._view(clip_BTHWC, batch, KEY_VIEW))
        rebuilt = rebuild(query_BTD, batch.identity_B, *self.memory.read(), config.tau_attention)
        if config.reconstruction == "l2":
            cross_B = reconstruction_l2(rebuilt.rebuilt_BTD, key_BTD)
        else:
            cross_B = reconstruction_nce(rebuilt.rebuilt_BTD, key_BTD, config.tau)
        return cross_B, rebuilt.entropy_B, rebuilt.masked_share_B

    @torch.no_grad()
    def _gathered(self, extra_BEHWC: Tensor, batch: DeviceBatch) -> tuple[Tensor, Tensor]:
        """All ranks' extra frames as momentum vectors with their people, invalid clips left out."""
        vectors_BED = self._teacher.module(self._view(extra_BEHWC, batch, MEMORY_VIEW))
        vectors = self.world.gather(vectors_BED)
        identity, valid = self.world.gather(batch.identity_B), self.world.gather(batch.valid_B)
        kept = vectors[valid]
        return kept.flatten(0, 1), identity[valid].repeat_interleave(extra_BEHWC.shape[1])
