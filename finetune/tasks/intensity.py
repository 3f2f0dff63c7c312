"""AU intensity from a few labelled frames: frame encoder and causal GRU (https://arxiv.org/abs/2011.01864).

Only labelled frames enter the loss; its gradient flows back in time through the unlabelled frames before
them (the abstract's rule; network, constants and formula are this project's reconstruction):

    L = 1/|Lambda| sum_{(b, t) in Lambda} 1/A sum_a (yhat_bta - y_bta)^2

over the chosen frames Lambda, with AUs nobody coded left out. The labelled frames are drawn uniformly from
all training frames.

Axes: B clips, T frames, A AUs.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from finetune.data import FoldData, draw_seed
from finetune.fit import FitConfig, TwoRates
from finetune.frames import FrameTable, run_frames
from finetune.models.intensity_regressor import IntensityRegressor
from finetune.tasks.job import Job
from finetune.tasks.outcome import Outcome, Stages
from pretrain.augment import augment
from pretrain.config import ConfigError
from pretrain.labels import Labels
from pretrain.metrics.intensity import icc, intensity_sums
from pretrain.metrics.people import mean_over_aus
from pretrain.models.encoder import FrameEncoder
from pretrain.models.temporal import FrameContext
from shards.batch import ClipBatch, ClipSpec
from shards.plan import Plan
from shards.stream import stream_clips

ORDER, FRAMES = 4, 5
"""Purposes of a job's seeds."""


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


def sparse_regression_loss(value_BTA: Tensor, label_BTA: Tensor, chosen_BT: Tensor) -> Tensor:
    """Mean squared error over the coded AUs of the chosen frames; 0 without any."""
    weight_BTA = (label_BTA >= 0) & chosen_BT.unsqueeze(2)
    error_BTA = (value_BTA.float() - label_BTA.float()).square().masked_fill(~weight_BTA, 0.0)
    return error_BTA.sum() / weight_BTA.sum().clamp(min=1)


def make_regressor(
    encoder: FrameEncoder, context: FrameContext | None, config: IntensityConfig, num_aus: int
) -> tuple[IntensityRegressor, dict[str, int]]:
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
    heads = {"num_aus": num_aus, "hidden": hidden, "width": config.width}
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
    mean_A = _start_at_the_mean(model, data, labelled)
    plan = _plan(data, labelled, config, job.seed)
    best: _Look | None = None
    upper: _Look | None = None
    for step in _fit(model, job, labelled, plan, config, stages):
        look = _look(model, data, step, stages)
        job.log({"validation/icc": look.validation_icc, "time/looks": float(step)}, step)
        if best is None or look.validation_icc > best.validation_icc:
            best, weights = look, deepcopy(model.state_dict())
        if upper is None or look.test_icc > upper.test_icc:
            upper = look
    assert best is not None
    assert upper is not None
    model.load_state_dict(weights)
    model.eval().requires_grad_(False)
    return Outcome(
        model=model,
        heads=heads,
        threshold_A=None,
        validation=best.validation,
        test=best.test,
        chosen={
            "step": best.step,
            "by": "mean ICC on validation people",
            "validation_icc": best.validation_icc,
            "best_on_test_step": upper.step,
        },
        best_on_test=upper.test,
        best_on_test_threshold_A=None,
        facts={
            **_facts(data, labelled, plan, mean_A),
            "temporal": "fresh" if context is None or config.temporal == "fresh" else "pretrained",
        },
        stages=stages.stages,
    )


@dataclass(frozen=True)
class _Look:
    """The model at one step, seen on people it does not train on."""

    step: int
    validation: FrameTable
    test: FrameTable
    validation_icc: float
    test_icc: float


def _plan(data: FoldData, labelled: dict[int, list[int]], config: IntensityConfig, seed: int) -> Plan:
    return Plan(
        data.tracks,
        ClipSpec(num_frames=config.window, left_context=config.left_context),
        config.fit.batch,
        seed=draw_seed(seed, ORDER),
        rows=sorted(labelled),
        anchors=labelled,
    )


def _start_at_the_mean(
    model: IntensityRegressor, data: FoldData, labelled: dict[int, list[int]]
) -> list[float]:
    """Set the last bias to the mean of the chosen labels: most AUs are absent most of the time."""
    chosen_FA = np.concatenate([data.train_labels[row][frames] for row, frames in labelled.items()])
    coded_FA = chosen_FA >= 0
    mean_A = np.where(coded_FA, chosen_FA, 0).sum(0) / np.maximum(coded_FA.sum(0), 1)
    last = model.head[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.bias.copy_(torch.from_numpy(mean_A))
    return [float(value) for value in mean_A]


def _fit(
    model: IntensityRegressor,
    job: Job,
    labelled: dict[int, list[int]],
    plan: Plan,
    config: IntensityConfig,
    stages: Stages,
) -> Iterator[int]:
    """Train; yields the number of steps done whenever it is time to look."""
    data = job.data
    row_of = {data.tracks.keys[row]: row for row in labelled}
    optimizer = TwoRates(model.encoder, model, config.fit)
    batches = stream_clips(data.tracks, plan, data.stream)
    size = model.encoder.config.image_size
    for step in range(config.fit.steps):
        model.train()
        with stages.time("fit", images=config.fit.batch * config.window):
            _, clips = next(batches)
            frames = augment(torch.from_numpy(clips.frames_BTHWC), clips.augment_seed_B, 0, size, job.views)
            chosen_BT = torch.from_numpy(chosen_frames(clips, row_of, labelled))
            value_BTA, _ = model(frames)
            label_BTA = torch.from_numpy(data.target.of_batch(clips))
            loss = sparse_regression_loss(value_BTA, label_BTA, chosen_BT)
            norm = optimizer.step(loss, step)
        done = step + 1
        if step % 10 == 0 or done == config.fit.steps:
            job.log({"fit/loss": loss.item(), "fit/gradient_norm": norm}, done)
        if done % config.evaluate_every == 0 or done == config.fit.steps:
            yield done


def chosen_frames(
    clips: ClipBatch, row_of: dict[str, int], labelled: dict[int, list[int]]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which frames of a batch may enter the loss `(B, T)`."""
    chosen = [
        np.isin(index_T, labelled[row_of[key]])
        for key, index_T in zip(clips.key_B, clips.frame_index_BT, strict=True)
    ]
    return np.asarray(np.stack(chosen) & clips.frame_valid_BT)


def _look(model: IntensityRegressor, data: FoldData, step: int, stages: Stages) -> _Look:
    model.eval()
    size = model.encoder.config.image_size
    tables, scores = [], []
    for rows in (data.validation_rows, data.test_rows):
        with stages.time("look", images=int(data.tracks.num_frames[rows].sum())):
            table = run_frames(
                model.infer, data.tracks, rows, data.target, image_size=size, stream=data.stream
            )
        sums = intensity_sums(table.value_F, table.label_FA, table.person_F)
        tables.append(table)
        scores.append(float(mean_over_aus(icc(sums))))
    return _Look(step, tables[0], tables[1], scores[0], scores[1])


def _facts(data: FoldData, labelled: dict[int, list[int]], plan: Plan, mean_A: list[float]) -> dict[str, Any]:
    frames = [[data.tracks.keys[row], frame] for row in sorted(labelled) for frame in labelled[row]]
    return {
        "labelled_frames": frames,
        "training_frames": int(sum(len(labels) for labels in data.train_labels.values())),
        "labelled_mean": dict(zip([f"AU{au}" for au in data.target.aus], mean_A, strict=True)),
        "samples_too_short_for_the_window": plan.too_short,
    }
