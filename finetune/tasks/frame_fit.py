"""Training a whole network on single labelled frames, watched on people it does not train on.

Axes: B images, C channels, H W pixels, A label columns.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from finetune.fit import FitConfig
from finetune.models.network import Network
from finetune.tasks.choice import Choice, all_of, choose_step
from finetune.tasks.job import Job
from finetune.tasks.outcome import Stages
from finetune.tasks.single_frames import labelled_frames
from finetune.tasks.steps import training_steps
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
    batches = labelled_frames(job, fit.batch)
    size = model.encoder.config.image_size

    def loss_of_step(step: int) -> Tensor:
        clips, label_BA = next(batches)
        pixels_BTHWC = torch.from_numpy(clips.frames_BTHWC)
        frames_BCHW = augment(pixels_BTHWC, clips.augment_seed_B, 0, size, job.views)[:, 0]
        return loss_of(frames_BCHW, torch.from_numpy(shown(label_BA.numpy())), step)

    steps = training_steps("fit", model, job, fit, loss_of_step, fit.batch, stages, evaluate_every)
    return choose_step(model, job, steps, stages, shown)
