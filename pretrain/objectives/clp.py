"""CLP: person-independent contrastive learning of facial behaviour (https://arxiv.org/abs/2403.03400).

    L = L_temporal + lambda * L_cross_identity

A clip's frames are told apart in time (`losses.temporal_contrast` or a variant of it), and the anchor frames
are rebuilt from other people's frames (`losses.cross_identity`). Keys and memory come from a momentum
encoder. What the paper's figure leaves open is this project's reconstruction; see the loss files.

Axes: B clips of this rank, T clip frames, E extra frames for the memory, D features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pretrain.augment import AugmentConfig, counter_uniform
from pretrain.config import ConfigError
from pretrain.device import DeviceBatch
from pretrain.losses.cross_identity import rebuild, reconstruction_l2, reconstruction_nce
from pretrain.losses.graded_contrast import graded_contrast
from pretrain.losses.hinge_rank import hinge_rank
from pretrain.losses.hinge_triplet import hinge_triplet
from pretrain.losses.temporal_contrast import margin_nce
from pretrain.memory import planned_slots
from pretrain.models.encoder import EncoderConfig
from pretrain.objectives.objective import GlobalMean, Losses, feature_std, losses
from pretrain.objectives.student import MomentumObjective
from pretrain.world import World
from shards.batch import ClipSpec
from shards.policies import DistinctIdentity, Policy
from shards.tracks import TrackSet

QUERY_VIEW, KEY_VIEW, MEMORY_VIEW, ANCHOR_DRAW = 0, 1, 2, 40


@dataclass(frozen=True)
class ClpConfig:
    """Constants of CLP; all of them are this project's choice, as the paper's text was not consulted."""

    num_frames: int = 7
    gap_seconds: tuple[float, float] = (0.16, 0.32)
    extra_frames: int = 2
    dim: int = 128
    tau: float = 0.1
    """Of `margin_nce`, `graded` and the reconstruction `nce`; hinges have none."""
    tau_attention: float = 0.05
    margin: float = 0.1
    """In units of cosine similarity."""
    temporal: Literal["margin_nce", "hinge_rank", "hinge_triplet", "graded"] = "margin_nce"
    """How frames are told apart: the file of that name in `losses` (`temporal_contrast` has `margin_nce`,
    `graded_contrast` has `graded`)."""
    temporal_weight: float = 1.0
    cross_weight: float = 1.0
    """lambda; reached after a ramp over the first `ramp` of the steps, and 0 until the memory is full."""
    ramp: float = 0.1
    reconstruction: Literal["l2", "nce"] = "l2"
    rebuilt_from: Literal["others", "same_person", "own_view"] = "others"
    """`others` is CLP. The rest are controls for whether other people matter: the person's own frames of the
    memory, or no memory at all, where the query itself must match its other view."""
    memory_slots: int | None = None
    """None: `memory.planned_slots` of the planned number of steps."""
    momentum: float | None = None
    """None: `momentum.planned_momentum` of the planned number of steps."""

    def __post_init__(self) -> None:
        if min(self.tau, self.tau_attention) <= 0 or min(self.cross_weight, self.temporal_weight) < 0:
            raise ValueError(f"clp needs tau, tau_attention > 0 and weights >= 0, found {self}")
        _ = self.clip_spec  # validates frames and gaps
        if self.memory_slots is not None and self.memory_slots < 1:
            raise ValueError(f"clp.memory_slots must be at least 1, found {self.memory_slots}")
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise ValueError(f"clp.momentum must lie in [0, 1), found {self.momentum}")
        if self.num_frames < 4:
            raise ValueError(f"clp.num_frames={self.num_frames}: temporal contrast needs at least 4")
        if self.extra_frames < 1 and self.cross_weight > 0:
            raise ValueError("clp needs extra_frames >= 1 to fill its memory, or cross_weight=0")

    @property
    def clip_spec(self) -> ClipSpec:
        """What a clip must hold."""
        return ClipSpec(self.num_frames, self.gap_seconds, self.extra_frames)

    @property
    def batch_policy(self) -> Policy:
        """How a global batch is composed."""
        return DistinctIdentity()

    @property
    def trained_frames(self) -> int:
        """Frames of a clip, views counted singly, whose activations backward needs."""
        return self.num_frames

    def check(self, sets: Sequence[TrackSet], global_batch: int) -> None:
        """Find what keeps these sets from being trained on.

        Raises:
            ConfigError: nobody else is there to rebuild a person's frames from.
        """
        people = sum(tracks.manifest.totals.identities for tracks in sets)
        if people < 2 and self.cross_weight > 0 and self.rebuilt_from == "others":
            raise ConfigError(
                f"{sets[0].url} shows {people} person; cross-identity reconstruction needs at least 2. "
                "Pack more people or set clp.cross_weight=0"
            )


class Clp(MomentumObjective):
    """The objective. Its parameters are the trained encoder and head."""

    def __init__(
        self,
        config: ClpConfig,
        encoder: EncoderConfig,
        augmentation: AugmentConfig,
        world: World,
        steps: int,
        global_batch: int,
    ) -> None:
        slots = config.memory_slots or planned_slots(steps, global_batch * max(1, config.extra_frames))
        super().__init__(
            *(encoder, config.dim, augmentation, world), momentum=config.momentum, steps=steps, slots=slots
        )
        self.config, self.steps, self.clip_spec = config, steps, config.clip_spec

    def forward(self, batch: DeviceBatch, step: int) -> Losses:
        """Loss of this rank's clips at global step `step`."""
        config, frames = self.config, self.config.num_frames
        clip_BTHWC, extra_BEHWC = batch.frames_BTHWC[:, :frames], batch.frames_BTHWC[:, frames:]
        query_BTD = self.student(self.view(clip_BTHWC, batch, QUERY_VIEW))
        if config.extra_frames:
            self.enqueue_after_step(self._teacher(self.view(extra_BEHWC, batch, MEMORY_VIEW)), batch)
        mean = GlobalMean(batch.valid_B, self.world)
        key_BTD = None
        if config.temporal == "graded":
            key_BTD = self._teacher(self.view(clip_BTHWC, batch, KEY_VIEW))
        temporal = mean(self._temporal(query_BTD, key_BTD))
        total = config.temporal_weight * temporal
        parts = {"loss/temporal": temporal, "clp/feature_std": feature_std(query_BTD, self.world)}
        weight = self._cross_weight(step)
        if weight > 0:
            cross_B, watched = self._cross_identity(query_BTD, key_BTD, clip_BTHWC, batch)
            parts["loss/cross_identity"] = mean(cross_B)
            total = total + weight * parts["loss/cross_identity"]
            parts |= {name: mean(value_B) for name, value_B in watched.items()}
        parts["clp/cross_weight"] = torch.full_like(total.detach(), weight)
        parts["clp/both_parts_share"] = torch.full_like(total.detach(), float(weight > 0))
        return losses(total, parts, self.world)

    def _cross_weight(self, step: int) -> float:
        if not self.memory.is_full:
            return 0.0
        return self.config.cross_weight * min(1.0, (step + 1) / max(1.0, self.config.ramp * self.steps))

    def _temporal(self, query_BTD: Tensor, key_BTD: Tensor | None) -> Tensor:
        """Loss of each clip `(B,)`."""
        config = self.config
        if key_BTD is not None:
            return graded_contrast(query_BTD, key_BTD, config.tau, config.margin)
        if config.temporal == "hinge_rank":
            return hinge_rank(query_BTD, config.margin)
        if config.temporal == "hinge_triplet":
            return hinge_triplet(query_BTD, config.margin)
        return margin_nce(query_BTD, config.tau, config.margin)

    def _cross_identity(
        self, query_BTD: Tensor, key_BTD: Tensor | None, clip_BTHWC: Tensor, batch: DeviceBatch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of each clip, and what to watch of its attention; keys where they are known already."""
        config = self.config
        if config.reconstruction == "l2":
            # The figure's single random frame r.
            anchor = counter_uniform(batch.clips.augment_seed_B, ANCHOR_DRAW, 1)[:, 0] * config.num_frames
            rows, anchor_B = torch.arange(len(batch)), torch.from_numpy(anchor).long()
            query_BTD, clip_BTHWC = query_BTD[rows, anchor_B, None], clip_BTHWC[rows, anchor_B, None]
            key_BTD = None if key_BTD is None else key_BTD[rows, anchor_B, None]
        if key_BTD is None:
            key_BTD = self._teacher(self.view(clip_BTHWC, batch, KEY_VIEW))
        rebuilt_BTD, watched = query_BTD, {}
        if config.rebuilt_from != "own_view":
            memory = self.memory.read()
            rebuilt = rebuild(query_BTD, batch.identity_B, *memory, config.tau_attention, config.rebuilt_from)
            rebuilt_BTD = rebuilt.rebuilt_BTD
            watched = {
                "clp/attention_entropy": rebuilt.entropy_B,
                "clp/masked_share": rebuilt.masked_share_B,
            }
        if config.reconstruction == "l2":
            return reconstruction_l2(rebuilt_BTD, key_BTD), watched
        return reconstruction_nce(rebuilt_BTD, key_BTD, config.tau), watched
