"""Plain supervision, which the other tasks are compared with: an encoder, a linear layer, a loss per frame.

`train: head` is the linear probe: the encoder stays as it is, its features of every frame are computed once
and a linear layer is trained on them. `train: all` is full finetuning on augmented frames. Where the encoder
begins is the job's `init` (random, or any export of pretraining), or `encoder.weights` (ImageNet, DINO, ...).

AUs are learned each for itself, expressions by a softmax over all.

Axes: B images, F frames, A outputs (AUs or expressions), V pooled features.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.data import draw_seed
from finetune.fit import FitConfig
from finetune.frames import FrameTable
from finetune.models.linear_detector import LinearDetector
from finetune.targets import au_weights, class_rates, positive_rates
from finetune.tasks.choice import Choice
from finetune.tasks.frame_fit import fit_frames
from finetune.tasks.job import Job
from finetune.tasks.outcome import Outcome, Stages
from finetune.tasks.probe import (
    Classifier,
    LinearConfig,
    Loss,
    choose,
    frozen_features,
    linear_epochs,
    refuse_large_cache,
)
from pretrain.losses.asymmetric import asymmetric_loss
from pretrain.losses.focal import focal_loss
from pretrain.losses.weighted_bce import weighted_bce
from pretrain.losses.weighted_cross_entropy import weighted_cross_entropy

LINEAR = 3
"""Purpose of a job's seed."""


@dataclass(frozen=True)
class SupervisedConfig:
    """How the encoder and the layer on it are trained."""

    train: Literal["head", "all"] = "all"
    """The layer alone, or the encoder too."""
    loss: Literal["weighted_bce", "balanced_bce", "focal", "asymmetric"] = "weighted_bce"
    """Of AUs. `weighted_bce`: rare AUs weigh more, as in AUNCE's second stage. `balanced_bce`: of each AU,
    present and absent weigh the same in sum. The others have their papers' constants. Expressions always
    have a cross-entropy in which rare expressions weigh more."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Of `train: all`."""
    evaluate_every: int = 50
    """Steps between looks at the validation people, likewise."""
    linear: LinearConfig = field(default_factory=LinearConfig)
    """Of `train: head`."""
    max_cached_mib: int = 1024
    """Bound of the features kept, likewise; frames are never kept."""

    def __post_init__(self) -> None:
        if self.evaluate_every < 1:
            raise ValueError(f"supervised.evaluate_every must be at least 1, found {self.evaluate_every}")


def loss_named(name: str, rate_A: NDArray[np.float64]) -> Loss:
    """The loss of AUs of an option.

    Args:
        name: `SupervisedConfig.loss`.
        rate_A: share of the training frames in which each AU is present.
    """
    weights_2A: dict[str, NDArray[np.float64]] = {
        "weighted_bce": np.stack([au_weights(rate_A)] * 2),
        "balanced_bce": np.stack([0.5 / (1 - rate_A), 0.5 / rate_A]),
    }
    if name in weights_2A:
        return partial(weighted_bce, weight_2A=torch.from_numpy(weights_2A[name]))
    others: dict[str, Callable[..., Tensor]] = {"focal": focal_loss, "asymmetric": asymmetric_loss}
    return others[name]


def expression_loss(rate_A: NDArray[np.float64]) -> Loss:
    """Cross-entropy in which expressions weigh by how rare they are in training `(A,)`."""
    weight_A = torch.from_numpy(au_weights(rate_A))
    return lambda logit_BA, label_B1: weighted_cross_entropy(logit_BA, label_B1[:, 0], weight_A)


def train_supervised(job: Job, config: SupervisedConfig) -> Outcome:
    """Train; returns the network with the epoch or step, and thresholds, that validation people chose."""
    target, stages = job.data.target, Stages()
    exclusive = target.kind == "expression"
    rates = class_rates if exclusive else positive_rates
    rate_A = rates(job.data.train_labels, target)
    loss = expression_loss(rate_A) if exclusive else loss_named(config.loss, rate_A)
    heads: dict[str, Any] = {"num_outputs": len(target.names), "exclusive": exclusive}
    model = LinearDetector(job.encoder, **heads)
    if config.train == "head":
        return _probe(model, job, config, loss, _Rest(heads, _facts(job, rate_A), stages))
    with torch.no_grad():
        # What is known before a face is seen: a loss in which easy frames count little starts there.
        model.head.bias.copy_(torch.from_numpy(np.log(rate_A) - (0 if exclusive else np.log(1 - rate_A))))
    return _finetune(model, job, config, loss, _Rest(heads, _facts(job, rate_A), stages))


@dataclass(frozen=True)
class _Rest:
    """What an outcome needs besides."""

    heads: dict[str, Any]
    facts: dict[str, Any]
    stages: Stages


def _probe(model: LinearDetector, job: Job, config: SupervisedConfig, loss: Loss, rest: _Rest) -> Outcome:
    data, encoder = job.data, model.encoder
    most, remedy = config.max_cached_mib, "use encoder.pool=mean or a smaller encoder"
    refuse_large_cache(data, encoder.dim, most, "supervised.max_cached_mib", remedy)
    size = encoder.config.image_size
    tables = frozen_features(model, lambda frames: encoder(frames).pooled_ND, data, size, rest.stages)
    mean_V, std_V = _statistics(tables["train"])
    tables = {
        name: replace(table, value_F=(table.value_F - mean_V) / std_V) for name, table in tables.items()
    }
    choice: Choice[Classifier] = Choice(data.target.kind)
    with rest.stages.time("linear"):
        chosen = choose(
            choice,
            linear_epochs(
                tables["train"].value_F,
                tables["train"].label_FA,
                len(data.target.names),
                loss,
                config.linear,
                draw_seed(job.seed, LINEAR),
                model.exclusive,
            ),
            tables,
        )
    # The layer takes features as they are: w (x - m) / s + b = (w / s) x + b - (w / s) m.
    weight_AV = chosen.weight_AV / torch.from_numpy(std_V)
    model.head.weight.copy_(weight_AV)
    model.head.bias.copy_(chosen.bias_A - weight_AV @ torch.from_numpy(mean_V))
    return choice.outcome("linear_epoch", model, rest.heads, rest.facts, rest.stages.stages)


def _statistics(table: FrameTable) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of each feature: encoders differ in scale, and one learning rate must suit all."""
    mean_V, std_V = (getattr(table.value_F.astype(np.float64), of)(axis=0) for of in ("mean", "std"))
    # A feature that is the same for every face says nothing, and must not be blown up.
    return mean_V.astype(np.float32), np.where(std_V > 1e-6, std_V, 1.0).astype(np.float32)


def _finetune(model: LinearDetector, job: Job, config: SupervisedConfig, loss: Loss, rest: _Rest) -> Outcome:
    def loss_of(frames_BCHW: Tensor, label_BA: Tensor, _step: int) -> Tensor:
        return loss(model.logits(frames_BCHW), label_BA)

    choice = fit_frames(model, job, config.fit, config.evaluate_every, loss_of, rest.stages)
    return choice.outcome("step", model, rest.heads, rest.facts, rest.stages.stages)


def _facts(job: Job, rate_A: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "training_rate": dict(zip(job.data.target.names, rate_A.tolist(), strict=True)),
        "training_frames": job.data.train.num_frames,
    }
