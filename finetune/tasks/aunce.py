"""AUNCE: AU detection by supervised contrast, then a linear classifier on the frozen encoder.

Stage 1 pulls together vectors of one AU that share its label and pushes apart those that do not
(`pretrain.losses.au_contrast`), with three kinds of positives and negatives that weigh more for the rarer
label. Stage 2 freezes everything and trains one linear classifier per AU (`finetune.tasks.probe`).

Axes: B images, N = 2B views, A AUs, V features, F frames.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.data import draw_seed
from finetune.fit import FitConfig
from finetune.models.au_detector import AuDetector
from finetune.targets import au_weights, positive_rates
from finetune.tasks.choice import Choice
from finetune.tasks.job import Job
from finetune.tasks.outcome import Outcome, Stages
from finetune.tasks.probe import (
    Classifier,
    LinearConfig,
    choose,
    frozen_features,
    linear_epochs,
    refuse_large_cache,
)
from finetune.tasks.single_frames import labelled_frames
from finetune.tasks.steps import training_steps
from pretrain.augment import AugmentConfig, augment
from pretrain.losses.au_contrast import NUM_KINDS, ContrastForm, au_contrast_loss
from pretrain.losses.info_nce import info_nce_loss
from pretrain.losses.sup_con import sup_con_loss
from pretrain.losses.weighted_bce import weighted_bce
from shards.batch import ClipBatch

KINDS, LINEAR = 2, 3
"""Purposes of a job's seeds."""


@dataclass(frozen=True)
class AunceConfig:
    """Defaults are this project's corrected loss; see `losses.au_contrast`."""

    fit: FitConfig = field(default_factory=FitConfig)
    linear: LinearConfig = field(default_factory=LinearConfig)
    width: int = 64
    """V, features of the vector of each AU (1024 in the paper's code, on a Swin-B)."""
    graph: bool = False
    """AUs that look alike in a face inform each other (`models.au_graph`), as in the paper's code."""
    loss: Literal["aunce", "supcon", "info_nce"] = "aunce"
    """Stage 1's: AUNCE's, or a rival that takes only `temperature` and `au_weighting` of what follows."""
    temperature: float = 0.5
    positives: tuple[float, float, float, float] = (0.2, 0.6, 0.2, 0.0)
    """Probabilities of the most similar positive, the class mean, the own other view and the centroid of the
    class; the first three as released, the fourth in later descriptions of the paper."""
    draw: Literal["per_au", "per_anchor"] = "per_au"
    """Whether the anchors of an AU share one draw in each batch (released) or each has its own, which makes
    steps less different from each other."""
    own_view_in_class: bool = True
    """Whether the positives of a class hold the anchor's own other view (released)."""
    delta: float = 0.2
    """beta is 1 + delta for anchors of the rarer label (1.2 as released)."""
    delta_common: float | None = None
    """beta is 1 - delta_common for the others; None: `delta`. 0.2 in the paper's newer code, 0.6 in its
    first; which of its numbers belongs to which is not known."""
    minority: Literal["auto", "rarer_in_train_fold", "label1"] = "auto"
    """Which label is the rarer one. The released code has label 1, though some AUs of BP4D are present in
    most frames. `auto`: label 1 with `compat`, else what is rarer among the training people."""
    normalise_negatives: bool = False
    """Weights of negatives with mean 1, this project's option: hard negatives count more, and the loss does
    not change its scale."""
    au_weighting: bool = False
    """Whether rare AUs weigh more, as in stage 2. The released code computes these weights and leaves them
    out by its default."""
    compat: bool = False
    """The released loss: an anchor is its own most similar positive, and class means are divided by the
    batch. What else differs there is no part of the loss and is not reproduced: stage 2 with the frozen
    encoder in training mode, and a learning rate that ignores its setting after the first epoch."""
    max_cached_mib: int = 1024
    """Bound of the vectors kept for stage 2; frames are never kept."""

    def __post_init__(self) -> None:
        if abs(sum(self.positives) - 1) > 1e-6 or min(self.positives) < 0:
            raise ValueError(f"aunce.positives must be probabilities that sum to 1, found {self.positives}")
        if not all(0 <= delta < 1 for delta in self.deltas) or self.width < 1:
            raise ValueError(
                f"aunce needs 0 <= delta < 1, likewise delta_common, and width >= 1, found {self.deltas} and "
                f"{self.width}"
            )
        if self.compat and (self.loss != "aunce" or self.draw != "per_au" or self.positives[3] > 0):
            raise ValueError(
                "aunce.compat is the released loss: wanted loss=aunce, draw=per_au and no centroid, found "
                f"loss={self.loss}, draw={self.draw} and positives={self.positives}"
            )
        _ = self.form

    @property
    def deltas(self) -> tuple[float, float]:
        """Of the rarer label and of the other."""
        return self.delta, self.delta if self.delta_common is None else self.delta_common

    @property
    def form(self) -> ContrastForm:
        """AUNCE's loss as these options have it."""
        return ContrastForm(self.temperature, self.compat, self.own_view_in_class, self.normalise_negatives)


def rarer_label(rate_A: NDArray[np.float64], config: AunceConfig) -> Tensor:
    """Which label, 1 or 0, counts as rare for each AU `(A,)`; 1 where both are equal."""
    if config.minority == "label1" or (config.minority == "auto" and config.compat):
        return torch.ones(len(rate_A), dtype=torch.int64)
    return torch.from_numpy(np.where(rate_A <= 0.5, 1, 0).astype(np.int64))


def draw_kinds(config: AunceConfig, shape_NA: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """Which positive each anchor takes in one batch `(N, A)`."""
    if config.draw == "per_anchor":
        return torch.from_numpy(rng.choice(NUM_KINDS, shape_NA, p=config.positives))
    return torch.from_numpy(rng.choice(NUM_KINDS, shape_NA[1], p=config.positives)).expand(shape_NA)


def contrast_loss(
    vectors_NAV: Tensor, label_BA: Tensor, kind_NA: Tensor, rate_A: NDArray[np.float64], config: AunceConfig
) -> Tensor:
    """Stage 1's loss of one batch.

    Args:
        vectors_NAV: unit vectors of all first views, then of all second views.
        label_BA: 1, 0 or -1, alike for both views.
        kind_NA: as `draw_kinds`.
        rate_A: share of the training frames in which each AU is present.
        config: which loss.
    """
    label_NA = label_BA.repeat(2, 1)
    weight_A = torch.from_numpy(au_weights(rate_A)) if config.au_weighting else None
    if config.loss == "supcon":
        return sup_con_loss(vectors_NAV, label_NA, config.temperature, weight_A)
    if config.loss == "info_nce":
        return info_nce_loss(vectors_NAV, label_NA, config.temperature, weight_A)
    rare, common = config.deltas
    beta_NA = torch.where(label_NA == rarer_label(rate_A, config), 1 + rare, 1 - common)
    return au_contrast_loss(vectors_NAV, label_NA, kind_NA, beta_NA, config.form, weight_A)


def train_aunce(job: Job, config: AunceConfig) -> Outcome:
    """Both stages; returns the detector with the epoch and thresholds that validation people chose."""
    data, stages = job.data, Stages()
    rate_A = positive_rates(data.train_labels, data.target)
    num_aus = len(data.target.aus)
    floats, remedy = num_aus * config.width, "lower aunce.width"
    refuse_large_cache(data, floats, config.max_cached_mib, "aunce.max_cached_mib", remedy)
    heads: dict[str, Any] = {"num_aus": num_aus, "width": config.width, "graph": config.graph}
    model = AuDetector(job.encoder, **heads)
    _contrast_stage(model, job, config, rate_A, stages)
    tables = frozen_features(model, model.vectors, data, model.encoder.config.image_size, stages)
    choice: Choice[Classifier] = Choice("detection")
    with stages.time("linear"):
        weight_A = torch.from_numpy(au_weights(rate_A))
        chosen = choose(
            choice,
            linear_epochs(
                tables["train"].value_F,
                tables["train"].label_FA,
                num_aus,
                lambda logit_BA, label_BA: weighted_bce(logit_BA, label_BA, weight_A.expand(2, -1)),
                config.linear,
                draw_seed(job.seed, LINEAR),
            ),
            tables,
        )
    model.classifier_AV.copy_(chosen.weight_AV)
    model.bias_A.copy_(chosen.bias_A)
    train = tables["train"]
    facts = {
        "training_rate": dict(zip(data.target.names, rate_A.tolist(), strict=True)),
        "training_frames": len(train),
        "unreadable": train.unreadable,
    }
    return choice.outcome("linear_epoch", model, heads, facts, stages.stages)


def _contrast_stage(
    model: AuDetector, job: Job, config: AunceConfig, rate_A: NDArray[np.float64], stages: Stages
) -> None:
    batches = labelled_frames(job, config.fit.batch)
    size = model.encoder.config.image_size

    def loss_of_step(step: int) -> Tensor:
        clips, label_BA = next(batches)
        vectors_NAV = model.vectors(_two_views(clips, size, job.views))
        rng = np.random.default_rng([job.seed, KINDS, step])
        kind_NA = draw_kinds(config, (2 * len(label_BA), len(rate_A)), rng)
        return contrast_loss(vectors_NAV, label_BA, kind_NA, rate_A, config)

    images, pause = 2 * config.fit.batch, config.fit.steps
    for _ in training_steps("contrast", model, job, config.fit, loss_of_step, images, stages, pause):
        pass  # nothing is looked at before the linear stage


def _two_views(clips: ClipBatch, image_size: int, views: AugmentConfig) -> Tensor:
    frames_BTHWC = torch.from_numpy(clips.frames_BTHWC)
    pair = [augment(frames_BTHWC, clips.augment_seed_B, view, image_size, views)[:, 0] for view in (0, 1)]
    return torch.cat(pair)
