"""Training a whole network on single labelled frames, watched on people it does not train on.

Axes: B images, C channels, H W pixels, A label columns.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from finetune.fit import FitConfig, TwoRates
from finetune.models.network import Network
from finetune.tasks.choice import Choice, all_of, choose_step
from finetune.tasks.job import Job
from finetune.tasks.outcome import Stages
from finetune.tasks.single_frames import labelled_frames
from pretrain.augment import augment
from pretrain.labels import Labels

LossOf = Callable[[Tensor, Tensor, int], Tensor]
"""`(frames_BCHW, label_BA, step) -> scalar`; labels are -1 where there is none."""


def fit_frames(
    model: Network,
    job: Job,
    fit: FitConfig,
    evaluate_every: int,
    loss_of: LossOf,
    stages: Stages,
    shown: Callable[[Labels], Labels] = all_of,
) -> Choice[dict[str, Tensor]]:
    """Train encoder and heads; leaves the model as validation people chose it, frozen.

    Args:
        model: trained in place.
        job: its data, seed and log.
        fit: how long and how fast.
        evaluate_every: steps between looks at the validation people.
        loss_of: what is minimised.
        stages: where time is counted.
        shown: labels `(..., A)` with -1 for those that may neither train nor choose.
    """
    steps = _steps(model, job, fit, evaluate_every, loss_of, stages, shown)
    return choose_step(model, job, steps, stages, shown)


def _steps(
    model: Network,
    job: Job,
    fit: FitConfig,
    evaluate_every: int,
    loss_of: LossOf,
    stages: Stages,
    shown: Callable[[Labels], Labels],
) -> Iterator[int]:
    """Train; yields the number of steps done whenever it is time to look."""
    optimizer = TwoRates(model.encoder, model, fit)
    batches = labelled_frames(job, fit.batch)
    size = model.encoder.config.image_size
    for step in range(fit.steps):
        model.train()
        with stages.time("fit", images=fit.batch):
            clips, label_BA = next(batches)
            pixels_BTHWC = torch.from_numpy(clips.frames_BTHWC)
            frames_BCHW = augment(pixels_BTHWC, clips.augment_seed_B, 0, size, job.views)[:, 0]
            loss = loss_of(frames_BCHW, torch.from_numpy(shown(label_BA.numpy())), step)
            norm = optimizer.step(loss, step)
        done = step + 1
        if step % 10 == 0 or done == fit.steps:
            job.log({"fit/loss": loss.item(), "fit/gradient_norm": norm}, done)
        if done % evaluate_every == 0 or done == fit.steps:
            yield done
