"""AUNCE: AU detection by supervised contrast, then a linear classifier on the frozen encoder.

Stage 1 pulls together vectors of one AU that share its label and pushes apart those that do not
(`pretrain.losses.au_contrast`), with three kinds of positives and negatives that weigh more for the rarer
label. Stage 2 freezes everything and trains one linear classifier per AU (`finetune.tasks.probe`).

Axes: B images, N = 2B views, A AUs, V features, F frames.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.data import FoldData, draw_seed
from finetune.fit import FitConfig, TwoRates
from finetune.frames import FrameTable, run_frames
from finetune.models.au_detector import AuDetector
from finetune.targets import au_weights, positive_rates
from finetune.tasks.job import Job
from finetune.tasks.outcome import Outcome, Stages
from finetune.tasks.probe import Classifier, LinearConfig, choose, linear_epochs
from pretrain.augment import AugmentConfig, augment
from pretrain.config import ConfigError
from pretrain.losses.au_contrast import au_contrast_loss
from shards.batch import ClipBatch, ClipSpec
from shards.plan import Plan
from shards.stream import stream_clips

ORDER, KINDS, LINEAR = 1, 2, 3
"""Purposes of a job's seeds."""


@dataclass(frozen=True)
class AunceConfig:
    """Defaults are this project's corrected loss; see `losses.au_contrast`."""

    fit: FitConfig = field(default_factory=FitConfig)
    linear: LinearConfig = field(default_factory=LinearConfig)
    width: int = 64
    """V, features of the vector of each AU (1024 in the paper's code, on a Swin-B)."""
    temperature: float = 0.5
    positives: tuple[float, float, float] = (0.2, 0.6, 0.2)
    """Probabilities of the most similar positive, the class mean and the own other view, per AU and batch."""
    delta: float = 0.2
    """beta is 1 + delta for anchors of the rarer label, else 1 - delta."""
    minority: Literal["rarer_in_train_fold", "label1"] = "rarer_in_train_fold"
    max_cached_mib: int = 1024
    """Bound of the vectors kept for stage 2; frames are never kept."""

    def __post_init__(self) -> None:
        if abs(sum(self.positives) - 1) > 1e-6 or min(self.positives) < 0:
            raise ValueError(f"aunce.positives must be probabilities that sum to 1, found {self.positives}")
        if not 0 <= self.delta < 1 or self.temperature <= 0 or self.width < 1:
            raise ValueError(
                f"aunce needs 0 <= delta < 1, temperature > 0 and width >= 1, found {self.delta}, "
                f"{self.temperature} and {self.width}"
            )


def rarer_label(rate_A: NDArray[np.float64], minority: str) -> NDArray[np.int64]:
    """Which label, 1 or 0, counts as rare for each AU `(A,)`."""
    ones_A = np.ones(len(rate_A), np.int64)
    return ones_A if minority == "label1" else np.where(rate_A <= 0.5, 1, 0).astype(np.int64)


def contrast_loss(
    model: AuDetector,
    views_NCHW: Tensor,
    label_BA: Tensor,
    rare_A: Tensor,
    config: AunceConfig,
    kind_A: Tensor,
) -> Tensor:
    """Stage 1's loss of one batch: all first views, then all second views."""
    vectors_NAV = model.vectors(views_NCHW)
    label_NA = label_BA.repeat(2, 1)
    exponent_NA = 1 + config.delta * torch.where(label_NA == rare_A, 1.0, -1.0)
    kind_NA = kind_A.expand_as(label_NA)
    return au_contrast_loss(vectors_NAV, label_NA, kind_NA, exponent_NA, temperature=config.temperature)


def train_aunce(job: Job, config: AunceConfig) -> Outcome:
    """Both stages; returns the detector with the epoch and thresholds that validation people chose."""
    data, stages = job.data, Stages()
    rate_A = positive_rates(data.train_labels, data.target)
    _refuse_large_cache(data, config)
    model = AuDetector(job.encoder, len(data.target.aus), config.width)
    _contrast_stage(model, job, config, rate_A, stages)

    # Truly frozen: no gradient, and no batch statistic or dropped path either.
    model.eval().requires_grad_(False)
    tables = {
        name: _vectors(model, data, rows, stages)
        for name, rows in (
            ("train", data.train_rows),
            ("validation", data.validation_rows),
            ("test", data.test_rows),
        )
    }
    train = tables["train"]
    with stages.time("linear"):
        epochs = linear_epochs(
            train.value_F, train.label_FA, au_weights(rate_A), config.linear, draw_seed(job.seed, LINEAR)
        )
        choice = choose(epochs, tables["validation"], tables["test"])
    model.classifier_AV.copy_(choice.classifier.weight_AV)
    model.bias_A.copy_(choice.classifier.bias_A)
    return Outcome(
        model=model,
        heads={"num_aus": len(data.target.aus), "width": config.width},
        threshold_A=choice.threshold_A,
        validation=_scored(tables["validation"], choice.classifier),
        test=_scored(tables["test"], choice.classifier),
        chosen={
            "linear_epoch": choice.epoch,
            "by": "mean AUC on validation people; thresholds by their F1",
            "validation_auc": choice.validation_auc,
            "best_on_test_epoch": choice.best_on_test_epoch,
        },
        best_on_test=_scored(tables["test"], choice.best_on_test),
        best_on_test_threshold_A=choice.best_on_test_threshold_A,
        facts=_facts(data, rate_A, train),
        stages=stages.stages,
    )


def _contrast_stage(
    model: AuDetector, job: Job, config: AunceConfig, rate_A: NDArray[np.float64], stages: Stages
) -> None:
    data = job.data
    plan = Plan(
        data.tracks,
        ClipSpec(num_frames=1),
        config.fit.batch,
        seed=draw_seed(job.seed, ORDER),
        rows=data.train_rows,
    )
    rare_A = torch.from_numpy(rarer_label(rate_A, config.minority))
    optimizer = TwoRates(model.encoder, model, config.fit)
    clips_of_step = stream_clips(data.tracks, plan, data.stream)
    model.train()
    for step in range(config.fit.steps):
        with stages.time("contrast", images=2 * config.fit.batch):
            _, clips = next(clips_of_step)
            label_BA = torch.from_numpy(data.target.of_batch(clips)[:, 0])
            label_BA = label_BA.masked_fill(~torch.from_numpy(clips.frame_valid_BT[:, :1]), -1)
            kinds = np.random.default_rng([job.seed, KINDS, step]).choice(3, len(rate_A), p=config.positives)
            two_views = _two_views(clips, model.encoder.config.image_size, job.views)
            loss = contrast_loss(model, two_views, label_BA, rare_A, config, torch.from_numpy(kinds))
            norm = optimizer.step(loss, step)
        if step % 10 == 0 or step + 1 == config.fit.steps:
            job.log({"contrast/loss": loss.item(), "contrast/gradient_norm": norm}, step + 1)


def _two_views(clips: ClipBatch, image_size: int, views: AugmentConfig) -> Tensor:
    frames_BTHWC = torch.from_numpy(clips.frames_BTHWC)
    pair = [augment(frames_BTHWC, clips.augment_seed_B, view, image_size, views)[:, 0] for view in (0, 1)]
    return torch.cat(pair)


def _vectors(model: AuDetector, data: FoldData, rows: list[int], stages: Stages) -> FrameTable:
    def apply(frames_BTCHW: Tensor, _frames: Tensor | None, _state: Tensor | None) -> tuple[Tensor, None]:
        vectors_NAV = model.vectors(frames_BTCHW.flatten(0, 1))
        return vectors_NAV.view(*frames_BTCHW.shape[:2], *vectors_NAV.shape[1:]), None

    images = int(data.tracks.num_frames[rows].sum())
    with stages.time("vectors", images=images):
        return run_frames(
            apply,
            data.tracks,
            rows,
            data.target,
            image_size=model.encoder.config.image_size,
            stream=data.stream,
        )


def _scored(table: FrameTable, classifier: Classifier) -> FrameTable:
    return replace(table, value_F=classifier.probability(table.value_F))


def _refuse_large_cache(data: FoldData, config: AunceConfig) -> None:
    rows = data.train_rows + data.validation_rows + data.test_rows
    frames = int(data.tracks.num_frames[rows].sum())
    mebibytes = frames * len(data.target.aus) * config.width * 4 / 2**20
    if mebibytes > config.max_cached_mib:
        raise ConfigError(
            f"the vectors of {frames} frames take {mebibytes:.0f} MiB, more than "
            f"aunce.max_cached_mib={config.max_cached_mib}; raise it or lower aunce.width"
        )


def _facts(data: FoldData, rate_A: NDArray[np.float64], train: FrameTable) -> dict[str, Any]:
    named = {f"AU{au}": float(rate) for au, rate in zip(data.target.aus, rate_A, strict=True)}
    return {"training_rate": named, "training_frames": len(train), "unreadable": train.unreadable}
