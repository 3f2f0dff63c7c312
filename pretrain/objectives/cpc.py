"""Stage 1 of Sanchez et al. (https://arxiv.org/abs/2011.01864): predict a clip's future from its past.

A frame encoder f and a causal GRU g are trained together: from the context c_t of the frames up to t, the
features of the next K must be told from all others (`losses.future_contrast`). Stage 2 starts from both
(`finetune.tasks.intensity`). That the paper's contrast is a prediction as in CPC is recalled, not read;
network, formula and constants are this project's reconstruction.

Each clip is seen in two views, and the future of the one is told apart in the other. An augmentation is one
draw for all frames of a clip: within one view, its colours and its mirroring tell a clip from all others, and
a network that reads no more than them wins against frames of other clips (`candidates="same_view"` is that
control).

Each clip begins with the GRU's zero state, as stage 2's windows do; no state is carried over whole tracks. A
carried state would be made by weights of earlier steps and stop the gradient where a clip begins, so that it
teaches no longer memory; and it would tie each batch to the one before it, so that order, ranks and resuming
were no longer free. T frames, 2.4 s by default, are meant to hold an expression's rise and fall. Clips run
on over the pieces of a track (`shards.runs`), so that packing does not bound T.

Axes: V views, B clips of this rank, N clips of all ranks, T frames, K steps ahead, H features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pretrain.augment import AugmentConfig
from pretrain.device import DeviceBatch
from pretrain.losses.future_contrast import Candidates, Negatives, future_contrast
from pretrain.models.batch_norm import normalise_globally
from pretrain.models.encoder import EncoderConfig, FrameEncoder
from pretrain.models.exported import Parts
from pretrain.models.projected import unit
from pretrain.models.temporal import FrameContext, FuturePredictor
from pretrain.objectives.objective import GlobalMean, Losses, feature_std, losses
from pretrain.objectives.student import EncoderObjective
from pretrain.world import World
from shards.batch import ClipSpec
from shards.policies import AnyOrder, Policy
from shards.tracks import TrackSet

LEAST_GAP_SECONDS = 0.1
"""Below it a face hardly changes from frame to frame, and predicting the next one needs no dynamics."""


@dataclass(frozen=True)
class CpcConfig:
    """Constants of stage 1; all of them are this project's choice, as the paper's text was not consulted."""

    num_frames: int = 16
    gap_seconds: float = 0.16
    """Between neighbouring frames, the same in all clips, to the nearest frame of the video."""
    steps_ahead: int = 4
    """K."""
    hidden: int = 256
    """H: of a frame's features z and of the context c."""
    prediction: Literal["separate", "recursive"] = "separate"
    """A matrix for each step (CPC), or one whose predictions the GRU reads on from (DPC)."""
    negatives: Negatives = "both"
    """`clips` alone is a control: it can be won by telling people apart."""
    candidates: Literal["other_view", "same_view"] = "other_view"
    """Where a prediction must find the future."""
    tau: float = 0.07

    def __post_init__(self) -> None:
        if self.gap_seconds < LEAST_GAP_SECONDS:
            raise ValueError(
                f"cpc.gap_seconds={self.gap_seconds:g}: a frame so soon after can be predicted by copying; "
                f"use at least {LEAST_GAP_SECONDS:g}"
            )
        if self.steps_ahead < 1 or self.num_frames < self.steps_ahead + 2:
            raise ValueError(
                "cpc needs steps_ahead >= 1 and num_frames >= steps_ahead + 2, so that contexts of two "
                f"frames predict all steps; found {self.steps_ahead} and {self.num_frames}"
            )
        if self.tau <= 0 or self.hidden < 1:
            raise ValueError(f"cpc needs tau > 0 and hidden >= 1, found {self.tau:g} and {self.hidden}")

    @property
    def clip_spec(self) -> ClipSpec:
        """What a clip must hold."""
        return ClipSpec(self.num_frames, (self.gap_seconds, self.gap_seconds))

    def check(self, sets: Sequence[TrackSet], global_batch: int) -> None:
        """Any clips will do."""

    @property
    def batch_policy(self) -> Policy:
        """Any clips: other clips of the same person are negatives that looks cannot tell."""
        return AnyOrder()

    @property
    def trained_frames(self) -> int:
        """Frames of a clip, views counted singly, whose activations backward needs."""
        return self.views * self.num_frames

    @property
    def views(self) -> int:
        """Of each clip."""
        return 2 if self.candidates == "other_view" else 1


class Cpc(EncoderObjective):
    """The objective. Its parameters are the encoder, the temporal module and the predictors."""

    def __init__(
        self,
        config: CpcConfig,
        encoder: EncoderConfig,
        augmentation: AugmentConfig,
        world: World,
        steps: int,
        global_batch: int,
    ) -> None:
        super().__init__(encoder.image_size, augmentation, world)
        self.config, self.clip_spec = config, config.clip_spec
        self.encoder = FrameEncoder(encoder)
        normalise_globally(self.encoder, world)
        self.context = FrameContext(self.encoder.dim, config.hidden)
        self.predictor = FuturePredictor(config.hidden, config.steps_ahead, config.prediction)

    def parts(self) -> Parts:
        """The temporal module."""
        return Parts(temporal=self.context)

    def forward(self, batch: DeviceBatch, step: int) -> Losses:
        """Loss of this rank's clips."""
        config, clips = self.config, len(batch)
        views = [self.view(batch.frames_BTHWC, batch, number) for number in range(config.views)]
        # One pass, so that batch normalisation sees all views together; clips of one view after another's.
        frames_MTCHW = torch.cat(views)
        pooled_ND = self.encoder(frames_MTCHW.flatten(0, 1).to(self.encoder.dtype)).pooled_ND
        contexts = self.context(pooled_ND.view(*frames_MTCHW.shape[:2], -1))
        predicted_VBTKH = unit(self.predictor(contexts.context_BTH, self.context.temporal)).chunk(len(views))
        features_VBTH = unit(contexts.features_BTH).chunk(len(views))
        alike_BTNT, valid_N = self._alike(batch), self.world.gather(batch.valid_B)
        # Each view's future is predicted from the other one's past; with one view, from its own.
        found = [
            future_contrast(
                predicted_BTKH,
                Candidates(
                    self.world.gather_with_gradient(features_BTH),
                    alike_BTNT,
                    valid_N,
                    self.world.rank * clips,
                ),
                config.tau,
                config.negatives,
            )
            for predicted_BTKH, features_BTH in zip(predicted_VBTKH, reversed(features_VBTH), strict=True)
        ]
        mean = GlobalMean(batch.valid_B, self.world)
        loss, temporal_top1, clips_top1 = (
            mean(torch.stack(of_views).mean(dim=0)) for of_views in zip(*found, strict=True)
        )
        parts = {
            "loss/future": loss,
            "cpc/temporal_top1": temporal_top1,
            "cpc/clips_top1": clips_top1,
            "cpc/feature_std": feature_std(torch.cat(features_VBTH), self.world),
        }
        return losses(loss, parts, self.world)

    def _alike(self, batch: DeviceBatch) -> Tensor:
        """`(B, T, N, T)`: frames of one person at one time, which may be one picture.

        In different videos they are not: these few negatives are lost.
        """
        person_B = batch.identity_B
        time_BT = torch.as_tensor(batch.clips.time_BT).to(person_B.device)
        person_N, time_NT = self.world.gather(person_B), self.world.gather(time_BT)
        is_same_person_BN = person_B[:, None] == person_N
        return is_same_person_BN[:, None, :, None] & (time_BT[:, :, None, None] == time_NT)
