"""AU intensity from a few labelled frames: frame encoder and causal GRU (https://arxiv.org/abs/2011.01864).

Only labelled frames enter the loss (`losses.sparse_regression`, `losses.sparse_ordinal`); its gradient flows
back in time through the unlabelled frames before them (the abstract's rule; network, constants and formulas
are this project's reconstruction). The labelled frames are drawn uniformly from all training frames.

Axes: B clips, T frames, A AUs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from finetune.data import FoldData, draw_seed
from finetune.fit import FitConfig
from finetune.models.intensity_regressor import IntensityRegressor
from finetune.tasks.choice import choose_step
from finetune.tasks.job import Job
from finetune.tasks.outcome import Outcome, Stages
from finetune.tasks.steps import training_steps
from pretrain.augment import augment
from pretrain.config import ConfigError
from pretrain.labels import Labels
from pretrain.losses.sparse_ordinal import sparse_ordinal_loss
from pretrain.losses.sparse_regression import sparse_regression_loss
from pretrain.metrics.intensity import MAX_INTENSITY
from pretrain.models.encoder import FrameEncoder
from pretrain.models.temporal import FrameContext
from shards.batch import ClipBatch, ClipSpec
from shards.plan import Plan
from shards.stream import stream_clips

ORDER, FRAMES = 4, 5
"""Purposes of a job's seeds."""
RAREST = 1e-3
"""Share of frames that an ordinal head begins with at least, and at most."""


@dataclass(frozen=True)
class IntensityConfig:
    """Windows end at or after a labelled frame; what is after it costs time and teaches nothing."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=200, batch=8))
    labelled_fraction: float = 0.02
    """Share of the training frames whose labels are used."""
    window: int = 16
    """Frames of a training clip."""
    left_context: int = 12
    """Frames before the labelled one, where the sample has them."""
    temporal: Literal["auto", "pretrained", "fresh"] = "auto"
    """First weights of the GRU and the layer before it: those that were pretrained with the encoder
    (`objective: cpc` does), or new ones. `auto` takes pretrained ones where there are any."""
    hidden: int = 64
    """H, features of a fresh GRU; a pretrained one brings its own."""
    width: int = 64
    """Features of the head's inner layer."""
    head: Literal["regression", "ordinal"] = "regression"
    """What is learned of an AU: its intensity, or which of the levels 1 to 5 it reaches."""
    evaluate_every: int = 50
    """Steps between looks at the validation people."""

    def __post_init__(self) -> None:
        if not 0 < self.labelled_fraction <= 1:
            raise ValueError(
                f"intensity.labelled_fraction must lie in (0, 1], found {self.labelled_fraction}"
            )
        if not 0 <= self.left_context < self.window or min(self.hidden, self.width, self.evaluate_every) < 1:
            raise ValueError(
                "intensity needs 0 <= left_context < window and hidden, width, evaluate_every >= 1, found "
                f"{self.left_context}, {self.window}, {self.hidden}, {self.width}, {self.evaluate_every}"
            )


def draw_labelled(labels: dict[int, Labels], fraction: float, seed: int) -> dict[int, list[int]]:
    """Frames whose labels may be used, by row: drawn without replacement from all coded frames together.

    Raises:
        ConfigError: no frame is coded.
    """
    pool = [
        (row, int(frame)) for row in sorted(labels) for frame in np.flatnonzero((labels[row] >= 0).any(1))
    ]
    if not pool:
        raise ConfigError("no training frame has an intensity label")
    count = max(1, round(fraction * len(pool)))
    chosen = np.random.default_rng(seed).choice(len(pool), size=count, replace=False)
    by_row: dict[int, list[int]] = {}
    for index in sorted(chosen.tolist()):
        by_row.setdefault(pool[index][0], []).append(pool[index][1])
    return by_row


def make_regressor(
    encoder: FrameEncoder, context: FrameContext | None, config: IntensityConfig, num_aus: int
) -> tuple[IntensityRegressor, dict[str, Any]]:
    """The network with its first weights, and its sizes as `finetune.artifact` wants them.

    Args:
        encoder: f, random or pretrained.
        context: g as pretrained with it; None where there is none.
        config: which of the two starts are wanted.
        num_aus: A.

    Raises:
        ConfigError: a pretrained g is wanted and there is none.
    """
    if config.temporal == "pretrained" and context is None:
        raise ConfigError(
            "intensity.temporal=pretrained wants a temporal module that was exported with the encoder, and "
            "`init` has none; pretrain with objective=cpc, or set intensity.temporal=fresh"
        )
    taken = None if config.temporal == "fresh" else context
    hidden = config.hidden if taken is None else taken.hidden
    heads: dict[str, Any] = {
        **{"num_aus": num_aus, "hidden": hidden, "width": config.width},
        "ordinal": config.head == "ordinal",
    }
    model = IntensityRegressor(encoder, **heads)
    if taken is not None:
        model.start_from(taken)
    return model, heads


def train_intensity(job: Job, config: IntensityConfig) -> Outcome:
    """Train on the chosen frames; returns the regressor of the step that validation people chose.

    Raises:
        ConfigError: no frame is labelled, or a temporal module is wanted that is not there.
    """
    data, stages = job.data, Stages()
    labelled = draw_labelled(data.train_labels, config.labelled_fraction, draw_seed(job.seed, FRAMES))
    context = job.parts.temporal
    model, heads = make_regressor(job.encoder, context, config, len(data.target.aus))
    chosen_FA = np.concatenate([data.train_labels[row][frames] for row, frames in labelled.items()])
    mean_A = start_at_the_mean(model, chosen_FA)
    plan = _plan(data, labelled, config, job.seed)
    loss_of_step = _loss_of_step(model, job, labelled, plan, config)
    images, pause = config.fit.batch * config.window, config.evaluate_every
    steps = training_steps("fit", model, job, config.fit, loss_of_step, images, stages, pause)
    choice = choose_step(model, job, steps, stages)
    facts = {
        **_facts(data, labelled, plan, mean_A),
        "temporal": "fresh" if context is None or config.temporal == "fresh" else "pretrained",
    }
    return choice.outcome("step", model, heads, facts, stages.stages)


def _plan(data: FoldData, labelled: dict[int, list[int]], config: IntensityConfig, seed: int) -> Plan:
    return Plan(
        data.tracks,
        ClipSpec(num_frames=config.window, left_context=config.left_context),
        config.fit.batch,
        seed=draw_seed(seed, ORDER),
        rows=sorted(labelled),
        anchors=labelled,
    )


def start_at_the_mean(model: IntensityRegressor, chosen_FA: Labels) -> list[float]:
    """Have a new model say the mean of the chosen labels: most AUs are absent most of the time.

    Returns:
        That mean of each AU.
    """
    coded_FA1, levels_K = chosen_FA[:, :, None] >= 0, np.arange(1, MAX_INTENSITY + 1)
    reached_AK = ((chosen_FA[:, :, None] >= levels_K) & coded_FA1).sum(0) / np.maximum(coded_FA1.sum(0), 1)
    mean_A = reached_AK.sum(axis=1)
    bias = mean_A
    if model.levels > 1:
        # A level that none of the chosen frames reaches may be reached by others.
        share_AK = reached_AK.clip(RAREST, 1 - RAREST)
        bias = np.log(share_AK / (1 - share_AK)).ravel()
    last = model.head[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.bias.copy_(torch.from_numpy(bias))
    return [float(value) for value in mean_A]


def _loss_of_step(
    model: IntensityRegressor, job: Job, labelled: dict[int, list[int]], plan: Plan, config: IntensityConfig
) -> Callable[[int], Tensor]:
    """Takes the steps in order, and gives the loss of each one's windows."""
    data, size = job.data, model.encoder.config.image_size
    row_of = {data.tracks.keys[row]: row for row in labelled}
    batches = stream_clips(data.tracks, plan, data.stream)

    def loss_of_step(_: int) -> Tensor:
        _, clips = next(batches)
        frames = augment(torch.from_numpy(clips.frames_BTHWC), clips.augment_seed_B, 0, size, job.views)
        chosen_BT = torch.from_numpy(chosen_frames(clips, row_of, labelled))
        output_BTAK, _ = model(frames)
        label_BTA = torch.from_numpy(data.target.of_batch(clips))
        if config.head == "ordinal":
            return sparse_ordinal_loss(output_BTAK, label_BTA, chosen_BT)
        return sparse_regression_loss(model.intensity(output_BTAK), label_BTA, chosen_BT)

    return loss_of_step


def chosen_frames(
    clips: ClipBatch, row_of: dict[str, int], labelled: dict[int, list[int]]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which frames of a batch may enter the loss `(B, T)`."""
    chosen = [
        np.isin(index_T, labelled[row_of[key]])
        for key, index_T in zip(clips.key_B, clips.frame_index_BT, strict=True)
    ]
    return np.asarray(np.stack(chosen) & clips.frame_valid_BT)


def _facts(data: FoldData, labelled: dict[int, list[int]], plan: Plan, mean_A: list[float]) -> dict[str, Any]:
    frames = [[data.tracks.keys[row], frame] for row in sorted(labelled) for frame in labelled[row]]
    return {
        "labelled_frames": frames,
        "training_frames": int(sum(len(labels) for labels in data.train_labels.values())),
        "labelled_mean": dict(zip([f"AU{au}" for au in data.target.aus], mean_A, strict=True)),
        "samples_too_short_for_the_window": plan.too_short,
    }
